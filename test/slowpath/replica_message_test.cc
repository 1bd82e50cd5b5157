// One machine, message by message: order of promises, refusals, hand-over.
#include <gtest/gtest.h>

#include "test/slowpath/replica_solo.h"

namespace {

struct durable_state holds(uint32_t accepted, uint32_t current, uint64_t last) {
  struct durable_state s = {};
  s.accepted_epoch = accepted;
  s.current_epoch = current;
  s.last_zxid = last;
  return s;
}

uint64_t counted(const Solo &s, enum reason r) { return counters_get(&s.counters, r); }

// ---- leader: epochs ----

// R2, A4, A3: nothing of the epoch leaves before our own acceptedEpoch is durable.
TEST(Leader, SendsNoLeaderinfoBeforeItsOwnPromiseIsDurable) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.follower(2, 2, 0);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_ACCEPTED);
  EXPECT_EQ(s.asked[0].epoch, 1u);
  EXPECT_EQ(s.sent_cnt(PACKET_LEADERINFO), 0);
  s.answer();
  EXPECT_EQ(s.sent_cnt(PACKET_LEADERINFO), 2);
}

// Node 1 voted for us when node 3 was not there yet, then for node 3 in the same round: nobody will
// connect to us.  (Seen with real processes: the third node out of the ensemble for init_limit.)
TEST(Leader, GivesUpAtOnceWhenItsVotersFindABetterOneInTheSameRound) {
  Solo s(2);
  s.boot();
  struct replica_event e = {};
  e.type = EV_LINK;
  e.peer_idx = 2;
  e.link = LINK_REFUSED;
  s.step(e);
  s.vote(0, 2);
  ASSERT_EQ(s.r->role, ROLE_LEADING);
  s.vote(0, 1); /* a worse one says nothing: it may have been sent before */
  EXPECT_EQ(s.r->role, ROLE_LEADING);
  s.vote(0, 3);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

// R4: nor FAST_LEAD, nor a sync before its own currentEpoch is.
TEST(Leader, StartsNoSyncBeforeItsCurrentEpochIsDurable) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer();
  s.ackepoch(1, 0, 0);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_CURRENT);
  EXPECT_FALSE(s.said(FAST_LEAD));
  s.answer();
  EXPECT_TRUE(s.said(FAST_LEAD));
  EXPECT_EQ(s.r->phase, PHASE_SYNC);
}

// A1: above every acceptedEpoch that a quorum has seen.
TEST(Leader, ChoosesAnEpochAboveEveryAcceptedEpochSeen) {
  Solo s(3, holds(2, 2, 0));
  s.leading();
  s.follower(1, 1, 7);
  EXPECT_EQ(s.asked[0].epoch, 8u);
}

// R2: fixed once; A10: who has promised more makes it start over, once per init_limit.
TEST(Leader, StartsOverOnceForALearnerThatHasPromisedMore) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer();
  s.follower(2, 2, 5);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  EXPECT_TRUE(s.was_closed(2));
  s.fenced();
  s.elect(3);
  s.follower(1, 1, 1);
  EXPECT_EQ(s.asked[0].epoch, 6u) << "remembered";
  s.answer();
  s.follower(2, 2, 9);
  EXPECT_EQ(s.r->role, ROLE_LEADING) << "not again so soon";
  s.now += 2000000;
  s.follower(2, 2, 9);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
}

// The leader looks elsewhere while our disk writes the promise: it is durable, though never told.
TEST(Leader, ChoosesAnEpochAboveAPromiseThatBecameDurableBehindTheFence) {
  Solo s(2);
  s.discovering();
  s.leaderinfo(5);
  ASSERT_EQ(s.asked.size(), 1u);
  struct notification n = {};
  n.state = PEER_LOOKING;
  n.version = 2;
  n.vote = {3, 0, s.r->election.round + 1, 0};
  struct replica_event e = {};
  e.type = EV_NOTIFICATION;
  e.peer_idx = 2;
  e.notification = &n;
  s.step(e);
  ASSERT_EQ(s.r->phase, PHASE_FENCING);
  s.fenced();
  EXPECT_EQ(s.r->durable.accepted_epoch, 5u);
  s.elect(2);
  ASSERT_EQ(s.r->role, ROLE_LEADING);
  s.follower(1, 1, 0);
  ASSERT_FALSE(s.asked.empty());
  EXPECT_EQ(s.asked[0].type, DISK_ACCEPTED);
  EXPECT_EQ(s.asked[0].epoch, 6u);
}

