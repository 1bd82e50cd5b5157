/* The control socket's protocol: garbage, giants, slow and silent clients, takeovers, order. */
#include <gtest/gtest.h>

extern "C" {
#include "service/control.h"
}
#include "test/service/served_node.h"

namespace {

struct ControlTest : testing::Test {
  void SetUp() override {
    node.Lead(1);
    node.Start();
  }
  bool Alive() { return Zabctl(node, {"digest"}).code == 0; }
  ServedNode node;
};

TEST_F(ControlTest, GarbageGetsOneLineAndTheEnd) {
  for (const char *garbage :
       {"GET / HTTP/1.0\r\n\r\n", "status\n", "\xff\xff\xff\xff\xff\xff", "\0\0\0\0\0\0\0"}) {
    Raw raw(&node, false);
    Bytes b(garbage, garbage + 7);
    raw.Write(b);
    EXPECT_EQ(raw.Rest(), "error: not a zabctl request\n");
  }
  EXPECT_TRUE(Alive());
}

TEST_F(ControlTest, EveryTruncationOfAHelloAndOfACommandIsHarmless) {
  Bytes hello = Raw::Encode(CONTROL_HELLO, {0x5a, 0x41, 0x42, 0x43, 0, 0, 0, CONTROL_VERSION});
  Bytes tail = Raw::Encode(CONTROL_TAIL, Bytes(12, 0));
  hello.insert(hello.end(), tail.begin(), tail.end());
  for (size_t len = 0; len < hello.size(); len++) {
    Raw raw(&node, false);
    raw.Write(Bytes(hello.begin(), hello.begin() + static_cast<long>(len)));
  }
  EXPECT_TRUE(Alive());
}

TEST_F(ControlTest, ShortBodiesOfEveryCommandAreRefused) {
  for (int type : std::vector<int>{CONTROL_BENCH, CONTROL_TAIL, CONTROL_START, CONTROL_SUBMIT,
                                   CONTROL_JSON, CONTROL_HELLO, 0, 99, 255}) {
    Raw raw(&node);
    raw.Send(type, {1, 2, 3});
    EXPECT_EQ(raw.Next().type, CONTROL_ERROR) << type;
    EXPECT_EQ(raw.Next().type, -1) << type;
  }
  EXPECT_TRUE(Alive());
}

TEST_F(ControlTest, AFloodOfRecoverSaysItOnce) {
  Raw raw(&node);
  Bytes name(node.config.cluster, node.config.cluster + strlen(node.config.cluster)), flood;
  Bytes one = Raw::Encode(CONTROL_RECOVER, name);
  for (int i = 0; i < 2000; i++) flood.insert(flood.end(), one.begin(), one.end());
  raw.Write(flood);
  EXPECT_EQ(raw.Next().type, CONTROL_JSON);
  EXPECT_EQ(raw.Next().type, -1);
  EXPECT_TRUE(Alive());
  EXPECT_EQ(node.Said(APP_RECOVER), 1) << "app_slow holds " << LIMIT_RING_DEPTH;
}

TEST_F(ControlTest, AnotherVersionIsNamed) {
  Raw raw(&node, false);
  raw.Send(CONTROL_HELLO, {0x5a, 0x41, 0x42, 0x43, 0, 0, 0, 99});
  EXPECT_EQ(raw.Rest(), "error: another version of the control protocol\n");
}

TEST_F(ControlTest, AGiantFrameIsRefusedBeforeItIsRead) {
  Raw raw(&node);
  raw.Write({0x7f, 0xff, 0xff, 0xff, CONTROL_SUBMIT});
  Raw::Frame f = raw.Next();
  EXPECT_EQ(f.type, CONTROL_ERROR);
  EXPECT_EQ(f.At4(0), static_cast<uint32_t>(REASON_TOO_LARGE));
  EXPECT_EQ(raw.Next().type, -1);
}

TEST_F(ControlTest, ConnectionsBeyondTheLimitAreRefusedWithALineAndComeBackLater) {
  std::vector<std::unique_ptr<Raw>> all;
  for (int i = 0; i < LIMIT_CONTROL_CONNS; i++) all.push_back(std::make_unique<Raw>(&node));
  Raw one_more(&node, false);
  EXPECT_EQ(one_more.Rest(), "error: too many control connections\n");
  Ran r = Zabctl(node, {"digest"});
  EXPECT_EQ(r.code, EXIT_CODE_UNEXPECTED);
  EXPECT_EQ(r.err, "zabctl: too many control connections\n");
  all.clear();
  int tries = 0; /* the node sees the ends of the connections in its own time */
  while (!Alive() && tries++ < 1000) std::this_thread::yield();
  EXPECT_LT(tries, 1000);
}

TEST_F(ControlTest, WhoConnectsAndSaysNothingMakesRoomForWhoSpeaks) {
  std::vector<std::unique_ptr<Raw>> mute;
  Raw first(&node); /* has said HELLO: keeps its place */
  for (int i = 0; i < 3 * LIMIT_CONTROL_CONNS; i++)
    mute.push_back(std::make_unique<Raw>(&node, false));
  EXPECT_EQ(Zabctl(node, {"digest"}).code, 0);
  first.Send(CONTROL_DIGEST, {});
  EXPECT_EQ(first.Next().type, CONTROL_JSON);
  EXPECT_EQ(mute.front()->Rest(), "error: too many control connections\n");
}

TEST_F(ControlTest, AcknowledgesInOrderWithTheZxid) {
  Raw raw(&node);
  Raw::Frame ready = raw.StartAs(7);
  EXPECT_EQ(ready.type, CONTROL_READY);
  EXPECT_EQ(ready.At(0), 0u);
  EXPECT_EQ(ready.At4(16), node.config.largest_record - APP_LOG_TXN_OVERHEAD);
  raw.Submit(7, 1);
  Raw::Frame a = raw.Next();
  EXPECT_EQ(a.type, CONTROL_ACKS);
  EXPECT_EQ(a.At(0), 1u);
  EXPECT_EQ(a.At(8), zxid_make(1, 1));
}

/* A timer that libuv finds due when it begins to wait ends no wait: its loop's time is that of the
 * last one. */
TEST_F(ControlTest, ARetryEndsTheSleepBehindATurnThatTookLonger) {
  Raw raw(&node);
  raw.StartAs(7);
  node.app_fast_room = 0;
  raw.Submit(7, 1); /* it waits for room, and nobody wakes it for that */
  node.turn_ms = 3 * APP_RETRY_MS;
  std::this_thread::sleep_for(std::chrono::milliseconds(100)); /* the turns before */
  int before = node.turns;
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  EXPECT_GT(node.turns - before, 50) << "every 100 ms it is the tick that ends it";
}

TEST_F(ControlTest, AGapIsRefusedAndWhatFollowsDroppedUntilStart) {
  Raw raw(&node);
  raw.StartAs(7);
  raw.Submit(7, 2);
  raw.Submit(7, 1); /* dropped: the order was broken before */
  Raw::Frame f = raw.Next();
  EXPECT_EQ(f.type, CONTROL_REFUSED);
  EXPECT_EQ(f.At(0), 2u);
  EXPECT_EQ(f.At4(8), static_cast<uint32_t>(REASON_SEQ_GAP));
  EXPECT_EQ(raw.StartAs(7).At(0), 0u);
  raw.Submit(7, 1);
  EXPECT_EQ(raw.Next().type, CONTROL_ACKS);
  raw.Submit(7, 3);
  EXPECT_EQ(raw.Next().type, CONTROL_REFUSED);
}

TEST_F(ControlTest, AClientThatComesBackHearsItsLastSequenceAndEachZxidItMissed) {
  {
    Raw raw(&node);
    raw.StartAs(7);
    for (uint64_t i = 1; i <= 5; i++) raw.Submit(7, i);
    uint64_t acked = 0;
    while (acked < 5) {
      Raw::Frame f = raw.Next();
      acked = f.At(f.body.size() - 16);
    }
  }
  Raw raw(&node);
  Bytes b;
  for (uint64_t v : {uint64_t{7}, uint64_t{2}, zxid_make(1, 2)}) Raw::Put8(&b, v);
  raw.Send(CONTROL_START, b);
  Raw::Frame f = raw.Next();
  ASSERT_EQ(f.type, CONTROL_ACKS);
  ASSERT_EQ(f.body.size(), 48u);
  for (uint32_t i = 0; i < 3; i++) {
    EXPECT_EQ(f.At(16 * i), 3u + i);
    EXPECT_EQ(f.At(16 * i + 8), zxid_make(1, 3 + i));
  }
  f = raw.Next();
  EXPECT_EQ(f.type, CONTROL_READY);
  EXPECT_EQ(f.At(0), 5u);
  raw.Submit(7, 5); /* a duplicate is acknowledged, not applied */
  raw.Submit(7, 6);
  f = raw.Next();
  EXPECT_EQ(f.At(0), 6u);
  EXPECT_EQ(f.At(8), zxid_make(1, 6));
}

TEST_F(ControlTest, ANewerConnectionOfAClientTakesOver) {
  Raw old(&node), fresh(&node);
  old.StartAs(7);
  fresh.StartAs(7);
  EXPECT_EQ(old.Next().type, CONTROL_ERROR);
  EXPECT_EQ(old.Next().type, -1);
  fresh.Submit(7, 1);
  EXPECT_EQ(fresh.Next().type, CONTROL_ACKS);
}

TEST_F(ControlTest, StopTellsEverySubmitterToStartAgain) {
  Raw a(&node), b(&node);
  a.StartAs(7);
  b.StartAs(8);
  node.swallow = true;
  a.Submit(7, 1);
  node.Stop();
  EXPECT_EQ(a.Next().type, CONTROL_RESEND);
  EXPECT_EQ(b.Next().type, CONTROL_RESEND);
  a.Submit(7, 2); /* was on its way: dropped */
  node.swallow = false;
  node.Lead(2);
  EXPECT_EQ(a.StartAs(7).At(0), 0u);
  a.Submit(7, 1);
  EXPECT_EQ(a.Next().At(8), zxid_make(2, 1));
}

TEST_F(ControlTest, ARefusalByTheLeaderReachesTheFollowersClient) {
  ServedNode follower;
  FakeNode leader(2);
  follower.leader = &leader;
  follower.Follow(1, 0);
  follower.Start();
  /* The leader does not know this client's record that the follower would forward as the second. */
  Raw raw(&follower);
  raw.StartAs(7);
  follower.swallow = true;
  raw.Submit(7, 1);
  while (!follower.swallowed) std::this_thread::yield();
  follower.swallow = false;
  raw.Submit(7, 2);
  Raw::Frame f = raw.Next();
  EXPECT_EQ(f.type, CONTROL_REFUSED);
  EXPECT_EQ(f.At(0), 2u);
  EXPECT_EQ(f.At4(8), static_cast<uint32_t>(REASON_SEQ_GAP));
  EXPECT_EQ(raw.StartAs(7).At(0), 0u);
  raw.Submit(7, 1);
  raw.Submit(7, 2);
  EXPECT_EQ(raw.Next().type, CONTROL_ACKS);
  follower.End();
}

TEST_F(ControlTest, DiskFullIsToldToTheClient) {
  node.End();
  node.config.min_free_bytes = node.free_bytes + 1;
  node.code = -1;
  node.Stop();
  node.Lead(2);
  node.Start();
  Ran s = Zabctl(node, {"submit", "--timeout", "1"}, "x\n");
  EXPECT_EQ(s.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(s.err.find("min_free_bytes"), std::string::npos) << s.err;
  EXPECT_NE(Zabctl(node, {"status"}).out.find("warning"), std::string::npos);
}

TEST_F(ControlTest, ASlowReaderOfTailStopsTheProducerNotTheNode) {
  std::string lines;
  for (int i = 0; i < 3000; i++) lines += std::string(3000, 'z') + "\n";
  ASSERT_EQ(Zabctl(node, {"submit"}, lines).code, 0);
  Raw slow(&node);
  slow.Send(CONTROL_TAIL, Bytes(12, 0)); /* 9 MB that nobody reads yet */
  EXPECT_EQ(Zabctl(node, {"submit"}, Lines(1, 1000)).code, 0);
  EXPECT_TRUE(Alive());
  size_t bytes = 0;
  Raw::Frame f = slow.Next();
  for (; f.type == CONTROL_RECORDS; f = slow.Next()) bytes += f.body.size();
  EXPECT_EQ(f.type, CONTROL_END);
  EXPECT_EQ(bytes, 3000u * (3000 + CONTROL_RECORD_HEADER));
}

TEST_F(ControlTest, AClientThatReadsNoAnswersIsNotAskedForMore) {
  Raw mute(&node);
  int flags = fcntl(mute.fd, F_GETFL);
  fcntl(mute.fd, F_SETFL, flags | O_NONBLOCK);
  Bytes some, one = Raw::Encode(CONTROL_DIGEST, {});
  while (some.size() < 5000) some.insert(some.end(), one.begin(), one.end());
  size_t sent = 0, most = 8u << 20;
  for (int full = 0; sent < most && full < 200;) { /* for 200 ms nothing more was taken */
    ssize_t len = send(mute.fd, &some[sent % 5], some.size() - sent % 5, MSG_NOSIGNAL);
    if (len < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    full = len < 0 ? full + 1 : 0;
    sent += len < 0 ? 0 : static_cast<size_t>(len);
  }
  EXPECT_LT(sent, most) << "its answers are kept for ever";
  EXPECT_TRUE(Alive());
  fcntl(mute.fd, F_SETFL, flags);
  size_t cnt = 0;
  for (; cnt < sent / 5; cnt++) ASSERT_EQ(mute.Next().type, CONTROL_JSON) << cnt;
}

/* A restore was given up: there is less than there was, for now. */
TEST(ControlTail, DoesNotEndBeforeWhatWasThereIsThereAgain) {
  struct app_log *log = app_log_create(10, 1000);
  auto t = std::make_unique<app_thread>();
  auto c = std::make_unique<struct control>();
  t->app = app_log_app(log);
  c->thread = t.get();
  control_conn n = {};
  n.control = c.get();
  n.job = JOB_TAIL;
  n.until = zxid_make(1, 5);
  EXPECT_FALSE(control_tail_produce(&n));
  EXPECT_EQ(buffer_len(&n.out), 0u);
  n.until = 0;
  EXPECT_TRUE(control_tail_produce(&n));
  EXPECT_EQ(buffer_at(&n.out)[4], CONTROL_END);
  buffer_free(&n.out);
  app_log_destroy(log);
}

TEST_F(ControlTest, AClientThatReadsNoAcknowledgementsIsNotReadForEver) {
  Raw mute(&node);
  mute.StartAs(7);
  int flags = fcntl(mute.fd, F_GETFL);
  fcntl(mute.fd, F_SETFL, flags | O_NONBLOCK);
  Bytes b;
  for (uint64_t i = 1; i <= 20000; i++) {
    Bytes one = Raw::Encode(CONTROL_SUBMIT, Request(7, i, "x"));
    b.insert(b.end(), one.begin(), one.end());
  }
  mute.Write(b); /* as much as the socket takes */
  EXPECT_TRUE(Alive());
}

Bytes Bench(uint64_t count, uint32_t outstanding) {
  Bytes b;
  Raw::Put8(&b, count);
  for (uint32_t v : {8u, outstanding}) /* size */
    for (int i = 3; i >= 0; i--) b.push_back(static_cast<uint8_t>(v >> (8 * i)));
  return b;
}

/* What a bench that Ctrl-C ended has still in flight is committed when the next one runs. */
TEST_F(ControlTest, ABenchCountsOnlyItsOwnRecords) {
  ASSERT_TRUE(Alive());
  node.instant = false;
  pos_t each = record_size(APP_LOG_TXN_OVERHEAD + 8);
  auto wait_for = [&](pos_t appended) {
    while (position_get(&node.positions.appended) < appended) std::this_thread::yield();
  };
  {
    Raw gone(&node);
    gone.Send(CONTROL_BENCH, Bench(1000, 50));
    wait_for(50 * each);
  }
  std::unique_ptr<Raw> next;
  bool taken = false;
  while (!taken) { /* refused until the node has seen the end of the other's connection */
    next = std::make_unique<Raw>(&node);
    next->Send(CONTROL_BENCH, Bench(10, 10));
    pollfd p = {next->fd, POLLIN, 0};
    while (!(taken = position_get(&node.positions.appended) >= 60 * each) && !poll(&p, 1, 1))
      continue;
  }
  node.instant = true;
  node.Commit();
  node.Wake();
  pollfd p = {next->fd, POLLIN, 0};
  ASSERT_EQ(poll(&p, 1, 10000), 1) << "no answer";
  Raw::Frame f = next->Next();
  EXPECT_EQ(f.type, CONTROL_JSON);
}

TEST_F(ControlTest, TheSocketHasMode0660AndIsGoneAfterAStop) {
  struct stat st;
  ASSERT_EQ(stat(node.config.control_socket, &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0660u);
  node.End();
  EXPECT_EQ(node.code, 0);
  EXPECT_NE(stat(node.config.control_socket, &st), 0);
}

/* The disk thread would write into memory that is gone. */
TEST(ControlEnd, ABufferAtTheDiskThreadIsAwaited) {
  ServedNode node;
  node.instant = false;
  node.AddHistory(1, 1, 5, 7);
  node.Follow(2, 0);
  node.Start();
  auto waits = [&node] {
    std::lock_guard<std::mutex> g(node.lock);
    for (auto &m : node.app_disk)
      if (m.type == DISK_SNAP_OPEN) return true;
    return false;
  };
  while (!waits()) std::this_thread::yield();
  node.Exit();
  usleep(50000);
  EXPECT_EQ(node.code, -1) << "ended while its buffer was lent";
  while (node.DiskStep()) node.Wake();
  for (int ms = 0; ms < 5000 && node.code < 0; ms++) usleep(1000);
  EXPECT_EQ(node.code, 0);
  EXPECT_EQ(node.asked[DISK_READ], 0) << "and nothing is asked any more";
}

TEST(ControlSocket, ALeftOverOfADeadProcessIsReplacedALiveOneOrAnotherFileIsNot) {
  ServedNode first;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  strcpy(a.sun_path, first.config.control_socket);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&a), sizeof a), 0);
  close(fd); /* the file stays */
  first.Lead(1);
  first.Start();
  EXPECT_EQ(Zabctl(first, {"digest"}).code, 0);

  ServedNode second;
  strcpy(second.config.control_socket, first.config.control_socket);
  EXPECT_EQ(app_uv_run(&second.uv), EXIT_CODE_PORT);
  EXPECT_EQ(Zabctl(first, {"digest"}).code, 0); /* untouched */
  first.End();

  std::ofstream(first.config.control_socket) << "somebody's file";
  EXPECT_EQ(app_uv_run(&second.uv), EXIT_CODE_PORT);
  struct stat st;
  EXPECT_EQ(stat(first.config.control_socket, &st), 0);
  strcpy(second.config.control_socket, "/nonexistent/control.sock");
  EXPECT_EQ(app_uv_run(&second.uv), EXIT_CODE_PORT);
}

}  // namespace
