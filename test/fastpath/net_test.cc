/* Seeded runs of whole clusters of broadcast machines (test/fastpath/fast_net.h). */
#include <gtest/gtest.h>

#include "test/fastpath/net_fixture.h"

namespace {

/* One cluster under everything at once; then it heals, and all must be everywhere. */
void Storm(uint64_t seed, net_options o, bool elect) {
  Net n(seed, o);
  net_elect(n.net, static_cast<int>(seed % static_cast<uint64_t>(n->n)));
  n->propose_permille = 50 + seed % 500;
  n->request_permille = 100;
  n->faults.loss = static_cast<uint32_t>(net_random(n.net) % 100);
  n->faults.duplicate = static_cast<uint32_t>(net_random(n.net) % 60);
  n->faults.reorder = static_cast<uint32_t>(net_random(n.net) % 200);
  n->faults.corrupt_header = static_cast<uint32_t>(net_random(n.net) % 30);
  n->faults.corrupt_payload = static_cast<uint32_t>(net_random(n.net) % 30);
  n->faults.replay = 50;
  if (seed % 5 == 4) n->late_permille = 980; /* joins the ring after 50 rounds or so */
  n->faults.max_delay_ns = net_random(n.net) % 100000;
  for (int part = 0; part < 4 && n->error[0] == 0; part++) {
    int victim = static_cast<int>(net_random(n.net) % static_cast<uint64_t>(n->n));
    if (net_chance(n.net, 300) && victim != n->leader)
      net_cut(n.net, victim, net_chance(n.net, 500), net_chance(n.net, 500));
    if (net_chance(n.net, 300)) n->nodes[victim].app_stalled = true;
    net_run(n.net, 1000 + net_random(n.net) % 1500);
    net_cut(n.net, victim, false, false);
    n->nodes[victim].app_stalled = false;
    bool lost = n->nodes[n->leader].lost != REASON_NONE;
    if (lost || (elect && net_chance(n.net, 300)))
      net_elect(n.net, static_cast<int>(net_random(n.net) % static_cast<uint64_t>(n->n)));
  }
  net_run(n.net, 2500);
  if (n->nodes[n->leader].lost != REASON_NONE) net_elect(n.net, 0);
  net_quiet(n.net, 100000);
  ASSERT_STREQ(n->error, "") << "seed " << seed;
}

/* REQUESTs survive the epochs that are changed in place: none is lost, none comes twice. */
void RequestStorm(uint64_t seed, net_options o) {
  Net n(seed, o);
  net_elect(n.net, static_cast<int>(seed % static_cast<uint64_t>(n->n)));
  n->propose_permille = 100;
  n->request_permille = 50 + seed % 700;
  n->faults.loss = static_cast<uint32_t>(net_random(n.net) % 100);
  n->faults.duplicate = static_cast<uint32_t>(net_random(n.net) % 60);
  n->faults.reorder = static_cast<uint32_t>(net_random(n.net) % 200);
  n->faults.corrupt_payload = static_cast<uint32_t>(net_random(n.net) % 30);
  n->faults.replay = 50;
  n->faults.max_delay_ns = net_random(n.net) % 100000;
  n->nodes[n->leader].app_busy_ns = 1 + net_random(n.net) % 300000; /* much waits in its ring */
  for (int part = 0; part < 8 && n->error[0] == 0; part++) {
    int victim = static_cast<int>(net_random(n.net) % static_cast<uint64_t>(n->n));
    if (net_chance(n.net, 150) && victim != n->leader) net_cut(n.net, victim, true, true);
    net_run(n.net, net_random(n.net) % 1500);
    net_cut(n.net, victim, false, false);
    if (n->nodes[n->leader].lost != REASON_NONE)
      net_elect(n.net, static_cast<int>(net_random(n.net) % static_cast<uint64_t>(n->n)));
    else
      net_next_epoch(n.net);
  }
  net_run(n.net, 2500);
  if (n->nodes[n->leader].lost != REASON_NONE) net_elect(n.net, 0);
  net_quiet(n.net, 100000);
  ASSERT_STREQ(n->error, "") << "seed " << seed;
}

TEST(FastNet, RequestsGoOnThroughEpochsInPlaceInStorms) {
  for (int i = 0; i < Runs(100); i++) {
    net_options o = {};
    o.n = i % 3 ? 3 : 5;
    o.durability = i % 2 ? DURABILITY_SYNC : DURABILITY_MEMORY;
    RequestStorm(static_cast<uint64_t>(60000 + i), o);
    if (HasFatalFailure()) return;
  }
}

/* What was submitted before the epoch ended, on its way or waiting in the leader's ring, is given
 * to the leader's app behind it, all of it. */
TEST(FastNet, AllThatWasForwardedReachesTheAppInTheNextEpoch) {
  Net n(5, {});
  Settle(n);
  n->nodes[0].app_busy_ns = 1;
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 40; i++)
      for (int f = 1; f < 3; f++) net_request(n.net, f, 8 + static_cast<uint32_t>(i) * 20);
    n->nodes[0].app_stalled = round % 2;
    net_run(n.net, 10 * static_cast<uint64_t>(round)); /* so many are under way */
    net_next_epoch(n.net);
    n->nodes[0].app_stalled = false;
    ASSERT_TRUE(net_quiet(n.net, 20000)) << n->error;
    ASSERT_TRUE(net_run(n.net, 5000)) << n->error;
    for (int f = 1; f < 3; f++) EXPECT_EQ(n->nodes[f].submitted, n->nodes[0].given_from[f]);
  }
  EXPECT_GT(n->nodes[1].submitted, 100u);
}

