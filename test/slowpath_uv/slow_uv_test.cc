// The slow thread as a whole, around a fake machine: every source becomes an event, every action is
// carried out in order, deadlines are kept, the end is clean. Source: proto/event.h, action.h;
// design 1.
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "test/slowpath_uv/net.h"

extern "C" {
#include "proto/exit_code.h"
#include "proto/path_id.h"
#include "slowpath/slow_uv.h"
#include "test/slowpath_uv/fake_replica.h"
}

namespace {

// Rings as queues under one mutex, and the slow thread between them.
class Slow {
 public:
  explicit Slow(const config &own, bool polling = false) : c_(own), poll_(polling) {}
  ~Slow() {
    if (thread_.joinable()) {
      push_stop();
      thread_.join();
    }
    close(wake_);
  }

  // What the machine answers to an event; EV_STOP ends it by default.
  std::function<void(const replica_event &, replica_actions *)> react = [](const replica_event &,
                                                                           replica_actions *) {};
  std::atomic<uint64_t> deadline{UINT64_MAX};
  positions pos = {};
  counters drops = {};

  void start() {
    thread_ = std::thread([this] { exit_ = run(); });
  }
  int run() {
    fake_replica fake = {this, step, [](void *, int) { return true; }, fill_status};
    fake_replica_install(&fake);
    slow_uv_config s = {&c_, "test", {}, &pos, &drops, &stop_, poll_};
    s.rings = {this,       to_fast,      to_disk,    to_app, from_fast, from_disk, from_app,
               peek_frame, finish_frame, take_frame, wake_,  may_sleep, awake};
    return slow_uv_run(&s);
  }
  int join() {
    thread_.join();
    return exit_;
  }

  void push(const fast_msg &m) { push_to(&fast_in_, m); }
  void push(const disk_msg &m) { push_to(&disk_in_, m); }
  void push(const app_msg &m) { push_to(&app_in_, m); }
  void push_frame(const std::string &frame) { push_to(&frame_in_, frame); }
  void push_stop() {
    __atomic_store_n(&stop_, 1, __ATOMIC_RELEASE);
    wake();
  }
  bool wait(const std::function<bool()> &condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }

  std::vector<replica_event> events;  // under wait()
  std::vector<std::string> done;      // "disk 5", "app 1" in their order; under wait()
  std::vector<std::string> frames;    // given to the fast path; under wait()
  bool fast_is_full = false;

 private:
  template <typename T>
  void push_to(std::deque<T> *q, const T &m) {
    std::lock_guard<std::mutex> lock(mutex_);
    q->push_back(m);
    if (sleeping_) wake();
  }
  void wake() {
    uint64_t one = 1;
    EXPECT_EQ(static_cast<ssize_t>(sizeof one), write(wake_, &one, sizeof one));
  }
  void note(const std::string &what) {
    std::lock_guard<std::mutex> lock(mutex_);
    done.push_back(what);
    changed_.notify_all();
  }
  template <typename T>
  bool pop(std::deque<T> *q, T *m) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (q->empty()) return false;
    *m = q->front();
    q->pop_front();
    return true;
  }
  static Slow *of(void *self) { return static_cast<Slow *>(self); }
  static void to_fast(void *self, const fast_msg *m) {
    of(self)->note("fast " + std::to_string(m->type));
  }
  static void to_disk(void *self, const disk_msg *m) {
    of(self)->note("disk " + std::to_string(m->type));
  }
  static void to_app(void *self, const app_msg *m) {
    of(self)->note("app " + std::to_string(m->type));
  }
  static bool from_fast(void *self, fast_msg *m) { return of(self)->pop(&of(self)->fast_in_, m); }
  static bool from_disk(void *self, disk_msg *m) { return of(self)->pop(&of(self)->disk_in_, m); }
  static bool from_app(void *self, app_msg *m) { return of(self)->pop(&of(self)->app_in_, m); }
  static bool peek_frame(void *self, tcp_frame *f) {
    Slow *s = of(self);
    std::lock_guard<std::mutex> lock(s->mutex_);
    if (s->frame_in_.empty()) return false;
    *f = {s->frame_in_.front().data(), static_cast<uint32_t>(s->frame_in_.front().size()), 1};
    return true;
  }
  static void finish_frame(void *self) {
    std::string f;
    EXPECT_TRUE(of(self)->pop(&of(self)->frame_in_, &f));
  }
  static bool take_frame(void *self, const tcp_frame *f) {
    Slow *s = of(self);
    std::lock_guard<std::mutex> lock(s->mutex_);
    if (s->fast_is_full) return false;
    s->frames.emplace_back(static_cast<const char *>(f->data), f->len);
    s->changed_.notify_all();
    return true;
  }
  static bool may_sleep(void *self) {
    Slow *s = of(self);
    std::lock_guard<std::mutex> lock(s->mutex_);
    s->sleeping_ =
        s->fast_in_.empty() && s->disk_in_.empty() && s->app_in_.empty() && s->frame_in_.empty();
    return s->sleeping_;
  }
  static void awake(void *self) {
    std::lock_guard<std::mutex> lock(of(self)->mutex_);
    of(self)->sleeping_ = false;
    uint64_t all;
    ssize_t ignored = read(of(self)->wake_, &all, sizeof all);
    (void)ignored;
  }
  static uint64_t step(void *self, const replica_event *e, replica_actions *a) {
    Slow *s = of(self);
    s->react(*e, a);
    if (e->type == EV_STOP) {
      a->at[a->cnt] = {};
      a->at[a->cnt++].type = ACT_EXIT;
    }
    std::lock_guard<std::mutex> lock(s->mutex_);
    s->events.push_back(*e);
    s->changed_.notify_all();
    return s->deadline;
  }
  static void fill_status(void *, status *s) {
    *s = {};
    s->role = ROLE_LEADING;
    s->peer_cnt = 3;
    for (int i = 0; i < 3; i++) s->peers[i].id = i + 1;
    s->peers[0].path = s->peers[2].path = "none";
    s->peers[1].path = "fast";
  }

