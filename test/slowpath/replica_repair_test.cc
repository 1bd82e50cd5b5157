// Damaged records: asked for, repaired, discarded, waited for (E1, E3); and many of the 4,096
// combinations of damaged entries of Protocol-Aware Recovery.
#include <gtest/gtest.h>

#include "test/slowpath/replica_solo.h"
#include "test/slowpath/slow_cluster.h"

namespace {

struct Cluster {
  explicit Cluster(int nodes = 3, uint64_t seed = 7, int entries = 4) {
    struct cluster_options o = {};
    o.nodes = nodes;
    o.seed = seed;
    c = cluster_new(o);
    for (int i = 0; i < nodes; i++) push(i, entries);
  }
  ~Cluster() { cluster_free(c); }
  Cluster(const Cluster &) = delete;
  Cluster &operator=(const Cluster &) = delete;
  struct image *image(int node) {
    return cluster_image(c, node);
  }
  void push(int node, int entries) {
    image_push(image(node), 1, entries, 1, 64);
    image(node)->state.accepted_epoch = image(node)->state.current_epoch = 1;
  }
  void spoil(int node, int entry) { image_spoil(image(node), entry); }
  bool whole(int node, int entries) {
    return image(node)->entry_cnt >= entries && !image(node)->state.faulty;
  }
  bool settle() { return cluster_run_until_settled(c, 5000000); }
  struct cluster *c;
};

TEST(ReplicaRepair, ALeaderGetsItsDamagedRecordFromAFollower) {
  Cluster k(3);
  for (int node = 0; node < 3; node++) k.spoil(node, node + 1);  // whoever leads has one
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  for (int node = 0; node < 3; node++) EXPECT_TRUE(k.whole(node, 4));
  int leader = cluster_leader(k.c);
  EXPECT_EQ(cluster_logged(k.c, leader, LOG_REPAIRED), 1);
  EXPECT_EQ(cluster_logged(k.c, leader, LOG_REPAIR_WAITS), 0);
  EXPECT_TRUE(cluster_same_history(k.c, 0, 1) && cluster_same_history(k.c, 0, 2));
}

TEST(ReplicaRepair, AFollowerGetsItFromItsLeaderBeforeItsAck) {
  Cluster k(3);
  k.spoil(0, 0);
  k.spoil(0, 3);
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_NE(cluster_leader(k.c), 0);
  EXPECT_TRUE(k.whole(0, 4));
  std::string t = cluster_trace(k.c, 0);
  EXPECT_NE(t.find("F ASK"), std::string::npos) << t;
  EXPECT_LT(t.rfind("L ANSWER"), t.find("F ACK ")) << t;
}

TEST(ReplicaRepair, AFollowerOfAnEstablishedLeaderToo) {
  Cluster k(3);
  k.spoil(0, 1);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  ASSERT_TRUE(k.settle());
  cluster_propose(k.c, cluster_leader(k.c), 5, 64);
  cluster_run(k.c, 100000);
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  EXPECT_TRUE(k.whole(0, 9));
}

TEST(ReplicaRepair, NobodyHereHasItTheLeaderWaitsAndSaysSoUntilOneComesWhoHas) {
  Cluster k(3);
  k.spoil(1, 2);
  k.spoil(2, 2);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  cluster_run(k.c, 60000000);  // far beyond every limit
  ASSERT_EQ(cluster_leader(k.c), -1);
  EXPECT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 1);
  EXPECT_LE(cluster_replica(k.c, 2)->elections, 2u);  // nobody is thrown out meanwhile
  EXPECT_EQ(k.image(1)->entry_cnt, 4);
  EXPECT_EQ(k.image(2)->entry_cnt, 4);
  struct status s;
  replica_status(cluster_replica(k.c, 2), &s);
  EXPECT_EQ(s.durable.faulty, zxid_make(1, 3));
  EXPECT_EQ(s.waits_for, zxid_make(1, 3));
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  for (int node = 0; node < 3; node++) EXPECT_TRUE(k.whole(node, 4));
}

TEST(ReplicaRepair, WhatAQuorumNeverHadIsDiscarded) {
  Cluster k(3, 7, 2);
  image_push(k.image(2), 1, 2, 5, 64);
  k.spoil(2, 2);
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(cluster_leader(k.c), 2);
  EXPECT_EQ(cluster_logged(k.c, 2, LOG_DISCARDED), 1);
  EXPECT_EQ(k.image(2)->entry_cnt, 2);
}

TEST(ReplicaRepair, WithoutAQuorumOfDenialsNothingIsDiscarded) {
  Cluster k(3, 7, 2);
  image_push(k.image(2), 1, 2, 5, 64);
  k.spoil(2, 2);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  cluster_run(k.c, 5000000);
  EXPECT_EQ(cluster_leader(k.c), -1);
  EXPECT_EQ(k.image(2)->entry_cnt, 4);
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(k.image(2)->entry_cnt, 2);
}

