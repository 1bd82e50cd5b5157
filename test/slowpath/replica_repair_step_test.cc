// Repair of damaged records (E1, E3), one machine by hand: what the disk and the peers say in an
// order, and with contents, that the cluster's own never have.
#include <gtest/gtest.h>

extern "C" {
#include "proto/repair.h"
}
#include "test/slowpath/replica_solo.h"

namespace {

const uint64_t kAfter = zxid_make(1, 2), kUpto = zxid_make(1, 3);

durable_state damaged() {
  durable_state s = {};
  s.accepted_epoch = s.current_epoch = 1;
  s.last_zxid = zxid_make(1, 4);
  s.faulty = kUpto;
  s.faulty_cnt = 1;
  return s;
}

struct Mending : Solo {
  using Solo::Solo;
  int asked_peer(int conn) const {
    int n = 0;
    for (const Sent &s : sent) n += s.type == PACKET_ASK && s.conn == conn;
    return n;
  }
  bool wrote(enum log_id id) const {
    for (const auto &e : logged)
      if (e.id == id) return true;
    return false;
  }
  int repairs_asked() const {
    int n = 0;
    for (const auto &m : asked) n += m.type == DISK_REPAIR;
    return n;
  }
  // What the disk is asked next is a repair, and so it goes.
  void disk_says(enum repair_step step_, enum reason reason = REASON_NONE) {
    ASSERT_FALSE(asked.empty());
    struct disk_msg m = asked.front();
    ASSERT_EQ(m.type, DISK_REPAIR);
    asked.pop_front();
    if (step_ == REPAIR_DONE && !reason) disk.faulty = disk.faulty_cnt = 0;
    if (!reason) m.flag = step_;
    if (step_ == REPAIR_NEEDS && !reason) {
      m.zxid = after;
      m.upto = upto;
    }
    m.reason = reason;
    m.state = disk;
    struct replica_event e = {};
    e.type = EV_DISK;
    e.disk = m;
    step(e);
  }
  void answers(int conn, enum repair_answer answer, const std::string &record = "") {
    std::string data(REPAIR_ANSWER_HEAD, 0);
    data += record;
    struct repair_msg m = {after, upto, answer, {nullptr, (int32_t)record.size()}};
    struct packet p = repair_answer(data.data(), &m);
    packet(conn, PACKET_ANSWER, p.zxid, data);
  }
  uint64_t after = kAfter, upto = kUpto;
};

/* Node 3 leads; nodes come one after the other, and the first hole is asked for. */
struct Leader : Mending {
  explicit Leader(int voters = 3, struct durable_state s = damaged()) : Mending(3, s) {
    config.peer_cnt = voters;
    for (int i = 3; i < voters; i++) {
      config.peers[i].id = (uint8_t)(i + 1);
      strcpy(config.peers[i].address, "host");
    }
    replica_init(r.get(), &config, &memory, &counters, "solo");
    boot();
    for (int i = 0; i < voters; i++)
      if (i != 2) vote(i, 3);
  }
  void comes(int conn, int id, uint32_t accepted = 1, uint64_t features = FEATURE_REPAIR) {
    simple(EV_ACCEPTED, conn);
    packet(conn, PACKET_FOLLOWERINFO, zxid_make(accepted, 0), info(id, true, features));
  }
  // Nodes from 1 on, on connections 1, 2, ...: a quorum has promised, all are asked for the record.
  void asks(int peers) {
    for (int conn = 1; conn <= peers; conn++) comes(conn, conn < 3 ? conn : conn + 1);
    ASSERT_EQ(asked.front().type, DISK_ACCEPTED);
    answer();
    for (int conn = 1; conn <= peers; conn++) ackepoch(conn, 1, zxid_make(1, 4));
    ASSERT_EQ(r->lead.step, LEADING_REPAIR);
    disk_says(REPAIR_NEEDS);
    for (int conn = 1; conn <= peers; conn++) ASSERT_EQ(asked_peer(conn), 1);
  }
  void tick() {
    now = r->deadline_us;
    simple(EV_TICK, 0);
  }
};

// A quorum has promised already: who comes now, and is ahead but yields, ends no waiting sooner.
TEST(RepairStep, WhoComesAheadTakesNothingOfTheTimeOfOurDisk) {
  Leader s;
  s.config.init_limit = 100;
  s.asks(1);
  s.answers(1, ANSWER_HAVE, "record");
  uint64_t limit = s.r->lead.deadline_us;
  ASSERT_GT(limit, s.now + CEPOCH_LIMIT_US);
  s.comes(2, 2, 1, FEATURE_REPAIR | FEATURE_YIELDS);
  s.ackepoch(2, 1, zxid_make(1, 1000));
  EXPECT_EQ(s.r->conns[2].step, CONN_READY);
  EXPECT_EQ(s.r->lead.deadline_us, limit);
}

// Purged by one, and in the log of another that is still on its way: no vote is given up for that.
TEST(RepairStep, TheVoteIsNotGivenUpBeforeThoseOnTheirWayAreAsked) {
  for (bool comes : {true, false}) {
    Leader s;
    s.asks(1);
    if (comes) s.comes(2, 2);
    s.answers(1, ANSWER_BELOW_LOG);
    EXPECT_FALSE(s.wrote(LOG_VOTE_GIVEN_UP));
    if (comes) {
      s.ackepoch(2, 1, zxid_make(1, 4));
      s.answers(2, ANSWER_HAVE, "record");
      s.disk_says(REPAIR_DONE);
      EXPECT_EQ(s.r->lead.step, LEADING_CURRENT);
    } else {
      s.tick();
      EXPECT_TRUE(s.wrote(LOG_VOTE_GIVEN_UP));
    }
  }
}

// It may be the only one who has it, and only what arrived was damaged.
TEST(RepairStep, WhoseRecordWasDamagedOnTheWayIsAskedAgain) {
  Leader s;
  s.asks(1);
  s.answers(1, ANSWER_HAVE, "wrong!");
  s.disk_says(REPAIR_DONE, REASON_RECORD_CRC);
  EXPECT_EQ(s.asked_peer(1), 1) << "not at once: it may be wrong again and again";
  s.tick();
  ASSERT_EQ(s.asked_peer(1), 2);
  s.answers(1, ANSWER_HAVE, "right!");
  s.disk_says(REPAIR_DONE);
  EXPECT_EQ(s.r->lead.step, LEADING_CURRENT);
}

// It had promised our epoch before it restarted, so its ACKEPOCH is no promise now (A2); but no
// older leader can have it any more, and nobody else would come to say it (E3).
TEST(RepairStep, WhoHadPromisedOurEpochAlreadyDeniesToo) {
  for (bool promised_before : {false, true}) {
    Leader s;
    s.asks(1);
    s.comes(2, 2, promised_before ? 2 : 1);
    s.ackepoch(2, promised_before ? UINT32_MAX : 1, zxid_make(1, 4));
    ASSERT_EQ(s.asked_peer(2), 1);
    s.answers(1, ANSWER_DONT_HAVE);
    EXPECT_FALSE(s.wrote(LOG_DISCARDED));
    s.answers(2, ANSWER_DONT_HAVE);
    EXPECT_TRUE(s.wrote(LOG_DISCARDED));
    EXPECT_EQ(s.repairs_asked(), 1);
  }
}

// A new disk has nothing to say, nor has an observer (E5).
TEST(RepairStep, WhoHasNoVoteDeniesNothing) {
  Leader s;
  s.asks(1);
  s.comes(2, 2, 1, FEATURE_REPAIR | FEATURE_NON_COUNTING);
  s.ackepoch(2, 1, zxid_make(1, 4));
  ASSERT_EQ(s.asked_peer(2), 1);
  s.answers(1, ANSWER_DONT_HAVE);
  s.answers(2, ANSWER_DONT_HAVE);
  s.tick();
  EXPECT_FALSE(s.wrote(LOG_DISCARDED));
  EXPECT_EQ(s.repairs_asked(), 0);
}

// The snapshot reaches into the hole: what it holds is committed, whoever has it not.
TEST(RepairStep, WhatTheOwnSnapshotHoldsIsNeverDiscarded) {
  struct durable_state state = damaged();
  state.faulty = zxid_make(1, 2);
  state.snapshot_zxid = zxid_make(1, 2);
  Leader s(3, state);
  s.after = zxid_make(1, 1);
  s.asks(2);
  s.answers(1, ANSWER_DONT_HAVE);
  s.answers(2, ANSWER_DONT_HAVE);
  s.tick();
  EXPECT_FALSE(s.wrote(LOG_DISCARDED));
  EXPECT_TRUE(s.wrote(LOG_REPAIR_WAITS));
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = APP_RECOVER;
  s.step(e);
  EXPECT_FALSE(s.wrote(LOG_LOSS_ACCEPTED)) << "nor given up by the operator";
  EXPECT_EQ(s.repairs_asked(), 0);
}

TEST(RepairStep, TheLineNamesTheRecordThatIsWaitedFor) {
  Leader s;
  s.asks(2);
  s.answers(1, ANSWER_FAULTY);
  s.answers(2, ANSWER_FAULTY);
  s.tick();
  ASSERT_EQ(s.logged.back().id, LOG_REPAIR_WAITS);
  EXPECT_EQ(s.logged.back().zxid, zxid_make(1, 3));
  s.tick();
  int lines = 0;
  for (const auto &line : s.logged) lines += line.id == LOG_REPAIR_WAITS;
  EXPECT_EQ(lines, 1);
}

// A long log is copied a piece at a time, before, between and behind its holes.
TEST(RepairStep, ALeadersDiskThatCopiesIsToldToGoOn) {
  Leader s;
  s.comes(1, 1);
  s.answer();
  s.ackepoch(1, 1, zxid_make(1, 4));
  ASSERT_EQ(s.asked.front().flag, (uint32_t)REPAIR_BEGIN);
  for (int i = 0; i < 3; i++) {
    s.disk_says(REPAIR_COPIES);
    ASSERT_EQ(s.repairs_asked(), 1);
    EXPECT_EQ(s.asked.front().flag, (uint32_t)REPAIR_GO_ON);
    EXPECT_EQ(s.asked.front().len, 0u);
    EXPECT_FALSE(s.wrote(LOG_REPAIRED));
  }
  s.disk_says(REPAIR_NEEDS);
  s.answers(1, ANSWER_HAVE, "record");
  s.disk_says(REPAIR_COPIES);
  EXPECT_EQ(s.asked.front().flag, (uint32_t)REPAIR_GO_ON);
  s.disk_says(REPAIR_DONE);
  EXPECT_TRUE(s.wrote(LOG_REPAIRED));
  EXPECT_EQ(s.asked.front().type, DISK_CURRENT);
}

// What a peer sends is the disk's to judge; a wrong one is as if it had not answered.
TEST(RepairStep, AWrongRecordOfOnePeerIsFollowedByTheNextPeers) {
  for (enum reason reason : {REASON_RECORD_CRC, REASON_RECORD_ORDER}) {
    Leader s;
    s.asks(2);
    s.answers(1, ANSWER_HAVE, "wrong!");
    ASSERT_EQ(s.repairs_asked(), 1);
    EXPECT_EQ(std::string((const char *)s.asked.front().buf, s.asked.front().len), "wrong!");
    s.answers(2, ANSWER_HAVE, "right!"); /* while the other one is at the disk: asked for again */
    EXPECT_EQ(s.repairs_asked(), 1);
    s.disk_says(REPAIR_DONE, reason);
    EXPECT_EQ(counters_get(&s.counters, reason), 1u);
    EXPECT_FALSE(s.wrote(LOG_REPAIRED));
    EXPECT_EQ(s.asked_peer(1), 1) << "it has had its say";
    ASSERT_EQ(s.asked_peer(2), 2);
    s.answers(2, ANSWER_HAVE, "right!");
    ASSERT_EQ(s.repairs_asked(), 1);
    EXPECT_EQ(std::string((const char *)s.asked.front().buf, s.asked.front().len), "right!");
    s.disk_says(REPAIR_DONE);
    EXPECT_TRUE(s.wrote(LOG_REPAIRED));
  }
}

TEST(RepairStep, AWrongRecordOfTheOnlyPeerIsNotRepaired) {
  Leader s;
  s.asks(1);
  s.answers(1, ANSWER_HAVE, "wrong!");
  s.disk_says(REPAIR_DONE, REASON_RECORD_CRC);
  s.tick();
  EXPECT_TRUE(s.wrote(LOG_REPAIR_WAITS));
  EXPECT_EQ(s.r->lead.step, LEADING_REPAIR);
  s.comes(2, 2);
  s.ackepoch(2, 1, zxid_make(1, 4));
  s.answers(2, ANSWER_HAVE, "right!");
  s.disk_says(REPAIR_DONE);
  EXPECT_EQ(s.r->lead.step, LEADING_CURRENT);
}

// One has it: what a quorum of others has not is nothing to discard, nor a reason to give up.
TEST(RepairStep, WhileARecordIsAtTheDiskNothingIsJudged) {
  for (enum repair_answer other : {ANSWER_DONT_HAVE, ANSWER_BELOW_LOG}) {
    Leader s(5);
    s.asks(4);
    s.answers(1, ANSWER_HAVE, "record");
    for (int conn = 2; conn <= 4; conn++) s.answers(conn, other);
    s.tick();
    EXPECT_FALSE(s.wrote(LOG_DISCARDED));
    EXPECT_FALSE(s.wrote(LOG_VOTE_GIVEN_UP));
    EXPECT_FALSE(s.wrote(LOG_REPAIR_WAITS));
    ASSERT_EQ(s.asked.size(), 1u);
    s.disk_says(REPAIR_DONE);
    EXPECT_EQ(s.r->lead.step, LEADING_CURRENT);
  }
}

/* Node 1 learns from node 3, which takes ASK; DIFF and NEWLEADER have come. */
struct Learner : Mending {
  Learner() : Mending(1, damaged()) {
    discovering();
    struct extension e = extension();
    e.features = FEATURE_REPAIR;
    packet(0, PACKET_LEADERINFO, zxid_make(2, 0), u32(PROTOCOL_VERSION) + bytes(e));
    answer();
    packet(0, PACKET_DIFF, zxid_make(1, 4), "");
    newleader(2);
  }
};

// Also when the last record before the hole is none of the leader's: it was truncated, and the end
// of the log that said so was in the hole.
TEST(RepairStep, ALearnerWhoseLeaderCannotSendJustThatTakesASnapshot) {
  for (enum repair_answer answer : {ANSWER_BELOW_LOG, ANSWER_DONT_HAVE, ANSWER_FAULTY}) {
    Learner s;
    s.disk_says(REPAIR_NEEDS);
    ASSERT_TRUE(s.asked.empty());
    s.answers(0, answer);
    EXPECT_TRUE(s.wrote(LOG_VOTE_GIVEN_UP));
    EXPECT_TRUE(s.r->needs_snap);
    ASSERT_EQ(s.asked.size(), 1u);
    EXPECT_EQ(s.asked.front().type, DISK_MAY_VOTE);
    EXPECT_EQ(s.asked.front().flag, 0u);
    EXPECT_EQ(counters_get(&s.counters, REASON_SYNC_ORDER), 0u);
  }
}

// A snapshot below what it acknowledged may be half of what it has then.
TEST(RepairStep, NobodyGetsTheVoteBackInTheMiddleOfASync) {
  Learner s;
  s.r->durable.may_vote = false;
  s.asked.clear();
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = APP_RECOVER;
  ASSERT_EQ(s.r->phase, PHASE_SYNC);
  s.step(e);
  EXPECT_TRUE(s.asked.empty());
  EXPECT_FALSE(s.wrote(LOG_LOSS_ACCEPTED));
}

TEST(RepairStep, ALearnersDiskThatCopiesIsToldToGoOn) {
  Learner s;
  ASSERT_EQ(s.repairs_asked(), 1);
  ASSERT_EQ(s.asked.front().flag, (uint32_t)REPAIR_BEGIN);
  for (int i = 0; i < 3; i++) {
    s.disk_says(REPAIR_COPIES);
    ASSERT_EQ(s.repairs_asked(), 1);
    EXPECT_EQ(s.asked.front().flag, (uint32_t)REPAIR_GO_ON);
  }
  s.disk_says(REPAIR_NEEDS);
  ASSERT_EQ(s.asked_peer(0), 1);
  s.answers(0, ANSWER_HAVE, "record");
  s.disk_says(REPAIR_COPIES);
  EXPECT_EQ(s.asked.front().flag, (uint32_t)REPAIR_GO_ON);
  EXPECT_EQ(s.sent_cnt(PACKET_ACK), 0);
  s.disk_says(REPAIR_DONE);
  s.answer_all();
  EXPECT_EQ(s.sent_cnt(PACKET_ACK), 1);
}

TEST(RepairStep, ALearnerLeavesALeaderThatSendsAWrongRecord) {
  Learner s;
  s.disk_says(REPAIR_NEEDS);
  s.answers(0, ANSWER_HAVE, "wrong!");
  s.disk_says(REPAIR_DONE, REASON_RECORD_CRC);
  EXPECT_EQ(s.r->role, ROLE_LOOKING);
  EXPECT_EQ(s.r->last_loss, REASON_RECORD_CRC);
  EXPECT_EQ(s.sent_cnt(PACKET_ACK), 0);
}

// The buffer that the answer is read into is one: a second ASK would have the first one's place.
TEST(RepairStep, ASecondAskBeforeTheFirstIsAnsweredEndsTheConnection) {
  struct durable_state whole = damaged();
  whole.faulty = whole.faulty_cnt = 0;
  Solo s(3, whole);
  s.leading();
  s.simple(EV_ACCEPTED, 1);
  s.packet(1, PACKET_FOLLOWERINFO, zxid_make(1, 0), s.info(1, true, FEATURE_REPAIR));
  s.answer();
  s.ackepoch(1, 1, zxid_make(1, 4));
  s.answer();                             /* CURRENT */
  for (int i = 0; i < 3; i++) s.answer(); /* START; LOOKUP, READ: nothing to send */
  ASSERT_FALSE(s.fast.empty());
  struct fast_msg attach = s.fast.back();
  ASSERT_EQ(attach.type, FAST_ATTACH);
  s.fast_event({FAST_ATTACHED, 0, 2, REASON_NONE, attach.iteration, 0, zxid_make(1, 4)});
  ASSERT_EQ(s.r->conns[1].step, CONN_ACK);
  uint8_t data[REPAIR_ASK_LEN];
  struct packet ask = repair_ask(data, kAfter, kUpto);
  std::string text((const char *)ask.data.data, (size_t)ask.data.len);
  s.packet(1, PACKET_ASK, ask.zxid, text);
  EXPECT_FALSE(s.was_closed(1));
  ASSERT_EQ(s.asked.size(), 1u);
  s.answer(REASON_NOT_HELD);
  ASSERT_EQ(s.sent_cnt(PACKET_ANSWER), 1);
  s.packet(1, PACKET_ASK, ask.zxid, text); /* after the answer: the next record */
  EXPECT_FALSE(s.was_closed(1));
  s.packet(1, PACKET_ASK, ask.zxid, text);
  EXPECT_TRUE(s.was_closed(1));
  EXPECT_EQ(counters_get(&s.counters, REASON_PACKET_PHASE), 1u);
}

}  // namespace
