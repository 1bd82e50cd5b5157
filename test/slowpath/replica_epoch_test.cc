// The next epoch in place (design 3, A10): the leader stays, nobody is told to come again, and
// every rule of an ordinary new epoch holds (slow_cluster.h judges each step).
#include <gtest/gtest.h>

#include "proto/frame.h"
#include "test/slowpath/replica_in_place.h"
#include "test/slowpath/slow_cluster.h"

namespace {

constexpr uint64_t kLong = 5000000;
constexpr uint64_t kShort = 50000;

class InPlace : public testing::Test {
 protected:
  void TearDown() override {
    if (c) cluster_free(c);
  }
  void start(int nodes, int observers = 0, uint64_t seed = 11) {
    if (c) cluster_free(c);
    c = cluster_new({nodes, seed, DURABILITY_SYNC, observers});
    cluster_start_all(c);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    leader = cluster_leader(c);
    epoch = cluster_replica(c, leader)->lead.epoch;
    for (int i = 0; i < nodes; i++) {
      resends[i] = cluster_resends(c, i);
      elections[i] = cluster_replica(c, i)->elections;
    }
  }
  uint32_t now() const { return cluster_replica(c, leader)->lead.epoch; }
  uint64_t in_place(int i) const {
    return counters_get(cluster_counters(c, i), REASON_EPOCH_IN_PLACE);
  }
  // All that were there are in the next epoch, and nobody noticed.
  void expect_moved(int nodes) {
    EXPECT_EQ(cluster_leader(c), leader);
    for (int i = 0; i < nodes; i++) {
      EXPECT_EQ(cluster_resends(c, i), resends[i]) << i;
      EXPECT_EQ(cluster_replica(c, i)->elections, elections[i]) << i;
      EXPECT_EQ(cluster_replica(c, i)->election.current.peer_epoch, now()) << "its vote, " << i;
      EXPECT_GE(in_place(i), 1u) << i;
    }
  }
  struct cluster *c = nullptr;
  int leader = -1;
  uint32_t epoch = 0;
  int resends[CLUSTER_NODES] = {};
  uint64_t elections[CLUSTER_NODES] = {};
};

TEST_F(InPlace, AUsedUpCounterMovesEveryoneUnderTheSameLeader) {
  for (int nodes : {1, 2, 3, 5, 7}) {
    start(nodes);
    cluster_propose(c, leader, 10, 64);
    cluster_end_epoch(c, leader);
    cluster_run(c, kShort);
    ASSERT_TRUE(cluster_settled(c)) << nodes;
    EXPECT_EQ(now(), epoch + 1);
    EXPECT_EQ(cluster_committed(c), 10);
    expect_moved(nodes);
    cluster_propose(c, leader, 5, 64);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    EXPECT_EQ(cluster_committed(c), 15);
  }
}

TEST_F(InPlace, EpochAfterEpoch) {
  start(3);
  for (uint32_t n = 1; n <= 50; n++) {
    cluster_propose(c, leader, 3, 64);
    cluster_end_epoch(c, leader);
    cluster_run(c, kShort);
    ASSERT_TRUE(cluster_settled(c)) << n;
    ASSERT_EQ(now(), epoch + n);
  }
  expect_moved(3);
  EXPECT_EQ(cluster_committed(c), 150);
}

TEST_F(InPlace, ObserversGoAlong) {
  start(5, 2);
  ASSERT_LT(leader, 3);
  cluster_propose(c, leader, 10, 64);
  cluster_end_epoch(c, leader);
  cluster_run(c, kShort);
  ASSERT_TRUE(cluster_settled(c));
  expect_moved(5);
}

// A10: who promised more joins in the epoch above it, and the others do not look for a leader.
TEST_F(InPlace, ALearnerWithAHigherPromiseIsLetInWithoutAnElection) {
  start(3);
  int f = (leader + 1) % 3, other = (leader + 2) % 3;
  cluster_crash(c, f);
  cluster_run(c, 100000);
  cluster_propose(c, leader, 4, 64);
  cluster_run(c, kShort);
  cluster_image(c, f)->state.accepted_epoch = epoch + 3;
  cluster_start(c, f);
  ASSERT_TRUE(cluster_run_until_settled(c, 300000));
  EXPECT_EQ(cluster_leader(c), leader);
  EXPECT_EQ(now(), epoch + 4);
  for (int i : {leader, other}) {
    EXPECT_EQ(cluster_resends(c, i), resends[i]);
    EXPECT_EQ(cluster_replica(c, i)->elections, elections[i]);
  }
  EXPECT_TRUE(cluster_same_history(c, leader, f));
}

// What is numbered when the learner comes is committed before the epoch ends.
TEST_F(InPlace, AHigherPromiseWaitsForWhatIsOutstanding) {
  start(3);
  int f = (leader + 1) % 3, other = (leader + 2) % 3;
  cluster_crash(c, f);
  cluster_run(c, 100000);
  cluster_hold_disk(c, other, true); /* so nothing can be committed */
  cluster_propose(c, leader, 4, 64);
  cluster_image(c, f)->state.accepted_epoch = epoch + 3;
  cluster_start(c, f);
  cluster_run(c, 20000);
  EXPECT_EQ(now(), epoch);
  EXPECT_EQ(cluster_replica(c, leader)->phase, PHASE_BROADCAST);
  cluster_hold_disk(c, other, false);
  ASSERT_TRUE(cluster_run_until_settled(c, 300000));
  EXPECT_EQ(cluster_leader(c), leader);
  EXPECT_EQ(now(), epoch + 4);
  EXPECT_EQ(cluster_committed(c), 4);
}

TEST_F(InPlace, AQuorumIsEnough) {
  start(5);
  int deaf = (leader + 1) % 5;
  cluster_hold_disk(c, deaf, true); /* its fence never ends */
  cluster_propose(c, leader, 3, 64);
  cluster_run(c, 2000);
  cluster_end_epoch(c, leader);
  cluster_run(c, kShort);
  EXPECT_EQ(cluster_leader(c), leader);
  EXPECT_EQ(now(), epoch + 1);
  cluster_propose(c, leader, 3, 64);
  cluster_run(c, kShort);
  EXPECT_EQ(cluster_committed(c), 6);
  cluster_hold_disk(c, deaf, false);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  expect_moved(5); /* late, but in place */
}

// Nobody answers: the clients are not kept waiting longer than by an election.
TEST_F(InPlace, WithoutAQuorumThereIsAnElectionSoon) {
  start(3);
  uint64_t patience = epoch_limit_us(cluster_replica(c, leader));
  for (int i = 0; i < 3; i++)
    if (i != leader) cluster_hold_disk(c, i, true);
  cluster_end_epoch(c, leader);
  cluster_run(c, patience / 2);
  EXPECT_EQ(cluster_replica(c, leader)->role, ROLE_LEADING);
  cluster_run(c, patience);
  EXPECT_NE(cluster_replica(c, leader)->role, ROLE_LEADING);
  EXPECT_GT(cluster_resends(c, leader), resends[leader]);
  for (int i = 0; i < 3; i++) cluster_hold_disk(c, i, false);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
}

TEST_F(InPlace, AFrozenDiskOfTheLeaderEndsItToo) {
  start(3);
  uint64_t patience = epoch_limit_us(cluster_replica(c, leader));
  cluster_end_epoch(c, leader);
  cluster_hold_disk(c, leader, true);
  cluster_run(c, patience + kShort);
  EXPECT_NE(cluster_leader(c), leader);
  EXPECT_GE(cluster_leader(c), 0) << "the others go on";
  cluster_hold_disk(c, leader, false);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
}

// The leader vanishes in the middle without a word: its learners find out.
TEST_F(InPlace, LearnersLeaveALeaderThatFallsSilent) {
  for (uint64_t at = 0; at < 3000; at += 100) {
    start(3, 0, at + 1);
    cluster_propose(c, leader, 3, 64);
    cluster_end_epoch(c, leader);
    cluster_run(c, at);
    cluster_freeze(c, leader, true);
    cluster_run(c, 3 * epoch_limit_us(cluster_replica(c, leader)));
    int second = cluster_leader(c);
    ASSERT_GE(second, 0) << at;
    cluster_freeze(c, leader, false);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << at;
  }
}

// B8, B9 and the promises: whoever dies at whatever disk operation of the change.
TEST_F(InPlace, ACrashAtAnyDiskOperationLosesNothing) {
  for (int victim = 0; victim < 3; victim++)
    for (int completion = 1; completion <= 6; completion++)
      for (int applied = 0; applied < 2; applied++) {
        start(3, 0, (uint64_t)(victim * 100 + completion * 10 + applied));
        cluster_propose(c, leader, 3, 64);
        cluster_run(c, 2000);
        cluster_crash_at(c, victim, completion, applied);
        cluster_end_epoch(c, leader);
        cluster_run(c, 200000);
        if (!cluster_up(c, victim)) cluster_start(c, victim);
        ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << victim << " at " << completion;
        ASSERT_EQ(cluster_committed(c), 3);
        cluster_propose(c, cluster_leader(c), 1, 64);
        ASSERT_TRUE(cluster_run_until_settled(c, kLong));
      }
}

TEST_F(InPlace, AStopIsHeardInEveryStepOfIt) {
  for (uint64_t at = 0; at < 3000; at += 50) {
    start(3, 0, at + 1);
    cluster_propose(c, leader, 3, 64);
    cluster_end_epoch(c, leader);
    cluster_run(c, at);
    for (int i = 0; i < 3; i++) cluster_stop(c, i);
    cluster_run(c, 200000);
    for (int i = 0; i < 3; i++) ASSERT_EQ(cluster_exit_code(c, i), 0) << at;
  }
}

// Whoever leaves in the middle of it comes back, and clients are told once that they must.
TEST_F(InPlace, AnySingleNodeMayBeCutOffAtAnyTime) {
  for (int victim = 0; victim < 3; victim++)
    for (uint64_t at = 0; at < 3000; at += 150) {
      start(3, 0, at + 1);
      cluster_propose(c, leader, 3, 64);
      cluster_end_epoch(c, leader);
      cluster_run(c, at);
      for (int i = 0; i < 3; i++)
        if (i != victim) cluster_cut(c, victim, i, true);
      cluster_run(c, 3 * epoch_limit_us(cluster_replica(c, leader)));
      ASSERT_GE(cluster_leader(c), 0) << victim << " at " << at;
      for (int i = 0; i < 3; i++) cluster_cut(c, victim, i, false);
      ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << victim << " at " << at;
    }
}

/* ---- one machine ---- */

// The fence (5.2), R2: no LEADERINFO of the new epoch before fast, app and disk have stopped and
// the own promise is durable.
TEST(InPlaceLeader, OffersTheNextEpochOnlyFencedAndPromised) {
  Leads s;
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.drained();
  ASSERT_EQ(s.fast.size(), 1u);
  EXPECT_EQ(s.fast[0].type, FAST_CLOSE);
  EXPECT_EQ(s.fast[0].keeps, 1);
  EXPECT_TRUE(s.asked.empty());
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  EXPECT_TRUE(told(s, APP_PAUSE));
  EXPECT_FALSE(told(s, APP_STOP));
  s.answer(); /* DRAIN */
  EXPECT_TRUE(s.asked.empty());
  s.app_says(APP_STOPPED, REASON_NONE, true);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_ACCEPTED);
  EXPECT_EQ(s.asked[0].epoch, 2u);
  EXPECT_EQ(s.sent_cnt(PACKET_LEADERINFO), 0);
  s.answer();
  ASSERT_EQ(s.sent_cnt(PACKET_LEADERINFO), 1);
  EXPECT_EQ(s.sent.back().zxid, zxid_make(2, 0));
  EXPECT_TRUE(s.closed.empty()) << "on the connection that stands";
  s.ackepoch(1, 1, 0);
  s.answer_all();
  EXPECT_EQ(s.last(FAST_LEAD).epoch, 2u);
  s.simple(EV_WRITABLE, 1);
  EXPECT_EQ(s.last(FAST_ATTACH).resumes, s.before);
  EXPECT_NE(s.last(FAST_ATTACH).iteration, s.before);
  s.settle(2);
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
  EXPECT_TRUE(told(s, APP_LEAD));
  EXPECT_EQ(count(s, REASON_EPOCH_IN_PLACE), 1u);
  struct extension e;
  for (const Sent &p : s.sent) {
    if (p.type != PACKET_NEWLEADER) continue;
    size_t text = strlen(p.data.c_str()) + 1;
    ASSERT_EQ(extension_read(&e, p.data.data() + text, p.data.size() - text), REASON_NONE);
    EXPECT_TRUE(e.features & FEATURE_RESUMES);
    EXPECT_EQ(e.requests, 777u);
  }
}

