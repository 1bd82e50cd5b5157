/* served_node.h - a fake node with the real app thread around a control socket, and zabctl beside
 * it. */
#ifndef ZABLINE_TEST_SERVICE_SERVED_NODE_H
#define ZABLINE_TEST_SERVICE_SERVED_NODE_H

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <condition_variable>
#include <fstream>
#include <sstream>
#include <thread>

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

inline std::string Lines(int from, int to) {
  std::string s;
  for (int i = from; i <= to; i++) s += "line " + std::to_string(i) + "\n";
  return s;
}

#endif
