/* The app thread's work in one thread: roles, catch-up, numbering, back-pressure, snapshots. */
#include <gtest/gtest.h>

#include "test/service/fake_node.h"

namespace {

struct Heard {
  std::vector<zxid_t> applied;
  std::vector<app_log_txn> txns;
  int serving = 0, stopped = 0;
};

struct AppThread : testing::Test {
  void SetUp() override { Open(&node, &thread, &heard); }
  void TearDown() override { app_thread_free(&thread); }
  static void Open(FakeNode *n, app_thread *t, Heard *h) {
    app_thread_init(t, &n->uv);
    t->listener.self = h;
    t->listener.applied = [](void *s, zxid_t z, const void *txn, uint32_t len) {
      static_cast<Heard *>(s)->applied.push_back(z);
      static_cast<Heard *>(s)->txns.push_back(app_log_txn_read(txn, len));
    };
    t->listener.serving = [](void *s) { static_cast<Heard *>(s)->serving++; };
    t->listener.stopped = [](void *s) { static_cast<Heard *>(s)->stopped++; };
  }
  void Run(app_thread *t) {
    for (int i = 0; i < 10000 && app_thread_turn(t); i++) continue;
  }
  void Run() { Run(&thread); }
  reason Submit(uint64_t client, uint64_t sequence, const std::string &data = "x") {
    Bytes r = Request(client, sequence, data);
    return app_submit(&thread, r.data(), static_cast<uint32_t>(r.size()));
  }
  zxid_t Applied() { return node.app_self.ops->applied(&node.app_self); }
  uint64_t Digest(FakeNode *n) { return n->app_self.ops->digest(&n->app_self); }