TEST(Leader, RefusesAPromiseThatLeavesNoEpochAbove) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, UINT32_MAX);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_TRUE(s.asked.empty());
}

// A10 for a node that does not count (an unclean stop in `memory`): it too must come back.
TEST(Leader, StartsOverForANodeThatDoesNotCountToo) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer();
  s.simple(EV_ACCEPTED, 2);
  s.packet(2, PACKET_FOLLOWERINFO, zxid_make(5, 0), s.info(2, true, FEATURE_NON_COUNTING));
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  EXPECT_EQ(s.r->seen_epoch, 5u);
}

TEST(Leader, AtTheEndOfAllEpochsItEndsInsteadOfWrapping) {
  Solo s(3, holds(UINT32_MAX, 1, 0));
  s.leading();
  s.follower(1, 1, 0);
  EXPECT_EQ(s.exit_code, 1);
}

// A2: e' = f.p is answered with -1 and never counts.
TEST(Leader, AnAckepochWithoutAPromiseDoesNotCount) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer();
  s.ackepoch(1, UINT32_MAX, 0);
  EXPECT_TRUE(s.asked.empty());
  EXPECT_EQ(s.r->phase, PHASE_DISCOVERY);
  s.follower(2, 2, 0);
  s.ackepoch(2, 0, 0);
  ASSERT_FALSE(s.asked.empty());
  EXPECT_EQ(s.asked[0].type, DISK_CURRENT);
}

// A6: it abdicates rather than truncate who is ahead.
TEST(Leader, AbdicatesForALearnerThatIsAhead) {
  for (int by_zxid = 0; by_zxid < 2; by_zxid++) {
    Solo s(3, holds(2, 1, zxid_make(1, 5)));
    s.leading();
    s.follower(1, 1, 2);
    s.answer();
    if (by_zxid)
      s.ackepoch(1, 1, zxid_make(1, 6));
    else
      s.ackepoch(1, 2, zxid_make(1, 1));
    EXPECT_EQ(s.r->phase, PHASE_FENCING);
    EXPECT_EQ(s.sent_cnt(PACKET_TRUNC), 0);
    EXPECT_EQ(counted(s, REASON_LEARNER_AHEAD), 1u);
  }
}

TEST(Leader, GivesUpWithoutAQuorumWithinInitLimit) {
  Solo s(3);
  s.leading();
  EXPECT_EQ(s.r->deadline_us, s.now + 1000000);
  s.now += 1000000;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  EXPECT_EQ(counted(s, REASON_NO_QUORUM), 1u);
}

// ---- leader: who connects ----

TEST(Leader, ClosesConnectionsWhileItDoesNotLead) {
  Solo s(3);
  s.boot();
  s.simple(EV_ACCEPTED, 1);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_EQ(counted(s, REASON_NOT_LEADER), 1u);
}

TEST(Leader, RefusesUnknownIdsAndItsOwn) {
  for (int64_t id : {0L, 3L, 4L, 255L, -5L, 1L << 40}) {
    Solo s(3);
    s.leading();
    s.simple(EV_ACCEPTED, 1);
    s.packet(1, PACKET_FOLLOWERINFO, 0, s.info(id));
    EXPECT_TRUE(s.was_closed(1)) << id;
    EXPECT_EQ(counted(s, REASON_PEER_UNKNOWN), 1u) << id;
  }
}

TEST(Leader, ANewConnectionOfTheSameNodeReplacesTheOldOne) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0);
  s.answer();
  s.ackepoch(1, 0, 0);
  s.answer_all(); /* LOOKUP, READ: attached */
  s.simple(EV_WRITABLE, 1);
  ASSERT_TRUE(s.said(FAST_ATTACH));
  s.forget();
  s.follower(2, 1, 1);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_FALSE(s.was_closed(2));
  EXPECT_TRUE(s.said(FAST_DETACH));
  EXPECT_EQ(s.sent_cnt(PACKET_LEADERINFO), 1);
}