// It promised before its disk was lost; what it has not now it may have acknowledged (E5).
TEST(ReplicaRepair, ANodeThatLostItsDiskDeniesNothing) {
  Cluster k(5, 7, 2);
  for (int node : {0, 3, 4}) image_push(k.image(node), 1, 1, 1, 64);
  k.spoil(3, 2);
  k.spoil(4, 2);
  for (int node : {1, 2, 3, 4}) cluster_start(k.c, node);
  cluster_run(k.c, 3000000);
  ASSERT_EQ(cluster_logged(k.c, 4, LOG_REPAIR_WAITS), 1);
  cluster_crash(k.c, 3);
  struct image *lost = k.image(3);
  lost->entry_cnt = 2;
  lost->state.last_zxid = zxid_make(1, 2);
  lost->state.faulty = 0;
  lost->state.may_vote = false;
  cluster_start(k.c, 3);
  cluster_run(k.c, 5000000);
  EXPECT_EQ(cluster_leader(k.c), -1);
  EXPECT_EQ(cluster_logged(k.c, 4, LOG_DISCARDED), 0);
  EXPECT_EQ(k.image(4)->entry_cnt, 3);
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  EXPECT_TRUE(k.whole(4, 3));
}

TEST(ReplicaRepair, ALossIsNotAcceptedWhileAnAnswerIsOpen) {
  Cluster k(3);
  k.spoil(2, 2);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  const struct replica *leader = cluster_replica(k.c, 2);
  for (int i = 0; i < 100000 && !(leader->lead.step == LEADING_REPAIR && leader->lead.asking); i++)
    cluster_run(k.c, 10);
  ASSERT_TRUE(leader->lead.asking);
  cluster_app(k.c, 2, APP_RECOVER);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(cluster_logged(k.c, 2, LOG_LOSS_ACCEPTED), 0);
  EXPECT_TRUE(k.whole(2, 4));
}

TEST(ReplicaRepair, AloneItWaitsAndTheOperatorMayGiveUpTheRest) {
  Cluster k(1);
  k.spoil(0, 2);
  cluster_start_all(k.c);
  cluster_run(k.c, 5000000);
  EXPECT_EQ(cluster_leader(k.c), -1);
  EXPECT_EQ(cluster_exit_code(k.c, 0), -1);
  EXPECT_EQ(cluster_logged(k.c, 0, LOG_REPAIR_WAITS), 1);
  EXPECT_EQ(k.image(0)->entry_cnt, 4);
  cluster_app(k.c, 0, APP_RECOVER);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(k.image(0)->entry_cnt, 2);
}

TEST(ReplicaRepair, ATailThatNobodyElseHasIsCutAwayFaultyAsItIs) {
  Cluster k(3);
  image_push(k.image(0), 1, 3, 9, 64);
  k.image(0)->state.current_epoch = 1;
  for (int node : {1, 2}) {
    k.image(node)->state.accepted_epoch = k.image(node)->state.current_epoch = 2;
    image_push(k.image(node), 2, 2, 2, 64);
  }
  k.spoil(0, 1);
  k.spoil(0, 5);
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_TRUE(k.whole(0, 6));
  EXPECT_TRUE(cluster_same_history(k.c, 0, 1));
}

TEST(ReplicaRepair, WhatTheLeaderHasInASnapshotOnlyCostsTheVoteUntilAllHaveTheNodeBack) {
  Cluster k(3, 7, 8);
  for (int node : {1, 2}) image_snapshot(k.image(node), 6);
  k.spoil(0, 1);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  ASSERT_TRUE(k.settle());
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(cluster_logged(k.c, 0, LOG_VOTE_GIVEN_UP), 1);
  EXPECT_TRUE(k.whole(0, 8));
  cluster_run(k.c, 3000000);
  EXPECT_TRUE(k.image(0)->state.may_vote);  // granted again
}

TEST(ReplicaRepair, ALeaderToWhomOthersSaySoGivesUpItsVoteToo) {
  Cluster k(3, 7, 8);
  for (int node : {0, 1}) image_snapshot(k.image(node), 6);
  k.spoil(2, 1);
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_NE(cluster_leader(k.c), 2);
  EXPECT_EQ(cluster_logged(k.c, 2, LOG_VOTE_GIVEN_UP), 1);
  EXPECT_TRUE(k.whole(2, 8));
}

// The operator said so in between: it does not ask for a snapshot that would shorten its log.
TEST(ReplicaRepair, AVoteGivenUpAndTakenBackByTheOperatorEndsWithTheNodeBack) {
  Cluster k(3, 7, 8);
  for (int node : {0, 1}) image_snapshot(k.image(node), 6);
  k.spoil(2, 1);
  cluster_start(k.c, 1);
  cluster_start(k.c, 2);
  for (int i = 0; i < 1000 && !cluster_logged(k.c, 2, LOG_VOTE_GIVEN_UP); i++)
    cluster_run(k.c, 1000);
  ASSERT_EQ(cluster_logged(k.c, 2, LOG_VOTE_GIVEN_UP), 1);
  cluster_app(k.c, 2, APP_RECOVER);
  cluster_run(k.c, 1000);
  cluster_start(k.c, 0);
  ASSERT_TRUE(k.settle());
  EXPECT_TRUE(k.whole(2, 8));
}

