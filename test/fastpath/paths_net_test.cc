/* Clusters of broadcast machines with two fast paths and TCP between them (fast_net.h). */
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "test/fastpath/net_fixture.h"

namespace {

net_options ManyPaths(int fast_cnt, bool tcp) {
  net_options o = {};
  o.fast_cnt = fast_cnt;
  o.tcp = tcp;
  return o;
}

const path_set &PathsTo(const Net &n, int node) { return n->nodes[n->leader].m->peers[node].paths; }

int UsedBy(const Net &n, int node) { return n->nodes[node].m->peers[n->leader].paths.use; }

uint64_t Moves(const Net &n) {
  return net_count(n.net, REASON_PATH_SILENT) + net_count(n.net, REASON_PATH_BACK) +
         net_count(n.net, REASON_PATH_FOLLOWED);
}

/* No attachment ended, nobody lost the path, all goes on. */
void ExpectUndisturbed(const Net &n) {
  for (int i = 0; i < n->n; i++) {
    EXPECT_EQ(0, n->nodes[i].detached_cnt) << i;
    EXPECT_EQ(REASON_NONE, n->nodes[i].lost) << i << " " << reason_name(n->nodes[i].lost);
  }
  EXPECT_STREQ("", n->error);
}

TEST(Paths, EveryCutOfThePathInUseIsLeftInTimeAndNobodyIsGivenUp) {
  for (int cut = 1; cut < 4; cut++) { /* bit 0: to the follower, bit 1: from it */
    for (bool second : {true, false}) {
      Net n(static_cast<uint64_t>(cut), ManyPaths(second ? 2 : 1, true));
      Settle(n);
      n->propose_permille = 300;
      n->request_permille = 100;
      net_run(n.net, 3000);
      uint64_t proposed = n->nodes[0].m->stream.whole;
      net_cut_path(n.net, PATH_FAST, 0, 1, cut & 1);
      net_cut_path(n.net, PATH_FAST, 1, 0, cut & 2);
      net_run(n.net, 2000); /* timeout_us */
      int expected = second ? PATH_FAST2 : PATH_TCP;
      EXPECT_EQ(expected, PathsTo(n, 1).use) << cut;
      EXPECT_EQ(expected, UsedBy(n, 1)) << cut;
      EXPECT_EQ(PATH_FAST, PathsTo(n, 2).use) << "the other follower's is fine";
      net_run(n.net, 10000);
      EXPECT_GT(n->nodes[1].m->durable, proposed) << "it has what was proposed meanwhile";
      ExpectUndisturbed(n);
      net_quiet(n.net, 50000);
      net_run(n.net, 20000);
      EXPECT_EQ(PATH_FAST, PathsTo(n, 1).use) << "steady again";
      EXPECT_EQ(PATH_FAST, UsedBy(n, 1));
      ExpectUndisturbed(n);
      EXPECT_EQ(4u, Moves(n)) << "there and back, both ends, whatever the cut";
    }
  }
}

TEST(Paths, BothFastPathsOfAllFollowersMayGoAndTheQuorumStays) {
  Net n(7, ManyPaths(2, true));
  Settle(n);
  n->propose_permille = 300;
  net_run(n.net, 3000);
  for (int from = 0; from < 3; from++)
    for (int to = 0; to < 3; to++) {
      net_cut_path(n.net, PATH_FAST, from, to, true);
      net_cut_path(n.net, PATH_FAST2, from, to, true);
    }
  net_run(n.net, 2000);
  pos_t committed = n->nodes[0].m->committed;
  net_run(n.net, 20000);
  EXPECT_GT(n->nodes[0].m->committed, committed) << "commits go on over TCP";
  EXPECT_EQ(PATH_TCP, PathsTo(n, 1).use);
  EXPECT_EQ(PATH_TCP, PathsTo(n, 2).use);
  net_quiet(n.net, 50000);
  ExpectUndisturbed(n);
}

/* Whichever way is cut, both ends publish it, though nothing moves. */
TEST(Paths, TheSilenceOfASparePathIsPublishedAtBothEnds) {
  for (int cut = 1; cut < 4; cut++) {
    Net n(static_cast<uint64_t>(60 + cut), ManyPaths(2, true));
    auto told = [&](int at, int of, int path) {
      return path_state_of(position_get(&n->nodes[at].positions.peer_path[of]), path);
    };
    Settle(n);
    n->propose_permille = 300;
    net_run(n.net, 3000);
    EXPECT_EQ(PATH_ANSWERS, told(0, 1, PATH_FAST2));
    EXPECT_EQ(PATH_ANSWERS, told(1, 0, PATH_FAST2));
    net_cut_path(n.net, PATH_FAST2, 0, 1, cut & 1);
    net_cut_path(n.net, PATH_FAST2, 1, 0, cut & 2);
    net_run(n.net, 2000);
    for (int i : {0, 1}) {
      EXPECT_EQ(PATH_SILENT, told(i, 1 - i, PATH_FAST2)) << cut << " at " << i;
      EXPECT_EQ(PATH_ANSWERS, told(i, 1 - i, PATH_FAST)) << cut << " at " << i;
    }
    EXPECT_EQ(PATH_ANSWERS, told(0, 2, PATH_FAST2)) << "the other follower's is fine";
    EXPECT_EQ(0u, Moves(n));
    ExpectUndisturbed(n);
  }
}

/* J5: the one authority is what the frames echo.  If no path carries answers the leader goes,
 * though every path carries its own frames. */
TEST(Paths, NoLeaderIsKeptByPathsThatCarryNoAnswers) {
  Net n(8, ManyPaths(2, true));
  Settle(n);
  for (int path = 0; path < LIMIT_PATHS; path++)
    for (int from = 1; from < 3; from++) net_cut_path(n.net, path, from, 0, true);
  net_run(n.net, 2500);
  EXPECT_EQ(REASON_QUORUM_SILENT, n->nodes[0].lost);
}

TEST(Paths, SilenceOnTcpMeansNothingWhileAFastPathAnswers) {
  Net n(9, ManyPaths(1, true));
  Settle(n);
  for (int i = 1; i < 3; i++) {
    net_cut_path(n.net, PATH_TCP, 0, i, true);
    net_cut_path(n.net, PATH_TCP, i, 0, true);
  }
  n->propose_permille = 300;
  net_run(n.net, 50000);
  ExpectUndisturbed(n);
  EXPECT_EQ(0u, Moves(n));
  EXPECT_EQ(0u, n->path_cnt[PATH_TCP]) << "nothing was even tried there";
}

/* Both fast paths are gone, with all that was in flight; a record is larger than what may be in
 * flight over TCP, whose round trip is longer than a heartbeat. */
TEST(Paths, TcpCarriesAtATimeWhatItHasRoomForHoweverLongItsRoundTrip) {
  net_options o = ManyPaths(1, true);
  o.ring_bytes = 1u << 20;
  o.largest_record = 100000;
  Net n(61, o);
  n->tcp_ns = 200000;
  Settle(n);
  for (int i = 0; i < 8; i++) ASSERT_TRUE(net_propose(n.net, 20000));
  net_run(n.net, 5);
  for (int i = 1; i < 3; i++) {
    net_cut_path(n.net, PATH_FAST, 0, i, true);
    net_cut_path(n.net, PATH_FAST, i, 0, true);
  }
  int most = 0;
  for (int us = 0; us < 20000; us += 5) {
    if (us == 10000) ASSERT_TRUE(net_propose(n.net, 100000));
    net_run(n.net, 5);
    int flight = 0;
    for (int i = 0; i < n->packet_cnt; i++) {
      const net_frame &p = n->packets[i];
      flight += p.path == PATH_TCP && p.to == 1 && p.len > 200; /* not a bare one */
    }
    most = std::max(most, flight);
  }
  EXPECT_EQ(PATH_TCP, PathsTo(n, 1).use);
  EXPECT_EQ(n->nodes[0].m->stream.whole, n->nodes[1].m->stream.whole);
  EXPECT_GT(most, LIMIT_TCP_FLIGHT / 2);
  EXPECT_LE(most, LIMIT_TCP_FLIGHT + 1);
  EXPECT_EQ(0u, net_count(n.net, REASON_RECORD_CRC)) << "nothing was damaged";
  EXPECT_LE(net_count(n.net, REASON_GAP_REPORTED), 30u) << "a few for each follower";
  ExpectUndisturbed(n);
}

/* Heartbeats are small: a path that has begun to lose what is large answers, and must be doubted
 * by whoever sends: the leader, or a follower with a request. */
TEST(Paths, APathThatLosesWhatIsLargeIsDoubtedThoughItAnswers) {
  for (int requests = 0; requests < 2; requests++) {
    Net n(static_cast<uint64_t>(62 + requests), ManyPaths(2, true));
    Settle(n);
    net_run(n.net, 5000);
    EXPECT_EQ(0u, net_count(n.net, REASON_PATH_STALLED));
    n->large_lost = true;
    if (requests)
      ASSERT_TRUE(net_request(n.net, 1, 1000));
    else
      ASSERT_TRUE(net_propose(n.net, 1000));
    net_run(n.net, 660); /* leave_us is 666 */
    EXPECT_EQ(0u, net_count(n.net, REASON_PATH_STALLED));
    net_run(n.net, 100);
    EXPECT_EQ(requests ? 1u : 2u, net_count(n.net, REASON_PATH_STALLED)) << "one for each peer";
    n->large_lost = false;
    net_run(n.net, 1000);
    uint64_t said = net_count(n.net, REASON_PATH_STALLED);
    net_run(n.net, 5000);
    EXPECT_EQ(said, net_count(n.net, REASON_PATH_STALLED)) << "nothing waits any more";
    EXPECT_EQ(0u, Moves(n)) << "it was never silent";
    ExpectUndisturbed(n);
  }
}

/* Else what stops for a moment would be closed for as long as its proof takes. */
TEST(Paths, APathThatCarriesNothingAtAllIsNotOneThatLosesWhatIsLarge) {
  Net n(64, ManyPaths(1, false));
  Settle(n);
  ASSERT_TRUE(net_propose(n.net, 1000));
  for (int i = 1; i < 3; i++) {
    net_cut_path(n.net, PATH_FAST, 0, i, true);
    net_cut_path(n.net, PATH_FAST, i, 0, true);
  }
  net_run(n.net, 1000); /* leave_us is 666, timeout_us 2000 */
  for (int i = 1; i < 3; i++) {
    net_cut_path(n.net, PATH_FAST, 0, i, false);
    net_cut_path(n.net, PATH_FAST, i, 0, false);
  }
  net_run(n.net, 1000);
  EXPECT_EQ(0u, net_count(n.net, REASON_PATH_STALLED));
  ExpectUndisturbed(n);
}

TEST(Paths, AStoppedFollowerMovesNothing) {
  Net n(10, ManyPaths(2, true));
  Settle(n);
  n->nodes[1].running = false;
  net_run(n.net, 1800); /* nearly timeout_us */
  n->nodes[1].running = true;
  net_run(n.net, 2000);
  EXPECT_EQ(0u, Moves(n));
  ExpectUndisturbed(n);
}

TEST(Paths, AFlappingPathDisturbsNobody) {
  Net n(11, ManyPaths(2, true));
  Settle(n);
  n->propose_permille = 200;
  for (int flap = 0; flap < 20; flap++) {
    for (int i = 1; i < 3; i++) {
      net_cut_path(n.net, PATH_FAST, 0, i, flap % 2 == 0);
      net_cut_path(n.net, PATH_FAST, i, 0, flap % 2 == 0);
    }
    net_run(n.net, 2500);
  }
  EXPECT_LE(Moves(n), 8u) << "left once for each, and not come back to";
  net_quiet(n.net, 50000);
  ExpectUndisturbed(n);
}

TEST(Paths, AnAttachmentComesAboutByWhicheverPathThereIs) {
  for (int alive = 0; alive < LIMIT_PATHS; alive++) {
    Net n(static_cast<uint64_t>(20 + alive), ManyPaths(2, true));
    for (int path = 0; path < LIMIT_PATHS; path++)
      for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++) net_cut_path(n.net, path, from, to, path != alive);
    n->propose_permille = 300;
    net_elect(n.net, 0);
    net_run(n.net, 5000);
    EXPECT_TRUE(n->established) << path_name(alive);
    EXPECT_EQ(alive, PathsTo(n, 1).use);
    EXPECT_EQ(alive, UsedBy(n, 1));
    ExpectUndisturbed(n);
    net_quiet(n.net, 50000);
    EXPECT_STREQ("", n->error);
  }
}