// Up to ACKEPOCH a ZooKeeper server is served; its trailing bytes stay away from it.
TEST(Leader, TakesAZooKeeperPeersPromiseAndThenSaysGoodbye) {
  Solo s(3);
  s.leading();
  s.follower(1, 1, 0, false);
  s.answer();
  ASSERT_EQ(s.sent_cnt(PACKET_LEADERINFO), 1);
  EXPECT_EQ(s.sent[0].data.size(), 4u);
  s.ackepoch(1, 0, 0);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_EQ(counted(s, REASON_NO_TCP_BROADCAST), 1u);
}

// ---- leader: hand-over ----

struct Attached : Solo {
  Attached() : Solo(3) {
    leading();
    follower(1, 1, 0);
    answer();
    ackepoch(1, 0, 0);
    answer_all();
    simple(EV_WRITABLE, 1);
    for (const auto &m : fast)
      if (m.type == FAST_ATTACH) iteration = m.iteration;
  }
  void attached(uint64_t i, uint32_t epoch = 1) {
    fast_event({FAST_ATTACHED, 0, epoch, REASON_NONE, i, 0, 0});
  }
  void heard(uint64_t i, uint32_t epoch = 1) {
    fast_event({FAST_HEARD, 0, epoch, REASON_NONE, i, 0, 0});
  }
  uint64_t iteration = 0;
};

TEST(Handover, CountsOnlyWhenAckAndFirstFrameHaveBothCome) {
  for (int heard_first = 0; heard_first < 2; heard_first++) {
    Attached s;
    s.attached(s.iteration);
    ASSERT_EQ(s.sent_cnt(PACKET_NEWLEADER), 1);
    if (heard_first) s.heard(s.iteration);
    if (!heard_first) s.packet(1, PACKET_ACK, zxid_make(1, 0), "");
    EXPECT_FALSE(s.said(FAST_COUNT));
    EXPECT_FALSE(s.said(FAST_ESTABLISH));
    if (heard_first) s.packet(1, PACKET_ACK, zxid_make(1, 0), "");
    if (!heard_first) s.heard(s.iteration);
    EXPECT_TRUE(s.said(FAST_COUNT));
    EXPECT_TRUE(s.said(FAST_ESTABLISH));
    EXPECT_EQ(s.sent_cnt(PACKET_UPTODATE), 1);
    EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
    ASSERT_EQ(s.app.back().type, APP_LEAD);
    EXPECT_EQ(s.app.back().pos, 0u);
  }
}

// Steps 1, 2 and 7: exactly up to Z; what is behind P comes on the stream.
TEST(Handover, HistoryIsSentExactlyUpToZ) {
  Attached s;
  s.fast_event({FAST_ATTACHED, 0, 1, REASON_NONE, s.iteration, 112, zxid_make(1, 2)});
  ASSERT_EQ(s.asked.size(), 1u);
  ASSERT_EQ(s.asked[0].type, DISK_READ);
  struct disk_msg m = s.asked.front();
  s.asked.pop_front();
  std::string data(40, 'x');
  for (uint32_t k = 1; k <= 3; k++)
    m.len += record_write((uint8_t *)m.buf + m.len, zxid_make(1, k), data.data(), 40);
  struct replica_event e = {};
  e.type = EV_DISK;
  e.disk = m;
  s.step(e);
  s.simple(EV_WRITABLE, 1);
  EXPECT_EQ(s.sent_cnt(PACKET_PROPOSAL), 2);
  EXPECT_EQ(s.sent_cnt(PACKET_COMMIT), 0) << "records of our own epoch: the stream says";
  ASSERT_EQ(s.sent.back().type, PACKET_NEWLEADER);
}