TEST(FastNet, ThreeNodesOnDiskSurviveStorms) {
  for (int i = 0; i < Runs(400); i++) {
    net_options o = {};
    Storm(static_cast<uint64_t>(i), o, true);
    if (HasFatalFailure()) return;
  }
}

TEST(FastNet, ThreeNodesInMemorySurviveStorms) {
  for (int i = 0; i < Runs(400); i++) {
    net_options o = {};
    o.durability = DURABILITY_MEMORY;
    Storm(static_cast<uint64_t>(10000 + i), o, true);
    if (HasFatalFailure()) return;
  }
}

TEST(FastNet, FiveAndSevenNodesSurviveStorms) {
  for (int i = 0; i < Runs(200); i++) {
    net_options o = {};
    o.n = i % 2 ? 5 : 7;
    o.durability = i % 4 < 2 ? DURABILITY_SYNC : DURABILITY_MEMORY;
    Storm(static_cast<uint64_t>(20000 + i), o, true);
    if (HasFatalFailure()) return;
  }
}

TEST(FastNet, SmallestFramesAndLargestRecordsSurviveStorms) {
  for (int i = 0; i < Runs(100); i++) {
    net_options o = {};
    o.mtu = LIMIT_MTU_MIN;
    o.largest_record = LIMIT_RING_MIN / 4;
    Storm(static_cast<uint64_t>(30000 + i), o, false);
    if (HasFatalFailure()) return;
  }
}

TEST(FastNet, LargeRingAndJumboFramesSurviveStorms) {
  for (int i = 0; i < Runs(50); i++) {
    net_options o = {};
    o.mtu = 1900;
    o.ring_bytes = 1u << 20;
    o.largest_record = 100000;
    Storm(static_cast<uint64_t>(40000 + i), o, true);
    if (HasFatalFailure()) return;
  }
}

TEST(FastNet, SeedsThatFoundSomethingSurvive) {
  struct {
    uint64_t seed;
    net_options o;
    bool elect;
  } const found[] = {
      {10350, {3, DURABILITY_MEMORY, 0, 0, 0}, true}, /* reclaimed bytes were sent again */
      /* a damaged length as the last thing sent waited for bytes that never came */
      {40096, {3, DURABILITY_SYNC, 1u << 20, 100000, 1900}, true},
      {10655, {3, DURABILITY_MEMORY, 0, 0, 0}, true},
      {20449, {5, DURABILITY_SYNC, 0, 0, 0}, true},
  };
  for (auto &f : found) Storm(f.seed, f.o, f.elect);
}

