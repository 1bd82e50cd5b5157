// Damaged records: asked for, repaired, discarded, waited for (E1, E3); and many of the 4,096
// combinations of damaged entries of Protocol-Aware Recovery.
#include <gtest/gtest.h>

#include "test/slowpath/replica_solo.h"
#include "test/slowpath/slow_cluster.h"

extern "C" {
#include "proto/repair.h"
}

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

// It has records of before that were perhaps never the leader's, and cannot say: but it may lead.
TEST(ReplicaRepair, WhereNobodyCanSayAnIntactQuorumLeadsAndTheDamagedOneLearns) {
  TwoEpochs k;
  k.second(2, 3);
  image_push(k.image(0), 1, 1, 9, 64); /* 1:7 */
  image_spoil_group(k.image(2), 6, 2);
  cluster_start_all(k.c);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(cluster_leader(k.c), 0);
  EXPECT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 0);
  for (int node = 0; node < 3; node++) EXPECT_EQ(k.image(node)->state.last_zxid, zxid_make(1, 7));
}

// The one who needs nothing of it comes when people have been told already.
TEST(ReplicaRepair, AnIntactQuorumThatIsTogetherLateLeads) {
  TwoEpochs k;
  k.second(2, 3);
  image_push(k.image(0), 1, 1, 9, 64);
  image_spoil_group(k.image(2), 6, 2);
  cluster_start(k.c, 0);
  cluster_start(k.c, 2);
  cluster_run(k.c, 3000000);
  ASSERT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 1);
  cluster_start(k.c, 1);
  ASSERT_TRUE(k.settle());
  EXPECT_EQ(cluster_leader(k.c), 0);
  for (int node = 0; node < 3; node++) EXPECT_EQ(k.image(node)->state.last_zxid, zxid_make(1, 7));
}

// The operator gives up what is damaged, not what is intact beside it.
TEST(ReplicaRepair, AnAcceptedLossTakesNothingAwayThatAPeerHereCanRead) {
  TwoEpochs k;
  k.second(2, 3);
  image_push(k.image(0), 1, 2, 1, 64); /* 1:7, 1:8: committed or not */
  image_spoil_group(k.image(2), 6, 2);
  cluster_start(k.c, 0);
  cluster_start(k.c, 2);
  cluster_run(k.c, 3000000);
  ASSERT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 1);
  ASSERT_EQ(cluster_leader(k.c), -1);
  cluster_app(k.c, 2, APP_RECOVER);
  ASSERT_TRUE(k.settle());
  for (int node : {0, 2}) EXPECT_EQ(k.image(node)->state.last_zxid, zxid_make(1, 8));
  EXPECT_TRUE(cluster_same_history(k.c, 0, 2));
}

// ... nor what one can read that comes before it is done.
TEST(ReplicaRepair, AnAcceptedLossIsNotOfWhatSomebodyBringsMeanwhile) {
  TwoEpochs k;
  for (int node : {1, 2}) k.second(node, 3);
  image_push(k.image(0), 1, 2, 1, 64);
  image_spoil_group(k.image(2), 6, 2);
  cluster_start(k.c, 0);
  cluster_start(k.c, 2);
  cluster_run(k.c, 3000000);
  ASSERT_EQ(cluster_logged(k.c, 2, LOG_REPAIR_WAITS), 1);
  cluster_hold_disk(k.c, 0, true); /* it gives nothing */
  cluster_app(k.c, 2, APP_RECOVER);
  ASSERT_NE(cluster_replica(k.c, 2)->lead.salvage, 0u);
  cluster_start(k.c, 1);
  cluster_run(k.c, 500000);
  EXPECT_EQ(k.image(2)->state.faulty, 0u);
  EXPECT_EQ(k.image(2)->state.last_zxid, zxid_make(2, 3));
}

// ... and if that ends nowhere, it does so once: all three are damaged in the same place.
TEST(ReplicaRepair, LettingOthersLeadEndsWhenTheyAreNoBetter) {
  TwoEpochs k;
  for (int node = 0; node < 3; node++) {
    k.second(node, 3);
    image_spoil_group(k.image(node), 6, 2);
  }
  cluster_start_all(k.c);
  cluster_run(k.c, 20000000);
  uint64_t elections = 0;
  int told = 0;
  for (int node = 0; node < 3; node++) {
    elections += cluster_replica(k.c, node)->elections;
    told += cluster_logged(k.c, node, LOG_REPAIR_WAITS);
    EXPECT_EQ(k.image(node)->entry_cnt, 9);
  }
  EXPECT_EQ(told, 1);
  EXPECT_LE(elections, 15u);
  cluster_run(k.c, 60000000);
  for (int node = 0; node < 3; node++) elections -= cluster_replica(k.c, node)->elections;
  EXPECT_EQ(elections, 0u) << "nobody is thrown out meanwhile";
  cluster_run(k.c, 120000000);
  told = 0;
  for (int node = 0; node < 3; node++) {
    elections += cluster_replica(k.c, node)->elections;
    told += cluster_logged(k.c, node, LOG_REPAIR_WAITS);
  }
  EXPECT_EQ(told, 2) << "one more attempt, much later: they may only have failed for a moment";
}

