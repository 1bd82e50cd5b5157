/* Who expires when: many sessions against a plain model; the sweep in slices. */
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "test/service/tree_harness.h"

namespace {

constexpr uint8_t kNode = 1;

struct Tracker : testing::Test {
  ~Tracker() override { tracker_clear(&k); }
  /* All that are over now, ended as the leader does. */
  std::vector<int64_t> Expired() {
    std::vector<int64_t> ids;
    while (const tracked *s = tracker_expired(&k)) {
      ids.push_back(s->id);
      tracker_remove(&k, ids.back());
    }
    return ids;
  }
  void Pass(int64_t ms) {
    for (; ms > 0; ms -= 100) tracker_tick(&k, now_ms += std::min<int64_t>(ms, 100), false);
  }
  void SetUp() override { tracker_tick(&k, now_ms, false); }
  tracker k{};
  int64_t now_ms = 1000;
};

/* In each tick only those are looked at whose time may be over: 10,000 sessions that are touched
 * cost a tick without expiry nothing, and each is looked at once in its timeout. */
TEST_F(Tracker, TenThousandSessionsCostATickNothing) {
  for (int64_t id = 1; id <= 10000; id++) tracker_add(&k, id, 10000, kNode);
  Pass(9000);
  for (int64_t id = 1; id <= 10000; id++) tracker_touch(&k, id);
  ASSERT_EQ(k.heap[0]->due_ms, 10000) << "a touch moves nobody in the heap";
  Pass(1000);
  EXPECT_TRUE(Expired().empty());
  for (int i = 0; i < 10 && k.heap[0]->due_ms == 10000; i++) EXPECT_TRUE(Expired().empty());
  EXPECT_EQ(k.heap[0]->due_ms, 19000 + TRACKER_STEP_MS);
  Pass(8900 + TRACKER_STEP_MS);
  EXPECT_TRUE(Expired().empty());
  Pass(100);
  EXPECT_EQ(Expired().size(), 10000u);
  EXPECT_EQ(k.heap_cnt, 0u);
}

/* Another node has heard of it in time, and tells us only after that. */
TEST_F(Tracker, AnotherNodesTellingIsWaitedFor) {
  k.told_ms = 1500;
  tracker_add(&k, 1, 10000, kNode);
  tracker_clear(&k);
  tracker_tick(&k, now_ms, false);
  tracker_add(&k, 1, 10000, kNode);
  Pass(11500 + TRACKER_STEP_MS - 100);
  EXPECT_TRUE(Expired().empty());
  Pass(200);
  EXPECT_EQ(Expired().size(), 1u);
}

TEST_F(Tracker, ATimeoutThatBecomesShorterCountsAtOnce) {
  tracker_add(&k, 1, 10000, kNode);
  tracker_add(&k, 2, 20000, kNode);
  EXPECT_EQ(tracker_move(&k, 2, kNode, 4000), ZK_OK);
  Pass(3900 + TRACKER_STEP_MS);
  EXPECT_TRUE(Expired().empty());
  Pass(100);
  EXPECT_EQ(Expired(), std::vector<int64_t>{2});
  Pass(6000);
  EXPECT_EQ(Expired(), std::vector<int64_t>{1});
}

TEST_F(Tracker, IsTheSameAsLookingAtAll) {
  std::map<int64_t, std::pair<int64_t, int32_t>> model; /* deadline, timeout */
  std::mt19937 random(7);
  for (int step = 0; step < 30000; step++) {
    int64_t id = 1 + static_cast<int64_t>(random() % 300);
    auto timeout = static_cast<int32_t>(1000 + random() % 9000);
    switch (random() % 6) {
      case 0:
        tracker_add(&k, id, timeout, kNode);
        model[id] = {k.clock_ms + timeout + TRACKER_STEP_MS, timeout};
        break;
      case 1:
        EXPECT_EQ(tracker_move(&k, id, kNode, timeout) == ZK_OK, model.count(id) == 1);
        if (model.count(id)) model[id] = {k.clock_ms + timeout + TRACKER_STEP_MS, timeout};
        break;
      case 2:
        if (random() % 4) break;
        tracker_remove(&k, id);
        model.erase(id);
        break;
      case 3:
        Pass(50);
        break;
      default:
        tracker_touch(&k, id);
        if (model.count(id)) model[id].first = k.clock_ms + model[id].second + TRACKER_STEP_MS;
    }
    std::vector<int64_t> want, got = Expired();
    for (auto &m : model)
      if (m.second.first <= k.clock_ms) want.push_back(m.first);
    for (int64_t over : want) model.erase(over);
    std::sort(got.begin(), got.end());
    ASSERT_EQ(got, want) << "step " << step;
    ASSERT_EQ(k.heap_cnt, model.size());
  }
}

/* ---- the sweep ---- */

struct Sweep : testing::Test, Leader {
  void SetUp() override {
    Session(kSession, 1000000);
    for (int i = 0; i < kNodes; i++)
      Do(OP_CREATE_TTL, Create("/t" + std::to_string(i), "", CREATE_TTL) + Jute().I8(1000).s);
    Do(OP_CREATE_CONTAINER, Create("/c", "", CREATE_CONTAINER));
    Do(OP_CREATE, Create("/c/k"));
    Do(OP_DELETE, Delete("/c/k"));
  }
  /* The paths found in one slice. */
  std::vector<std::string> Slice() {
    std::vector<std::string> paths;
    sweep_tick(&app->sweep, &app->tree, clock_ms += 100, now_ms);
    cursor c;
    cursor_init(&c, buffer_at(&app->sweep.paths), buffer_len(&app->sweep.paths));
    while (c.next < c.end) {
      span s = jute_text(&c);
      paths.emplace_back(reinterpret_cast<const char *>(s.data), static_cast<size_t>(s.len));
    }
    buffer_consume(&app->sweep.paths, buffer_len(&app->sweep.paths));
    return paths;
  }
  static constexpr int kNodes = 3 * SWEEP_SLICE;
  int64_t clock_ms = 60000;
};

TEST_F(Sweep, GoesThroughAllOfThemInSlices) {
  now_ms += 5000;
  std::set<std::string> found;
  int slices = 0;
  for (; found.size() < kNodes + 1 && slices < 10; slices++) {
    std::vector<std::string> more = Slice();
    EXPECT_LE(more.size(), static_cast<size_t>(SWEEP_SLICE));
    for (auto &p : more) EXPECT_TRUE(found.insert(p).second) << p << " twice";
  }
  EXPECT_EQ(found.size(), static_cast<size_t>(kNodes + 1));
  EXPECT_GE(slices, 3);
  EXPECT_LE(slices, 5);
}

TEST_F(Sweep, GoesOnWhenWhatItWouldLookAtNextHasGone) {
  now_ms += 5000;
  std::vector<std::string> first = Slice();
  ASSERT_NE(app->tree.swept, nullptr);
  std::set<std::string> found(first.begin(), first.end());
  int gone = 0;
  while (app->tree.swept && gone < 100) {
    buffer path{};
    tree_append_path(app->tree.swept->node, &path);
    Do(OP_DELETE,
       Delete(std::string(reinterpret_cast<const char *>(buffer_at(&path)), buffer_len(&path))));
    buffer_free(&path);
    gone++;
  }
  for (int i = 0; i < 6; i++)
    for (auto &p : Slice()) found.insert(p);
  EXPECT_EQ(found.size(), static_cast<size_t>(kNodes + 1 - gone));
}

}  // namespace