  config c_;
  int poll_;
  int stop_ = 0;
  int wake_ = eventfd(0, EFD_NONBLOCK);
  int exit_ = -1;
  bool sleeping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<fast_msg> fast_in_;
  std::deque<disk_msg> disk_in_;
  std::deque<app_msg> app_in_;
  std::deque<std::string> frame_in_;
  std::thread thread_;
};

replica_action *add(replica_actions *a, replica_action_type type) {
  replica_action *x = &a->at[a->cnt++];
  *x = {};
  x->type = type;
  return x;
}

struct SlowUv : testing::TestWithParam<bool> {
  config c = make_config({1, 2, 3}, 1);
};

TEST_P(SlowUv, EveryRingBecomesAnEventAndTheStopIsClean) {
  Slow s(c, GetParam());
  s.start();
  disk_msg d = {};
  d.type = DISK_OPENED;
  d.state.last_zxid = 77;
  s.push(d);
  EXPECT_TRUE(s.wait([&] { return s.events.size() == 1; }));
  fast_msg f = {};
  f.type = FAST_CLOSED;
  s.push(f);
  EXPECT_TRUE(s.wait([&] { return s.events.size() == 2; }));
  app_msg m = {};
  m.type = APP_STOPPED;
  s.push(m);
  EXPECT_TRUE(s.wait([&] { return s.events.size() == 3; }));
  s.push_stop();
  EXPECT_EQ(EXIT_CODE_CLEAN, s.join());
  ASSERT_EQ(4u, s.events.size());
  EXPECT_EQ(EV_DISK, s.events[0].type);
  EXPECT_EQ(77u, s.events[0].disk.state.last_zxid);
  EXPECT_EQ(EV_FAST, s.events[1].type);
  EXPECT_EQ(EV_APP, s.events[2].type);
  EXPECT_EQ(EV_STOP, s.events[3].type);
}

TEST_P(SlowUv, ActionsAreCarriedOutInTheirOrderAndExitCodeReturned) {
  Slow s(c, GetParam());
  position_set(&s.pos.committed, 5);
  s.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type != EV_DISK) return;
    EXPECT_EQ(5u, e.committed);
    add(a, ACT_DISK)->disk.type = DISK_DRAIN;
    add(a, ACT_POSITIONS)->pos = 4096;
    add(a, ACT_APP)->app.type = APP_STOP;
    add(a, ACT_FAST)->fast.type = FAST_CLOSE;
    add(a, ACT_LOG)->log.id = LOG_LOOKING;
    add(a, ACT_DISK)->disk.type = DISK_CLEAN_STOP;
    add(a, ACT_EXIT)->exit_code = EXIT_CODE_STORAGE;
    add(a, ACT_APP)->app.type = APP_EXIT;
  };
  s.push(disk_msg{});
  testing::internal::CaptureStderr();
  EXPECT_EQ(EXIT_CODE_STORAGE, s.run());
  EXPECT_NE(Bytes::npos, testing::internal::GetCapturedStderr().find("looking"));
  EXPECT_EQ((std::vector<std::string>{
                "disk " + std::to_string(DISK_DRAIN), "app " + std::to_string(APP_STOP),
                "fast " + std::to_string(FAST_CLOSE), "disk " + std::to_string(DISK_CLEAN_STOP),
                "app " + std::to_string(APP_EXIT)}),
            s.done);
  for (const position *p : {&s.pos.appended, &s.pos.durable, &s.pos.committed, &s.pos.applied})
    EXPECT_EQ(4096u, position_get(p));
}