TEST(Handover, StaleMessagesChangeNothingAndAreCounted) {
  Attached s;
  s.forget();
  s.attached(s.iteration + 1);
  s.attached(s.iteration, 2);
  s.fast_event({FAST_LOST, 0, 7, REASON_QUORUM_SILENT, 0, 0, 0});
  s.fast_event({FAST_CLOSED, 0, 1, REASON_NONE, 0, 0, 0});
  s.heard(s.iteration);
  s.attached(s.iteration);
  s.heard(s.iteration + 2);
  s.fast_event({FAST_DETACHED, 0, 1, REASON_PEER_BEHIND, s.iteration + 2, 0, 0});
  EXPECT_EQ(counted(s, REASON_HANDOVER_STALE), 7u);
  EXPECT_EQ(s.r->phase, PHASE_SYNC);
  EXPECT_FALSE(s.said(FAST_COUNT));
  s.packet(1, PACKET_ACK, zxid_make(1, 0), "");
  EXPECT_FALSE(s.said(FAST_COUNT)) << "an early HEARD is no HEARD of this attachment";
}

TEST(Handover, ADetachedPeerMustComeAnew) {
  Attached s;
  s.attached(s.iteration);
  s.fast_event({FAST_DETACHED, 0, 1, REASON_PEER_BEHIND, s.iteration, 0, 0});
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_EQ(s.r->phase, PHASE_FENCING) << "no quorum without it";
}

TEST(Handover, TheOnlyAttachmentEndsWithItsConnectionAndSoDoesTheLeadership) {
  Attached s;
  s.attached(s.iteration);
  s.packet(1, PACKET_ACK, zxid_make(1, 0), "");
  s.heard(s.iteration);
  ASSERT_EQ(s.r->phase, PHASE_BROADCAST);
  s.forget();
  s.simple(EV_CONN_CLOSED, 1);
  EXPECT_TRUE(s.said(FAST_DETACH));
  EXPECT_TRUE(s.said(FAST_CLOSE));
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

// J5
TEST(Handover, AnAttachmentThatIsNeverHeardIsGivenUpAndNamed) {
  Attached s;
  s.attached(s.iteration);
  s.packet(1, PACKET_ACK, zxid_make(1, 0), "");
  s.now += 2000000;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(counted(s, REASON_NO_FAST_PATH), 1u);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

// ---- fencing ----

// The store has taken the mark of the last clean stop away: this one must leave a mark, too.
TEST(Fence, AStopBeforeTheDiskHasOpenedIsCleanAllTheSame) {
  Solo s(1);
  s.simple(EV_STOP, 0);
  EXPECT_EQ(s.exit_code, -1);
  struct replica_event e = {};
  e.type = EV_DISK;
  e.disk.type = DISK_OPENED;
  e.disk.state = s.disk;
  s.step(e);
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
  e = {};
  e.type = EV_APP;
  e.app.type = APP_STOPPED;
  s.step(e);
  s.answer(); /* DRAIN */
  ASSERT_FALSE(s.asked.empty());
  EXPECT_EQ(s.asked[0].type, DISK_CLEAN_STOP);
  s.answer();
  EXPECT_EQ(s.exit_code, 0);
}

TEST(Fence, NoVoteBeforeFastPathAppAndDiskHaveStopped) {
  Solo s(1);
  s.syncing(1);
  s.newleader(1);
  s.answer_all();
  ASSERT_TRUE(s.r->fast_open);
  s.forget();
  s.fast_event({FAST_LOST, 2, 1, REASON_LEADER_SILENT, 99, 0, 0});
  EXPECT_TRUE(s.said(FAST_CLOSE));
  EXPECT_TRUE(s.asked.empty()) << "DRAIN needs the position of CLOSED";
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  s.fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 4096, 0});
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].pos, 4096u);
  s.disk.last_zxid = zxid_make(1, 77); /* what was in flight */
  s.answer();
  EXPECT_EQ(s.r->phase, PHASE_FENCING) << "the app still runs";
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = APP_STOPPED;
  s.step(e);
  EXPECT_EQ(s.r->phase, PHASE_LOOKING);
  EXPECT_EQ(s.r->election.initial.zxid, zxid_make(1, 77)) << "R12: from durable state";
}

