// Roles: stepping down, stopping, losing the fast path, `memory` and --rejoin, recover, A10.
#include <gtest/gtest.h>

#include "test/slowpath/slow_cluster.h"

namespace {

constexpr uint64_t kLong = 5000000;

class Roles : public testing::Test {
 protected:
  void TearDown() override {
    if (c) cluster_free(c);
  }
  void make(int nodes, enum config_durability d = DURABILITY_SYNC, int observers = 0) {
    c = cluster_new({nodes, 11, d, observers});
  }
  void settle() { ASSERT_TRUE(cluster_run_until_settled(c, kLong)); }
  void start() {
    cluster_start_all(c);
    settle();
  }
  struct cluster *c = nullptr;
};

TEST_F(Roles, StepDownByRequestLetsAnotherLead) {
  make(3);
  start();
  int before = cluster_leader(c);
  cluster_app(c, before, APP_STEP_DOWN);
  settle();
  EXPECT_NE(cluster_leader(c), before);
}

TEST_F(Roles, ALoneVoterThatStepsDownLeadsAgain) {
  make(1);
  start();
  cluster_app(c, 0, APP_STEP_DOWN);
  settle();
  EXPECT_EQ(cluster_leader(c), 0);
}

TEST_F(Roles, StepDownAtAFollowerChangesNothing) {
  make(3);
  start();
  int leader = cluster_leader(c);
  cluster_app(c, (leader + 1) % 3, APP_STEP_DOWN);
  cluster_run(c, 100000);
  EXPECT_EQ(cluster_leader(c), leader);
}

TEST_F(Roles, CounterLimitLeadsToACleanNewEpoch) {
  make(3);
  start();
  int leader = cluster_leader(c);
  uint32_t epoch = cluster_replica(c, leader)->lead.epoch;
  cluster_fast(c, leader, {FAST_LOST, 0, epoch, REASON_COUNTER_LIMIT, 0, 0, 0});
  settle();
  EXPECT_GT(cluster_replica(c, cluster_leader(c))->lead.epoch, epoch);
}

TEST_F(Roles, CleanStopFencesMarksAndEndsWithZero) {
  make(3);
  start();
  int leader = cluster_leader(c);
  for (int i = 0; i < 3; i++) {
    cluster_stop(c, i);
    cluster_run(c, 100000);
    EXPECT_EQ(cluster_exit_code(c, i), 0);
    EXPECT_TRUE(cluster_image(c, i)->state.clean_stop);
  }
  (void)leader;
}

TEST_F(Roles, StopIsHeardInEveryPhase) {
  for (uint64_t at = 0; at < 60000; at += 250) {
    c = cluster_new({3, at + 1, DURABILITY_SYNC, 0});
    cluster_start_all(c);
    cluster_run(c, at);
    for (int i = 0; i < 3; i++) cluster_stop(c, i);
    cluster_run(c, 200000);
    for (int i = 0; i < 3; i++) EXPECT_EQ(cluster_exit_code(c, i), 0) << at;
    cluster_free(c);
    c = nullptr;
  }
}

TEST_F(Roles, ADeadLeaderIsReplacedWithinAHundredMilliseconds) {
  make(3);
  start();
  for (int round = 0; round < 5; round++) {
    int leader = cluster_leader(c);
    cluster_crash(c, leader);
    ASSERT_TRUE(cluster_run_until_settled(c, 100000)) << round;
    cluster_start(c, leader);
    settle();
  }
}

// F12: it wakes up long after it was deposed.
TEST_F(Roles, AStoppedLeaderIsReplacedAndFollowsWhenItWakes) {
  make(3);
  start();
  int leader = cluster_leader(c);
  cluster_freeze(c, leader, true);
  cluster_run(c, 1000000);
  int second = cluster_leader(c);
  EXPECT_NE(second, leader);
  cluster_propose(c, second, 5, 64);
  cluster_run(c, 100000);
  cluster_freeze(c, leader, false);
  settle();
  EXPECT_EQ(cluster_committed(c), 5);
}

// B9: a deposed leader's own record must be gone, on its disk too.
TEST_F(Roles, ARecordOfAnIsolatedLeaderVanishesForGood) {
  make(3);
  start();
  int l = cluster_leader(c);
  for (int i = 0; i < 3; i++)
    if (i != l) cluster_cut(c, l, i, true);
  cluster_propose(c, l, 2, 64);
  cluster_run(c, 500000);
  ASSERT_NE(cluster_leader(c), -1);
  ASSERT_NE(cluster_leader(c), l);
  EXPECT_EQ(cluster_image(c, l)->entry_cnt, 2);
  cluster_propose(c, cluster_leader(c), 1, 64);
  cluster_run(c, 100000);
  for (int i = 0; i < 3; i++) cluster_cut(c, l, i, false);
  settle();
  cluster_crash(c, l);
  cluster_start(c, l);
  settle();
  EXPECT_EQ(cluster_image(c, l)->entry_cnt, 1);
}

// J5: TCP fine, fast path cut: given up after init_limit, and it is said who answers on TCP only.
TEST_F(Roles, ALeaderWithoutFastPathGivesUpAndSaysWhoAnswersOnTcpOnly) {
  make(3);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) cluster_cut_fast(c, i, j, true);
  cluster_start_all(c);
  cluster_run(c, 3000000);
  EXPECT_EQ(cluster_leader(c), -1);
  int said = 0;
  for (int i = 0; i < 3; i++) said += cluster_logged(c, i, LOG_NO_FAST_PATH);
  EXPECT_GT(said, 0);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) cluster_cut_fast(c, i, j, false);
  settle();
}