TEST_P(SlowUv, DeadlinesAreKeptWithinMilliseconds) {
  Slow s(c, GetParam());
  uint64_t due = 0, late = 0;
  int ticks = 0;
  s.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type == EV_TICK) {
      EXPECT_GE(e.now_us, due);
      late = std::max(late, e.now_us - due);
      if (++ticks == 50) add(a, ACT_EXIT);
    }
    due = e.now_us + static_cast<uint64_t>(ticks % 7) * 700;
    s.deadline = due;
  };
  s.push(disk_msg{});
  EXPECT_EQ(EXIT_CODE_CLEAN, s.run());
  EXPECT_EQ(50, ticks);
  EXPECT_LT(late, 100000u);
}

TEST_P(SlowUv, EveryEventHasItsTimeAndAFreshRandomNumber) {
  Slow s(c, GetParam());
  for (int i = 0; i < 100; i++) s.push(fast_msg{});
  s.start();
  EXPECT_TRUE(s.wait([&] { return s.events.size() == 100; }));
  s.push_stop();
  s.join();
  std::set<uint64_t> numbers;
  for (size_t i = 0; i < s.events.size(); i++) {
    numbers.insert(s.events[i].random);
    if (i > 0) EXPECT_GE(s.events[i].now_us, s.events[i - 1].now_us);
  }
  EXPECT_EQ(s.events.size(), numbers.size());
}

TEST_P(SlowUv, StatusIsAnsweredWithLagsAndNotShownToTheMachine) {
  Slow s(c, GetParam());
  status st = {};
  app_msg m = {};
  m.type = APP_STATUS;
  m.status = &st;
  position_set(&s.pos.appended, 1000);
  position_set(&s.pos.peer_durable[1], 400);
  position_set(&s.pos.peer_path[1], (PATH_FAST2 + 1) | path_state_told(PATH_FAST, PATH_SILENT) |
                                        path_state_told(PATH_FAST2, PATH_ANSWERS));
  position_set(&s.pos.peer_path[2], PATH_TCP + 1); /* of an attachment that is over */
  s.push(m);
  s.start();
  EXPECT_TRUE(s.wait([&] { return !s.done.empty(); }));
  EXPECT_EQ("app " + std::to_string(APP_STATUS), s.done[0]);
  EXPECT_EQ(600u, st.peers[1].lag_bytes);
  EXPECT_EQ(0u, st.peers[2].lag_bytes) << "not attached";
  EXPECT_STREQ("fast2", st.peers[1].path) << "what the fast path uses now";
  EXPECT_STREQ("none", st.peers[2].path);
  EXPECT_EQ(PATH_SILENT, st.peers[1].paths[PATH_FAST]);
  EXPECT_EQ(PATH_ANSWERS, st.peers[1].paths[PATH_FAST2]);
  EXPECT_EQ(PATH_NONE, st.peers[1].paths[PATH_TCP]);
  s.push_stop();
  s.join();
  EXPECT_EQ(1u, s.events.size()) << "only EV_STOP";
}

TEST_P(SlowUv, AQuietThreadWakesForEachMessage) {
  Slow s(c, GetParam());
  s.start();
  for (size_t i = 1; i <= 2000; i++) {  // each races with the thread going to sleep
    s.push(fast_msg{});
    ASSERT_TRUE(s.wait([&] { return s.events.size() == i; })) << i;
  }
  s.push_stop();
  EXPECT_EQ(EXIT_CODE_CLEAN, s.join());
}

TEST_P(SlowUv, TwoThreadsNotifyConnectAndSend) {
  Slow one(c, GetParam()), two(as_node(c, 2), GetParam());
  std::atomic<int> heard{0};
  auto notify = [](replica_actions *a, int peer_idx, int id) {
    replica_action *x = add(a, ACT_NOTIFY);
    x->peer_idx = peer_idx;
    x->vote = {id, 1, 1, 1};
  };
  one.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type == EV_DISK) notify(a, 1, 1);
    if (e.type == EV_NOTIFICATION) {
      EXPECT_EQ(1, e.peer_idx);
      EXPECT_EQ(2, e.notification->vote.leader);
      heard++;
    }
    if (e.type == EV_PACKET) {
      EXPECT_EQ(PACKET_FOLLOWERINFO, e.packet->type);
      replica_action *x = add(a, ACT_SEND);
      x->conn = e.conn;
      x->packet.type = PACKET_LEADERINFO;
      x->packet.data.len = -1;
    }
  };
  two.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type == EV_DISK) notify(a, 0, 2);
    if (e.type == EV_NOTIFICATION) {
      add(a, ACT_CONNECT)->peer_idx = 0;
      heard++;
    }
    if (e.type == EV_CONNECTED) {
      replica_action *x = add(a, ACT_SEND);
      x->packet.type = PACKET_FOLLOWERINFO;
      x->packet.data.len = -1;
    }
    if (e.type == EV_PACKET) EXPECT_EQ(PACKET_LEADERINFO, e.packet->type);
  };
  one.push(disk_msg{});
  two.push(disk_msg{});
  one.start();
  two.start();
  auto has = [](Slow &s, replica_event_type t) {
    return [&s, t] {
      for (const replica_event &e : s.events)
        if (e.type == t) return true;
      return false;
    };
  };
  EXPECT_TRUE(two.wait(has(two, EV_PACKET)));
  EXPECT_TRUE(one.wait(has(one, EV_NOTIFICATION)));
  one.push_stop();
  EXPECT_EQ(EXIT_CODE_CLEAN, one.join());
  EXPECT_TRUE(two.wait(has(two, EV_CONN_CLOSED)));
  two.push_stop();
  EXPECT_EQ(EXIT_CODE_CLEAN, two.join());
}