TEST(FastNet, CommitsOnAQuietNetworkWithoutAnyResend) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(1, o);
  Settle(n);
  n->propose_permille = 800;
  ASSERT_TRUE(net_run(n.net, 5000)) << n->error;
  ASSERT_TRUE(net_quiet(n.net, 3000)) << n->error;
  EXPECT_GT(n->record_cnt, 500);
  EXPECT_EQ(0u, net_count(n.net, REASON_SLICE_RESENT));
  EXPECT_EQ(0u, net_count(n.net, REASON_GAP_REPORTED));
  EXPECT_EQ(0u, net_count(n.net, REASON_STALE_SEQ));
}

TEST(FastNet, OneRecordInMemoryIsCommittedAfterOneRoundTrip) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(2, o);
  Settle(n);
  uint64_t frames = n->frame_cnt;
  uint64_t start = n->now_ns;
  ASSERT_TRUE(net_propose(n.net, 100));
  while (bcast_committed(n->nodes[0].m) == 0 && n->now_ns - start < 100000) net_run(n.net, 5);
  /* round 1 sends, the frame is due in round 2, its ACK in round 3, which commits */
  EXPECT_EQ(3 * NET_ROUND_NS, n->now_ns - start);
  EXPECT_LE(n->frame_cnt - frames, 6u); /* two PROPOSALs, two ACKs, at most two COMMITs */
}

TEST(FastNet, AnIdleLeaderTellsCommittedAtOnce) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(3, o);
  n->nodes[0].config.heartbeat_us = 1900; /* no PING may help */
  Settle(n);
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 5 * NET_ROUND_NS / 1000);
  for (int i = 1; i < 3; i++) EXPECT_EQ(n->truth_len, bcast_committed(n->nodes[i].m));
}

TEST(FastNet, ALostTailIsSentAgainWithinTheTimeout) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(4, o);
  n->nodes[0].config.heartbeat_us = 1500; /* no PING may betray the tail */
  Settle(n);
  n->faults.loss = 1000;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 5);
  n->faults.loss = 0;
  net_run(n.net, OUTFLOW_RTO_FLOOR_US + 50);
  EXPECT_EQ(n->truth_len, bcast_committed(n->nodes[0].m));
}

TEST(FastNet, AHoleIsReportedAtOnceAndOnlyThatIsSentAgain) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(5, o);
  Settle(n);
  n->cut[0][1] = n->cut[0][2] = true;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 5);
  n->cut[0][1] = n->cut[0][2] = false;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 40);
  EXPECT_EQ(n->truth_len, bcast_committed(n->nodes[0].m));
  EXPECT_EQ(2u, net_count(n.net, REASON_SLICE_RESENT));
  EXPECT_EQ(2u, net_count(n.net, REASON_GAP_REPORTED));
}

TEST(FastNet, NothingIsCommittedWhileOnlyUncountedFollowersHoldIt) {
  Net n(6);
  net_elect(n.net, 0);
  n->manual = true;
  net_run(n.net, 1500);
  ASSERT_TRUE(n->established);
  ASSERT_TRUE(net_quiet(n.net, 5000));
  /* both are attached anew and hold everything, but COUNT does not come (R6, J2) */
  bcast *m = n->nodes[0].m;
  m->counted = 1;
  n->nodes[1].counted = n->nodes[2].counted = false;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 1000);
  EXPECT_EQ(n->truth_len, m->peers[1].durable);
  EXPECT_EQ(0u, m->committed);
}

TEST(FastNet, ALeaderWhoseAnswersAreCutIsLostWithinTheTimeout) {
  for (int way = 0; way < 3; way++) {
    Net n(static_cast<uint64_t>(7 + way));
    Settle(n);
    uint64_t cut_ns = n->now_ns;
    net_cut(n.net, 0, way != 1, way != 0); /* F9: one way, the other, both */
    n->manual = true;
    net_run(n.net, 5000);
    ASSERT_STREQ("", n->error);
    EXPECT_EQ(REASON_QUORUM_SILENT, n->nodes[0].lost) << way;
    EXPECT_LE(n->nodes[0].lost_ns - cut_ns, 2000u * 1000 + 2 * NET_ROUND_NS);
    if (way == 0) continue; /* the followers hear it until it stops itself */
    for (int i = 1; i < 3; i++) {
      EXPECT_EQ(REASON_LEADER_SILENT, n->nodes[i].lost);
      EXPECT_LE(n->nodes[i].lost_ns - cut_ns, 2000u * 1000 + 3 * NET_ROUND_NS);
    }
  }
}

