/* served_node.h - a fake node with the real app thread around a control socket, and zabctl beside
 * it. */
#ifndef ZABLINE_TEST_SERVICE_SERVED_NODE_H
#define ZABLINE_TEST_SERVICE_SERVED_NODE_H

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "test/harness/keep_seed.h"
#include "test/service/fake_node.h"

extern "C" {
#include "proto/exit_code.h"
#include "service/control_wire.h"
#include "service/ctl.h"
}

struct ServedNode : FakeNode {
  ServedNode() {
    char dir[] = "/tmp/zabline-test-XXXXXX";
    home = mkdtemp(dir);
    snprintf(config.control_socket, sizeof config.control_socket, "%s/control.sock", home.c_str());
  }
  ~ServedNode() {
    End();
    std::string rm = "rm -rf " + home;
    if (system(rm.c_str())) perror("rm");
  }
  void Start() {
    thread = std::thread([this] { code = app_uv_run(&uv); });
    while (!Connectable() && code < 0) std::this_thread::yield();
  }
  void End() {
    if (!thread.joinable()) return;
    Exit();
    thread.join();
  }
  bool Connectable() {
    int fd = Connect();
    if (fd >= 0) close(fd);
    return fd >= 0;
  }
  int Connect() {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, config.control_socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr *>(&a), sizeof a) == 0) return fd;
    close(fd);
    return -1;
  }
  /* STOP, then another role, as after an election; returns when STOPPED has been said. */
  void ChangeLeader(uint32_t epoch) {
    int before = Said(APP_STOPPED);
    Stop();
    while (Said(APP_STOPPED) == before) std::this_thread::yield();
    swallow = false;
    Lead(epoch);
  }
  std::string home;
  std::thread thread;
  std::atomic<int> code{-1};
};

struct Ran {
  int code;
  std::string out, err;
};

/* Runs zabctl with the words and the standard input given. */
inline Ran Zabctl(const ServedNode &n, std::vector<std::string> words, const std::string &in = "") {
  words.insert(words.begin(), {"zabctl", "--socket", n.config.control_socket});
  std::vector<char *> argv;
  for (auto &w : words) argv.push_back(w.data());
  FILE *input = tmpfile(), *out = tmpfile(), *err = tmpfile();
  fwrite(in.data(), 1, in.size(), input);
  fflush(input);
  rewind(input);
  Ran r;
  r.code = zabctl_run(static_cast<int>(argv.size()), argv.data(), ctl_io{fileno(input), out, err});
  auto all = [](FILE *f) {
    std::string s;
    rewind(f);
    for (int c; (c = fgetc(f)) != EOF;) s.push_back(static_cast<char>(c));
    fclose(f);
    return s;
  };
  fclose(input);
  r.out = all(out);
  r.err = all(err);
  return r;
}

/* A client that speaks the frames by hand. */
struct Raw {
  explicit Raw(ServedNode *n, bool hello = true) : fd(n->Connect()) {
    if (!hello) return;
    Send(CONTROL_HELLO, {0x5a, 0x41, 0x42, 0x43, 0, 0, 0, CONTROL_VERSION});
    EXPECT_EQ(Next().type, CONTROL_HELLO);
  }
  ~Raw() { close(fd); }
  Raw(const Raw &) = delete;
  struct Frame {
    int type; /* -1: the connection has ended */
    Bytes body;
    uint64_t At(size_t i) const {
      uint64_t v = 0;
      for (size_t k = 0; k < 8; k++) v = v << 8 | body.at(i + k);
      return v;
    }
    uint32_t At4(size_t i) const {
      uint32_t v = 0;
      for (size_t k = 0; k < 4; k++) v = v << 8 | body.at(i + k);
      return v;
    }
  };
  bool Write(const Bytes &b) {
    keep_seed("control", std::string("\0", 1) + std::string(b.begin(), b.end()));
    keep_seed("control", "\1" + std::string(b.begin(), b.end()));
    for (size_t i = 0; i < b.size();) {
      ssize_t n = send(fd, b.data() + i, b.size() - i, MSG_NOSIGNAL);
      if (n <= 0) return false;
      i += static_cast<size_t>(n);
    }
    return true;
  }
  static Bytes Encode(int type, const Bytes &body) {
    uint32_t len = static_cast<uint32_t>(body.size() + 1);
    Bytes b = {static_cast<uint8_t>(len >> 24), static_cast<uint8_t>(len >> 16),
               static_cast<uint8_t>(len >> 8), static_cast<uint8_t>(len),
               static_cast<uint8_t>(type)};
    b.insert(b.end(), body.begin(), body.end());
    return b;
  }
  bool Send(int type, const Bytes &body) { return Write(Encode(type, body)); }
  static void Put8(Bytes *b, uint64_t v) {
    for (int i = 7; i >= 0; i--) b->push_back(static_cast<uint8_t>(v >> (8 * i)));
  }
  Frame StartAs(uint64_t client) { /* READY */
    Bytes b;
    Put8(&b, client);
    Put8(&b, 0);
    Put8(&b, 0);
    Send(CONTROL_START, b);
    Frame f = Next();
    while (f.type == CONTROL_ACKS) f = Next();
    return f;
  }
  void Submit(uint64_t client, uint64_t sequence, const std::string &data = "x") {
    Send(CONTROL_SUBMIT, Request(client, sequence, data));
  }
  bool Read(uint8_t *to, size_t len) {
    for (size_t i = 0; i < len;) {
      ssize_t n = recv(fd, to + i, len - i, 0);
      if (n <= 0) return false;
      i += static_cast<size_t>(n);
    }
    return true;
  }
  Frame Next() {
    uint8_t head[5];
    if (!Read(head, 5)) return Frame{-1, {}};
    uint32_t len = static_cast<uint32_t>(head[0]) << 24 | head[1] << 16 | head[2] << 8 | head[3];
    Frame f{head[4], Bytes(len - 1)};
    return Read(f.body.data(), f.body.size()) ? f : Frame{-1, {}};
  }
  std::string Rest() {
    std::string s;
    uint8_t c;
    while (Read(&c, 1)) s.push_back(static_cast<char>(c));
    return s;
  }
  int fd;
};

inline std::string Lines(int from, int to) {
  std::string s;
  for (int i = from; i <= to; i++) s += "line " + std::to_string(i) + "\n";
  return s;
}

#endif