// "With a ZooKeeper voter the leader steps down cleanly instead": who cannot go along is needed.
TEST(InPlaceLeader, StepsDownWhenAVoterItNeedsCannotGoAlong) {
  Leads s(FEATURE_TCP_FRAMES);
  s.drained();
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
  EXPECT_EQ(s.last(FAST_CLOSE).keeps, 0);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_EQ(s.r->last_loss, REASON_COUNTER_LIMIT);
}

TEST(InPlaceLeader, CountsOnNobodyWhoIsNotHeard) {
  Leads s;
  s.r->conns[1].heard = false;
  s.drained();
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

TEST(InPlaceLeader, IgnoresWhatAnAppSaysOfAnotherEpoch) {
  Leads s;
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = APP_DRAINED;
  e.app.epoch = 7;
  s.step(e);
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
}

// A10: it stays on its connection; once in init_limit.
TEST(InPlaceLeader, DrainsForAHigherPromiseOnceInInitLimit) {
  Leads s;
  s.follower(2, 2, 5);
  EXPECT_TRUE(told(s, APP_DRAIN));
  EXPECT_FALSE(s.was_closed(2));
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
  s.drained(REASON_EPOCH_AHEAD);
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  s.app_says(APP_STOPPED, REASON_NONE, true);
  s.answer();
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].epoch, 6u);
  s.answer();
  EXPECT_EQ(s.sent_cnt(PACKET_LEADERINFO), 2);
  s.ackepoch(1, 1, 0);
  s.answer_all();
  s.settle(6);
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.forget();
  s.follower(3, 2, 9);
  EXPECT_FALSE(told(s, APP_DRAIN));
  EXPECT_TRUE(s.was_closed(3));
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST) << "not again so soon";
  s.now += 1000000;
  s.follower(4, 2, 9);
  EXPECT_TRUE(told(s, APP_DRAIN));
}