TEST(FastNet, ALeaderPausedForLongerThanTheTimeoutCommitsNothingMore) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(12, o);
  Settle(n);
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 5);
  n->nodes[0].running = false; /* the ACKs wait in its queue (F12, J8) */
  net_run(n.net, 2500);
  uint64_t frames = n->frame_cnt;
  n->manual = true;
  n->nodes[0].running = true;
  net_run(n.net, 10);
  EXPECT_EQ(REASON_QUORUM_SILENT, n->nodes[0].lost);
  EXPECT_EQ(0u, n->nodes[0].m->committed);
  EXPECT_EQ(frames, n->frame_cnt);
}

TEST(FastNet, AFollowerPausedForLongerThanTheTimeoutTakesNothingFromItsQueue) {
  net_options o = {};
  o.durability = DURABILITY_MEMORY;
  Net n(13, o);
  Settle(n);
  n->manual = true;
  n->nodes[1].running = false;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 2500);
  n->nodes[1].running = true;
  net_run(n.net, 10);
  EXPECT_EQ(REASON_LEADER_SILENT, n->nodes[1].lost);
  EXPECT_EQ(0u, bcast_appended(n->nodes[1].m));
  EXPECT_EQ(REASON_NONE, n->nodes[0].lost);
}

TEST(FastNet, ASilentFollowerIsDetachedAndTheQuorumGoesOn) {
  Net n(14);
  Settle(n);
  net_cut(n.net, 2, false, true);
  n->propose_permille = 100;
  ASSERT_TRUE(net_run(n.net, 3000)) << n->error;
  EXPECT_EQ(1, n->nodes[2].detached_cnt);
  EXPECT_EQ(REASON_NONE, n->nodes[0].lost);
  EXPECT_GT(n->max_committed, 0u);
  EXPECT_TRUE(net_quiet(n.net, 20000)) << n->error;
}

TEST(FastNet, AStalledDiskMakesTheLeaderStepDown) {
  for (auto durability : {DURABILITY_SYNC, DURABILITY_MEMORY}) {
    net_options o = {};
    o.durability = durability;
    Net n(15, o);
    Settle(n);
    n->nodes[0].disk_stalled = true;
    net_run(n.net, 15000);
    EXPECT_EQ(REASON_NONE, n->nodes[0].lost) << "nothing waits for the disk";
    uint64_t start = n->now_ns;
    ASSERT_TRUE(net_propose(n.net, 100));
    net_run(n.net, 12000);
    EXPECT_EQ(REASON_DISK_STALLED, n->nodes[0].lost);
    EXPECT_LE(n->nodes[0].lost_ns - start, 10000000u + 2 * NET_ROUND_NS);
  }
}

TEST(FastNet, AFollowerWhoseDiskStandsStillLeavesAndTheQuorumGoesOn) {
  for (auto durability : {DURABILITY_SYNC, DURABILITY_MEMORY}) {
    net_options o = {};
    o.durability = durability;
    Net n(16, o);
    Settle(n);
    n->nodes[2].disk_stalled = true;
    net_run(n.net, 40000);
    EXPECT_EQ(REASON_NONE, n->nodes[2].lost) << "nothing waits for the disk";
    uint64_t start = n->now_ns;
    ASSERT_TRUE(net_propose(n.net, 100));
    for (int i = 0; i < 7000 && n->nodes[2].lost == REASON_NONE; i++) net_run(n.net, 1);
    EXPECT_EQ(REASON_DISK_STALLED, n->nodes[2].lost); /* it would come again */
    EXPECT_GE(n->nodes[2].lost_ns - start, 30000000u);
    EXPECT_LE(n->nodes[2].lost_ns - start, 30000000u + 2 * NET_ROUND_NS);
    EXPECT_EQ(REASON_NONE, n->nodes[0].lost);
  }
}