TEST_F(Roles, APeerSilentOnTheFastPathIsAttachedAnew) {
  make(3);
  start();
  int l = cluster_leader(c), f = (l + 1) % 3;
  cluster_cut_fast(c, l, f, true);
  cluster_run(c, 300000);
  EXPECT_EQ(cluster_leader(c), l);
  cluster_cut_fast(c, l, f, false);
  settle();
  EXPECT_EQ(cluster_leader(c), l);
}

TEST_F(Roles, ALeaderWithoutAQuorumOfAttachmentsStepsDownAtOnce) {
  make(3);
  start();
  int l = cluster_leader(c);
  for (int i = 0; i < 3; i++)
    if (i != l) cluster_crash(c, i);
  cluster_run(c, 2000);
  EXPECT_EQ(cluster_leader(c), -1);
}

TEST_F(Roles, TwoOfThreeSettleWhenOneKeepsComingBack) {
  make(3);
  cluster_start(c, 0);
  cluster_start(c, 1);
  for (int i = 0; i < 8; i++) {
    cluster_run(c, 7000);
    cluster_crash(c, i % 2);
    cluster_start(c, i % 2);
  }
  ASSERT_TRUE(cluster_run_until_settled(c, 1000000));
}

// A10: promised more than the ensemble's epoch, in an election that failed.
TEST_F(Roles, ANodeWithAHigherPromiseComesBackWithinABoundedTime) {
  make(3);
  start();
  int l = cluster_leader(c), f = (l + 1) % 3;
  uint32_t epoch = cluster_replica(c, l)->lead.epoch;
  cluster_crash(c, f);
  cluster_run(c, 100000);
  cluster_image(c, f)->state.accepted_epoch = epoch + 3;
  cluster_start(c, f);
  ASSERT_TRUE(cluster_run_until_settled(c, 1000000));
  EXPECT_GT(cluster_replica(c, cluster_leader(c))->lead.epoch, epoch + 3);
}

TEST_F(Roles, ObserversLearnButNeverCount) {
  make(5, DURABILITY_SYNC, 2);
  start();
  int l = cluster_leader(c);
  ASSERT_LT(l, 3);
  cluster_propose(c, l, 5, 64);
  settle();
  EXPECT_EQ(cluster_replica(c, l)->lead.counted & 0x18u, 0u);
  for (int i = 0; i < 3; i++)
    if (i != l) cluster_crash(c, i);
  cluster_run(c, 100000);
  EXPECT_EQ(cluster_leader(c), -1); /* C6 */
}