TEST(InPlaceLeader, GivesADrainUpThatDoesNotEnd) {
  Leads s;
  s.follower(2, 2, 5);
  EXPECT_LE(s.r->deadline_us, s.now + epoch_limit_us(s.r.get()));
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

// R13: frames over TCP that were on their way when the epoch ended are nothing to it.
TEST(InPlaceLeader, DropsFramesOfBeforeWithoutEndingTheConnection) {
  Leads s;
  struct frame_header h = {};
  h.source = 1;
  h.iteration = s.before;
  std::string frame(reinterpret_cast<const char *>(&h), sizeof h);
  s.packet(1, PACKET_FRAME, 0, frame);
  ASSERT_EQ(s.frames.size(), 1u) << "it passes while the epoch stands";
  s.drained();
  s.packet(1, PACKET_FRAME, 0, frame);
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  s.app_says(APP_STOPPED, REASON_NONE, true);
  s.answer_all();
  s.packet(1, PACKET_FRAME, 0, frame);
  EXPECT_EQ(s.frames.size(), 1u);
  EXPECT_FALSE(s.was_closed(1));
  EXPECT_EQ(count(s, REASON_STALE_ITERATION), 2u);
}

// The role ends in the middle of its fence: the app that pauses is stopped, and only that counts.
TEST(InPlaceLeader, StopsAnAppThatPausesWhenItGivesUp) {
  Leads s;
  s.drained();
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  ASSERT_TRUE(told(s, APP_PAUSE));
  s.simple(EV_CONN_CLOSED, 1);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
  EXPECT_TRUE(told(s, APP_STOP));
  s.answer();
  s.app_says(APP_STOPPED, REASON_NONE, true);
  EXPECT_EQ(s.r->phase, PHASE_FENCING) << "that was the pause";
  s.app_says(APP_STOPPED);
  EXPECT_EQ(s.r->phase, PHASE_LOOKING);
}

// A settled node answers others also while it changes the epoch.
TEST(InPlaceLeader, AnswersNotificationsMeanwhile) {
  Leads s;
  s.drained();
  s.vote(1, 2);
  bool answered = false;
  for (uint32_t i = 0; i < s.actions->cnt; i++)
    answered |= s.actions->at[i].type == ACT_NOTIFY && s.actions->at[i].state == PEER_LEADING;
  EXPECT_TRUE(answered);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

// 5.2 step 1: our disk is behind a learner that comes back, and when it has caught up there is
// nothing to send.  (Seen by the simulator: it was refused, SYNC_ORDER.)
TEST(LateLearner, ThatHeldMoreOfTheEpochThanOurDiskGetsAnEmptyDiff) {
  Leads s;
  s.follower(2, 2, 1);
  s.ackepoch(2, 1, zxid_make(1, 5));
  ASSERT_EQ(s.asked.front().type, DISK_LOOKUP);
  s.asked.front().zxid = zxid_make(1, 4);
  s.answer();
  struct fast_msg m = s.last(FAST_ATTACH);
  ASSERT_EQ(m.zxid, zxid_make(1, 5));
  s.fast_event({FAST_ATTACHED, 1, 1, REASON_NONE, m.iteration, 640, zxid_make(1, 5)});
  s.answer(); /* LOOKUP: it is there now */
  s.answer(); /* READ: nothing behind it */
  EXPECT_FALSE(s.was_closed(2));
  EXPECT_EQ(s.sent_cnt(PACKET_DIFF), 1);
  EXPECT_EQ(s.sent_cnt(PACKET_NEWLEADER), 1);
}

// The fence, R1: ACKEPOCH leaves when all has stopped and the promise is durable; then as always.
TEST(InPlaceLearner, AnswersFencedAndPromisedAndGoesOn) {
  Follows s;
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.leaderinfo(2);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  ASSERT_EQ(s.fast.size(), 1u);
  EXPECT_EQ(s.fast[0].type, FAST_CLOSE);
  EXPECT_EQ(s.fast[0].keeps, 1);
  EXPECT_FALSE(replica_wants_input(s.r.get(), 0));
  EXPECT_TRUE(s.asked.empty()) << "no promise before the fence";
  s.fence();
  EXPECT_TRUE(told(s, APP_PAUSE));
  EXPECT_FALSE(told(s, APP_STOP));
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_ACCEPTED);
  EXPECT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 0);
  s.answer();
  ASSERT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 1);
  s.packet(0, PACKET_DIFF, 0, "");
  s.next_newleader(2, FEATURE_RESUMES);
  s.answer_all();
  ASSERT_EQ(s.fast.back().type, FAST_OPEN);
  EXPECT_EQ(s.fast.back().epoch, 2u);
  EXPECT_EQ(s.fast.back().resumes, 99u);
  EXPECT_EQ(s.fast.back().requests, 4242u);
  s.packet(0, PACKET_UPTODATE, ZXID_NONE, Solo::bytes(s.extension()));
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
  EXPECT_TRUE(told(s, APP_FOLLOW));
  EXPECT_EQ(count(s, REASON_EPOCH_IN_PLACE), 1u);
  EXPECT_EQ(s.r->election.current.peer_epoch, 2u) << "what it votes when it is asked";
}

