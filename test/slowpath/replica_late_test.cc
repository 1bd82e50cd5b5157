// Late joiners: those that wait for a turn (B23), those behind a purge, those that load outruns
// (5.2 steps 0 and 2).
#include <gtest/gtest.h>

#include <string>

#include "test/slowpath/replica_solo.h"

namespace {

constexpr uint64_t kLong = 5000000;

int lines(const struct cluster *c, int learner, const std::string &what) {
  std::string all = cluster_trace(c, learner);
  int n = 0;
  for (size_t at = 0; (at = all.find(what, at)) != std::string::npos; at++) n++;
  return n;
}

uint64_t counted(struct cluster *c, int node, enum reason r) {
  return counters_get(cluster_counters(c, node), r);
}

// `leaders` nodes with cnt records of len bytes, all but those behind the snapshot in it.
struct cluster *started(int nodes, int leaders, int cnt, int snapshot, uint32_t len) {
  struct cluster *c = cluster_new({nodes, 1, DURABILITY_SYNC, 0});
  for (int i = 0; i < leaders; i++) {
    struct image *m = cluster_image(c, i);
    image_push(m, 1, cnt, 1, len);
    if (snapshot) image_snapshot(m, snapshot);
    m->state.accepted_epoch = m->state.current_epoch = 1;
    cluster_start(c, i);
  }
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  return c;
}

// ---- the turn ----

TEST(Late, WaitingForAnothersSnapshotForLongerThanInitLimitIsNoTimeout) {
  struct cluster *c = started(5, 3, 400, 1, 5000);
  cluster_start(c, 3);
  while (cluster_replica(c, 3)->learn.step < LEARNING_RECORDS) cluster_run(c, 20);
  cluster_start(c, 4);
  for (int i = 0; i < 5; i++) { /* node 4 reads, but very slowly */
    cluster_freeze(c, 3, true);
    cluster_run(c, 600000);
    cluster_freeze(c, 3, false);
    cluster_run(c, 100);
  }
  EXPECT_EQ(cluster_replica(c, 4)->learn.step, LEARNING_OP);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  EXPECT_EQ(counted(c, 4, REASON_SYNC_TIMEOUT), 0u);
  EXPECT_EQ(lines(c, 4, "F FOLLOWERINFO"), 1);
  int pings = lines(c, 4, "L PING");
  EXPECT_GE(pings, 25) << "one a tick, and three seconds";
  EXPECT_LE(pings, 32);
  cluster_free(c);
}

TEST(Late, APingIsProgressWhileWaitingForTheOpAndNowhereElse) {
  Solo s(1);
  s.discovering();
  s.leaderinfo(5);
  s.answer_all();
  for (int i = 0; i < 5; i++) {
    s.now += 900000;
    s.packet(0, PACKET_PING, 0, "");
    s.simple(EV_TICK, 0);
    ASSERT_EQ(s.r->learn.step, LEARNING_OP);
    EXPECT_EQ(s.r->deadline_us, s.now + 1000000);
  }
  s.packet(0, PACKET_DIFF, 0, "");
  s.packet(0, PACKET_PING, 0, "");
  EXPECT_EQ(counters_get(&s.counters, REASON_PACKET_PHASE), 1u);
}

TEST(Late, WithoutPingsTheLearnerGivesUp) {
  Solo s(1);
  s.discovering();
  s.leaderinfo(5);
  s.answer_all();
  s.now += 1000000;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(counters_get(&s.counters, REASON_SYNC_TIMEOUT), 1u);
}

// ---- the purge ----

TEST(Late, APurgeBetweenSnapshotAndAttachmentTakesNothingAway) {
  struct cluster *c = started(3, 2, 400, 1, 30000); /* 12 MB behind it: several reads */
  int leader = cluster_leader(c);
  cluster_start(c, 2);
  while (!lines(c, 2, "L END")) cluster_run(c, 5);
  cluster_purge(c, leader, 400);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  EXPECT_EQ(lines(c, 2, "L SNAP"), 1);
  EXPECT_EQ(counted(c, leader, REASON_BELOW_LOG), 0u);
  cluster_free(c);
}

TEST(Late, TheSnapshotIsGivenBackAtNewleaderAndWithTheConnection) {
  for (int broken = 0; broken < 2; broken++) {
    struct cluster *c = started(3, 2, 400, 1, 30000);
    struct replica *l = cluster_replica(c, cluster_leader(c));
    cluster_start(c, 2);
    while (!lines(c, 2, broken ? "L END" : "L NEWLEADER")) {
      bool open = l->lead.snap_conn != 0;
      cluster_run(c, 5);
      EXPECT_TRUE(!open || l->lead.snap_conn || lines(c, 2, "L NEWLEADER"));
    }
    EXPECT_EQ(l->lead.snap_conn != 0, broken);
    cluster_crash(c, 2);
    cluster_run(c, 100000);
    EXPECT_EQ(l->lead.snap_conn, 0);
    cluster_start(c, 2);
    EXPECT_TRUE(cluster_run_until_settled(c, kLong)); /* opened twice: judged by the disk */
    cluster_free(c);
  }
}

// ---- push back ----

// Each record is more than the quarter of the ring that a learner may be behind.
struct Load {
  int proposed = 0;
  uint64_t longest_rest = 0, rest = 0;
  void run(struct cluster *c, int turns, uint64_t every_us) {
    for (int i = 0; i < turns; i++) {
      bool off = cluster_pushed_back(c, cluster_leader(c));
      rest = off ? rest + every_us : 0;
      if (rest > longest_rest) longest_rest = rest;
      if (!off) cluster_propose(c, cluster_leader(c), 1, 30000), proposed++;
      cluster_run(c, every_us);
    }
  }
};

TEST(Late, ALearnerThatLoadOutrunsGetsInBecauseProposersArePushedBack) {
  struct cluster *c = started(3, 2, 50, 0, 30000);
  int leader = cluster_leader(c);
  cluster_start(c, 2);
  Load load;
  load.run(c, 1500, 150);
  EXPECT_EQ(cluster_leader(c), leader);
  EXPECT_EQ(cluster_replica(c, 2)->phase, PHASE_BROADCAST);
  EXPECT_GE(cluster_push_backs(c, leader), 1);
  EXPECT_FALSE(cluster_pushed_back(c, leader)) << "not longer than until ATTACHED";
  EXPECT_LE(load.longest_rest, 5200u) << "slowed, not stopped";
  EXPECT_GT(load.proposed, 1000);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_free(c);
}

TEST(Late, RoundsThatShrinkPushNobodyBack) {
  struct cluster *c = started(3, 2, 400, 0, 30000);
  int leader = cluster_leader(c);
  cluster_start(c, 2);
  Load load;
  load.run(c, 60, 2000);
  EXPECT_EQ(cluster_replica(c, 2)->phase, PHASE_BROADCAST);
  EXPECT_EQ(cluster_push_backs(c, leader), 0);
  cluster_free(c);
}

// Node 1 follows, node 2 (conn 2) joins late, far behind.
struct Outrun : Solo {
  uint32_t last = 0;  // sent of epoch 1
  Outrun() : Solo(3) {
    leading();
    follower(1, 1, 0);
    answer();
    ackepoch(1, 0, 0);
    answer_all();
    simple(EV_WRITABLE, 1);
    for (const auto &m : fast)
      if (m.type == FAST_ATTACH) from_fast(FAST_ATTACHED, 0, m.iteration);
    packet(1, PACKET_ACK, zxid_make(1, 0), "");
    from_fast(FAST_HEARD, 0, r->conns[1].iteration);
    follower(2, 2, 1);
    ackepoch(2, UINT32_MAX, 0);
    answer(); /* LOOKUP */
    forget();
  }
  void from_fast(enum fast_msg_type type, int peer, uint64_t iteration) {
    fast_event({type, peer, 1, REASON_NONE, iteration, 0, 0});
  }
  void disk(struct disk_msg m) {
    asked.pop_front();
    struct replica_event e = {};
    e.type = EV_DISK;
    e.disk = m;
    step(e);
  }
  // What was asked is answered: 24 kB are there, and the round ends with them; meanwhile more is
  // committed.  The first part of all belongs to no round.
  void part(uint64_t grown) {
    struct disk_msg m = asked.front();
    if (m.type == DISK_LOOKUP) {
      m.zxid = zxid_make(1, last + 24);
      disk(m);
      m = asked.front();
    }
    ASSERT_EQ(m.type, DISK_READ);
    std::string data(1000, 'x');
    for (int i = 0; i < 24; i++)
      m.len += record_write((uint8_t *)m.buf + m.len, zxid_make(1, ++last), data.data(), 1000);
    disk(m);
    committed += grown;
    simple(EV_WRITABLE, 2);
  }
  void rounds(int n, uint64_t grown) {
    for (int i = 0; i < n; i++) part(grown);
  }
  int pushed(bool on) const {
    int n = 0;
    for (const auto &m : app) n += m.type == APP_PUSH_BACK && m.on == on;
    return n;
  }
};

// The disk thread ends a slice when it has read for long enough, whatever little is in it: to
// attach there would have the ring keep all the rest.
TEST(Late, ASliceThatEndedEarlyIsNotTheEndOfTheLog) {
  Outrun s;
  std::string data(100, 'x');
  for (bool more : {true, false}) {
    struct disk_msg m = s.asked.front();
    if (m.type == DISK_LOOKUP) {
      m.zxid = zxid_make(1, s.last + 3);
      s.disk(m);
      m = s.asked.front();
    }
    ASSERT_EQ(m.type, DISK_READ);
    for (int i = 0; i < 3; i++)
      m.len += record_write((uint8_t *)m.buf + m.len, zxid_make(1, ++s.last), data.data(), 100);
    m.zxid = zxid_make(1, s.last);
    m.upto = zxid_make(1, s.last + (more ? 1000 : 0));
    s.disk(m);
    s.simple(EV_WRITABLE, 2);
    EXPECT_EQ(s.said(FAST_ATTACH), !more);
  }
}

// Two processes with one id: the second would throw the first out, and the first the second.
TEST(OneIdTwice, TheNewcomerIsRefusedOnceInTheLogWhileTheOtherAnswersOnTheFastPath) {
  Outrun s;
  s.config.timeout_us = 40000;
  auto said = [&] {
    int n = 0;
    for (const auto &l : s.logged) n += l.id == LOG_PEER_REFUSED && l.reason == REASON_ID_IN_USE;
    return n;
  };
  for (int i = 0; i < 3; i++, s.now += 40000) {
    EXPECT_EQ(said(), 0) << "it may be one that died and is back before it was missed";
    s.follower(3, 1, 1);
    EXPECT_TRUE(s.was_closed(3));
    EXPECT_FALSE(s.was_closed(1)) << "the living one stays";
    s.forget();
  }
  EXPECT_EQ(said(), 0);
  for (int i = 0; i < 3; i++, s.now += 40000) s.follower(3, 1, 1);
  s.forget();
  EXPECT_EQ(said(), 1);
  EXPECT_EQ(counters_get(s.r->counters, REASON_ID_IN_USE), 6u);
  s.follower(3, 2, 1); /* of one that nobody hears, the newest connection is the one it uses */
  EXPECT_TRUE(s.was_closed(2));
  EXPECT_FALSE(s.was_closed(3));
}

// It is refused once, let in when it was missed, and refused again after another death.
TEST(OneIdTwice, ANodeThatIsBackBeforeItWasMissedIsNothingToTell) {
  Outrun s;
  s.config.timeout_us = 40000;
  for (uint64_t pause : {10000001u, 11000000u, 60000000u}) {
    s.follower(3, 1, 1);
    EXPECT_TRUE(s.was_closed(3));
    s.forget();
    s.now += pause;
  }
  for (const auto &l : s.logged) EXPECT_NE(l.id, LOG_PEER_REFUSED);
}

// The second process of the leader's id: the others follow the first, and it looks for ever.
TEST(OneIdTwice, ItIsSaidOnceWhenOthersFollowWhoLeadsInOurName) {
  Solo s(3);
  s.config.timeout_us = 40000;
  s.boot();
  auto follows = [&](int from, int leader) {
    struct notification n = {};
    n.state = PEER_FOLLOWING;
    n.version = 2;
    n.vote = {leader, 0, 1, 1};
    struct replica_event e = {};
    e.type = EV_NOTIFICATION;
    e.peer_idx = from;
    e.notification = &n;
    s.step(e);
  };
  auto said = [&] {
    int n = 0;
    for (const auto &l : s.logged) n += l.id == LOG_TWIN_LEADS;
    return n;
  };
  for (int i = 0; i < 10; i++, s.now += 100000) follows(i % 2, 3);
  EXPECT_EQ(said(), 0) << "they may not have missed us yet";
  for (int i = 0; i < 10; i++, s.now += 100000) follows(i % 2, 3);
  EXPECT_EQ(said(), 1);
  EXPECT_EQ(s.r->phase, PHASE_LOOKING) << "F2";
}

TEST(PushBack, NeedsTwoRoundsInARowThatDoNotShrink) {
  Outrun s;
  s.rounds(2, 0);
  s.rounds(1, 100000); /* grew */
  s.rounds(1, 1000);   /* shrank */
  s.rounds(1, 100000);
  EXPECT_TRUE(s.app.empty());
  s.rounds(1, 100000);
  ASSERT_EQ(s.app.size(), 1u);
  EXPECT_TRUE(s.app[0].type == APP_PUSH_BACK && s.app[0].on && s.app[0].epoch == 1);
}

TEST(PushBack, SaysSoOnceInTheLogAndInTheStatusWhileItLasts) {
  Outrun s;
  struct status seen;
  auto said = [&](enum log_id id, int peer) {
    int n = 0;
    for (const auto &l : s.logged) n += l.id == id && l.peer == peer;
    return n;
  };
  s.rounds(2, 0);
  replica_status(s.r.get(), &seen);
  EXPECT_EQ(seen.push_back, 0);
  s.rounds(9, 100000);
  replica_status(s.r.get(), &seen);
  EXPECT_EQ(seen.push_back, PUSH_BACK_LEVELS);
  EXPECT_EQ(said(LOG_PUSH_BACK, s.r->config->peers[s.r->conns[2].peer_idx].id), 1);
  EXPECT_EQ(said(LOG_PUSH_BACK_ENDED, 0), 0);
  s.simple(EV_CONN_CLOSED, 2);
  replica_status(s.r.get(), &seen);
  EXPECT_EQ(seen.push_back, 0);
  EXPECT_EQ(said(LOG_PUSH_BACK_ENDED, 0), 1);
}

TEST(PushBack, AlternatesByItsOwnDeadlineAndRestsLongerIfRoundsStillDoNotShrink) {
  Outrun s;
  s.rounds(3, 100000);
  uint64_t rest = PUSH_BACK_US;
  for (int level = 1; level <= PUSH_BACK_LEVELS + 1; level++) {
    ASSERT_TRUE(s.app.back().on) << level;
    EXPECT_EQ(s.r->deadline_us, s.now + rest);
    s.now += rest;
    s.simple(EV_TICK, 0);
    ASSERT_FALSE(s.app.back().on);
    EXPECT_EQ(s.r->deadline_us, s.now + PUSH_BACK_US);
    s.rounds(2, 100000);
    ASSERT_FALSE(s.app.back().on);
    s.now += PUSH_BACK_US;
    s.simple(EV_TICK, 0);
    if (level < PUSH_BACK_LEVELS) rest *= 2;
  }
}

TEST(PushBack, EndsWhenTheLearnerIsAttachedOrGone) {
  for (int gone = 0; gone < 2; gone++) {
    Outrun s;
    s.rounds(3, 100000);
    ASSERT_EQ(s.pushed(true), 1);
    if (gone) {
      s.simple(EV_CONN_CLOSED, 2);
    } else {
      if (s.asked.front().type == DISK_LOOKUP) s.answer();
      s.answer(); /* READ: nothing more */
      ASSERT_TRUE(s.said(FAST_ATTACH));
      EXPECT_EQ(s.pushed(false), 0) << "not before ATTACHED";
      s.fast_event({FAST_ATTACHED, 1, 1, REASON_NONE, s.r->conns[2].iteration, s.committed,
                    zxid_make(1, s.last)});
    }
    EXPECT_EQ(s.pushed(false), 1);
    s.now += 10 * PUSH_BACK_US;
    s.simple(EV_TICK, 0);
    EXPECT_EQ(s.pushed(true), 1);
  }
}

TEST(PushBack, EndsWithTheLeadership) {
  Outrun s;
  s.rounds(3, 100000);
  s.simple(EV_CONN_CLOSED, 1);
  ASSERT_EQ(s.r->phase, PHASE_FENCING);
  EXPECT_EQ(s.pushed(false), 1);
  s.fenced();
  EXPECT_EQ(s.app.back().type, APP_STOP);
}

// ---- who holds what our disk has not yet (5.2 step 1) ----

// It was attached first, until our disk had caught up; that nothing follows is no hole then.
TEST(Late, WhoHoldsAllOfOurEpochAlreadyGetsNewleaderAtOnce) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer_all();
  s.ackepoch(1, 0, 0);
  s.answer_all();
  s.follower(2, 2, 1);
  s.forget();
  s.ackepoch(2, 1, zxid_make(1, 1));
  ASSERT_EQ(s.asked.back().type, DISK_LOOKUP);
  s.asked.back().zxid = 0; /* our disk is behind */
  s.answer_all();
  ASSERT_TRUE(s.said(FAST_ATTACH));
  struct fast_msg attach = s.fast.back();
  attach.type = FAST_ATTACHED;
  attach.pos = 64;
  s.fast_event(attach);
  s.answer_all();
  EXPECT_EQ(s.sent_cnt(PACKET_NEWLEADER), 1);
  EXPECT_FALSE(s.was_closed(2));
}

}  // namespace