// Frames of the fast path in one step each, those of a peer to the fast path, in their order.
TEST_P(SlowUv, FramesPassBothWaysInOrder) {
  Slow one(c, GetParam()), two(as_node(c, 2), GetParam());
  std::atomic<int> connected{0};
  one.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type == EV_PACKET && e.packet->type == PACKET_FRAME) {
      replica_action *x = add(a, ACT_FRAME);
      x->peer_idx = 1;
      x->packet.data = e.packet->data;
    }
  };
  two.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type == EV_DISK || e.type == EV_CONNECT_FAILED) /* the other may not listen yet */
      add(a, ACT_CONNECT)->peer_idx = 0;
    if (e.type == EV_CONNECTED) {
      replica_action *x = add(a, ACT_SEND);
      x->packet.type = PACKET_FOLLOWERINFO;
      x->packet.data.len = -1;
      add(a, ACT_KEEP_CONN);
      connected = 1;
    }
    if (e.type == EV_FRAME) {
      EXPECT_EQ(1, e.peer_idx);
      replica_action *x = add(a, ACT_SEND_FRAME);
      x->packet.type = PACKET_FRAME;
      x->packet.data = e.frame;
    }
  };
  two.push(disk_msg{});
  one.start();
  two.start();
  EXPECT_TRUE(two.wait([&] { return connected == 1; }));
  std::vector<std::string> sent;
  for (size_t i = 0; i < 1000; i++) {
    sent.push_back(std::string(88 + i % 1300, static_cast<char>(i)));
    two.push_frame(sent.back());
  }
  EXPECT_TRUE(one.wait([&] { return one.frames.size() == sent.size(); }));
  one.push_stop();
  two.push_stop();
  one.join();
  two.join();
  EXPECT_EQ(sent, one.frames);
  EXPECT_EQ(0u, counters_get(&two.drops, REASON_TCP_FULL));
}

TEST_P(SlowUv, AFrameThatTheFastPathHasNoRoomForIsLostAndCounted) {
  Slow s(c, GetParam());
  s.fast_is_full = true;
  s.react = [&](const replica_event &e, replica_actions *a) {
    if (e.type != EV_DISK) return;
    static const uint8_t frame[100] = {};
    add(a, ACT_FRAME)->packet.data = {frame, sizeof frame};
    replica_action *x = add(a, ACT_SEND_FRAME); /* to a connection that is gone */
    x->conn = 3;
    x->packet.type = PACKET_FRAME;
    x->packet.data = {frame, sizeof frame};
    add(a, ACT_EXIT);
  };
  s.push(disk_msg{});
  EXPECT_EQ(EXIT_CODE_CLEAN, s.run());
  EXPECT_EQ(1u, counters_get(&s.drops, REASON_TCP_FULL));
  EXPECT_EQ(1u, counters_get(&s.drops, REASON_TCP_DOWN));
}

INSTANTIATE_TEST_SUITE_P(Idle, SlowUv, testing::Values(false, true),
                         [](const auto &i) { return i.param ? "Polling" : "Sleeping"; });

TEST(SlowUvStart, APortInUseIsExitCodeFourAndOneLineThatNamesIt) {
  config c = make_config({1, 2}, 1);
  for (uint16_t port : {c.peers[0].election_port, c.peers[0].quorum_port}) {
    Listener other(port);
    Slow s(c);
    testing::internal::CaptureStderr();
    EXPECT_EQ(EXIT_CODE_PORT, s.run());
    Bytes out = testing::internal::GetCapturedStderr();
    EXPECT_NE(Bytes::npos, out.find("127.0.0.1:" + std::to_string(port))) << out;
    EXPECT_EQ(1, std::count(out.begin(), out.end(), '\n')) << out;
  }
}

}  // namespace