  FakeNode node;
  app_thread thread;
  Heard heard;
};

TEST_F(AppThread, LeaderCatchesUpFromTheLogThenNumbersFromOneWithoutSkipping) {
  node.AddHistory(1, 1, 20, 7);
  node.read_most = 300; /* several reads */
  node.Lead(2);
  Run();
  EXPECT_EQ(heard.serving, 1);
  EXPECT_EQ(Applied(), zxid_make(1, 20));
  for (uint64_t i = 21; i <= 25; i++) EXPECT_EQ(Submit(7, i), REASON_NONE);
  Run();
  EXPECT_EQ(node.proposed, (std::vector<zxid_t>{zxid_make(2, 1), zxid_make(2, 2), zxid_make(2, 3),
                                                zxid_make(2, 4), zxid_make(2, 5)}));
  EXPECT_EQ(Applied(), zxid_make(2, 5));
  EXPECT_EQ(position_get(&node.positions.applied), node.appended);
}

TEST_F(AppThread, CatchesUpThroughRecordsLargerThanTheConfigAllowsNow) {
  node.AddHistory(1, 1, 20, 7, 2000);
  node.config.largest_record = 1000;
  node.Lead(2);
  Run();
  EXPECT_EQ(heard.serving, 1);
  EXPECT_EQ(Applied(), zxid_make(1, 20));
}

TEST_F(AppThread, AnEmptyEnsembleServesAtOnce) {
  node.Lead(1);
  Run();
  EXPECT_EQ(thread.state, APP_SERVING);
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  Run();
  EXPECT_EQ(Applied(), zxid_make(1, 1));
}

TEST_F(AppThread, StartsFromTheNewestSnapshotAndTheLogBehindIt) {
  FakeNode other;
  app_thread t;
  Heard h;
  Open(&other, &t, &h);
  other.AddHistory(1, 1, 50, 7);
  other.config.snapshot_log_bytes = 2000;
  other.Lead(2);
  Run(&t);
  ASSERT_FALSE(other.snapshots.empty());
  zxid_t snapshot = other.snapshots.rbegin()->first;
  ASSERT_EQ(snapshot, zxid_make(1, 50));
  uint64_t digest = Digest(&other);
  node.history = other.history;
  node.snapshots = other.snapshots;
  node.PurgeTo(zxid_make(1, 30));
  node.Lead(3);
  Run();
  EXPECT_EQ(thread.state, APP_SERVING);
  EXPECT_EQ(Digest(&node), digest);
  EXPECT_EQ(app_log_kept(node.log)->record_cnt, 50u);
  EXPECT_EQ(node.open_snapshot, 0u); /* closed again */
  app_thread_free(&t);
}

TEST_F(AppThread, AFollowerFarBehindTheLogRestoresASnapshotAndGoesOn) {
  FakeNode other;
  app_thread t;
  Heard h;
  Open(&other, &t, &h);
  other.AddHistory(1, 1, 40, 7);
  other.config.snapshot_log_bytes = 1000;
  other.Lead(2);
  Run(&t);
  node.AddHistory(1, 1, 5, 7);
  node.Follow(2, 0);
  Run();
  ASSERT_EQ(Applied(), zxid_make(1, 5));
  node.Stop();
  Run();
  node.history = other.history; /* a SNAP was installed: the log begins behind it */
  node.snapshots = other.snapshots;
  node.PurgeTo(zxid_make(1, 40));
  node.Follow(2, 0);
  Run();
  EXPECT_EQ(thread.state, APP_SERVING);
  EXPECT_EQ(Digest(&node), Digest(&other));
  app_thread_free(&t);
}

TEST_F(AppThread, FailsWithOneLineWhenNeitherLogNorSnapshotReachesBack) {
  node.AddHistory(1, 1, 20, 7);
  node.PurgeTo(zxid_make(1, 10));
  node.Lead(2);
  Run();
  EXPECT_EQ(thread.state, APP_DEAD);
  EXPECT_EQ(node.Said(APP_FAILED), 1);
}

TEST_F(AppThread, FailsWhenTheLogEndsBeforeZ) {
  node.AddHistory(1, 1, 20, 7);
  node.Reset(0);
  node.ToApp(app_msg{APP_LEAD, REASON_NONE, 0, 2, 0, zxid_make(1, 21), nullptr, false});
  Run();
  EXPECT_EQ(node.Said(APP_FAILED), 1);
}

TEST_F(AppThread, FailsOnADiskErrorAndOnADamagedRecordOrSnapshot) {
  node.AddHistory(1, 1, 20, 7);
  node.history[zxid_make(1, 9)][30] ^= 1;
  node.Lead(2);
  Run();
  EXPECT_EQ(thread.state, APP_DEAD);
  EXPECT_EQ(Applied(), zxid_make(1, 8));

  for (bool damaged : {true, false}) {
    FakeNode n;
    app_thread t;
    Heard h;
    Open(&n, &t, &h);
    n.base = zxid_make(1, 5);
    n.snapshots[n.base] = Bytes(100, 7);
    if (!damaged) n.fail_disk[DISK_SNAP_READ] = REASON_DISK_ERROR;
    n.Lead(2);
    Run(&t);
    EXPECT_EQ(n.Said(APP_FAILED), 1);
    app_thread_free(&t);
  }
}

TEST_F(AppThread, AFollowerAppliesTheStreamFromPAndNotBeforeZ) {
  node.AddHistory(1, 1, 3, 7);
  node.instant = false;
  node.Follow(1, 640);
  Bytes txn(4096);
  FakeNode maker;
  for (uint64_t i = 1; i <= 3; i++) { /* so that its next is 4 */
    Bytes r = Request(7, i, "");
    app_request q{zxid_make(1, static_cast<uint32_t>(i)), 5, r.data(),
                  static_cast<uint32_t>(r.size())};
    maker.app_self.ops->prepare(&maker.app_self, &q, txn.data(), 4096);
  }
  Bytes r = Request(7, 4, "four");
  app_request q{zxid_make(1, 4), 5, r.data(), static_cast<uint32_t>(r.size())};
  app_prepared p = maker.app_self.ops->prepare(&maker.app_self, &q, txn.data(), 4096);
  ASSERT_TRUE(node.Append(zxid_make(1, 4), txn.data(), p.len));
  node.Commit();
  node.history.erase(zxid_make(1, 4)); /* still in the ring only */
  Run();
  EXPECT_EQ(Applied(), 0u); /* the disk has not answered: nothing of the stream before Z */
  EXPECT_EQ(position_get(&node.positions.applied), 640u);
  while (node.DiskStep()) Run();
  EXPECT_EQ(Applied(), zxid_make(1, 4));
  EXPECT_EQ(position_get(&node.positions.applied), node.appended);
  EXPECT_EQ(heard.applied.size(), 4u);
}

/* A follower's late app: records keep coming while it reads the log. */
struct LateApp : AppThread {
  void SetUp() override {
    AppThread::SetUp();
    maker.AddHistory(1, 1, 3000, 7, 100);
    for (uint32_t i = 1; i <= 200; i++)
      node.history[zxid_make(1, i)] = maker.history[zxid_make(1, i)];
    next = 201;
    node.instant = node.holds_at_once = false;
    node.read_most = 5000;
    node.Follow(1, 640);
  }
  void Come(int cnt, bool committed = true) {
    for (; cnt > 0; cnt--, next++) {
      record r;
      const Bytes &b = maker.history[zxid_make(1, next)];
      ASSERT_EQ(record_read(&r, b.data(), b.size(), 4096), RECORD_OK);
      ASSERT_TRUE(node.Append(r.zxid, r.payload, r.payload_len)) << "window closed at " << next;
      if (committed) node.Commit();
    }
  }
  /* Until the app waits for the ring, or serves. */
  void ReadLog(int coming) {
    for (int i = 0; i < 1000 && !app_catchup_waits(&thread) && thread.state != APP_SERVING; i++) {
      Run();
      Come(coming);
      node.DiskStep();
    }
  }
  void ExpectAllOnceAndInOrder() {
    ASSERT_EQ(heard.applied.size(), next - 1);
    for (uint32_t i = 1; i < next; i++) ASSERT_EQ(heard.applied[i - 1], zxid_make(1, i));
    FakeNode all;
    app_thread t;
    Heard h;
    Open(&all, &t, &h);
    for (auto &r : node.history) all.history.insert(r);
    all.Follow(1, 0);
    Run(&t);
    EXPECT_EQ(Digest(&node), Digest(&all));
    app_thread_free(&t);
  }
  FakeNode maker;
  uint32_t next;
};

TEST_F(LateApp, CatchesUpPastARingOfRecordsThatKeepComingAndJoinsWithoutGapOrDuplicate) {
  Come(400);
  ReadLog(10);
  ASSERT_TRUE(app_catchup_waits(&thread));
  EXPECT_GT(node.appended, 640 + node.config.ring_bytes);
  EXPECT_EQ(position_get(&node.positions.applied), thread.pos);
  EXPECT_GT(thread.pos, 640u);
  Come(20);
  node.Reclaim(); /* beyond the app: it must read on in the log */
  Run();
  EXPECT_EQ(heard.serving, 0) << "the ring is not held yet";
  node.HoldStep();
  ASSERT_LT(thread.pos, node.reclaimed);
  Run();
  EXPECT_EQ(heard.serving, 0) << "below what is held";
  Come(5);
  while (node.DiskStep()) Run();
  EXPECT_EQ(heard.serving, 1);
  node.history[zxid_make(1, next)] = maker.history[zxid_make(1, next)]; /* not asked for any more */
  int reads = node.asked[DISK_READ];
  Come(300);
  Run();
  EXPECT_EQ(node.asked[DISK_READ], reads);
  EXPECT_EQ(position_get(&node.positions.applied), node.appended);
  ExpectAllOnceAndInOrder();
}

TEST_F(LateApp, AppliesNothingOfTheLogThatIsNotCommitted) {
  Come(3, false); /* all in the log */
  node.read_most = 1u << 20;
  ReadLog(0);
  ASSERT_TRUE(app_catchup_waits(&thread));
  EXPECT_EQ(Applied(), zxid_make(1, 200));
  EXPECT_EQ(position_get(&node.positions.applied), 640u);
  node.HoldStep();
  Run();
  EXPECT_EQ(heard.serving, 1);
  EXPECT_EQ(Applied(), zxid_make(1, 200));
  node.Commit();
  Run();
  ExpectAllOnceAndInOrder();
}

TEST_F(LateApp, ReadsNoUncommittedTailThatComesWithCommittedRecords) {
  node.read_most = 1u << 20;
  Come(300);
  Come(2, false);
  for (int i = 0; i < 3; i++, node.DiskStep()) Run();
  Run();
  EXPECT_EQ(Applied(), zxid_make(1, 500));
  EXPECT_EQ(position_get(&node.positions.applied), position_get(&node.positions.committed));
  node.Commit();
  node.HoldStep();
  Run();
  ExpectAllOnceAndInOrder();
}

TEST_F(LateApp, JoinsWhenTheLogHasNoMoreThoughMuchIsCommitted) { /* `memory`: not yet on disk */
  Come(250);
  auto first = node.history.find(zxid_make(1, 230));
  node.history.erase(first, node.history.end());
  for (int i = 0; i < 100; i++, node.DiskStep()) Run();
  ASSERT_TRUE(app_catchup_waits(&thread));
  EXPECT_EQ(Applied(), zxid_make(1, 229));
  node.HoldStep();
  Run();
  EXPECT_EQ(heard.serving, 1);
  EXPECT_EQ(heard.applied.size(), next - 1);
}

TEST_F(LateApp, StopKeepsWhatWasAppliedOfTheLogBeyondZ) {
  Come(300);
  for (int i = 0; Applied() <= zxid_make(1, 200) && i < 100; i++, node.DiskStep()) Run();
  zxid_t before = Applied();
  ASSERT_GT(before, zxid_make(1, 200));
  ASSERT_EQ(thread.state, APP_CATCHING_UP);
  pos_t published = position_get(&node.positions.applied);
  node.Stop();
  Run();
  EXPECT_EQ(Applied(), before);
  EXPECT_EQ(position_get(&node.positions.applied), published);
  EXPECT_EQ(position_get(&node.positions.app_holds), 0u);
  node.holds_at_once = true;
  node.Follow(1, 64);
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(heard.serving, 1);
  ExpectAllOnceAndInOrder();
}

TEST_F(AppThread, AppliesOnlyWhatIsCommitted) {
  node.Lead(1);
  Run();
  node.instant = false;
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  EXPECT_EQ(Submit(7, 2), REASON_NONE);
  Run();
  EXPECT_EQ(Applied(), 0u);
  node.Commit();
  Run();
  EXPECT_EQ(Applied(), zxid_make(1, 2));
}

TEST_F(AppThread, AFullRingStopsReadingAndLosesNoNumber) {
  node.Lead(1);
  Run();
  node.app_fast_room = 2;
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  EXPECT_EQ(Submit(7, 2), REASON_NONE);
  EXPECT_EQ(Submit(7, 3), REASON_NONE); /* numbered, waits */
  EXPECT_EQ(Submit(7, 4), REASON_BUSY);
  EXPECT_EQ(Submit(8, 1), REASON_BUSY);
  node.requests.push_back(Request(9, 1, "y"));
  Run();
  EXPECT_EQ(node.requests.size(), 1u); /* not read either */
  node.app_fast_room = 100;
  Run();
  EXPECT_EQ(Submit(7, 4), REASON_NONE);
  Run();
  EXPECT_EQ(node.proposed.size(), 5u);
  for (size_t i = 0; i < node.proposed.size(); i++)
    EXPECT_EQ(node.proposed[i], zxid_make(1, static_cast<uint32_t>(i + 1)));
}

TEST_F(AppThread, AFollowerForwardsAndHoldsWhenThereIsNoRoom) {
  node.Follow(1, 0);
  Run();
  node.app_fast_room = 1;
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  EXPECT_EQ(Submit(7, 2), REASON_BUSY);
  ASSERT_EQ(node.forwarded.size(), 1u);
  EXPECT_EQ(node.forwarded[0], Request(7, 1, "x"));
  EXPECT_TRUE(node.proposed.empty());
}

/* The fast lcore takes no record above largest_record: whoever asks hears it here. */
TEST_F(AppThread, AFollowerForwardsNothingThatIsTooLarge) {
  node.Follow(1, 0);
  Run();
  uint32_t most = node.config.largest_record;
  Bytes request(most + 1);
  EXPECT_EQ(app_submit(&thread, request.data(), most + 1), REASON_TOO_LARGE);
  EXPECT_TRUE(node.forwarded.empty());
  EXPECT_EQ(app_submit(&thread, request.data(), most), REASON_NONE);
}

TEST_F(AppThread, WithoutARoleNothingIsTaken) {
  EXPECT_EQ(Submit(7, 1), REASON_NOT_SERVING);
  node.instant = false;
  node.AddHistory(1, 1, 3, 7);
  node.Lead(2);
  Run();
  EXPECT_EQ(Submit(7, 4), REASON_NOT_SERVING); /* catching up */
}

TEST_F(AppThread, AFollowersRequestBecomesATransactionAndADuplicateOfItNothing) {
  node.Lead(1);
  Run();
  node.instant = false;
  node.requests = {Request(7, 1, "a"), Request(7, 1, "a"), Request(7, 2, "b")};
  Run();
  EXPECT_EQ(node.proposed.size(), 2u);
  EXPECT_TRUE(node.requests.empty());
}

TEST_F(AppThread, ARefusedRequestOfAFollowerIsAnsweredByOneErrorTransaction) {
  node.Lead(1);
  Run();
  node.requests = {Request(7, 3, "a"), Request(7, 4, "b"), Request(7, 5, "c")};
  Run();
  ASSERT_EQ(heard.txns.size(), 1u);
  EXPECT_EQ(heard.txns[0].type, TXN_ERROR);
  EXPECT_EQ(heard.txns[0].sequence, 3u);
  EXPECT_EQ(heard.txns[0].reason, REASON_SEQ_GAP);
  node.requests = {Request(7, 1, "a")};
  Run();
  EXPECT_EQ(heard.txns.size(), 2u);
  EXPECT_EQ(Applied(), zxid_make(1, 2)); /* the error consumed a number */
}

TEST_F(AppThread, GarbageInARequestIsDroppedAndCounted) {
  node.Lead(1);
  Run();
  node.requests = {Bytes(3, 9), Bytes(), Request(7, 1, "a")};
  Run();
  EXPECT_EQ(node.proposed.size(), 1u);
  EXPECT_EQ(counters_get(&node.counters, REASON_CONTROL_BAD), 2u);
}

TEST_F(AppThread, BelowMinFreeBytesTheLeaderRefusesAndTellsTheFollower) {
  node.config.min_free_bytes = 1000;
  node.Lead(1);
  Run();
  node.free_bytes = 999;
  app_thread_ask_free(&thread);
  Run();
  EXPECT_TRUE(app_space_low(&thread));
  EXPECT_EQ(Submit(7, 1), REASON_DISK_FULL);
  node.requests = {Request(8, 1, "a")};
  Run();
  ASSERT_EQ(heard.txns.size(), 1u);
  EXPECT_EQ(heard.txns[0].reason, REASON_DISK_FULL);
  node.free_bytes = 1000;
  app_thread_ask_free(&thread);
  Run();
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
}

/* Each refusal is a record: a hundred askers must not fill what is left of the disk. */
TEST_F(AppThread, BelowMinFreeBytesRequestsAreRefusedOnceASecondAndNotBelowHalf) {
  node.config.min_free_bytes = 1000;
  node.Lead(1);
  Run();
  auto free_is = [this](uint64_t bytes) {
    node.free_bytes = bytes;
    app_thread_ask_free(&thread);
    Run();
  };
  auto ticks = [this](int cnt) {
    for (int i = 0; i < cnt; i++) app_thread_tick(&thread);
    Run();
  };
  free_is(999);
  for (uint64_t client = 100; client < 200; client++)
    node.requests.push_back(Request(client, 1, "a"));
  Run();
  EXPECT_EQ(heard.txns.size(), 1u);
  ticks(9);
  EXPECT_EQ(heard.txns.size(), 1u) << "the second is not over";
  EXPECT_TRUE(app_thread_nap(&thread, false, false).sleep) << "until then nobody spins";
  ticks(1);
  EXPECT_EQ(heard.txns.size(), 2u);
  node.requests = {Request(300, 1, "a"), Request(300, 2, "b"), Request(300, 3, "c")};
  ticks(10);
  EXPECT_EQ(heard.txns.size(), 3u);
  EXPECT_TRUE(node.requests.empty())
      << "what falls with the first costs nothing, and does not wait";
  for (uint64_t client = 200; client < 298; client++)
    node.requests.push_back(Request(client, 1, "a"));
  free_is(499);
  ticks(100);
  EXPECT_EQ(heard.txns.size(), 3u) << "what is left is not for refusals";
  free_is(1000);
  EXPECT_EQ(heard.txns.size(), 101u) << "who waited is served";
  EXPECT_EQ(heard.txns.back().type, APP_LOG_RECORD);
}

/* In `memory` the log may lag by a ring, and a leader that changes its epoch is silent until its
 * disk is through: longer than followers wait. */
TEST_F(AppThread, AnEpochEndsOnlyWhenTheOwnDiskIsThrough) {
  node.config.counter_limit = 3;
  node.Lead(1);
  Run();
  node.instant = false;
  for (uint64_t i = 1; i <= 3; i++) EXPECT_EQ(Submit(7, i), REASON_NONE);
  position_set(&node.positions.committed, node.appended);
  Run();
  EXPECT_EQ(Applied(), zxid_make(1, 3));
  EXPECT_EQ(node.Said(APP_DRAINED), 0);
  EXPECT_TRUE(app_thread_nap(&thread, false, true).retry) << "nobody wakes it for that";
  EXPECT_FALSE(node.sleeps_lazily) << "but for commits";
  position_set(&node.positions.durable, node.appended);
  Run();
  EXPECT_EQ(node.Said(APP_DRAINED), 1);
  EXPECT_FALSE(app_thread_nap(&thread, false, false).retry);
}

TEST_F(AppThread, AtTheCounterLimitItStopsProposingAndSaysOnceThatAllIsApplied) {
  node.config.counter_limit = 3;
  node.Lead(1);
  Run();
  node.instant = false;
  for (uint64_t i = 1; i <= 3; i++) EXPECT_EQ(Submit(7, i), REASON_NONE);
  EXPECT_EQ(Submit(7, 4), REASON_BUSY);
  Run();
  EXPECT_EQ(node.Said(APP_DRAINED), 0); /* not before everything proposed is committed */
  node.Commit();
  Run();
  EXPECT_EQ(node.Said(APP_DRAINED), 1);
  EXPECT_EQ(node.app_slow.back().reason, REASON_COUNTER_LIMIT);
  node.requests = {Request(8, 1, "a")};
  Run();
  EXPECT_EQ(node.Said(APP_DRAINED), 1);
  EXPECT_EQ(node.proposed.size(), 3u);
  node.Stop();
  Run();
  node.Lead(2);
  Run();
  EXPECT_EQ(Submit(7, 4), REASON_NONE); /* the client's order goes on in the next epoch */
  EXPECT_EQ(node.proposed.back(), zxid_make(2, 1));
}

TEST_F(AppThread, AskedToDrainItNumbersNoMoreAndSaysOnceThatAllIsApplied) {
  node.Lead(1);
  Run();
  node.instant = false;
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  node.Drain(2); /* of another epoch */
  Run();
  EXPECT_EQ(Submit(7, 2), REASON_NONE);
  node.Drain(1);
  Run();
  EXPECT_EQ(Submit(7, 3), REASON_BUSY);
  EXPECT_EQ(node.Said(APP_DRAINED), 0);
  node.Commit();
  Run();
  Run();
  ASSERT_EQ(node.Said(APP_DRAINED), 1);
  EXPECT_EQ(node.app_slow.back().reason, REASON_EPOCH_AHEAD);
  EXPECT_EQ(node.app_slow.back().epoch, 1u);
  EXPECT_EQ(node.proposed.size(), 2u);
}

TEST_F(AppThread, ALeaderThatHasNumberedNothingIsDrainedAtOnce) {
  node.AddHistory(1, 1, 5, 7);
  node.Lead(2);
  Run();
  node.Drain(2);
  Run();
  EXPECT_EQ(node.Said(APP_DRAINED), 1);
}

// The next epoch in place: clients and followers' REQUESTs wait, and then go on.
TEST_F(AppThread, PausedALeaderKeepsItsClientsAndItsRequests) {
  node.config.counter_limit = 3;
  node.Lead(1);
  Run();
  for (uint64_t i = 1; i <= 3; i++) EXPECT_EQ(Submit(7, i), REASON_NONE);
  node.requests = {Request(8, 1, "a"), Request(8, 2, "b")};
  Run();
  node.Pause();
  Run();
  EXPECT_EQ(thread.state, APP_IDLE) << "it touches nothing";
  ASSERT_EQ(node.app_slow.back().type, APP_STOPPED);
  EXPECT_TRUE(node.app_slow.back().on);
  EXPECT_EQ(Submit(7, 4), REASON_BUSY);
  EXPECT_EQ(heard.stopped, 0);
  EXPECT_EQ(node.requests.size(), 2u);
  node.Lead(2);
  Run();
  EXPECT_EQ(heard.stopped, 0);
  EXPECT_EQ(Submit(7, 4), REASON_NONE);
  Run();
  ASSERT_EQ(node.proposed.size(), 6u);
  EXPECT_EQ(node.proposed[3], zxid_make(2, 1));
  EXPECT_EQ(heard.txns[3].client, 8u);
  EXPECT_EQ(heard.txns[4].sequence, 2u);
  EXPECT_EQ(heard.txns[5].client, 7u);
}

TEST_F(AppThread, PausedAFollowerKeepsItsClients) {
  node.Follow(1, 0);
  Run();
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  node.Pause();
  Run();
  EXPECT_EQ(Submit(7, 2), REASON_BUSY);
  node.Follow(2, 0);
  Run();
  EXPECT_EQ(Submit(7, 2), REASON_NONE);
  EXPECT_EQ(heard.stopped, 0);
  EXPECT_EQ(node.forwarded.size(), 2u);
}

// The change is given up: now they must come again.
TEST_F(AppThread, StoppedBehindAPauseItTellsItsClients) {
  node.Lead(1);
  Run();
  node.Drain(1);
  Run();
  node.requests = {Request(8, 1, "a")};
  node.Pause();
  node.Stop();
  Run();
  EXPECT_EQ(heard.stopped, 1);
  EXPECT_EQ(node.Said(APP_STOPPED), 2);
  EXPECT_FALSE(node.app_slow.back().on);
  EXPECT_EQ(Submit(7, 1), REASON_NOT_SERVING);
  EXPECT_TRUE(node.requests.empty());
  node.Follow(2, 0); /* another role */
  Run();
  EXPECT_EQ(thread.state, APP_SERVING);
}

TEST_F(AppThread, StopDropsWhatIsOutstandingAnswersAndTouchesNothingAfterwards) {
  node.Lead(1);
  Run();
  node.instant = false;
  node.app_fast_room = 1;
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  EXPECT_EQ(Submit(7, 2), REASON_NONE); /* pending */
  node.requests = {Request(8, 1, "y")};
  node.Stop();
  Run();
  EXPECT_EQ(node.Said(APP_STOPPED), 1);
  EXPECT_EQ(heard.stopped, 1);
  EXPECT_TRUE(node.requests.empty());
  node.Commit(); /* after STOPPED nothing is applied or published */
  node.app_fast_room = 10;
  Run();
  EXPECT_EQ(Applied(), 0u);
  EXPECT_EQ(position_get(&node.positions.applied), 0u);
  EXPECT_EQ(node.proposed.size(), 1u);
  EXPECT_EQ(app_log_expected(node.log, 7), 1u);
  node.history.clear(); /* the new leader had nothing of it */
  node.Lead(2);
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(Submit(9, 1), REASON_NONE);
  EXPECT_EQ(node.proposed.back(), zxid_make(2, 1));
}

// 5.2 step 0: those who ask wait and are not told of it.
TEST_F(AppThread, PushedBackItTakesNoRequestAndLosesNone) {
  node.Lead(1);
  Run();
  node.PushBack(true);
  node.requests.push_back(Request(9, 1, "from a follower"));
  Run();
  EXPECT_EQ(Submit(7, 1), REASON_BUSY);
  EXPECT_TRUE(node.proposed.empty());
  EXPECT_EQ(node.requests.size(), 1u);
  node.PushBack(false);
  Run();
  EXPECT_EQ(Submit(7, 1), REASON_NONE);
  Run();
  EXPECT_EQ(node.proposed, (std::vector<zxid_t>{zxid_make(1, 1), zxid_make(1, 2)}));
  for (int r = 0; r < REASON_CNT; r++) EXPECT_EQ(counters_get(&node.counters, (reason)r), 0u);
}

/* Else it spins, where the disk thread or a kernel worker that flushes may need the core. */
TEST_F(AppThread, RequestsThatItCannotTakeDoNotKeepItAwake) {
  auto sleeps = [&] { return app_thread_nap(&thread, false, true).sleep; };
  uint64_t client = 300;
  auto ask = [&] { node.requests.push_back(Request(client++, 1, "from a follower")); };
  node.Lead(1);
  Run();
  ask();
  EXPECT_FALSE(sleeps()) << "came behind the last turn";
  Run();
  ASSERT_TRUE(node.requests.empty());

  node.PushBack(true);
  ask();
  Run();
  EXPECT_TRUE(sleeps());
  EXPECT_TRUE(node.sleeps_lazily);
  node.PushBack(false);
  Run();
  ASSERT_TRUE(node.requests.empty());

  node.app_fast_room = 0;
  ask();
  ask();
  Run();
  ASSERT_EQ(node.requests.size(), 1u) << "the first is numbered and waits for room";
  EXPECT_TRUE(sleeps());
  EXPECT_FALSE(node.sleeps_lazily) << "a commit means room";
  EXPECT_TRUE(app_thread_nap(&thread, false, false).retry) << "nobody wakes it for room";
  node.app_fast_room = SIZE_MAX;
  Run();
  ASSERT_TRUE(node.requests.empty());

  ask();
  node.ToApp(app_msg{APP_DRAIN, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  Run();
  EXPECT_TRUE(sleeps());
  EXPECT_TRUE(node.sleeps_lazily) << "it has said that it is through";
  node.ToApp(app_msg{APP_PAUSE, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  Run();
  ASSERT_EQ(node.requests.size(), 1u);
  EXPECT_TRUE(sleeps());
}

TEST_F(AppThread, DeadItLeavesRequestsInTheirRing) {
  node.Lead(1);
  Run();
  app_fail(&thread, REASON_DISK_ERROR, "a test");
  node.requests.push_back(Request(300, 1, "from a follower"));
  Run();
  EXPECT_TRUE(app_thread_nap(&thread, false, false).sleep);
}

TEST_F(AppThread, PushedBackItStillProposesWhatItHasNumbered) {
  node.Lead(1);
  Run();
  node.app_fast_room = 0;
  EXPECT_EQ(Submit(7, 1), REASON_NONE); /* waits for room */
  EXPECT_EQ(node.proposed.size(), 0u);
  node.PushBack(true);
  node.app_fast_room = SIZE_MAX;
  Run();
  EXPECT_EQ(node.proposed.size(), 1u);
}

TEST_F(AppThread, StopAndTheNextRoleEndAPushBack) {
  for (int before_lead = 0; before_lead < 2; before_lead++) {
    node.Lead(before_lead + 1u);
    if (!before_lead) node.PushBack(true);
    Run();
    node.Stop();
    if (before_lead) node.PushBack(true); /* nobody says this to one that does not lead */
    Run();
    node.Lead(before_lead + 10u);
    Run();
    EXPECT_EQ(Submit(7 + before_lead, 1), REASON_NONE);
    node.Stop();
    Run();
  }
}

TEST_F(AppThread, StopInTheMiddleOfCatchUpThenAnotherRole) {
  node.AddHistory(1, 1, 30, 7);
  node.read_most = 500;
  node.instant = false;
  node.Lead(2);
  Run();
  node.DiskStep();
  Run(); /* one slice applied, the next asked */
  node.Stop();
  Run();
  EXPECT_EQ(node.Said(APP_STOPPED), 1);
  node.AddHistory(3, 1, 2, 9);
  node.Follow(3, 64);
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(Applied(), zxid_make(3, 2));
  EXPECT_EQ(heard.applied.size(), 32u); /* each exactly once */
  EXPECT_EQ(heard.serving, 1);
}

TEST_F(AppThread, AnAnswerToAnEarlierRoleIsNotApplied) {
  node.AddHistory(1, 1, 33, 7); /* the last three are not committed */
  node.instant = false;
  node.Reset(0);
  node.ToApp(app_msg{APP_FOLLOW, REASON_NONE, 1, 1, 0, zxid_make(1, 30), nullptr, false});
  Run();
  ASSERT_TRUE(node.DiskStep()); /* no snapshot */
  Run();
  ASSERT_TRUE(node.DiskStep()); /* all 33 are read, the answer is on its way */
  node.slow_app.push_front(app_msg{APP_STOP, REASON_NONE, 0, 0, 0, 0, nullptr, false});
  node.history.erase(node.history.upper_bound(zxid_make(1, 30)), node.history.end()); /* TRUNC */
  node.AddHistory(2, 1, 2, 9);
  node.Follow(2, 0);
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(Applied(), zxid_make(2, 2));
  EXPECT_EQ(app_log_last(node.log, 7).sequence, 30u);
}

TEST_F(AppThread, StopInTheMiddleOfARestoreClosesTheSnapshotAndStartsAnew) {
  FakeNode other;
  app_thread t;
  Heard h;
  Open(&other, &t, &h);
  other.AddHistory(1, 1, 60, 7);
  other.config.snapshot_log_bytes = 1000;
  other.Lead(2);
  Run(&t);
  for (int step = 0; step < 24; step++) {
    int stop_after = step / 2;
    bool snapshot_gone = step % 2; /* the next role finds the whole log instead */
    FakeNode n;
    app_thread u;
    Heard g;
    Open(&n, &u, &g);
    n.history = other.history;
    n.snapshots = other.snapshots;
    n.PurgeTo(zxid_make(1, 60));
    n.instant = false;
    n.slice = 400;
    n.Lead(2);
    Run(&u);
    for (int i = 0; i < stop_after && n.DiskStep(); i++) Run(&u);
    n.Stop();
    Run(&u);
    while (snapshot_gone && n.DiskStep()) Run(&u);
    if (snapshot_gone) {
      n.snapshots.clear();
      n.history = other.history;
      n.base = 0;
    }
    n.Lead(3);
    Run(&u);
    while (n.DiskStep()) Run(&u);
    EXPECT_EQ(u.state, APP_SERVING) << stop_after;
    EXPECT_EQ(Digest(&n), Digest(&other)) << stop_after;
    EXPECT_EQ(app_log_kept(n.log)->record_cnt, app_log_kept(other.log)->record_cnt) << stop_after;
    EXPECT_EQ(n.open_snapshot, 0u) << stop_after;
    if (!snapshot_gone) EXPECT_EQ(n.asked[DISK_SNAP_OPEN], n.asked[DISK_SNAP_CLOSE]) << stop_after;
    app_thread_free(&u);
  }
  app_thread_free(&t);
}

TEST_F(AppThread, AStateAheadOfTheHistoryIsBuiltAnew) { /* recover --accept-loss */
  node.AddHistory(1, 1, 10, 7);
  node.Follow(1, 0);
  Run();
  node.Stop();
  Run();
  node.history.erase(node.history.find(zxid_make(1, 6)), node.history.end());
  node.Lead(2);
  Run();
  EXPECT_EQ(Applied(), zxid_make(1, 5));
  EXPECT_EQ(app_log_last(node.log, 7).sequence, 5u);
}

/* The same, but the history has grown in a later epoch: the node never restarted. */
TEST_F(AppThread, AStateThatIsNoLongerInTheHistoryIsBuiltAnewThoughTheHistoryIsLonger) {
  node.AddHistory(1, 1, 10, 7);
  node.Follow(1, 0);
  Run();
  node.Stop();
  node.history.erase(node.history.upper_bound(zxid_make(1, 7)), node.history.end());
  node.AddHistory(2, 1, 5, 8);
  node.Follow(2, 0);
  Run();
  EXPECT_EQ(thread.state, APP_SERVING);
  FakeNode other;
  other.history = node.history;
  app_thread fresh;
  app_thread_init(&fresh, &other.uv);
  other.Follow(2, 0);
  while (app_thread_turn(&fresh)) continue;
  EXPECT_EQ(fresh.app.ops->applied(&fresh.app), zxid_make(2, 5));
  EXPECT_EQ(thread.app.ops->digest(&thread.app), fresh.app.ops->digest(&fresh.app));
  app_thread_free(&fresh);
}

TEST_F(AppThread, TakesASnapshotEverySoManyBytesWhileItGoesOnServing) {
  node.config.snapshot_log_bytes = 3000;
  node.Lead(1);
  Run();
  for (uint64_t i = 1; i <= 200; i++) {
    ASSERT_EQ(Submit(7, i, std::string(50, 'x')), REASON_NONE);
    app_thread_turn(&thread);
  }
  Run();
  EXPECT_GE(node.snapshots.size(), 4u);
  for (auto &s : node.snapshots) { /* each is whole and consistent at its zxid */
    app_log *l = app_log_create(1000, 1 << 20);
    struct app a = app_log_app(l);
    a.ops->restore_begin(&a);
    EXPECT_TRUE(a.ops->restore_next(&a, s.second.data(), static_cast<uint32_t>(s.second.size())));
    EXPECT_TRUE(a.ops->restore_end(&a, s.first));
    EXPECT_EQ(app_log_last(l, 7).zxid, s.first);
    app_log_destroy(l);
  }
}

TEST_F(AppThread, TakesASnapshotWhenALearnerNeedsOneAndOnlyOne) {
  node.Lead(1);
  node.ToApp(app_msg{APP_SNAPSHOT, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  Run();
  for (uint64_t i = 1; i <= 20; i++) {
    ASSERT_EQ(Submit(7, i, std::string(50, 'x')), REASON_NONE);
    Run();
  }
  EXPECT_EQ(node.snapshots.size(), 1u);
  node.instant = false;
  node.ToApp(app_msg{APP_SNAPSHOT, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  Run();
  node.ToApp(app_msg{APP_SNAPSHOT, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(node.snapshots.size(), 2u) << "the learner asks again while one is written";
}

TEST_F(AppThread, ASnapshotIsCommittedOnlyWhenTheOwnDiskHoldsTheLogToIt) {
  node.config.snapshot_log_bytes = 50;
  node.Lead(1);
  Run();
  node.instant = false;
  ASSERT_EQ(Submit(7, 1), REASON_NONE);
  position_set(&node.positions.committed, node.appended); /* `memory`: the disk lags */
  Run();
  for (int i = 0; i < 20; i++) {
    node.DiskStep();
    Run();
  }
  EXPECT_TRUE(node.snapshots.empty());
  position_set(&node.positions.durable, node.appended);
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(node.snapshots.size(), 1u);
}

/* ENOSPC in a snapshot would end the node, and again after each restart. */
TEST_F(AppThread, BelowMinFreeBytesNoSnapshotIsBegunAndOneUnderWayIsGivenUp) {
  node.AddHistory(1, 1, 60, 7, 3500); /* several slices */
  node.config.min_free_bytes = 1000;
  node.Lead(2);
  auto free_is = [this](uint64_t bytes) {
    node.free_bytes = bytes;
    app_thread_ask_free(&thread);
    Run();
    while (node.DiskStep()) Run();
  };
  auto want = [this] {
    node.ToApp(app_msg{APP_SNAPSHOT, REASON_NONE, 0, 2, 0, 0, nullptr, false});
    Run();
  };
  Run();
  free_is(999);
  want();
  EXPECT_EQ(node.asked[DISK_SNAP_BEGIN], 0);
  node.instant = false;
  node.free_bytes = 1000000;
  app_thread_ask_free(&thread);
  Run();
  for (int i = 0; i < 4; i++) { /* BEGIN, and a slice */
    node.DiskStep();
    Run();
  }
  EXPECT_EQ(node.asked[DISK_SNAP_BEGIN], 1);
  EXPECT_GE(node.asked[DISK_SNAP_WRITE], 1);
  testing::internal::CaptureStderr();
  free_is(999);
  EXPECT_EQ(node.asked[DISK_SNAP_ABORT], 1);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("given up: the log needs the space"), said.npos) << said;
  free_is(1000 + 65536); /* it had come further than that */
  EXPECT_EQ(node.asked[DISK_SNAP_BEGIN], 1);
  EXPECT_TRUE(node.snapshots.empty());
  free_is(1000000);
  EXPECT_EQ(node.asked[DISK_SNAP_BEGIN], 2);
  EXPECT_EQ(node.snapshots.size(), 1u);
}

/* store.h: BUSY leaves it open, to be committed again. */
TEST_F(AppThread, ASnapshotThatTheStoreCannotCommitYetIsCommittedAgain) {
  node.Lead(1);
  Run();
  ASSERT_EQ(Submit(7, 1), REASON_NONE);
  Run();
  node.fail_disk[DISK_SNAP_COMMIT] = REASON_BUSY;
  node.instant = false;
  node.ToApp(app_msg{APP_SNAPSHOT, REASON_NONE, 0, 1, 0, 0, nullptr, false});
  for (int i = 0; i < 20; i++) {
    Run();
    node.DiskStep();
  }
  EXPECT_GE(node.asked[DISK_SNAP_COMMIT], 2);
  EXPECT_TRUE(node.snapshots.empty());
  node.fail_disk.clear();
  Run();
  while (node.DiskStep()) Run();
  EXPECT_EQ(node.snapshots.size(), 1u);
  EXPECT_EQ(node.asked[DISK_SNAP_BEGIN], 1);
}

TEST_F(AppThread, ASnapshotUnderWayIsGivenUpWhenAnotherIsRestored) {
  node.AddHistory(1, 1, 60, 7, 3500); /* several slices */
  node.config.snapshot_log_bytes = 1000;
  node.Follow(1, 0);
  Run();
  ASSERT_FALSE(node.snapshots.empty());
  auto snapshots = node.snapshots;
  node.snapshots.clear();
  thread.snapshot.applied_bytes = 100000;
  node.instant = false;
  Run(); /* BEGIN is out; WRITE will be behind SNAP_OPEN */
  node.Stop();
  node.snapshots[zxid_make(2, 9)] = snapshots.rbegin()->second;
  node.PurgeTo(zxid_make(1, 60));
  node.base = zxid_make(2, 9);
  node.Follow(2, 0);
  Run();
  while (node.DiskStep()) Run();
  /* the snapshot's bytes are of another zxid: it is refused, but the one under way was aborted
   * first */
  EXPECT_EQ(node.asked[DISK_SNAP_COMMIT], 1);
  EXPECT_EQ(node.asked[DISK_SNAP_ABORT], 1);
  EXPECT_EQ(thread.snapshot.step, app_snapshot::SNAPSHOT_NONE);
  EXPECT_EQ(thread.state, APP_DEAD);
}

TEST_F(AppThread, ExitEndsTheLoop) {
  node.Exit();
  Run();
  EXPECT_TRUE(thread.exiting);
}

}  // namespace