TEST(ReplicaRepair, WithoutAnIntactSnapshotItTakesOneAndLeadsNobodyBefore) {
  Cluster k(3, 7, 8);
  for (int node : {0, 1, 2}) image_snapshot(k.image(node), 4);
  k.image(2)->state.no_state = true;  // as the store says then
  k.image(2)->state.may_vote = false;
  k.image(2)->snapshot_cnt = 0;
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_NE(cluster_leader(k.c), 2);
  EXPECT_FALSE(k.image(2)->state.no_state);
  EXPECT_TRUE(cluster_same_history(k.c, 0, 2));
}

// Nobody has taken one yet: the leader's whole history is in its log.
TEST(ReplicaRepair, WithoutAnySnapshotTheLeaderTakesOneForIt) {
  Cluster k(3, 7, 8);
  k.image(2)->state.no_state = true;
  k.image(2)->state.may_vote = false;
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_FALSE(k.image(2)->state.no_state);
  EXPECT_TRUE(cluster_same_history(k.c, 0, 2));
}

// The first group of an epoch is gone: over two epochs nobody can name what is next, but who has a
// part of the second one has it.
struct TwoEpochs : Cluster {
  explicit TwoEpochs(int nodes = 3) : Cluster(nodes, 7, 6) {}
  void second(int node, int entries) {
    image_push(image(node), 2, entries, 2, 64);
    image(node)->state.accepted_epoch = image(node)->state.current_epoch = 2;
  }
};

TEST(ReplicaRepair, AHoleAtTheBeginningOfAnEpochIsFilledByWhoHasAPartOfIt) {
  for (bool intact : {false, true}) {
    TwoEpochs k;
    k.second(2, intact ? 4 : 3);
    for (int node : {0, 1}) k.second(node, 1);
    image_spoil_group(k.image(2), 6, 3);
    cluster_start_all(k.c);
    ASSERT_TRUE(k.settle());
    EXPECT_EQ(cluster_leader(k.c), 2);
    for (int node = 0; node < 3; node++) {
      EXPECT_EQ(k.image(node)->entry_cnt, 7); /* 2:1 stays, of 2:2 a quorum had nothing */
      EXPECT_EQ(k.image(node)->state.last_zxid, zxid_make(2, 1));
    }
    EXPECT_EQ(cluster_logged(k.c, 2, LOG_DISCARDED), 1);
    EXPECT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 0);
  }
}

// Power goes at every completion of a disk during the repairs, of each node.
TEST(ReplicaRepair, ACrashAtAnyPointLosesNothing) {
  for (int node = 0; node < 3; node++)
    for (int completion = 1; completion <= 14; completion++)
      for (bool applied : {false, true}) {
        Cluster k(3, (uint64_t)completion);
        for (int n = 0; n < 3; n++) k.spoil(n, n + 1);
        cluster_crash_at(k.c, node, completion, applied);
        cluster_start_all(k.c);
        cluster_run(k.c, 2000000);
        if (!cluster_up(k.c, node)) cluster_start(k.c, node);
        ASSERT_TRUE(k.settle()) << node << " " << completion;
        for (int n = 0; n < 3; n++) ASSERT_TRUE(k.whole(n, 4));
      }
}

// zab-rules E1: three nodes with the same four entries, every subset of the twelve copies damaged.
TEST(ReplicaRepair, CombinationsOfDamagedEntriesEndRepairedOrWaitForWhatIsGone) {
  int repaired = 0, waiting = 0;
  for (unsigned set = 0; set < 4096; set += 7) { /* all of them: make exhaustive SET=rot */
    Cluster k(3, set + 1);
    unsigned gone = set & set >> 4 & set >> 8 & 15;
    for (int i = 0; i < 12; i++)
      if (set >> i & 1) k.spoil(i / 4, i % 4);
    cluster_start_all(k.c);
    bool settled = cluster_run_until_settled(k.c, gone ? 300000 : 5000000);
    ASSERT_EQ(settled, gone == 0) << set;
    for (int n = 0; n < 3; n++) {
      ASSERT_EQ(k.image(n)->entry_cnt, 4) << set;  // nothing is ever cut
      ASSERT_EQ(k.image(n)->state.last_zxid, zxid_make(1, 4));
      if (settled) ASSERT_FALSE(k.image(n)->state.faulty) << set;
    }
    int told = 0;
    for (int n = 0; n < 3; n++) told += cluster_logged(k.c, n, LOG_REPAIR_WAITS);
    ASSERT_EQ(told > 0, gone != 0) << set;
    (settled ? repaired : waiting)++;
  }
  EXPECT_EQ(repaired + waiting, 4096 / 7 + 1);
  EXPECT_GT(repaired, waiting); /* 7 of 8 subsets leave a copy of an entry: 59 % of all sets */
}

}  // namespace
