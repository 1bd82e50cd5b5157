/* Two processes joined by net_memif, one of them killed, stopped, started again or in its way.
 *
 * ZABLINE_KILLS: how many peers each kill test kills (default 20; thousands by hand). */
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "proto/exit_code.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kLineMs =
    20000; /* a line that does not come is a failure, however busy the machine */
constexpr uid_t kNobody = 65534;

std::string peer_program() {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  std::string self(path, n > 0 ? static_cast<size_t>(n) : 0);
  return self.substr(0, self.rfind('/')) + "/port_peer";
}

class Peer {
 public:
  explicit Peer(std::vector<std::string> args, uid_t uid = 0) {
    int out[2];
    if (pipe2(out, O_CLOEXEC)) abort();
    args.insert(args.begin(), peer_program());
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      dup2(out[1], 2);
      if (uid && (setgroups(0, nullptr) || setgid(uid) || setuid(uid))) _exit(98);
      std::vector<char *> argv;
      for (auto &a : args) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(99);
    }
    close(out[1]);
    fd_ = out[0];
  }
  Peer(const Peer &) = delete;
  ~Peer() {
    if (pid_ > 0) signal(SIGKILL), wait();
    close(fd_);
  }

  void signal(int sig) { kill(pid_, sig); }

  /* The next line that is not of the log, or "" when the process has ended or says nothing. */
  std::string line() {
    for (;;) {
      size_t end = buf_.find('\n');
      if (end != std::string::npos) {
        std::string l = buf_.substr(0, end);
        buf_.erase(0, end + 1);
        if (l.find("Z INFO ") != std::string::npos || l.find("Z WARN ") != std::string::npos)
          continue;
        return l;
      }
      struct pollfd p = {fd_, POLLIN, 0};
      char chunk[512];
      if (poll(&p, 1, kLineMs) != 1) return "";
      ssize_t n = read(fd_, chunk, sizeof chunk);
      if (n <= 0) return "";
      buf_.append(chunk, static_cast<size_t>(n));
    }
  }

  /* Reads lines until one begins with `start`; returns it, or "". */
  std::string line_with(const std::string &start) {
    for (std::string l = line(); !l.empty(); l = line())
      if (l.rfind(start, 0) == 0) return l;
    return "";
  }

  bool running() {
    int status;
    return pid_ > 0 && waitpid(pid_, &status, WNOHANG) == 0;
  }

  /* Exit status, or -signal. */
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string buf_;
};

class Memif : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/zabline-memif.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir = name;
    chmod(name, 0777);
    socket = dir + "/s";
  }
  void TearDown() override {
    std::string command = "rm -rf " + dir;
    EXPECT_EQ(system(command.c_str()), 0);
  }

  void expect_error(std::vector<std::string> args, const std::string &part, uid_t uid = 0) {
    Peer p(std::move(args), uid);
    std::string first = p.line(), second = p.line();
    EXPECT_NE(first.find(part), std::string::npos) << first;
    EXPECT_EQ(second, "") << "one line says it";
    EXPECT_EQ(p.wait(), EXIT_CODE_PORT);
  }

  void kill_peers(const char *survivor_role, const char *victim_role);

  std::string dir, socket;
};

TEST_F(Memif, CarriesFramesOfEveryLengthBetweenTwoProcesses) {
  for (const char *mtu : {"1500", "9000"}) {
    Peer server({"server", socket, "echo", mtu}), client({"client", socket, "ping", mtu});
    EXPECT_NE(client.line_with("rx="), "");
    EXPECT_EQ(client.wait(), 0);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(), 0);
  }
}

TEST_F(Memif, ConnectsWhicheverComesFirst) {
  Peer client({"client", socket, "ping"});
  ASSERT_EQ(client.line(), "ready");
  Peer server({"server", socket, "echo"});
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
}

/* The survivor polls and transmits all the time.  A fifth of the victims are killed at a random
 * moment of their connecting. */
