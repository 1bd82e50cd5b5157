#include "test/slowpath_uv/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include <gtest/gtest.h>

namespace {

sockaddr_in local(uint16_t port) {
  sockaddr_in a = {};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

// Below the ephemeral range, so that no outgoing connection takes one or meets itself.
uint16_t free_port() {
  static int next = 12000 + getpid() % 500 * 37;
  for (int n = 0; n < 10000; n++) {
    uint16_t port = static_cast<uint16_t>(12000 + (next++ - 12000) % 20000);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in a = local(port);
    bool good = bind(fd, reinterpret_cast<sockaddr *>(&a), sizeof a) == 0;
    close(fd);
    if (good) return port;
  }
  abort();
}

void read_all(int fd, Bytes *in, bool *ended, size_t max) {
  char buf[65536];
  while (max > 0 && !*ended) {
    ssize_t n = recv(fd, buf, max < sizeof buf ? max : sizeof buf, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      *ended = true;
      return;
    }
    in->append(buf, static_cast<size_t>(n));
    max -= static_cast<size_t>(n);
  }
}

void write_all(int fd, const Bytes &b) {
  for (size_t done = 0; done < b.size();) {
    ssize_t n = ::send(fd, b.data() + done, b.size() - done, MSG_NOSIGNAL);
    if (n < 0) return;  // the other side has closed: some tests want that
    done += static_cast<size_t>(n);
  }
}

}  // namespace

uint64_t now_us() { return uv_hrtime() / 1000; }

config make_config(const std::vector<int> &ids, int self) {
  config c = {};
  strcpy(c.cluster, "test");
  for (int id : ids) {
    config_peer &p = c.peers[c.peer_cnt++];
    p.id = static_cast<uint8_t>(id);
    p.role = ROLE_VOTER;
    strcpy(p.address, "127.0.0.1");
    p.quorum_port = free_port();
    p.election_port = free_port();
  }
  return as_node(c, self);
}

config as_node(const config &c, int self) {
  config n = c;
  n.id = static_cast<uint8_t>(self);
  n.self_idx = config_peer_idx(&n, n.id);
  return n;
}

Bytes be32(uint32_t v) {
  Bytes b;
  for (int shift = 24; shift >= 0; shift -= 8) b += static_cast<char>(v >> shift);
  return b;
}

Bytes be64(uint64_t v) {
  return be32(static_cast<uint32_t>(v >> 32)) + be32(static_cast<uint32_t>(v));
}

Client::Client(uint16_t port, int receive_buffer)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in a = local(port);
  if (receive_buffer > 0)
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  if (connect(fd_, reinterpret_cast<sockaddr *>(&a), sizeof a) != 0) close();
}

Client::Client(Client &&other) noexcept : fd_(other.fd_), ended_(other.ended_), in_(other.in_) {
  other.fd_ = -1;
}

Client::~Client() { close(); }
void Client::send(const Bytes &b) { write_all(fd_, b); }

void Client::send_by_byte(const Bytes &b) {
  for (char c : b) write_all(fd_, Bytes(1, c));
}

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

const Bytes &Client::received(size_t max) {
  read_all(fd_, &in_, &ended_, max);
  return in_;
}

bool Client::ended() {
  received();
  return ended_;
}

Listener::Listener(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
  int on = 1;
  sockaddr_in a = local(port);
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  EXPECT_EQ(0, bind(fd_, reinterpret_cast<sockaddr *>(&a), sizeof a));
  EXPECT_EQ(0, listen(fd_, 64));
}

Listener::~Listener() {
  for (Conn &c : conns_) close(c.fd);
  close(fd_);
}

int Listener::accept_cnt() {
  for (int fd; (fd = accept(fd_, nullptr, nullptr)) >= 0;) conns_.push_back({fd, false, {}});
  return static_cast<int>(conns_.size());
}

Bytes Listener::received(size_t i) {
  read_all(conns_[i].fd, &conns_[i].in, &conns_[i].ended, SIZE_MAX);
  return conns_[i].in;
}

bool Listener::ended(size_t i) {
  received(i);
  return conns_[i].ended;
}

void Listener::send(size_t i, const Bytes &b) { write_all(conns_[i].fd, b); }

Loop::Loop() {
  signal(SIGPIPE, SIG_IGN);
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &timer_);
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t *>(&timer_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_EQ(0, uv_loop_close(&loop_)) << "something was left open";
}

void Loop::remove(const void *owner) {
  each_.erase(std::remove_if(each_.begin(), each_.end(),
                             [owner](const auto &f) { return f.first == owner; }),
              each_.end());
}

void Loop::once() {
  for (auto &f : each_) f.second();
  uv_update_time(&loop_);
  uv_timer_start(
      &timer_, [](uv_timer_t *t) { uv_stop(t->loop); }, 1, 0);
  uv_run(&loop_, UV_RUN_ONCE);
  for (auto &f : each_) f.second();
}

bool Loop::until(const std::function<bool()> &condition, int ms) {
  uint64_t end = now_us() + static_cast<uint64_t>(ms) * 1000;
  while (!condition()) {
    if (now_us() > end) return false;
    once();
  }
  return true;
}

void Loop::turns(int n) {
  for (int i = 0; i < n; i++) once();
}
