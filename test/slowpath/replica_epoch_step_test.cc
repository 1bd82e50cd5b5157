// What a node takes along into the next epoch in place (design 3, A10) and what it leaves behind,
// and what ends the change before its end.
#include <gtest/gtest.h>

#include "test/slowpath/replica_in_place.h"

namespace {

/* Node 3 leads, node 1 follows; others may come. */
struct LeadsMore : Leads {
  using Leads::Leads;
  struct fast_msg attachment(int idx) const {
    struct fast_msg found = {};
    for (const auto &m : fast)
      if (m.type == FAST_ATTACH && m.peer_idx == idx) found = m;
    return found;
  }
  void settles(int conn, int idx) {
    uint32_t epoch = r->lead.epoch;
    struct fast_msg m = attachment(idx);
    ASSERT_EQ(m.epoch, epoch);
    fast_event({FAST_ATTACHED, idx, epoch, REASON_NONE, m.iteration, 0, disk.last_zxid, 0, 0, 0,
                m.resumes, 777});
    packet(conn, PACKET_ACK, zxid_make(epoch, 0), "");
    fast_event({FAST_HEARD, idx, epoch, REASON_NONE, m.iteration, 0, 0});
    ASSERT_EQ(r->conns[conn].step, CONN_SETTLED);
  }
  void comes(int conn, int id, uint64_t features) {
    simple(EV_ACCEPTED, conn);
    packet(conn, PACKET_FOLLOWERINFO, 0, info(id, true, features));
    ackepoch(conn, 0, 0);
    answer_all();
    settles(conn, id - 1);
  }
  void fences() {
    fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
    answer(); /* DRAIN */
    app_says(APP_STOPPED, REASON_NONE, true);
    ASSERT_EQ(asked.front().type, DISK_ACCEPTED);
    answer();
  }
  bool granted(int conn) const {
    for (const Sent &p : sent) {
      struct extension e = {};
      if (p.conn != conn || p.type != PACKET_UPTODATE) continue;
      EXPECT_EQ(extension_read(&e, p.data.data(), p.data.size()), REASON_NONE);
      if (e.features & FEATURE_MAY_VOTE) return true;
    }
    return false;
  }
  bool logged_once(enum log_id id) const {
    int n = 0;
    for (const auto &e : logged) n += e.id == id;
    return n == 1;
  }
  void tick() { simple(EV_TICK, 0); }
};

// Who is here had as long in this epoch as it would have had in its first (E5): another may have
// gone to a later one when this one began.
TEST(InPlaceCarries, NoGrantEarlierThanIfTheNodeHadComeInThisEpoch) {
  LeadsMore s;
  uint64_t wait_us = 200000;
  s.config.timeout_us = 100000;
  s.comes(2, 2, FEATURE_IN_PLACE | FEATURE_NON_COUNTING | FEATURE_REJOIN);
  s.now += wait_us * 3 / 4;
  s.tick();
  ASSERT_FALSE(s.granted(2));
  s.drained();
  s.fences();
  uint64_t change_us = s.now;
  s.ackepoch(1, 1, 0);
  s.ackepoch(2, 1, 0);
  s.answer_all();
  s.settles(1, 0);
  s.settles(2, 1);
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.now += wait_us / 2; /* long enough since it came, not since the change */
  s.tick();
  EXPECT_FALSE(s.granted(2));
  EXPECT_EQ(s.r->deadline_us, change_us + wait_us);
  s.now = s.r->deadline_us;
  s.tick();
  EXPECT_TRUE(s.granted(2));
}

// The time is over, and something else than a tick comes first: the grant is not forgotten.
TEST(Grant, IsDueAlsoIfAnotherEventComesRightBehindItsTime) {
  LeadsMore s;
  s.config.timeout_us = 100000;
  s.comes(2, 2, FEATURE_NON_COUNTING | FEATURE_REJOIN);
  s.now += 200001;
  s.simple(EV_CONN_CLOSED, 5); /* nobody's */
  ASSERT_FALSE(s.granted(2));
  EXPECT_LE(s.r->deadline_us, s.now);
  s.tick();
  EXPECT_TRUE(s.granted(2));
  EXPECT_GT(s.r->deadline_us, s.now);
}

// What it said of itself before that epoch began is of that epoch.
TEST(InPlaceCarries, AWishNotToLeadIsNoLeaveToBeAhead) {
  Leads s(FEATURE_IN_PLACE | FEATURE_YIELDS);
  s.drained();
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  s.answer();
  s.app_says(APP_STOPPED, REASON_NONE, true);
  s.answer();
  s.ackepoch(1, 1, zxid_make(1, 1)); /* R3: we have nothing */
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
  EXPECT_EQ(s.r->last_loss, REASON_LEARNER_AHEAD);
}

class InPlaceCluster : public testing::Test {
 protected:
  void TearDown() override { cluster_free(c); }
  void image(int node) {
    struct image *i = cluster_image(c, node);
    image_push(i, 1, 8, 1, 64);
    i->state.accepted_epoch = i->state.current_epoch = 1;
    image_snapshot(i, 4);
  }
  struct cluster *c = cluster_new({5, 11, DURABILITY_SYNC, 0});
};

// It had a snapshot when it came: a second one would shorten its history.
TEST_F(InPlaceCluster, WhoNeededASnapshotNeedsNoneInTheNextEpoch) {
  for (int node = 0; node < 5; node++) image(node);
  struct image *lost = cluster_image(c, 4);
  lost->state.no_state = true;
  lost->state.may_vote = false;
  lost->snapshot_cnt = 0;
  for (int node = 1; node < 5; node++) cluster_start(c, node); /* nothing is granted before all */
  ASSERT_TRUE(cluster_run_until_settled(c, 5000000));
  int leader = cluster_leader(c), resends = cluster_resends(c, 4);
  uint32_t epoch = cluster_replica(c, leader)->lead.epoch;
  ASSERT_NE(std::string(cluster_trace(c, 4)).find("L SNAP"), std::string::npos);
  cluster_propose(c, leader, 5, 64);
  cluster_run(c, 50000);
  ASSERT_FALSE(lost->state.may_vote);
  cluster_trace_clear(c);
  cluster_end_epoch(c, leader);
  cluster_run(c, 50000);
  ASSERT_TRUE(cluster_settled(c));
  EXPECT_EQ(cluster_replica(c, leader)->lead.epoch, epoch + 1);
  std::string trace = cluster_trace(c, 4);
  EXPECT_EQ(trace.find("L SNAP"), std::string::npos) << trace;
  EXPECT_NE(trace.find("L DIFF"), std::string::npos) << trace;
  EXPECT_EQ(cluster_resends(c, 4), resends);
}

// Its state is not there to vote with: no word of the operator brings it back.
TEST_F(InPlaceCluster, WithoutAStateNoOperatorMakesANodeVote) {
  for (int node = 0; node < 5; node++) image(node);
  struct image *lost = cluster_image(c, 4);
  lost->state.no_state = true;
  lost->state.may_vote = false;
  lost->snapshot_cnt = 0;
  cluster_start(c, 4);
  cluster_run(c, 50000);
  cluster_app(c, 4, APP_RECOVER);
  cluster_run(c, 50000);
  EXPECT_EQ(cluster_logged(c, 4, LOG_LOSS_ACCEPTED), 0);
  EXPECT_FALSE(lost->state.may_vote);
  for (int node = 1; node < 4; node++) cluster_start(c, node);
  ASSERT_TRUE(cluster_run_until_settled(c, 5000000)) << "a leader's snapshot does";
  EXPECT_FALSE(lost->state.no_state);
  EXPECT_FALSE(lost->state.may_vote) << "not before all are there";
}

TEST(InPlaceEnds, AnAppsWordOfAnEarlierEpochChangesNothing) {
  Leads s;
  s.drained();
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  s.answer();
  s.app_says(APP_STOPPED, REASON_NONE, true);
  s.answer();
  s.ackepoch(1, 1, 0);
  s.answer_all();
  s.settle(2);
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.forget();
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = APP_DRAINED;
  e.app.epoch = 1;
  e.app.reason = REASON_COUNTER_LIMIT;
  s.step(e);
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
  EXPECT_EQ(s.r->lead.epoch, 2u);
  EXPECT_FALSE(s.said(FAST_CLOSE));
}

// `zabctl step-down`: the role that the change was to keep ends, whatever step it is at.
TEST(InPlaceEnds, AStepDownIsHeardInEveryStepOfTheChange) {
  for (int steps = 0; steps < 5; steps++) {
    Leads s;
    s.drained();
    if (steps > 0) s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
    if (steps > 1) s.answer();
    if (steps > 2) s.app_says(APP_STOPPED, REASON_NONE, true);
    if (steps > 3) s.answer();
    ASSERT_EQ(s.r->role, ROLE_LEADING) << steps;
    s.app_says(APP_STEP_DOWN);
    EXPECT_EQ(s.r->role, ROLE_LOOKING) << steps;
    EXPECT_EQ(s.r->last_loss, REASON_STEP_DOWN) << steps;
    EXPECT_GT(s.r->shy_us, s.now) << "others first, " << steps;
  }
}

// Our clients wait: not as long as somebody does who has none yet, but longer than the leader does,
// who finds out first.
TEST(InPlaceEnds, ALearnersPatienceIsThatOfAChange) {
  Follows s;
  s.config.init_limit = 100;
  s.config.timeout_us = 40000;
  s.leaderinfo(2);
  s.fence();
  s.answer();
  ASSERT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 1);
  uint64_t leaders_us = epoch_limit_us(s.r.get());
  EXPECT_EQ(s.r->deadline_us, s.now + 2 * leaders_us);
  s.now += leaders_us;
  s.packet(0, PACKET_DIFF, 0, ""); /* progress */
  EXPECT_EQ(s.r->deadline_us, s.now + 2 * leaders_us);
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

// That the leader had established before says nothing of its next epoch.
TEST(InPlaceEnds, ALearnerWaitsForUptodateAsInItsFirstEpoch) {
  Follows s;
  /* once more from the start, UPTODATE late: it has heard of commits, and waits */
  s.simple(EV_CONN_CLOSED, 0);
  s.fenced();
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  s.elect(3);
  ASSERT_EQ(s.r->role, ROLE_FOLLOWING);
  s.simple(EV_CONNECTED, 0);
  s.leaderinfo(2);
  s.answer_all();
  s.packet(0, PACKET_DIFF, 0, "");
  s.newleader(2);
  s.answer_all();
  s.committed = 100;
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  s.packet(0, PACKET_UPTODATE, ZXID_NONE, Solo::bytes(s.extension()));
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.leaderinfo(3);
  s.fence();
  s.answer();
  s.packet(0, PACKET_DIFF, 0, "");
  s.next_newleader(3, FEATURE_RESUMES);
  s.answer_all();
  s.committed = 0; /* of this epoch */
  for (int i = 0; i < 5; i++) {
    s.now = s.r->deadline_us;
    s.simple(EV_TICK, 0);
    ASSERT_EQ(s.r->role, ROLE_FOLLOWING) << "another one's sync may take long, " << i;
  }
  s.committed = 1;
  for (int i = 0; i < 2; i++) {
    s.now = s.r->deadline_us;
    s.simple(EV_TICK, 0);
  }
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

int forgets(const Solo &s) {
  int n = 0;
  for (uint32_t i = 0; i < s.actions->cnt; i++) n += s.actions->at[i].type == ACT_FORGET;
  return n;
}

// The driver repeats on a new connection what was said last: no more, when it is no longer true.
TEST(InPlaceEnds, WhatWasSaidIsForgottenWithTheRoleAndNotWithTheEpoch) {
  Leads leader;
  leader.drained();
  EXPECT_EQ(forgets(leader), 0) << "it leads on";
  leader.app_says(APP_STEP_DOWN);
  EXPECT_EQ(forgets(leader), 1);
  Follows learner;
  learner.leaderinfo(2);
  EXPECT_EQ(forgets(learner), 0);
  learner.simple(EV_CONN_CLOSED, 0);
  EXPECT_EQ(forgets(learner), 1);
  Leads settled;
  settled.simple(EV_CONN_CLOSED, 1);
  EXPECT_EQ(settled.r->role, ROLE_LOOKING);
  EXPECT_EQ(forgets(settled), 1);
}

}  // namespace
