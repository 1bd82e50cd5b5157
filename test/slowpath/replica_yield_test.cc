// A leader that has lost its quorum while TCP stands: the others go first (F9, J5).
#include <gtest/gtest.h>

#include "test/slowpath/replica_solo.h"

namespace {

// Node 3 leads; node 1 has all that the leader's history is and has acked NEWLEADER.
struct Leading : Solo {
  explicit Leading(struct durable_state state = {}) : Solo(3, state) {
    leading();
    follower(1, 1, disk.accepted_epoch);
    answer();
    ackepoch(1, disk.current_epoch, disk.last_zxid);
    answer_all();
    simple(EV_WRITABLE, 1);
    for (const auto &m : fast)
      if (m.type == FAST_ATTACH) iteration = m.iteration;
    from_fast(FAST_ATTACHED);
    packet(1, PACKET_ACK, zxid_make(epoch(), 0), "");
  }
  uint32_t epoch() const { return r->lead.epoch; }
  void from_fast(enum fast_msg_type type, enum reason why = REASON_NONE) {
    fast_event({type, 0, epoch(), why, iteration, 0, disk.last_zxid});
  }
  void established() {
    from_fast(FAST_HEARD);
    ASSERT_EQ(r->phase, PHASE_BROADCAST);
  }
  void link(int idx, enum link_state state) {
    struct replica_event e = {};
    e.type = EV_LINK;
    e.peer_idx = idx;
    e.link = state;
    step(e);
  }
  bool votes() const { return r->phase == PHASE_LOOKING && r->election.proposal.zxid != ZXID_NONE; }
  uint64_t iteration = 0;
};

TEST(Yield, ALeaderWhoseQuorumFellSilentAbstainsForAWhile) {
  Leading s;
  s.established();
  s.from_fast(FAST_LOST, REASON_QUORUM_SILENT);
  s.fenced();
  EXPECT_EQ(s.r->phase, PHASE_LOOKING);
  EXPECT_FALSE(s.votes());
  s.now = s.r->shy_us;
  s.simple(EV_TICK, 0);
  EXPECT_TRUE(s.votes()) << "the others did not settle";
}

TEST(Yield, ASlowFenceDoesNotUseTheAbstentionUp) {
  Leading s;
  s.established();
  s.from_fast(FAST_LOST, REASON_QUORUM_SILENT);
  s.now += 2 * SHY_US;
  s.fenced();
  EXPECT_EQ(s.r->phase, PHASE_LOOKING);
  EXPECT_FALSE(s.votes());
  EXPECT_GT(s.r->deadline_us, s.now);
  s.now = s.r->shy_us;
  s.simple(EV_TICK, 0);
  EXPECT_TRUE(s.votes());
}

TEST(Yield, ALeaderLeftByItsFollowersAbstains) {
  Leading s;
  s.established();
  s.simple(EV_CONN_CLOSED, 1);
  s.fenced();
  EXPECT_FALSE(s.votes());
}

// A mute leader: the follower acks on TCP, hears nothing and leaves.  A deaf one: nothing comes.
TEST(Yield, ALeaderThatIsNotHeardOnTheFastPathAbstains) {
  for (int deaf = 0; deaf < 2; deaf++) {
    Leading s;
    if (deaf) s.now += 2000000;
    if (deaf)
      s.simple(EV_TICK, 0);
    else
      s.simple(EV_CONN_CLOSED, 1);
    ASSERT_EQ(s.r->phase, PHASE_FENCING) << deaf;
    s.fenced();
    EXPECT_FALSE(s.votes()) << deaf;
  }
}

// Two followers that are not heard and start over in turn would keep it for ever.
TEST(Yield, WhoIsNotHeardAndStartsOverGivesTheLeaderNoMoreTime) {
  Leading s;
  s.follower(2, 2, 0);
  s.simple(EV_CONN_CLOSED, 1);
  ASSERT_EQ(s.r->phase, PHASE_SYNC) << "node 2 is there";
  uint64_t deadline_us = s.r->lead.deadline_us;
  s.now += 500000;
  s.follower(1, 1, 1);
  s.ackepoch(1, 1, 0);
  s.answer_all();
  s.simple(EV_WRITABLE, 1);
  s.iteration = s.r->conns[1].iteration;
  s.from_fast(FAST_ATTACHED);
  s.packet(1, PACKET_ACK, zxid_make(s.epoch(), 0), "");
  EXPECT_EQ(s.r->conns[1].step, CONN_ACKED);
  EXPECT_EQ(s.r->lead.deadline_us, deadline_us);
  s.ackepoch(2, 0, 0);
  s.answer_all();
  EXPECT_GT(s.r->lead.deadline_us, deadline_us) << "node 2's sync is progress";
}

TEST(Yield, OtherLossesAreNotAFaultOfThePath) {
  Leading s;
  s.established();
  s.from_fast(FAST_LOST, REASON_COUNTER_LIMIT);
  s.fenced();
  EXPECT_TRUE(s.votes());
  Solo d(3);
  d.leading();
  d.follower(1, 1, 0);
  d.answer();
  d.simple(EV_CONN_CLOSED, 1);
  d.fenced();
  EXPECT_TRUE(d.r->election.proposal.zxid != ZXID_NONE) << "left in discovery";
}

TEST(Yield, NobodyAbstainsWhoIsNeeded) {
  Leading down;
  down.established();
  down.link(1, LINK_REFUSED);
  down.from_fast(FAST_LOST, REASON_QUORUM_SILENT);
  down.fenced();
  EXPECT_TRUE(down.votes()) << "one other is down: the other one alone is no quorum";
  Leading later;
  later.established();
  later.from_fast(FAST_LOST, REASON_QUORUM_SILENT);
  later.fenced();
  later.link(1, LINK_DOWN);
  EXPECT_TRUE(later.votes()) << "it goes down meanwhile";
}

TEST(Yield, ItSaysSoToTheNewLeader) {
  for (int lost = 0; lost < 2; lost++) {
    Leading s;
    s.established();
    s.from_fast(FAST_LOST, lost ? REASON_QUORUM_SILENT : REASON_COUNTER_LIMIT);
    s.fenced();
    s.forget();
    s.elect(2);
    if (s.r->role != ROLE_FOLLOWING) {  // it abstains: only a settled ensemble takes it along
      for (int from : {0, 1}) {
        struct notification n = {};
        n.state = from == 1 ? PEER_LEADING : PEER_FOLLOWING;
        n.version = 2;
        n.vote = {2, 0, 7, 1};
        struct replica_event e = {};
        e.type = EV_NOTIFICATION;
        e.peer_idx = from;
        e.notification = &n;
        s.step(e);
      }
    }
    ASSERT_EQ(s.r->role, ROLE_FOLLOWING);
    s.simple(EV_CONNECTED, 0);
    ASSERT_EQ(s.sent_cnt(PACKET_FOLLOWERINFO), 1);
    struct extension e;
    const std::string &data = s.sent.back().data;
    ASSERT_EQ(extension_read(&e, (const uint8_t *)data.data() + LEARNER_INFO_LEN,
                             data.size() - LEARNER_INFO_LEN),
              REASON_NONE);
    EXPECT_EQ((e.features & FEATURE_YIELDS) != 0, lost == 1);
  }
}

// R3, A6: what the one who yields has beyond us is lost only if a quorum promises without it.  It
// may come first: the others are on their way.
TEST(Yield, ALeaderTakesAQuorumWithoutTheOneWhoYields) {
  for (int others = 0; others < 3; others++) { /* before it, after it, never */
    struct durable_state state = {};
    state.accepted_epoch = state.current_epoch = 1;
    state.last_zxid = zxid_make(1, 5);
    Solo s(3, state);
    s.leading();
    if (others == 0) s.follower(1, 1, 1);
    s.simple(EV_ACCEPTED, 2);
    s.packet(2, PACKET_FOLLOWERINFO, zxid_make(1, 0), s.info(2, true, FEATURE_YIELDS));
    s.answer();
    s.ackepoch(2, 1, zxid_make(1, 6));
    EXPECT_EQ(s.r->phase, PHASE_DISCOVERY) << "it is not in its place";
    EXPECT_TRUE(s.asked.empty()) << "its promise does not count";
    if (others == 2) {
      s.now += std::min<uint64_t>(CEPOCH_LIMIT_US, 1000000); /* init_limit is 1 s here */
      s.simple(EV_TICK, 0);
      EXPECT_EQ(s.r->phase, PHASE_FENCING) << "R3: without it there is no quorum";
      continue;
    }
    if (others == 1) s.follower(1, 1, 1);
    s.ackepoch(1, 1, zxid_make(1, 5));
    ASSERT_FALSE(s.asked.empty());
    EXPECT_EQ(s.asked[0].type, DISK_CURRENT);
  }
}

// Who was not heard, started over and is heard now has nothing against it any more.
TEST(Yield, WhoIsHeardAfterAllIsNotCountedAsUnheard) {
  Leading s;
  s.follower(2, 2, 0);
  s.simple(EV_CONN_CLOSED, 1);
  ASSERT_EQ(s.r->lead.unheard, node_bit(0));
  s.fast.clear();
  s.follower(1, 1, s.epoch());
  s.ackepoch(1, 0, 0);
  s.answer_all();
  s.simple(EV_WRITABLE, 1);
  for (const auto &m : s.fast)
    if (m.type == FAST_ATTACH && m.peer_idx == 0) s.iteration = m.iteration;
  s.from_fast(FAST_ATTACHED);
  s.packet(1, PACKET_ACK, zxid_make(s.epoch(), 0), "");
  s.from_fast(FAST_HEARD);
  EXPECT_EQ(s.r->lead.unheard, 0u);
}

}  // namespace