// ---- learner ----

// R1
TEST(Learner, PromisesDurablyBeforeAckepoch) {
  Solo s(1, holds(3, 2, zxid_make(2, 9)));
  s.discovering();
  ASSERT_EQ(s.sent_cnt(PACKET_FOLLOWERINFO), 1);
  EXPECT_EQ(s.sent[0].zxid, zxid_make(3, 0));
  s.leaderinfo(4);
  EXPECT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 0);
  EXPECT_FALSE(replica_wants_input(s.r.get(), 0));
  s.answer();
  ASSERT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 1);
  EXPECT_EQ(s.sent.back().zxid, zxid_make(2, 9));
  EXPECT_EQ(s.sent.back().data, Solo::u32(2));
}

TEST(Learner, AnswersAnEqualEpochWithoutAPromise) {
  Solo s(1, holds(4, 2, 0));
  s.discovering();
  s.leaderinfo(4);
  EXPECT_TRUE(s.asked.empty());
  ASSERT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 1);
  EXPECT_EQ(s.sent.back().data, Solo::u32(UINT32_MAX));
}

TEST(Learner, DropsALeaderOfAnOldEpoch) {
  Solo s(1, holds(4, 2, 0));
  s.discovering();
  s.leaderinfo(3);
  EXPECT_TRUE(s.was_closed(0));
  EXPECT_EQ(counted(s, REASON_EPOCH_OLD), 1u);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

TEST(Learner, PromisesNoEpochThatCannotBe) {
  Solo s(1, holds(4, 2, 0));
  s.discovering();
  s.leaderinfo(UINT32_MAX);
  EXPECT_TRUE(s.was_closed(0));
  EXPECT_TRUE(s.asked.empty());
}

// R5, B1-B4: history, then the epoch, then the ACK, then the fast path; each durable before the
// next.
TEST(Learner, AcksNewleaderAfterHistoryAndEpochInThisOrder) {
  Solo s(1);
  s.syncing(1);
  s.proposal(zxid_make(1, 1));
  s.packet(0, PACKET_COMMIT, zxid_make(1, 1), "");
  s.proposal(zxid_make(1, 2));
  EXPECT_TRUE(s.asked.empty()) << "collected";
  s.newleader(1, 99, 640);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_APPEND);
  s.answer();
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_CURRENT);
  EXPECT_EQ(s.sent_cnt(PACKET_ACK), 0);
  s.answer();
  EXPECT_EQ(s.sent_cnt(PACKET_ACK), 1);
  ASSERT_TRUE(s.said(FAST_OPEN));
  EXPECT_EQ(s.fast.back().pos, 640u);
  EXPECT_EQ(s.fast.back().iteration, 99u);
  EXPECT_EQ(s.fast.back().zxid, zxid_make(1, 2));
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].type, DISK_START);
  EXPECT_EQ(s.app.back().type, APP_STOP) << "R9: not before UPTODATE";
  s.packet(0, PACKET_UPTODATE, ZXID_NONE, "");
  EXPECT_EQ(s.app.back().type, APP_FOLLOW);
  EXPECT_EQ(s.r->phase, PHASE_BROADCAST);
}

// B13, J7, bounds
TEST(Learner, RefusesProposalsThatAreNotNextNotIntactOrTooLarge) {
  struct {
    uint64_t zxid;
    uint32_t len, spoil;
    enum reason why;
  } bad[] = {{zxid_make(2, 7), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(2, 5), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(2, 4), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(3, 2), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(4, 1), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(1, 6), 40, 0, REASON_SYNC_ORDER},
             {zxid_make(2, 6), 40, 4, REASON_RECORD_CRC},
             {zxid_make(2, 6), 31, 0, REASON_PACKET_BAD},
             {zxid_make(2, 6), LIMIT_RECORD_MAX + 1, 0, REASON_TOO_LARGE}};
  for (const auto &b : bad) {
    Solo s(1, holds(2, 2, zxid_make(2, 5)));
    s.syncing(3);
    s.proposal(b.zxid, b.len, b.spoil);
    EXPECT_TRUE(s.was_closed(0));
    EXPECT_EQ(counted(s, b.why), 1u) << reason_name(b.why);
    EXPECT_TRUE(s.asked.empty()) << "nothing of it reaches the disk";
  }
}