void Memif::kill_peers(const char *survivor_role, const char *victim_role) {
  const char *given = getenv("ZABLINE_KILLS");
  int kills = given ? atoi(given) : 20;
  std::mt19937 random(1);
  std::vector<double> up_ms;
  Peer survivor({survivor_role, socket, "flood"});
  ASSERT_EQ(survivor.line(), "ready");
  for (int i = 0; i < kills; i++) {
    Peer victim({victim_role, socket, "flood"});
    ASSERT_EQ(victim.line(), "ready");
    auto start = Clock::now();
    if (i == 0 || random() % 5) {
      ASSERT_EQ(victim.line(), "up") << "kill " << i;
      up_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
    usleep(random() % 4000);
    victim.signal(SIGKILL);
    victim.wait();
    ASSERT_TRUE(survivor.running()) << "kill " << i << " ended the survivor: " << survivor.wait();
  }
  survivor.signal(SIGTERM);
  std::string end = survivor.line_with("rx=");
  EXPECT_EQ(survivor.wait(), 0);
  int fds = atoi(end.c_str() + end.find("fds=") + 4);
  EXPECT_LT(fds, 64) << end;
  std::sort(up_ms.begin(), up_ms.end());
  printf("%d kills; link after a restarted %s is ready: p50 %.1f ms, max %.1f ms; survivor: %s\n",
         kills, victim_role, up_ms[up_ms.size() / 2], up_ms.back(), end.c_str());
}

TEST_F(Memif, AServerSurvivesThatItsClientsAreKilled) { kill_peers("server", "client"); }
TEST_F(Memif, AClientSurvivesThatItsServersAreKilled) { kill_peers("client", "server"); }

TEST_F(Memif, AClientFindsAServerAgainThatWasStoppedAndContinued) {
  Peer server({"server", socket, "echo"});
  ASSERT_EQ(server.line(), "ready");
  server.signal(SIGSTOP);
  {
    Peer client(
        {"client", socket, "flood"}); /* fills the server's accept queue, and does not hang */
    ASSERT_EQ(client.line(), "ready");
    usleep(300000);
    client.signal(SIGTERM);
    EXPECT_NE(client.line_with("rx="), "");
    EXPECT_EQ(client.wait(), 0);
  }
  Peer client({"client", socket, "ping"});
  ASSERT_EQ(client.line(), "ready");
  server.signal(SIGCONT);
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
  EXPECT_TRUE(server.running());
}

TEST_F(Memif, StrangersAtTheSocketDoNoHarm) {
  Peer server({"server", socket, "echo"});
  ASSERT_EQ(server.line(), "ready");
  struct sockaddr_un addr = {};
  addr.sun_family = AF_UNIX;
  strcpy(addr.sun_path, socket.c_str());
  for (int i = 0; i < 200; i++) {
    int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    char garbage[128];
    memset(garbage, i, sizeof garbage);
    ASSERT_EQ(connect(fd, reinterpret_cast<struct sockaddr *>(&addr), sizeof addr), 0) << i;
    if (i % 3) EXPECT_GT(send(fd, garbage, i % 3 == 1 ? 128 : 7, MSG_NOSIGNAL), 0);
    close(fd);
  }
  Peer client({"client", socket, "ping"});
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
  EXPECT_TRUE(server.running());
}

TEST_F(Memif, AServerTakesTheSocketOfAKilledOneOver) {
  {
    Peer server({"server", socket, "echo"});
    ASSERT_EQ(server.line(), "ready");
  }
  ASSERT_EQ(access(socket.c_str(), F_OK), 0);
  Peer server({"server", socket, "echo"}), client({"client", socket, "ping"});
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
}

TEST_F(Memif, SaysThatTheSocketIsInUse) {
  Peer server({"server", socket, "echo"});
  ASSERT_EQ(server.line(), "ready");
  expect_error({"server", socket, "echo"}, "in use by another process");
  EXPECT_TRUE(server.running());
}

TEST_F(Memif, DoesNotRemoveWhatIsNotASocket) {
  close(open(socket.c_str(), O_CREAT | O_WRONLY, 0600));
  expect_error({"server", socket, "echo"}, "exists and is not a socket");
  EXPECT_EQ(access(socket.c_str(), F_OK), 0);
}

TEST_F(Memif, SaysThatThePathIsTooLong) {
  expect_error({"server", dir + "/" + std::string(100, 'x'), "echo"}, "allowed: 107");
}

TEST_F(Memif, MakesTheDirectoriesOfTheSocket) {
  Peer server({"server", dir + "/a/b/c/s", "echo"});
  EXPECT_EQ(server.line(), "ready");
}

TEST_F(Memif, TakesARelativePath) {
  ASSERT_EQ(chdir(dir.c_str()), 0);
  Peer server({"server", "sub/s", "echo"}), client({"client", "sub/s", "ping"});
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
  EXPECT_EQ(access("sub/s", F_OK), 0);
  ASSERT_EQ(chdir("/"), 0);
}

TEST_F(Memif, SaysThatAFrameOfTheMtuDoesNotFitTheArguments) {
  expect_error({"server", socket + ",bsize=1000", "echo"}, "bsize=1000");
}

TEST_F(Memif, SaysWhatDpdkDoesNotUnderstand) {
  expect_error({"server", socket, "echo", "1500", "--no-huge", "--no-pci", "--nonsense"},
               "DPDK does not start");
}

TEST_F(Memif, SaysThatHugePagesAreMissing) {
  if (getuid() != 0) GTEST_SKIP() << "an ordinary user may not even look for them";
  expect_error({"server", socket, "echo", "1500", "-m", "999999", "--no-pci"}, "no huge pages");
}

TEST_F(Memif, RunsAsAnOrdinaryUser) {
  if (getuid() != 0) GTEST_SKIP() << "is one: all other tests say the same";
  Peer probe({"x"}, kNobody);
  if (probe.wait() != EXIT_CODE_CONFIG) GTEST_SKIP() << "nobody may not read the build directory";
  Peer server({"server", socket, "echo"}, kNobody), client({"client", socket, "ping"}, kNobody);
  EXPECT_NE(client.line_with("rx="), "");
  EXPECT_EQ(client.wait(), 0);
}

TEST_F(Memif, SaysThatTheDirectoryMayNotBeWritten) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  Peer probe({"x"}, kNobody);
  if (probe.wait() != EXIT_CODE_CONFIG) GTEST_SKIP() << "nobody may not read the build directory";
  chmod(dir.c_str(), 0755);
  expect_error({"server", socket, "echo"}, "no permission", kNobody);
  expect_error({"server", dir + "/a/s", "echo"}, "cannot make directory", kNobody);
}

}  // namespace
