// Sockets, ports and time for the tests of the slow thread's drivers. Nothing here sleeps:
// everything is "run the loop until a condition holds", with a deadline that only a failing test
// reaches.
#ifndef ZABLINE_TEST_SLOWPATH_UV_NET_H
#define ZABLINE_TEST_SLOWPATH_UV_NET_H

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <uv.h>

extern "C" {
#include "config/config.h"
#include "proto/reason.h"
}

using Bytes = std::string;

// A config of nodes with these ids on 127.0.0.1, each with two ports that were free a moment ago.
config make_config(const std::vector<int> &ids, int self);
config as_node(const config &c, int self);

Bytes be32(uint32_t v);
Bytes be64(uint64_t v);

// A stranger: a non-blocking TCP connection to a port of 127.0.0.1.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0);
  Client(Client &&other) noexcept;
  Client(const Client &) = delete;
  ~Client();
  bool connected() const { return fd_ >= 0; }
  void send(const Bytes &b);
  void send_by_byte(const Bytes &b);
  void close();
  // What has come so far; at most max bytes more are read.
  const Bytes &received(size_t max = SIZE_MAX);
  bool ended();  // the other side has closed or reset
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  bool ended_ = false;
  Bytes in_;
};

// A listening socket that accepts by hand.
class Listener {
 public:
  explicit Listener(uint16_t port);
  ~Listener();
  int accept_cnt();          // accepts all that wait
  Bytes received(size_t i);  // of the i-th connection
  bool ended(size_t i);
  void send(size_t i, const Bytes &b);

 private:
  int fd_;
  struct Conn {
    int fd;
    bool ended;
    Bytes in;
  };
  std::vector<Conn> conns_;
};

// One libuv loop; what was added is called after every run of it.
class Loop {
 public:
  Loop();
  ~Loop();
  // Runs until condition holds; false after ms milliseconds.
  bool until(const std::function<bool()> &condition, int ms = 5000);
  // Runs n times without waiting longer than a millisecond each.
  void turns(int n);
  uv_loop_t *get() { return &loop_; }
  void add(const void *owner, std::function<void()> f) { each_.emplace_back(owner, std::move(f)); }
  void remove(const void *owner);

 private:
  void once();
  uv_loop_t loop_;
  uv_timer_t timer_;
  std::vector<std::pair<const void *, std::function<void()>>> each_;
};

uint64_t now_us();

#endif