TEST(Learner, RefusesACommitOfWhatItWasNotJustSent) {
  Solo s(1);
  s.syncing(1);
  s.packet(0, PACKET_COMMIT, zxid_make(1, 1), "");
  EXPECT_TRUE(s.was_closed(0));
}

TEST(Learner, KeepsRecordsOfTheLeadersOwnEpoch) {
  for (int32_t op : {PACKET_TRUNC, PACKET_SNAP}) {
    Solo s(1, holds(3, 3, zxid_make(3, 5)));
    s.discovering();
    s.leaderinfo(3);
    s.packet(0, op, zxid_make(3, 4), "");
    EXPECT_TRUE(s.was_closed(0));
    EXPECT_TRUE(s.asked.empty());
  }
}

TEST(Learner, RefusesASnapshotOfALaterEpochThanTheLeaders) {
  Solo s(1);
  s.discovering();
  s.leaderinfo(3);
  s.answer_all();
  s.packet(0, PACKET_SNAP, zxid_make(4, 1), "");
  EXPECT_TRUE(s.was_closed(0));
  EXPECT_TRUE(s.asked.empty()) << "the disk would take it for an error of ours";
}

// B23: of five, the leader may wait for the long sync of another before it can say UPTODATE.
TEST(Learner, WaitsForUptodateAsLongAsTheFastPathHearsTheLeader) {
  Solo s(1);
  s.syncing(1);
  s.newleader(1);
  s.answer_all();
  ASSERT_EQ(s.r->learn.step, LEARNING_UPTODATE);
  s.now += 100000000;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->role, ROLE_FOLLOWING);
  s.fast_event({FAST_LOST, 2, 1, REASON_LEADER_SILENT, 99, 0, 0});
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

// But once the leader has committed above P it is established, and has said so: TCP lost it.
TEST(Learner, WaitsNoLongerForUptodateWhenTheLeaderIsEstablished) {
  Solo s(1);
  s.syncing(1);
  s.newleader(1);
  s.answer_all();
  ASSERT_EQ(s.r->learn.step, LEARNING_UPTODATE);
  s.committed = s.r->learn.pos;
  for (int i = 0; i < 5; i++) {
    s.now = s.r->deadline_us;
    s.simple(EV_TICK, 0);
  }
  EXPECT_EQ(s.r->role, ROLE_FOLLOWING) << "up to P it may still wait for another's sync";
  s.committed++;
  s.now = s.r->deadline_us;
  s.simple(EV_TICK, 0);
  uint64_t known_us = s.now;
  EXPECT_EQ(s.r->role, ROLE_FOLLOWING);
  s.now = s.r->deadline_us;
  EXPECT_EQ(s.now, known_us + 1000000) << "init_limit";
  s.simple(EV_TICK, 0);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
  EXPECT_EQ(counters_get(&s.counters, REASON_SYNC_TIMEOUT), 1u);
}

// It does not fit; its vote for itself comes while we fence, and is heard behind that.
TEST(Learner, VotesForNobodyItAvoidsAlsoIfTheVoteWasHeld) {
  Solo s(1);
  s.discovering();
  s.packet(0, PACKET_LEADERINFO, zxid_make(1, 0), "?");
  ASSERT_EQ(s.r->phase, PHASE_FENCING);
  s.vote(2, 3, 1);
  s.fenced();
  ASSERT_EQ(s.r->phase, PHASE_LOOKING);
  EXPECT_EQ(s.r->election.proposal.leader, 1);
}

TEST(Learner, ReadsNothingWhileItsBufferIsAtTheDisk) {
  Solo s(1);
  s.config.largest_record = LIMIT_RECORD_MAX;
  s.syncing(1);
  for (uint32_t k = 1; s.asked.empty(); k++) {
    ASSERT_LT(k, 10u);
    ASSERT_TRUE(replica_wants_input(s.r.get(), 0));
    s.proposal(zxid_make(1, k), 600000);
  }
  EXPECT_EQ(s.asked[0].type, DISK_APPEND);
  EXPECT_FALSE(replica_wants_input(s.r.get(), 0));
  s.answer();
  EXPECT_TRUE(replica_wants_input(s.r.get(), 0));
}