// ---- time ----

bool RunUntil(struct cluster *c, const struct replica *r, enum leading_step step) {
  for (int i = 0; i < 100000 && r->lead.step != step; i++) cluster_run(c, 10);
  return r->lead.step == step;
}

// Its PINGs would keep the others for ever, whatever its disk does (C3).
TEST(ReplicaRepair, ALeaderWhoseDiskStandsInTheRepairIsLeft) {
  Cluster k(3);
  image_push(k.image(2), 1, 1, 1, 64);
  k.spoil(2, 1);
  cluster_start_all(k.c);
  const struct replica *leader = cluster_replica(k.c, 2);
  ASSERT_TRUE(RunUntil(k.c, leader, LEADING_REPAIR));
  cluster_hold_disk(k.c, 2, true);
  cluster_run(k.c, 3000000);
  EXPECT_NE(leader->role, ROLE_LEADING);
  EXPECT_EQ(leader->last_loss, REASON_DISK_STALLED);
  EXPECT_GE(cluster_leader(k.c), 0) << "the others go on";
  cluster_hold_disk(k.c, 2, false);
  ASSERT_TRUE(k.settle());
  EXPECT_TRUE(k.whole(2, 4));
}

// D has promised, and its disk stands: whoever waits for its answer decides without it.
TEST(ReplicaRepair, OneUnansweredAskDoesNotHoldTheDecision) {
  Cluster k(5, 7, 8);
  image_push(k.image(4), 1, 1, 1, 64);
  for (int node : {0, 1, 2}) image_snapshot(k.image(node), 6);
  k.spoil(4, 1);
  k.spoil(3, 1);
  cluster_start_all(k.c);
  const struct replica *d = cluster_replica(k.c, 3);
  for (int i = 0; i < 100000 && !(d->role == ROLE_FOLLOWING && d->learn.step == LEARNING_ANSWER);
       i++)
    cluster_run(k.c, 10);
  ASSERT_EQ(d->learn.step, LEARNING_ANSWER);
  cluster_hold_disk(k.c, 3, true);
  cluster_run(k.c, 500000);
  EXPECT_EQ(cluster_logged(k.c, 4, LOG_VOTE_GIVEN_UP), 0) << "it may come yet";
  cluster_run(k.c, 1000000);
  EXPECT_EQ(cluster_logged(k.c, 4, LOG_VOTE_GIVEN_UP), 1);
  EXPECT_EQ(counters_get(cluster_counters(k.c, 4), REASON_SYNC_TIMEOUT), 1u);
  cluster_hold_disk(k.c, 3, false);
  ASSERT_TRUE(k.settle());
}

// Between two holes of a learner there may be much to copy.
struct Repairs : Solo {  // follows node 3 and copies behind its first hole
  Repairs() : Solo(1, state()) {
    discovering();
    struct extension e = extension();
    e.features = FEATURE_REPAIR;
    packet(0, PACKET_LEADERINFO, zxid_make(2, 0), u32(PROTOCOL_VERSION) + bytes(e));
    answer_all();
    packet(0, PACKET_DIFF, 0, "");
    newleader(2);
    repaired(REPAIR_NEEDS);
    std::string answer = u32(ANSWER_HAVE) + u32(0) + u32(3) + "record";
    packet(0, PACKET_ANSWER, 2, answer);
  }
  static struct durable_state state() {
    struct durable_state s = {};
    s.last_zxid = zxid_make(1, 9);
    s.faulty = zxid_make(1, 3);
    s.accepted_epoch = s.current_epoch = 1;
    return s;
  }
  void repaired(enum repair_step step) {
    asked.front().flag = step;
    answer();
  }
};

TEST(ReplicaRepair, ALearnerThatCopiesTellsItsLeaderThatItGetsOn) {
  Repairs s;
  ASSERT_EQ(s.r->learn.step, LEARNING_REPAIR);
  s.forget();
  for (int i = 0; i < 40; i++) { /* 4 s, init_limit is 1 */
    s.now += 100000;
    s.repaired(REPAIR_COPIES);
    ASSERT_EQ(s.r->learn.step, LEARNING_REPAIR);
  }
  EXPECT_EQ(s.sent_cnt(PACKET_PING), 8);
}

TEST(ReplicaRepair, ALeaderWaitsAsLongAsItHearsThat) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer_all();
  s.ackepoch(1, 0, 0);
  s.answer_all();
  ASSERT_EQ(s.r->conns[1].step, CONN_ATTACH);
  struct fast_msg m = {};
  m.type = FAST_ATTACHED;
  m.epoch = s.r->lead.epoch;
  m.iteration = s.r->conns[1].iteration;
  s.fast_event(m);
  ASSERT_EQ(s.r->conns[1].step, CONN_ACK);
  s.packet(1, PACKET_ASK, 1, Solo::u32(0) + Solo::u32(3));
  s.answer_all();
  for (int i = 0; i < 8; i++) {
    s.now += 600000;
    s.packet(1, PACKET_PING, 0, "");
    s.simple(EV_TICK, 0);
    ASSERT_EQ(s.r->conns[1].step, CONN_ACK) << i;
  }
  s.now += 1000000;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
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
