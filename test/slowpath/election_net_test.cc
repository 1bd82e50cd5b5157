/* Whole elections over a bad network; the harness is test/slowpath/election_net.h. */
#include <gtest/gtest.h>

#include <memory>

#include "test/slowpath/election_net.h"

namespace {

struct Net {
  Net(int cnt, uint64_t seed) : n(new struct election_net) {
    election_net_init(n.get(), cnt, seed);
  }
  struct election_net *operator->() {
    return n.get();
  }
  struct election_net *get() {
    return n.get();
  }

  /* Histories of this seed's own: epochs and zxids that differ. */
  void scatter() {
    for (int i = 0; i < n->cnt; i++) {
      n->node[i].peer_epoch = static_cast<int64_t>(election_net_random(get()) % 3);
      n->node[i].zxid = zxid_make(static_cast<uint32_t>(n->node[i].peer_epoch),
                                  static_cast<uint32_t>(election_net_random(get()) % 3));
    }
    n->epoch = 3;
  }
  void start_all() {
    for (int i = 0; i < n->cnt; i++) election_net_start(get(), i);
  }
  void make_lossy() {
    n->loss_percent = 30;
    n->dup_percent = 50;
    n->delay_max_us = 5000;
  }
  int best() const {
    int best = 0;
    for (int i = 1; i < n->cnt; i++) {
      struct vote a = {n->node[i].config.id, n->node[i].zxid, 0, n->node[i].peer_epoch};
      struct vote b = {n->node[best].config.id, n->node[best].zxid, 0, n->node[best].peer_epoch};
      if (vote_beats(&a, &b)) best = i;
    }
    return best;
  }
  std::unique_ptr<struct election_net> n;
};

const uint64_t MS = 1000, SECOND = 1000000;

TEST(ElectionNet, AllUpElectsTheBestWithinMilliseconds) {
  for (int cnt : {1, 2, 3, 5, 7})
    for (uint64_t seed = 0; seed < 60; seed++) {
      Net net(cnt, seed);
      net.scatter();
      int best = net.best();
      net.start_all();
      EXPECT_LE(election_net_settle(net.get(), SECOND), 5 * MS) << cnt << " nodes, seed " << seed;
      EXPECT_EQ(election_net_leader(net.get()), best) << cnt << " nodes, seed " << seed;
    }
}

TEST(ElectionNet, OneDeadOfThreeCostsNoFinalizeTime) {
  for (uint64_t seed = 0; seed < 60; seed++)
    for (int dead = 0; dead < 3; dead++) {
      Net net(3, seed);
      net.scatter();
      for (int i = 0; i < 3; i++)
        if (i != dead) election_net_start(net.get(), i);
      EXPECT_LE(election_net_settle(net.get(), SECOND), 5 * MS)
          << "dead " << dead << " seed " << seed;
    }
}

TEST(ElectionNet, FailOverTakesMilliseconds) {
  for (int cnt : {3, 5})
    for (uint64_t seed = 0; seed < 60; seed++) {
      Net net(cnt, seed);
      net.start_all();
      ASSERT_NE(election_net_settle(net.get(), SECOND), UINT64_MAX);
      election_net_crash(net.get(), election_net_leader(net.get()));
      EXPECT_LE(election_net_settle(net.get(), SECOND), 5 * MS) << cnt << " nodes, seed " << seed;
    }
}

/* The leader hangs: no connection ends, nobody is told; only the fast path has seen it. */
TEST(ElectionNet, FailOverFromASilentLeaderTakesMilliseconds) {
  for (uint64_t seed = 0; seed < 60; seed++) {
    Net net(3, seed);
    net.start_all();
    ASSERT_NE(election_net_settle(net.get(), SECOND), UINT64_MAX);
    int old = election_net_leader(net.get());
    for (int i = 0; i < 3; i++) {
      if (i == old) continue;
      election_net_cut(net.get(), i, old);
      election_net_cut(net.get(), old, i);
    }
    election_net_run(net.get(), 5 * MS);
    int leader = election_net_leader(net.get());
    EXPECT_TRUE(leader >= 0 && leader != old) << "seed " << seed;
  }
}

TEST(ElectionNet, SettlesAndLetsAJoinerInWithThirtyPercentLossAndFiftyPercentDuplicates) {
  for (int cnt : {3, 5, 7})
    for (uint64_t seed = 0; seed < 60; seed++) {
      Net net(cnt, seed);
      net.scatter();
      net.make_lossy();
      for (int i = 0; i < cnt - 1; i++) election_net_start(net.get(), i);
      ASSERT_NE(election_net_settle(net.get(), 20 * SECOND), UINT64_MAX)
          << cnt << " nodes, seed " << seed;
      int leader = election_net_leader(net.get());
      election_net_start(net.get(), cnt - 1); /* F4 */
      ASSERT_NE(election_net_settle(net.get(), 20 * SECOND), UINT64_MAX)
          << cnt << " nodes, joiner, seed " << seed;
      EXPECT_EQ(election_net_leader(net.get()), leader) << "a joiner disturbs nobody";
    }
}

/* Crashes, restarts, silent one-way cuts and broken connections at random times, loss all the
 * while. */
void storm(struct election_net *n, int events) {
  for (int k = 0; k < events; k++) {
    int a = static_cast<int>(election_net_random(n) % static_cast<uint64_t>(n->cnt));
    int b = static_cast<int>(election_net_random(n) % static_cast<uint64_t>(n->cnt));
    switch (election_net_random(n) % 6) {
      case 0:
        if (n->node[a].role != NET_DOWN) election_net_crash(n, a);
        break;
      case 1:
      case 2:
        if (n->node[a].role == NET_DOWN) election_net_start(n, a);
        break;
      case 3:
        if (a != b) election_net_cut(n, a, b);
        break;
      case 4:
        if (a != b) election_net_break(n, a, b);
        break;
      default:
        election_net_heal(n);
    }
    election_net_run(n, election_net_random(n) % (100 * MS));
  }
}

TEST(ElectionNet, SettlesAfterAnyStormOnceAllAreConnected) {
  for (int cnt : {3, 5})
    for (uint64_t seed = 0; seed < 100; seed++) {
      Net net(cnt, seed);
      net.scatter();
      net.make_lossy();
      net.start_all();
      storm(net.get(), 30);
      election_net_heal(net.get());
      for (int i = 0; i < cnt; i++)
        if (net->node[i].role == NET_DOWN) election_net_start(net.get(), i);
      ASSERT_NE(election_net_settle(net.get(), 20 * SECOND), UINT64_MAX)
          << cnt << " nodes, seed " << seed;
      int leader = election_net_leader(net.get());
      election_net_run(net.get(), 5 * SECOND);
      EXPECT_EQ(election_net_leader(net.get()), leader) << "what has settled stays, seed " << seed;
    }
}

bool both_ways(const struct election_net *n, int a, int b) {
  return !n->cut[a][b] && !n->cut[b][a];
}

/* Bit by bit: 0>1, 0>2, 1>0, 1>2, 2>0, 2>1. */
void cut_links(struct election_net *n, unsigned links) {
  for (int i = 0; i < 6; i++) {
    int from = i / 2, other = i % 2;
    if (links >> i & 1u) election_net_cut(n, from, other < from ? other : other + 1);
  }
}

/* F8, F9: every one-way and two-way subset of the links of three nodes, cut silently or from the
 * start. */
TEST(ElectionNet, WithAnyTwoOfThreeConnectedThereIsAStableLeader) {
  for (unsigned links = 0; links < 64; links++)
    for (int late = 0; late < 2; late++) {
      Net net(3, links);
      if (late) {
        net.start_all();
        ASSERT_NE(election_net_settle(net.get(), SECOND), UINT64_MAX);
      }
      cut_links(net.get(), links);
      if (!late) net.start_all();
      bool core =
          both_ways(net.get(), 0, 1) || both_ways(net.get(), 0, 2) || both_ways(net.get(), 1, 2);
      election_net_run(net.get(), 10 * SECOND);
      int leader = election_net_leader(net.get());
      EXPECT_EQ(leader >= 0, core) << "links " << links << " late " << late;
      if (!core) continue;
      int64_t epoch = net->epoch;
      election_net_run(net.get(), 10 * SECOND);
      EXPECT_EQ(net->epoch, epoch) << "the leader moves on, links " << links << " late " << late;
    }
}

/* ZOOKEEPER-1732's steps: z2 must not keep the peerEpoch of the election, or the restarted z1 sees
 * two different votes and never joins. */
TEST(ElectionNet, ARestartedNodeJoinsAfterEpochsHaveMovedOn) {
  Net net(3, 1);
  net.start_all();
  ASSERT_NE(election_net_settle(net.get(), SECOND), UINT64_MAX);
  int leader = election_net_leader(net.get());
  for (int round = 0; round < 4; round++)
    for (int i = 0; i < 3; i++) {
      if (i == leader) continue;
      election_net_crash(net.get(), i);
      election_net_run(net.get(), 5 * MS);
      net->node[i].peer_epoch = round; /* it may be far behind */
      election_net_start(net.get(), i);
      ASSERT_LE(election_net_settle(net.get(), SECOND), 5 * MS) << "round " << round;
      EXPECT_EQ(election_net_leader(net.get()), leader);
      for (int j = 0; j < 3; j++)
        EXPECT_EQ(net->node[j].election.current.peer_epoch, net->epoch) << "all say the same";
    }
}

TEST(ElectionNet, ANodeThatMayNotVoteNeitherLeadsNorMakesAQuorumButJoins) {
  for (uint64_t seed = 0; seed < 30; seed++) {
    Net net(3, seed);
    net->node[2].may_vote = false; /* the largest id, and the longest history */
    net->node[2].zxid = zxid_make(1, 9);
    election_net_start(net.get(), 0);
    election_net_start(net.get(), 2);
    election_net_run(net.get(), 2 * SECOND);
    EXPECT_EQ(election_net_leader(net.get()), -1) << "one vote is no quorum";
    EXPECT_EQ(net->node[0].decisions + net->node[2].decisions, 0);
    election_net_start(net.get(), 1);
    EXPECT_LE(election_net_settle(net.get(), SECOND), 50 * MS) << "seed " << seed;
    EXPECT_EQ(election_net_leader(net.get()), 1);
  }
}

TEST(ElectionNet, ABetterNodeThatComesLateJoinsInsteadOfDisturbing) {
  Net net(3, 3);
  election_net_start(net.get(), 0);
  election_net_start(net.get(), 1);
  ASSERT_NE(election_net_settle(net.get(), SECOND), UINT64_MAX);
  net->node[2].zxid = zxid_make(0, 7);
  election_net_start(net.get(), 2);
  EXPECT_LE(election_net_settle(net.get(), SECOND), 5 * MS);
  EXPECT_EQ(election_net_leader(net.get()), 1);
  EXPECT_EQ(net->epoch, 1);
}

/* The wait for a quorum costs few messages: one node of three alone for a minute. */
TEST(ElectionNet, ALoneNodeAsksAboutOnceASecond) {
  Net net(3, 3);
  election_net_start(net.get(), 0);
  election_net_run(net.get(), 60 * SECOND);
  EXPECT_LE(net->sent, 2u * (60 + 10));
  EXPECT_GE(net->sent, 2u * 55);
}

/* Answers do not answer answers. */
TEST(ElectionNet, AnElectionTakesFewMessages) {
  for (uint64_t seed = 0; seed < 60; seed++) {
    Net net(5, seed);
    net.scatter();
    net.start_all();
    election_net_run(net.get(), 10 * SECOND);
    EXPECT_LE(net->sent, 5u * 4 * 8) << "seed " << seed;
  }
}

TEST(ElectionNet, SameSeedSameRun) {
  uint64_t trace[2], other;
  for (uint64_t &t : trace) {
    Net net(5, 42);
    net.make_lossy();
    net.start_all();
    storm(net.get(), 20);
    t = net->trace;
  }
  Net net(5, 43);
  net.make_lossy();
  net.start_all();
  storm(net.get(), 20);
  other = net->trace;
  EXPECT_EQ(trace[0], trace[1]);
  EXPECT_NE(trace[0], other);
}

}  // namespace