TEST(Learner, AnswersAZooKeeperLeaderUpToAckepoch) {
  Solo s(1);
  s.discovering();
  s.leaderinfo(1, false);
  s.answer();
  EXPECT_EQ(s.sent_cnt(PACKET_ACKEPOCH), 1);
  s.packet(0, PACKET_DIFF, 0, "");
  EXPECT_TRUE(s.was_closed(0));
  EXPECT_EQ(counted(s, REASON_NO_TCP_BROADCAST), 1u);
}

TEST(Learner, TriesAgainSoonWhileTheLeaderDoesNotKnowYet) {
  Solo s(1);
  s.boot();
  s.elect(3);
  int tries = 0;
  while (s.r->phase == PHASE_DISCOVERY) {
    struct replica_event e = {};
    e.type = tries % 2 ? EV_CONNECT_FAILED : EV_CONNECTED;
    s.step(e);
    if (tries % 2 == 0) s.simple(EV_CONN_CLOSED, 0);
    if (s.r->phase != PHASE_DISCOVERY) break;
    ASSERT_LE(s.r->deadline_us, s.now + 5000);
    s.now = s.r->deadline_us;
    s.simple(EV_TICK, 0);
    tries++;
  }
  EXPECT_GT(tries, 100);
  EXPECT_EQ(s.r->phase, PHASE_FENCING);
}

/* A leader takes one of EPOCH_STEP above what it has seen from a learner, and goes one further. */
TEST(Learner, FollowsToTheEpochAboveTheLastCredibleOne) {
  for (uint32_t above : {1u, 2u}) {
    struct durable_state d = {};
    d.accepted_epoch = d.current_epoch = 5;
    Solo s(1, d);
    s.discovering();
    s.leaderinfo(5 + EPOCH_STEP + above);
    EXPECT_EQ(s.r->role, above == 1 ? ROLE_FOLLOWING : ROLE_LOOKING);
  }
}

// ---- bad packets in every step ----

const int32_t kTypes[] = {-1, 0,  1,  2,  3,  4,  5,  6,  7,  8,    9,    10,
                          11, 12, 13, 14, 15, 16, 17, 18, 19, 1000, 1001, 77};

bool takes(enum learning_step step, int32_t type) {
  switch (step) {
    case LEARNING_LEADERINFO:
      return type == PACKET_LEADERINFO;
    case LEARNING_OP:
      return type == PACKET_DIFF || type == PACKET_TRUNC || type == PACKET_SNAP ||
             type == PACKET_PING;
    case LEARNING_SNAP_CHUNK:
      return type == PACKET_SNAP_CHUNK || type == PACKET_SNAP_END;
    case LEARNING_RECORDS:
      return type == PACKET_PROPOSAL || type == PACKET_COMMIT || type == PACKET_NEWLEADER;
    default:
      return type == PACKET_UPTODATE;
  }
}

void to_learner_step(Solo *s, enum learning_step step) {
  s->discovering();
  if (step >= LEARNING_OP) {
    s->leaderinfo(1);
    s->answer_all();
  }
  if (step == LEARNING_SNAP_CHUNK) s->packet(0, PACKET_SNAP, zxid_make(1, 5), "");
  if (step >= LEARNING_RECORDS) s->packet(0, PACKET_DIFF, 0, "");
  if (step >= LEARNING_UPTODATE) s->newleader(1);
  s->answer_all();
  if (step == LEARNING_SETTLED) s->packet(0, PACKET_UPTODATE, ZXID_NONE, "");
  ASSERT_EQ(s->r->learn.step, step);
}