// A5: the same votes again and again, from durable state (judged), and a leader once unblocked.
TEST_F(Roles, RepeatedFailedEstablishmentsChangeNoVote) {
  make(3);
  for (int i = 0; i < 3; i++) image_push(cluster_image(c, i), 1, 3, 1, 40);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) cluster_cut_fast(c, i, j, true);
  cluster_start_all(c);
  cluster_run(c, 6000000);
  for (int i = 0; i < 3; i++) EXPECT_EQ(cluster_image(c, i)->state.last_zxid, zxid_make(1, 3));
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) cluster_cut_fast(c, i, j, false);
  settle();
}

// ---- `memory`, --rejoin (design 6) ----

TEST_F(Roles, InMemoryAnUncleanNodeCountsOnlyAfterItIsSynchronised) {
  make(3, DURABILITY_MEMORY);
  start();
  int l = cluster_leader(c), f = (l + 1) % 3;
  cluster_propose(c, l, 20, 64);
  settle();
  cluster_crash(c, f);
  cluster_run(c, 50000);
  cluster_start(c, f);
  cluster_run(c, 500);
  EXPECT_GT(cluster_logged(c, f, LOG_NOT_COUNTING), 0);
  settle();
  EXPECT_EQ(cluster_logged(c, f, LOG_MAY_VOTE), 1);
  EXPECT_FALSE(cluster_replica(c, f)->unclean);
  EXPECT_NE(cluster_replica(c, l)->lead.counted & (1u << f), 0u);
}

TEST_F(Roles, InMemoryUncleanNodesWithoutAQuorumWaitForTheOperator) {
  make(3, DURABILITY_MEMORY);
  start();
  cluster_propose(c, cluster_leader(c), 20, 64);
  settle();
  for (int i = 0; i < 3; i++) cluster_crash(c, i);
  cluster_start_all(c);
  cluster_run(c, 2000000);
  EXPECT_EQ(cluster_leader(c), -1);
  for (int i = 0; i < 3; i++) cluster_app(c, i, APP_RECOVER);
  settle();
}

TEST_F(Roles, InMemoryCleanlyStoppedNodesVoteAtOnce) {
  make(3, DURABILITY_MEMORY);
  start();
  cluster_propose(c, cluster_leader(c), 20, 64);
  settle();
  for (int i = 0; i < 3; i++) cluster_stop(c, i);
  cluster_run(c, 200000);
  start();
  EXPECT_EQ(cluster_committed(c), 20);
}

// The mark would let it vote with what it lost.
TEST_F(Roles, AnUncleanNodeThatIsStoppedBeforeItSynchronisedIsNotMarkedClean) {
  make(3, DURABILITY_MEMORY);
  cluster_image(c, 0)->state.clean_stop = false;
  cluster_image(c, 0)->state.accepted_epoch = 1;
  cluster_start(c, 0);
  cluster_run(c, 100000);
  cluster_stop(c, 0);
  cluster_run(c, 100000);
  EXPECT_EQ(cluster_exit_code(c, 0), 0);
  EXPECT_FALSE(cluster_image(c, 0)->state.clean_stop);
}

TEST_F(Roles, InMemoryNodesThatNeverPromisedAnythingVoteAtOnce) {
  make(3, DURABILITY_MEMORY);
  for (int i = 0; i < 3; i++) cluster_image(c, i)->state.clean_stop = false;
  start();
}

// E5: a lost disk.
TEST_F(Roles, ARejoinedNodeVotesOnlyWhenEveryOtherVoterHasAcceptedTheEpoch) {
  make(5);
  cluster_image(c, 4)->state.may_vote = false;
  for (int i = 0; i < 3; i++) cluster_start(c, i);
  cluster_start(c, 4);
  settle();
  EXPECT_FALSE(cluster_image(c, 4)->state.may_vote);
  EXPECT_EQ(cluster_replica(c, cluster_leader(c))->lead.counted & 0x10u, 0u);
  cluster_start(c, 3);
  settle();
  cluster_run(c, 10000);
  EXPECT_TRUE(cluster_image(c, 4)->state.may_vote);
  EXPECT_NE(cluster_replica(c, cluster_leader(c))->lead.counted & 0x10u, 0u);
}