TEST(Paths, ALeaderThatIsDeafFromTheStartIsReachedOverTcp) {
  Net n(23, ManyPaths(2, true));
  for (int path : {PATH_FAST, PATH_FAST2})
    for (int from = 1; from < 3; from++) net_cut_path(n.net, path, from, 0, true);
  n->propose_permille = 300;
  net_elect(n.net, 0);
  net_run(n.net, 5000);
  EXPECT_TRUE(n->established);
  EXPECT_EQ(PATH_TCP, PathsTo(n, 1).use);
  EXPECT_EQ(PATH_TCP, UsedBy(n, 1));
  ExpectUndisturbed(n);
  net_quiet(n.net, 50000);
  EXPECT_STREQ("", n->error);
}

TEST(Paths, InAQuietRackTheCountersStandStill) {
  Net n(12, ManyPaths(2, true));
  Settle(n);
  net_run(n.net, 2000);
  uint64_t before = 0, after = 0;
  for (int r = 0; r < REASON_CNT; r++) before += net_count(n.net, static_cast<reason>(r));
  net_run(n.net, 50000);
  for (int r = 0; r < REASON_CNT; r++) after += net_count(n.net, static_cast<reason>(r));
  EXPECT_EQ(before, after);
}

/* Two lossy paths that come and go, TCP beside them: whatever is used, nothing is lost. */
TEST(Paths, ThreePathsSurviveStorms) {
  for (int run = 0; run < Runs(200); run++) {
    uint64_t seed = static_cast<uint64_t>(50000 + run);
    Net n(seed, ManyPaths(2, run % 2));
    net_elect(n.net, run % 3);
    n->propose_permille = 300;
    n->request_permille = 100;
    n->faults.loss = static_cast<uint32_t>(net_random(n.net) % 200);
    n->faults.duplicate = n->faults.reorder = 50;
    n->faults.replay = 50;
    n->faults.max_delay_ns = 50000;
    for (int part = 0; part < 10 && n->error[0] == 0; part++) {
      for (int k = 0; k < 4; k++)
        net_cut_path(n.net, static_cast<int>(net_random(n.net) % LIMIT_PATHS),
                     static_cast<int>(net_random(n.net) % 3),
                     static_cast<int>(net_random(n.net) % 3), net_chance(n.net, 500));
      net_run(n.net, 500 + net_random(n.net) % 1500);
      if (n->nodes[n->leader].lost != REASON_NONE || net_chance(n.net, 50))
        net_elect(n.net, static_cast<int>(net_random(n.net) % 3));
    }
    memset(n->cut_path, 0, sizeof n->cut_path);
    net_run(n.net, 2500);
    if (n->nodes[n->leader].lost != REASON_NONE) net_elect(n.net, 0);
    net_quiet(n.net, 100000);
    ASSERT_STREQ("", n->error) << "seed " << seed;
  }
}

}  // namespace