TEST(FastNet, ASlowFollowerIsDetachedBeforeItStallsTheQuorum) {
  for (int i = 0; i < 20; i++) {
    Net n(static_cast<uint64_t>(100 + i));
    Settle(n);
    n->nodes[2].app_stalled = true; /* its ring fills, its window closes */
    n->propose_permille = 900;
    pos_t last = 0;
    for (int part = 0; part < 8; part++) {
      ASSERT_TRUE(net_run(n.net, 1000)) << n->error;
      ASSERT_GT(n->max_committed, last) << "the quorum stalled in part " << part;
      last = n->max_committed;
    }
    EXPECT_GE(n->nodes[2].detached_cnt, 1);
    EXPECT_EQ(0, n->nodes[1].detached_cnt);
    EXPECT_GE(net_count(n.net, REASON_PEER_BEHIND), 1u);
    n->nodes[2].app_stalled = false;
    ASSERT_TRUE(net_quiet(n.net, 100000)) << n->error;
  }
}

TEST(FastNet, AFloodOfProposalsDetachesNobody) {
  Net n(16);
  Settle(n);
  n->propose_permille = 999;
  n->record_max = 8000;
  ASSERT_TRUE(net_run(n.net, 10000)) << n->error;
  EXPECT_GT(n->truth_len, 20u * LIMIT_RING_MIN);
  EXPECT_EQ(0u, net_count(n.net, REASON_PEER_BEHIND));
  EXPECT_EQ(0u, net_count(n.net, REASON_PEER_SILENT));
}

TEST(FastNet, ALateJoinerAttachesMidStreamWithoutGapOrDuplicate) {
  for (int i = 0; i < 50; i++) {
    Net n(static_cast<uint64_t>(200 + i));
    net_elect(n.net, 0);
    n->nodes[2].sync_due_ns = n->now_ns + 4000000;
    n->propose_permille = 200;
    n->request_permille = 100;
    ASSERT_TRUE(net_run(n.net, 10000)) << n->error;
    EXPECT_GT(n->nodes[2].p, 0u);
    ASSERT_TRUE(net_quiet(n.net, 20000)) << n->error;
  }
}

TEST(FastNet, AttachWaitsUntilTheLeadersDiskCoversTheFollowersHistory) {
  Net n(17);
  Settle(n);
  n->nodes[0].disk_stalled = true;
  ASSERT_TRUE(net_propose(n.net, 100));
  net_run(n.net, 500);
  ASSERT_EQ(n->truth_len, position_get(&n->nodes[1].positions.durable));
  net_cut(n.net, 1, true, false);
  net_run(n.net, 2300); /* it loses the leader and wants to come back */
  net_cut(n.net, 1, false, false);
  net_run(n.net, 1000);
  EXPECT_EQ(SYNC_ATTACHING, n->nodes[1].sync);
  n->nodes[0].disk_stalled = false;
  net_run(n.net, 2000);
  EXPECT_EQ(n->truth_len, n->nodes[1].p);
  EXPECT_TRUE(net_quiet(n.net, 5000)) << n->error;
}

TEST(FastNet, AFollowersRequestsArriveInOrderEvenWhenTheAppIsSlow) {
  Net n(18);
  Settle(n);
  n->nodes[0].app_stalled = true;
  n->request_permille = 1000;
  ASSERT_TRUE(net_run(n.net, 20000)) << n->error;
  EXPECT_FALSE(bcast_room(n->nodes[1].m, BCAST_REQUEST, 4000)) << "flow control reached the app";
  n->nodes[0].app_stalled = false;
  n->request_permille = 0;
  ASSERT_TRUE(net_run(n.net, 20000)) << n->error;
  EXPECT_EQ(n->nodes[1].submitted, n->nodes[0].given_from[1]);
  EXPECT_EQ(n->nodes[2].submitted, n->nodes[0].given_from[2]);
}