// R1: no promise of an epoch that is not above all it has promised.
TEST(InPlaceLearner, LeavesALeaderWhoseNextEpochIsNotAbove) {
  for (uint32_t epoch : {0u, 1u}) {
    Follows s;
    s.leaderinfo(epoch);
    EXPECT_EQ(s.r->role, ROLE_LOOKING) << epoch;
    EXPECT_EQ(s.r->last_loss, REASON_EPOCH_OLD);
    EXPECT_EQ(s.fast.back().keeps, 0);
  }
}

// Its clients' REQUESTs cannot go on: they must be told, not left waiting.
TEST(InPlaceLearner, LeavesALeaderThatDoesNotResume) {
  Follows s;
  s.leaderinfo(2);
  s.fence();
  s.answer();
  s.packet(0, PACKET_DIFF, 0, "");
  s.next_newleader(2, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

TEST(InPlaceLearner, WatchesItsConnectionAgainAndHasAShortPatience) {
  Follows s;
  s.leaderinfo(2);
  s.fence();
  s.answer();
  EXPECT_LE(s.r->deadline_us, s.now + 2 * epoch_limit_us(s.r.get()));
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

TEST(InPlaceLearner, ALeaderThatLeavesInTheMiddleOfTheFenceIsLeft) {
  Follows s;
  s.leaderinfo(2);
  s.simple(EV_CONN_CLOSED, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  EXPECT_TRUE(told(s, APP_STOP)) << "not told PAUSE yet";
  EXPECT_FALSE(told(s, APP_PAUSE));
}

}  // namespace