// One that was in the epoch and has left may lead a later one, with the promise that was lost.
TEST_F(Roles, ARejoinedNodeDoesNotVoteWhileAVoterThatWasInTheEpochIsGone) {
  make(5);
  cluster_image(c, 4)->state.may_vote = false;
  for (int i = 0; i < 4; i++) cluster_start(c, i);
  settle();
  int gone = (cluster_leader(c) + 1) % 4;
  cluster_crash(c, gone);
  cluster_run(c, 50000);
  cluster_start(c, 4);
  settle();
  cluster_run(c, 1000000);
  EXPECT_FALSE(cluster_image(c, 4)->state.may_vote);
  EXPECT_EQ(cluster_replica(c, cluster_leader(c))->lead.counted & 0x10u, 0u);
  cluster_start(c, gone);
  settle();
  cluster_run(c, 100000);
  EXPECT_TRUE(cluster_image(c, 4)->state.may_vote);
}

TEST_F(Roles, ARejoinedNodeFormsNoQuorumOfTwo) {
  make(3);
  start();
  int l = cluster_leader(c), f = (l + 1) % 3;
  for (int i = 0; i < 3; i++) cluster_crash(c, i);
  cluster_image(c, f)->state = {};
  cluster_image(c, f)->entry_cnt = 0;
  cluster_start(c, f);
  cluster_start(c, (l + 2) % 3);
  cluster_run(c, 2000000);
  EXPECT_EQ(cluster_leader(c), -1);
  cluster_start(c, l);
  settle();
  cluster_run(c, 10000);
  EXPECT_TRUE(cluster_image(c, f)->state.may_vote);
}

// ---- mismatches ----

TEST_F(Roles, ANodeOfAnotherClusterIsRefusedWithOneLine) {
  make(3);
  strcpy(cluster_config(c, 2)->cluster, "other");
  cluster_start_all(c);
  cluster_run(c, 1500000);
  int l = cluster_leader(c);
  ASSERT_GE(l, 0);
  ASSERT_NE(l, 2);
  EXPECT_EQ(cluster_logged(c, l, LOG_TEXT_DIFFERS), 1);
  EXPECT_EQ(cluster_image(c, 2)->state.accepted_epoch, 0u);
}

TEST_F(Roles, ANodeOfAnotherDurabilityClassOrRecordLimitIsRefused) {
  for (int what = 0; what < 3; what++) { /* 2: another mtu */
    make(3);
    if (what == 0) cluster_config(c, 0)->durability = DURABILITY_MEMORY;
    if (what == 1) cluster_config(c, 0)->largest_record = 80000;
    if (what == 2) cluster_config(c, 0)->mtu = 9000;
    cluster_start_all(c);
    cluster_run(c, 1500000);
    int l = cluster_leader(c);
    EXPECT_GT(l, 0);
    EXPECT_EQ(cluster_logged(c, l, what == 0 ? LOG_TEXT_DIFFERS : LOG_NUMBER_DIFFERS), 1);
    cluster_free(c);
    c = nullptr;
  }
}

TEST_F(Roles, ADifferentServerListIsRefusedByTheLearner) {
  make(3);
  strcpy(cluster_config(c, 0)->peers[1].address, "elsewhere");
  cluster_start_all(c);
  cluster_run(c, 1500000);
  EXPECT_GT(cluster_leader(c), 0);
  EXPECT_EQ(cluster_logged(c, 0, LOG_TEXT_DIFFERS), 1);
  EXPECT_EQ(cluster_replica(c, 0)->phase == PHASE_BROADCAST, false);
}

}  // namespace