TEST(FastNet, MoreSmallRequestsThanTheAppCanHoldWait) {
  Net n(19);
  Settle(n);
  n->nodes[0].app_stalled = true;
  for (int i = 0; i < 1000; i++) {
    for (int k = 0; k < 2; k++)
      if (bcast_room(n->nodes[1 + k].m, BCAST_REQUEST, 8)) net_request(n.net, 1 + k, 8);
    ASSERT_TRUE(net_run(n.net, 5)) << n->error;
  }
  EXPECT_EQ(static_cast<uint64_t>(LIMIT_REQUESTS),
            n->nodes[0].request_cnt - n->nodes[0].request_done);
  n->nodes[0].app_stalled = false;
  ASSERT_TRUE(net_run(n.net, 20000)) << n->error;
  EXPECT_EQ(n->nodes[1].submitted, n->nodes[0].given_from[1]);
  EXPECT_EQ(n->nodes[2].submitted, n->nodes[0].given_from[2]);
}

TEST(FastNet, NoMoreSlicesAreInFlightThanAnRxRingHolds) {
  net_options o = {};
  o.ring_bytes = 1u << 20;
  o.mtu = LIMIT_MTU_MIN;
  Net n(20, o);
  Settle(n);
  n->cut[1][0] = n->cut[2][0] = true; /* no ACKs */
  for (int i = 0; i < 2000; i++) net_propose(n.net, 200);
  uint64_t frames = n->frame_cnt;
  net_run(n.net, 250);
  EXPECT_EQ(static_cast<uint64_t>(LIMIT_FLIGHT), n->nodes[0].m->peers[1].out.flight_cnt);
  EXPECT_LE(n->frame_cnt - frames, 2u * (LIMIT_FLIGHT + 10) + 2u * 60);
}

TEST(FastNet, TheLastCounterOfAnEpochIsTheLastRecord) {
  Net n(21);
  for (int i = 0; i < 3; i++) n->nodes[i].config.counter_limit = 3;
  Settle(n);
  for (int i = 0; i < 3; i++) ASSERT_TRUE(net_propose(n.net, 50));
  net_run(n.net, 500);
  EXPECT_EQ(REASON_NONE, n->nodes[0].lost);
  n->manual = true;
  net_propose(n.net, 50);
  EXPECT_EQ(REASON_COUNTER_LIMIT, n->nodes[0].lost);
  net_run(n.net, 100);
}

TEST(FastNet, FramesOfTheLastIterationAndEpochAreCountedAndDropped) {
  Net n(22);
  Settle(n);
  n->faults.replay = 500;
  ASSERT_TRUE(net_run(n.net, 1000)) << n->error;
  EXPECT_GT(net_count(n.net, REASON_STALE_SEQ), 0u);
  net_elect(n.net, 0);
  ASSERT_TRUE(net_run(n.net, 2000)) << n->error;
  EXPECT_GT(net_count(n.net, REASON_STALE_EPOCH), 0u);
  net_mail(n.net, 1, {FAST_CLOSE, 1, n->epoch, REASON_NONE, 0, 0, 0});
  net_mail(n.net, 0, {FAST_DETACH, 1, n->epoch, REASON_NONE, n->nodes[1].iteration, 0, 0});
  n->nodes[1].sync = SYNC_WANTED;
  n->nodes[1].counted = false;
  ASSERT_TRUE(net_run(n.net, 2000)) << n->error;
  EXPECT_GT(net_count(n.net, REASON_STALE_ITERATION), 0u);
}

TEST(FastNet, TheSameSeedGivesTheSameRun) {
  uint64_t frames[2], now[2];
  for (int i = 0; i < 2; i++) {
    Net n(23);
    net_elect(n.net, 1);
    n->propose_permille = 300;
    n->faults.loss = 50;
    net_run(n.net, 5000);
    frames[i] = n->frame_cnt;
    now[i] = n->truth_len;
  }
  EXPECT_EQ(frames[0], frames[1]);
  EXPECT_EQ(now[0], now[1]);
}

}  // namespace