TEST(BadPackets, EndALearnersConnectionInEveryStep) {
  for (auto step : {LEARNING_LEADERINFO, LEARNING_OP, LEARNING_SNAP_CHUNK, LEARNING_RECORDS,
                    LEARNING_UPTODATE, LEARNING_SETTLED})
    for (int32_t type : kTypes) {
      if (takes(step, type)) continue;
      Solo s(1);
      to_learner_step(&s, step);
      s.forget();
      s.packet(0, type, 0, "garbage");
      EXPECT_TRUE(s.was_closed(0)) << step << " " << type;
      EXPECT_EQ(s.r->phase, PHASE_FENCING) << step << " " << type;
    }
}

// Allowed types with any data: never an assert, never a promise or an ACK out of order
// (replica_check).
TEST(BadPackets, RandomDataNeverBreaksALearner) {
  uint64_t x = 1;
  auto random = [&x] { return x = x * 6364136223846793005ull + 1442695040888963407ull, x >> 33; };
  for (int round = 0; round < 4000; round++) {
    static Solo *s = nullptr;
    if (!s || s->r->phase == PHASE_FENCING || s->r->phase == PHASE_LOOKING) {
      delete s;
      s = new Solo(1, holds((uint32_t)(random() % 3), 0, zxid_make(0, (uint32_t)(random() % 2))));
      const enum learning_step steps[] = {LEARNING_LEADERINFO, LEARNING_OP, LEARNING_RECORDS};
      s->discovering();
      if (steps[random() % 3] != LEARNING_LEADERINFO) s->leaderinfo(5);
      s->answer_all();
    }
    std::string data(random() % 200, 0);
    for (char &c : data) c = (char)random();
    uint64_t zxid = random() % 2 ? zxid_make(5, (uint32_t)(random() % 3)) : random() << 20;
    if (replica_wants_input(s->r.get(), 0)) {
      if (random() % 2)
        s->packet(0, kTypes[random() % (sizeof kTypes / sizeof *kTypes)], zxid, data,
                  (uint32_t)random());
      else
        s->packet(0, PACKET_DIFF, zxid, "");
    }
    if (random() % 2) s->answer_all();
    if (round == 3999) delete s;
  }
}

TEST(BadPackets, EndAConnectionOfTheLeaderInEveryStep) {
  for (int step = 0; step < 5; step++)
    for (int32_t type : kTypes) {
      Attached s;
      if (step == 0) s.simple(EV_ACCEPTED, 2);
      if (step == 1) s.follower(2, 2, 0); /* waits for ACKEPOCH */
      if (step == 2) s.attached(s.iteration);
      int conn = step < 2 ? 2 : 1;
      bool ok = (step == 0 && (type == PACKET_FOLLOWERINFO || type == PACKET_OBSERVERINFO)) ||
                (step == 1 && type == PACKET_ACKEPOCH) || (step == 2 && type == PACKET_ACK);
      if (ok) continue;
      s.packet(conn, type, 0, "garbage");
      EXPECT_TRUE(s.was_closed(conn)) << step << " " << type;
    }
}

TEST(BadPackets, RandomDataNeverBreaksALeader) {
  uint64_t x = 7;
  auto random = [&x] { return x = x * 6364136223846793005ull + 1442695040888963407ull, x >> 33; };
  for (int round = 0; round < 3000; round++) {
    Solo s(3);
    s.leading();
    for (int k = 0; k < 3; k++) {
      int conn = k + 1;
      if (random() % 2)
        s.follower(conn, (int)(random() % 3) + 1, (uint32_t)(random() % 4), random() % 2 != 0);
      else if (s.r->conns[conn].step == CONN_FREE)
        s.simple(EV_ACCEPTED, conn);
      if (random() % 2) s.answer_all();
      std::string data(random() % 120, 0);
      for (char &ch : data) ch = (char)random();
      if (random() % 3 == 0) data = Solo::u32((uint32_t)(random() % 2) - 1u);
      if (s.r->role == ROLE_LEADING && s.r->conns[conn].step != CONN_FREE)
        s.packet(conn, kTypes[random() % (sizeof kTypes / sizeof *kTypes)], random() % 5, data);
      s.answer_all();
      if (s.r->role != ROLE_LEADING) break;
    }
  }
}

}  // namespace
