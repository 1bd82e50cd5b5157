/* One broadcast machine and a test that plays its peers, the slow path, the disk and the app. */
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "proto/atomic.h"
extern "C" {
#include "fastpath/bcast.h"
#include "proto/crc32c.h"
}
#include "test/fastpath/ring_map.h"

namespace {

constexpr uint64_t kIteration = 0xabc;
constexpr uint32_t kEpoch = 4;

struct One {
  explicit One(int self = 0, int observer = -1) {
    c.cluster_id = 9;
    c.peer_cnt = 3;
    c.self_idx = self;
    c.id = static_cast<uint8_t>(self + 1);
    c.durability = DURABILITY_SYNC;
    c.mtu = 1500;
    c.ring_bytes = LIMIT_RING_MIN;
    c.largest_record = 4096;
    c.heartbeat_us = 100;
    c.timeout_us = 1000;
    c.disk_timeout_ms = 10;
    c.sync_limit = 3;
    c.tick_ms = 10;
    c.counter_limit = 100;
    m.stream_ring = ring_map(c.ring_bytes);
    m.request_ring_bytes = LIMIT_RING_MIN;
    for (int i = 0; i < 3; i++) {
      c.peers[i].id = static_cast<uint8_t>(i + 1);
      c.peers[i].fast_cnt = 1;
      c.peers[i].role = i == observer ? ROLE_OBSERVER : ROLE_VOTER;
      m.request_ring[i] = ring_map(LIMIT_RING_MIN);
    }
    b = new bcast;
    bcast_init(b, &c, &m, &counts, &times);
  }
  ~One() {
    delete b;
    ring_unmap(m.stream_ring, c.ring_bytes);
    for (int i = 0; i < 3; i++) ring_unmap(m.request_ring[i], LIMIT_RING_MIN);
  }

  void Step(bcast_event e) {
    e.now_ns = now_us * 1000;
    bcast_step(b, &e, &a);
    for (uint32_t i = 0; i < a.cnt; i++) log.push_back(a.at[i]);
  }
  /* One peer's frames. */
  void TurnOfOne(bcast_event_type type = BCAST_TURN) {
    bcast_event e = {};
    e.type = type;
    e.durable = durable;
    e.applied = applied;
    e.app_holds = holds;
    e.requests_consumed = consumed;
    Step(e);
  }
  void Turn(bcast_event_type type = BCAST_TURN) {
    log.clear();
    do TurnOfOne(type);
    while (type == BCAST_TURN && bcast_more(b));
  }
  void Control(fast_msg_type type, int peer, pos_t pos = 0, zxid_t zxid = 0,
               uint64_t iteration = kIteration, uint32_t epoch = kEpoch) {
    log.clear();
    Control({type, peer, epoch, REASON_NONE, iteration, pos, zxid});
  }
  void Control(const fast_msg &msg) {
    bcast_event e = {};
    e.type = BCAST_CONTROL;
    e.fast = &msg;
    Step(e);
  }
  void Propose(uint32_t counter, uint32_t len = 100) {
    std::string payload(len, 'p');
    bcast_event e = {};
    e.type = BCAST_PROPOSE;
    e.data = payload.data();
    e.len = len;
    e.zxid = zxid_make(kEpoch, counter);
    log.clear();
    Step(e);
  }
  void Frame(const frame_header &h, const std::string &payload = "") {
    frame_header sealed = h;
    sealed.payload_len = static_cast<uint16_t>(payload.size());
    frame_seal(&sealed);
    std::string bytes(reinterpret_cast<const char *>(&sealed), sizeof sealed);
    bytes += payload;
    bcast_event e = {};
    e.type = BCAST_FRAME;
    e.data = bytes.data();
    e.len = static_cast<uint32_t>(bytes.size());
    e.path = path;
    e.from = from;
    log.clear();
    Step(e);
  }
  counters *from = nullptr; /* of whom frames come */
  /* A header from peer to us that is right in everything. */
  frame_header From(int peer, uint8_t type) {
    frame_header h = {};
    h.type = type;
    h.cluster_id = 9;
    h.source = static_cast<uint8_t>(peer + 1);
    h.destination = c.id;
    h.iteration = kIteration;
    h.seq = ++seq[peer];
    h.epoch = kEpoch;
    h.window = LIMIT_RING_MIN;
    h.send_time = static_cast<uint32_t>(now_us);
    return h;
  }
  int Sent(uint8_t type, int peer) const {
    int cnt = 0;
    for (auto &x : log)
      cnt += x.type == BCAST_ACT_SEND && x.peer_idx == peer && x.header.type == type;
    return cnt;
  }
  int SentAny() const {
    int cnt = 0;
    for (auto &x : log) cnt += x.type == BCAST_ACT_SEND;
    return cnt;
  }
  const bcast_action *Last(uint8_t type) const {
    const bcast_action *last = nullptr;
    for (auto &x : log)
      if (x.type == BCAST_ACT_SEND && x.header.type == type) last = &x;
    return last;
  }
  const fast_msg *Told(fast_msg_type type) const {
    for (auto &x : log)
      if (x.type == BCAST_ACT_FAST && x.fast.type == type) return &x.fast;
    return nullptr;
  }
  uint64_t Count(reason r) const { return counters_get(&counts, r); }

  /* Leads, peer 1 attached at P = 0. */
  void Lead() {
    Control(FAST_LEAD, c.self_idx, 0, zxid_make(3, 7), 0);
    Control(FAST_ATTACH, 1, 0, zxid_make(3, 7));
    Turn();
  }
  void Establish() {
    Control(FAST_COUNT, 1);
    Control(FAST_ESTABLISH, c.self_idx, 0, 0, 0);
  }
  frame_header Ack(pos_t received, pos_t held) {
    frame_header h = From(1, FRAME_ACK);
    h.received = received;
    h.durable = held;
    h.echo_time = static_cast<uint32_t>(now_us);
    return h;
  }
  /* Leads, established; peers 1 and 2 are attached at P = 0, heard and counted. */
  void LeadBoth() {
    Lead();
    Control(FAST_ATTACH, 2);
    Turn();
    Frame(Ack(0, 0));
    Frame(From(2, FRAME_ACK));
    Establish();
    Control(FAST_COUNT, 2);
  }
  /* Leads with peer 1 counted; the epoch's first record is durable here and was sent. */
  void ProposeFirst() {
    Lead();
    Frame(Ack(0, 0));
    Establish();
    Propose(1);
    durable = record_size(100);
    Turn();
  }

  config c = {};
  bcast_memory m = {};
  struct counters counts = {};
  struct latency times = {};
  bcast *b;
  bcast_actions a;
  std::vector<bcast_action> log;
  uint64_t now_us = 1000000;
  int path = PATH_FAST; /* on which Frame comes */
  uint64_t seq[3] = {};
  pos_t durable = 0, applied = 0;
  bool holds = true; /* the app reads the ring */
  uint64_t consumed = 0;
};

/* ---- hand-over ---- */

TEST(Handover, AttachIsAnsweredWithTheDurablePositionAndItsZxid) {
  One o;
  o.Lead();
  o.Establish();
  o.Propose(1);
  o.Propose(2);
  o.durable = record_size(100);
  o.Turn();
  o.Control(FAST_ATTACH, 2, 0, zxid_make(3, 1), 77);
  o.Turn();
  const fast_msg *m = o.Told(FAST_ATTACHED);
  ASSERT_TRUE(m);
  EXPECT_EQ(record_size(100), m->pos);
  EXPECT_EQ(zxid_make(kEpoch, 1), m->zxid);
  EXPECT_EQ(2, m->peer_idx);
  EXPECT_EQ(77u, m->iteration);
}

TEST(Handover, AttachAtTheBeginningNamesTheHistoryBeforeTheEpoch) {
  One o;
  o.Control(FAST_LEAD, 0, 0, zxid_make(3, 7), 0);
  o.Control(FAST_ATTACH, 1, 0, zxid_make(3, 9)); /* more than we have, but of an older epoch */
  o.Turn();
  ASSERT_TRUE(o.Told(FAST_ATTACHED));
  EXPECT_EQ(0u, o.Told(FAST_ATTACHED)->pos);
  EXPECT_EQ(zxid_make(3, 7), o.Told(FAST_ATTACHED)->zxid);
}

TEST(Handover, AttachWaitsForTheDiskInMemoryClassToo) {
  One o;
  o.c.durability = DURABILITY_MEMORY;
  o.Lead();
  o.Establish();
  o.Propose(1);
  o.Control(FAST_ATTACH, 2, 0, zxid_make(kEpoch, 1));
  o.Turn();
  EXPECT_FALSE(o.Told(FAST_ATTACHED));
  o.durable = record_size(100);
  o.Turn();
  ASSERT_TRUE(o.Told(FAST_ATTACHED));
  EXPECT_EQ(record_size(100), o.Told(FAST_ATTACHED)->pos);
}

TEST(Handover, NothingButPingsIsSentBeforeThePeerIsHeard) {
  One o;
  o.Lead();
  EXPECT_EQ(1, o.Sent(FRAME_PING, 1));
  o.Establish();
  o.Propose(1);
  o.now_us += 100;
  o.Turn();
  EXPECT_EQ(1, o.SentAny());
  EXPECT_EQ(1, o.Sent(FRAME_PING, 1));
  o.Frame(o.Ack(0, 0));
  ASSERT_TRUE(o.Told(FAST_HEARD));
  o.Turn();
  EXPECT_EQ(1, o.Sent(FRAME_PROPOSAL, 1));
}

TEST(Handover, HeardComesOnlyWhenThePeerHoldsWhatWasAppendedAtAttach) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  EXPECT_TRUE(o.Told(FAST_HEARD)) << "nothing was appended";
  o.Establish();
  o.Propose(1);
  o.Control(FAST_ATTACH, 1);
  o.seq[1] = 0;
  o.Turn();
  o.Frame(o.Ack(0, 0));
  EXPECT_FALSE(o.Told(FAST_HEARD));
  o.Turn();
  o.Frame(o.Ack(record_size(100), 0));
  EXPECT_TRUE(o.Told(FAST_HEARD));
  o.Frame(o.Ack(record_size(100), 0));
  EXPECT_FALSE(o.Told(FAST_HEARD)) << "once";
}

TEST(Handover, HeardComesOnlyWhenThePeerHasHeardUsToo) {
  One o;
  o.Lead();
  frame_header first = o.Ack(0, 0);
  first.echo_time = 0; /* as a follower sends it until it hears us: our frames may all be lost */
  o.Frame(first);
  EXPECT_FALSE(o.Told(FAST_HEARD));
  o.Turn();
  EXPECT_EQ(1, o.Sent(FRAME_PING, 1)) << "it is answered at once, for it to echo";
  first.seq = ++o.seq[1];
  o.Frame(first);
  EXPECT_FALSE(o.Told(FAST_HEARD));
  o.Turn();
  EXPECT_EQ(0, o.SentAny()) << "but once only: it repeats itself every heartbeat";
  o.Frame(o.Ack(0, 0));
  EXPECT_TRUE(o.Told(FAST_HEARD));
}

TEST(Handover, AnEarlierDurablePositionCountsFromCountOn) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Control(FAST_ESTABLISH, 0, 0, 0, 0);
  o.Propose(1);
  o.durable = record_size(100);
  o.Turn();
  o.Frame(o.Ack(o.durable, o.durable));
  o.Turn();
  EXPECT_EQ(0u, bcast_committed(o.b)) << "R6, J2";
  o.Control(FAST_COUNT, 1);
  o.Turn();
  EXPECT_EQ(o.durable, bcast_committed(o.b));
  EXPECT_EQ(1u, latency_total(&o.times));
}

TEST(Handover, TheLeadersOwnVoteCountsOnlyWhenDurable) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  o.Propose(1);
  o.Turn();
  o.Frame(o.Ack(record_size(100), record_size(100)));
  o.Turn();
  EXPECT_EQ(0u, o.b->committed) << "R11";
  o.durable = record_size(100);
  o.Turn();
  EXPECT_EQ(o.durable, o.b->committed);
}

TEST(Handover, NothingCanBeProposedBeforeEstablish) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Control(FAST_COUNT, 1);
  o.Turn();
  EXPECT_FALSE(bcast_room(o.b, BCAST_PROPOSE, 100));
  o.Control(FAST_ESTABLISH, 0, 0, 0, 0);
  EXPECT_TRUE(bcast_room(o.b, BCAST_PROPOSE, 100));
}

TEST(LeaderFrames, AnAckThatComesLateTakesNothingBack) {
  One o; /* J6 */
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  o.Propose(1);
  o.Turn();
  frame_header late = o.Ack(0, 0);
  o.Frame(o.Ack(record_size(100), record_size(100)));
  o.Frame(late);
  o.durable = record_size(100);
  o.Turn();
  EXPECT_EQ(0u, o.Count(REASON_STALE_SEQ)) << "reordering is tolerated";
  EXPECT_EQ(o.durable, o.b->committed);
}

TEST(Leader, CountsWhatItDropsAgainstWhoSentIt) {
  One o;
  counters peer = {};
  o.Lead();
  o.from = &peer;
  o.Frame(o.Ack(0, 0));
  o.Turn();
  frame_header old = o.Ack(0, 0);
  old.iteration ^= 1;
  o.Frame(old);
  EXPECT_EQ(1u, counters_get(&peer, REASON_STALE_ITERATION));
  EXPECT_EQ(1u, o.Count(REASON_STALE_ITERATION)) << "in the sum, too";
  o.from = nullptr; /* nobody to blame */
  old.seq++;
  o.Frame(old);
  o.Control(FAST_COUNT, 1, 0, 0, 0x999); /* the slow path's, after a frame */
  EXPECT_EQ(1u, counters_get(&peer, REASON_STALE_ITERATION));
  EXPECT_EQ(0u, counters_get(&peer, REASON_HANDOVER_STALE));
}

TEST(Handover, AnotherAttachForgetsPositionsAndCount) {
  One o;
  o.ProposeFirst();
  o.Frame(o.Ack(o.durable, o.durable));
  o.Control(FAST_ATTACH, 1, 0, 0, 0xdef);
  o.Turn();
  EXPECT_EQ(0u, o.b->committed);
  frame_header old = o.Ack(o.durable, o.durable);
  o.Frame(old);
  EXPECT_EQ(1u, o.Count(REASON_STALE_ITERATION));
}

TEST(Handover, MessagesOfAnotherEpochOrIterationAreCountedAndIgnored) {
  One o;
  o.Lead();
  o.Control(FAST_COUNT, 1, 0, 0, kIteration + 1);
  o.Control(FAST_DETACH, 1, 0, 0, kIteration + 1);
  o.Control(FAST_COUNT, 2);
  o.Control(FAST_ATTACH, 2, 0, 0, 5, kEpoch + 1);
  o.Control(FAST_ESTABLISH, 0, 0, 0, 0, kEpoch - 1);
  EXPECT_EQ(5u, o.Count(REASON_HANDOVER_STALE));
  EXPECT_EQ(1u, o.b->counted);
  EXPECT_FALSE(o.b->established);
  o.Frame(o.Ack(0, 0));
  EXPECT_TRUE(o.Told(FAST_HEARD)) << "the attachment stands";
}

TEST(Handover, CloseIsAnsweredInEveryPhase) {
  One o;
  o.Control(FAST_CLOSE, 1, 0, 0, 3, 2);
  ASSERT_TRUE(o.Told(FAST_CLOSED));
  EXPECT_EQ(3u, o.Told(FAST_CLOSED)->iteration);
  EXPECT_EQ(2u, o.Told(FAST_CLOSED)->epoch);
  o.Lead();
  o.Establish();
  o.Propose(1);
  o.Control(FAST_CLOSE, 0);
  ASSERT_TRUE(o.Told(FAST_CLOSED));
  EXPECT_EQ(record_size(100), o.Told(FAST_CLOSED)->pos) << "appended, durable or not (R12)";
  o.now_us += 5000;
  o.Frame(o.Ack(0, 0));
  o.Turn();
  EXPECT_TRUE(o.log.empty()) << "B8, J3";
  EXPECT_EQ(1u, o.Count(REASON_STALE_EPOCH));
  EXPECT_FALSE(bcast_room(o.b, BCAST_PROPOSE, 100));
}

TEST(Handover, PositionsBelongToTheSlowPathWhileClosed) {
  One o;
  positions p = {};
  o.Lead();
  o.Establish();
  o.Propose(1);
  bcast_publish(o.b, &p);
  EXPECT_EQ(record_size(100), position_get(&p.appended));
  o.Control(FAST_CLOSE, 0);
  position_set(&p.appended, 12345);
  bcast_publish(o.b, &p);
  EXPECT_EQ(12345u, position_get(&p.appended));
}

TEST(Handover, ProposalsOfAnotherEpochOrAfterTheLossAreDropped) {
  One o;
  std::string payload(100, 'p');
  bcast_event e = {};
  e.type = BCAST_PROPOSE;
  e.data = payload.data();
  e.len = 100;
  e.zxid = zxid_make(kEpoch - 1, 1);
  o.Step(e);
  o.Lead();
  o.Establish();
  o.Step(e);
  EXPECT_EQ(2u, o.Count(REASON_WRONG_ROLE));
  EXPECT_EQ(0u, bcast_appended(o.b));
}

TEST(HandoverDeathTest, AProposalThatIsNotNextIsAProgrammersMistake) {
  One o;
  o.Lead();
  o.Establish();
  o.Propose(1);
  EXPECT_DEATH(o.Propose(3), "reason == REASON_NONE");
}

/* ---- frames that are wrong in one field ---- */

struct WrongFrame {
  const char *name;
  std::function<void(frame_header *)> change;
  reason expected;
};

TEST(LeaderFrames, EachWrongFieldIsDroppedAndCountedAndChangesNothing) {
  const std::vector<WrongFrame> wrongs = {
      {"cluster", [](frame_header *h) { h->cluster_id++; }, REASON_FRAME_CLUSTER},
      {"source unknown", [](frame_header *h) { h->source = 99; }, REASON_FRAME_PEER},
      {"source ourselves", [](frame_header *h) { h->source = 1; }, REASON_FRAME_PEER},
      {"source not attached", [](frame_header *h) { h->source = 3; }, REASON_STALE_ITERATION},
      {"destination", [](frame_header *h) { h->destination = 3; }, REASON_FRAME_PEER},
      {"destination all", [](frame_header *h) { h->destination = 255; }, REASON_FRAME_PEER},
      {"older epoch", [](frame_header *h) { h->epoch--; }, REASON_STALE_EPOCH},
      {"newer epoch", [](frame_header *h) { h->epoch++; }, REASON_STALE_EPOCH},
      {"iteration", [](frame_header *h) { h->iteration ^= 1; }, REASON_STALE_ITERATION},
      {"seq 0", [](frame_header *h) { h->seq = 0; }, REASON_STALE_SEQ},
      {"seq seen", [](frame_header *h) { h->seq = 1; }, REASON_STALE_SEQ},
      {"commit to the leader", [](frame_header *h) { h->type = FRAME_COMMIT; }, REASON_WRONG_ROLE},
      {"ping to the leader", [](frame_header *h) { h->type = FRAME_PING; }, REASON_WRONG_ROLE},
      {"received above sent", [](frame_header *h) { h->received += 8; },
       REASON_IMPOSSIBLE_POSITION},
      {"durable above received", [](frame_header *h) { h->received -= 8; },
       REASON_IMPOSSIBLE_POSITION},
      {"durable inside a record", [](frame_header *h) { h->durable -= 1; },
       REASON_IMPOSSIBLE_POSITION},
      {"committed above ours", [](frame_header *h) { h->committed = 8; },
       REASON_IMPOSSIBLE_POSITION},
      {"window", [](frame_header *h) { h->window = UINT32_MAX; }, REASON_IMPOSSIBLE_POSITION},
      {"beyond the REQUEST ring", [](frame_header *h) { h->position = LIMIT_RING_MIN + 1; },
       REASON_IMPOSSIBLE_POSITION},
      {"position wraps", [](frame_header *h) { h->position = UINT64_MAX; },
       REASON_IMPOSSIBLE_POSITION},
      {"echo of the future", [](frame_header *h) { h->echo_time += 5; },
       REASON_IMPOSSIBLE_POSITION},
      {"echo before ATTACH", [](frame_header *h) { h->echo_time -= 1000; },
       REASON_IMPOSSIBLE_POSITION},
  };
  One o;
  o.ProposeFirst();
  for (const WrongFrame &w : wrongs) {
    frame_header h = o.Ack(o.durable, o.durable);
    w.change(&h);
    uint64_t before = o.Count(w.expected);
    o.Frame(h);
    EXPECT_EQ(before + 1, o.Count(w.expected)) << w.name;
    EXPECT_EQ(0u, o.b->peers[1].durable) << w.name;
    EXPECT_EQ(0u, o.b->peers[1].out.acked) << w.name;
    o.Turn();
    EXPECT_EQ(0u, o.b->committed) << w.name;
  }
  o.Frame(o.Ack(o.durable, o.durable));
  o.Turn();
  EXPECT_EQ(o.durable, o.b->committed) << "and the right one is taken";
}

/* A follower opened at P = 800. */
struct Follower : One {
  explicit Follower(bool holding = true) : One(1) {
    durable = applied = 800;
    holds = holding;
    Control(FAST_OPEN, 0, 800, zxid_make(kEpoch, 5));
    Turn();
  }
  frame_header FromLeader(uint8_t type, pos_t position) {
    frame_header h = From(0, type);
    h.position = position;
    h.received = 0;
    return h;
  }
  std::string Record(uint32_t counter, uint32_t len = 100) {
    std::string out(record_size(len), 0), payload(len, 'r');
    record_write(&out[0], zxid_make(kEpoch, counter), payload.data(), len);
    return out;
  }
};

TEST(FollowerFrames, EachWrongFieldIsDroppedAndCountedAndChangesNothing) {
  const std::vector<WrongFrame> wrongs = {
      {"another follower", [](frame_header *h) { h->source = 3; }, REASON_STALE_ITERATION},
      {"iteration", [](frame_header *h) { h->iteration++; }, REASON_STALE_ITERATION},
      {"epoch", [](frame_header *h) { h->epoch++; }, REASON_STALE_EPOCH},
      {"request to a follower", [](frame_header *h) { h->type = FRAME_REQUEST; },
       REASON_WRONG_ROLE},
      {"committed above what is there",
       [](frame_header *h) { h->committed = 800 + record_size(100) + 1; },
       REASON_IMPOSSIBLE_POSITION},
      {"received what we never sent", [](frame_header *h) { h->received = 8; },
       REASON_IMPOSSIBLE_POSITION},
      {"beyond the ring", [](frame_header *h) { h->position = 800 + LIMIT_RING_MIN - 50; },
       REASON_IMPOSSIBLE_POSITION},
      {"echo of the future", [](frame_header *h) { h->echo_time = h->send_time + 9; },
       REASON_IMPOSSIBLE_POSITION},
  };
  Follower f;
  for (const WrongFrame &w : wrongs) {
    frame_header h = f.FromLeader(FRAME_PROPOSAL, 800);
    w.change(&h);
    f.Frame(h, f.Record(6));
    EXPECT_EQ(1u, f.Count(w.expected)) << w.name;
    atomic_store_explicit(&f.counts.value[w.expected], uint64_t{0}, memory_order_relaxed);
    EXPECT_EQ(800u, bcast_appended(f.b)) << w.name;
    EXPECT_EQ(PEER_ATTACHED, f.b->peers[0].phase) << w.name;
  }
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), f.Record(6));
  EXPECT_EQ(800u + record_size(100), bcast_appended(f.b));
}

TEST(FollowerFrames, TheFirstAckIsRepeatedEveryHeartbeatUntilTheLeaderIsHeard) {
  Follower f;
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(800u, f.Last(FRAME_ACK)->header.durable);
  EXPECT_EQ(800u, f.Last(FRAME_ACK)->header.received);
  for (int i = 0; i < 3; i++) {
    f.now_us += 99;
    f.Turn();
    EXPECT_EQ(0, f.SentAny());
    f.now_us += 1;
    f.Turn();
    EXPECT_EQ(1, f.Sent(FRAME_ACK, 0));
  }
  f.Frame(f.FromLeader(FRAME_PING, 800));
  f.Turn();
  EXPECT_EQ(1, f.Sent(FRAME_ACK, 0)) << "the PING is answered";
  f.now_us += 100;
  f.Turn();
  EXPECT_EQ(0, f.SentAny());
}

TEST(FollowerFrames, AcksOnReceiptForFlowControlAndAgainWhenDurable) {
  Follower f;
  std::string bytes = f.Record(6);
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes);
  f.Turn();
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(800u + bytes.size(), f.Last(FRAME_ACK)->header.received);
  EXPECT_EQ(800u, f.Last(FRAME_ACK)->header.durable) << "R10";
  f.durable += bytes.size();
  f.Turn();
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(f.durable, f.Last(FRAME_ACK)->header.durable);
}

TEST(FollowerFrames, ABurstIsAnsweredByOneAck) {
  Follower f;
  f.c.durability = DURABILITY_MEMORY;
  std::string bytes;
  for (uint32_t i = 0; i < 10; i++) {
    std::string record = f.Record(6 + i);
    f.Frame(f.FromLeader(FRAME_PROPOSAL, 800 + bytes.size()), record);
    bytes += record;
  }
  f.Turn();
  EXPECT_EQ(1, f.SentAny());
  EXPECT_EQ(800 + bytes.size(), f.Last(FRAME_ACK)->header.durable);
}

TEST(FollowerFrames, ADamagedLengthAtTheEndOfTheStreamIsFoundOut) {
  Follower f;
  std::string bytes = f.Record(6), bad = bytes;
  bad[5] ^= 1; /* 256 bytes more, which never come */
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bad);
  f.Turn();
  EXPECT_EQ(0u, f.Count(REASON_RECORD_CRC));
  f.now_us += OUTFLOW_RTO_FLOOR_US;
  frame_header ping = f.FromLeader(FRAME_PING, 800 + bad.size());
  f.Frame(ping);
  f.Turn();
  EXPECT_EQ(0u, f.Count(REASON_RECORD_CRC)) << "it may wait for our answer, which takes its time";
  f.now_us += 100;
  f.Turn(); /* a heartbeat's ACK */
  ping.seq = ++f.seq[0];
  ping.echo_time = static_cast<uint32_t>(f.now_us);
  f.Frame(ping);
  f.Turn();
  EXPECT_EQ(1u, f.Count(REASON_RECORD_CRC));
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(FRAME_GAP, f.Last(FRAME_ACK)->header.flags);
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes);
  EXPECT_EQ(800u + bytes.size(), bcast_appended(f.b));
}

/* A follower has no round trip measured, and that of TCP, which repairs itself, may be long. */
TEST(FollowerFrames, AGapIsReportedOverTcpNoFasterThanItIsDoubted) {
  Follower f;
  f.c.timeout_us = 100000;
  f.b->path_limits.doubt_us = 5000;
  f.b->peers[0].paths.exist |= 1u << PATH_TCP;
  path_use(&f.b->peers[0].paths, PATH_TCP);
  f.path = PATH_TCP;
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 1000), std::string(100, 'x'));
  for (int us = 0; us < 5000; us += 100, f.now_us += 100) f.Turn();
  EXPECT_EQ(1u, f.Count(REASON_GAP_REPORTED));
  f.Turn();
  EXPECT_EQ(2u, f.Count(REASON_GAP_REPORTED));
}

TEST(FollowerFrames, ARecordWhoseRestIsLateIsNotThrownAway) {
  Follower f; /* a busy core or a full flight stops the leader in the middle of a record */
  std::string bytes = f.Record(6, 4000);
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes.substr(0, 1400));
  f.Frame(f.FromLeader(FRAME_COMMIT, 2200)); /* it had no more to say then */
  f.Turn();
  f.now_us += OUTFLOW_RTO_FLOOR_US;
  f.Turn();
  EXPECT_EQ(0u, f.Count(REASON_RECORD_CRC));
  EXPECT_EQ(0u, f.Count(REASON_GAP_REPORTED));
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 2200), bytes.substr(1400));
  EXPECT_EQ(800u + bytes.size(), bcast_appended(f.b));
}

TEST(FollowerFrames, AClosedWindowThatOpensIsToldAtOnce) {
  Follower f;
  std::string bytes;
  for (uint32_t i = 6; bytes.size() + record_size(4000) <= LIMIT_RING_MIN; i++)
    bytes += f.Record(i, 4000);
  uint32_t rest = LIMIT_RING_MIN - static_cast<uint32_t>(bytes.size()) - LIMIT_RECORD_HEADER;
  bytes += f.Record(6 + static_cast<uint32_t>(bytes.size() / record_size(4000)), rest);
  ASSERT_EQ(LIMIT_RING_MIN, bytes.size());
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes.substr(0, 40000));
  frame_header h = f.FromLeader(FRAME_PROPOSAL, 40800);
  h.committed = 800 + bytes.size();
  f.Frame(h, bytes.substr(40000));
  f.durable = 800 + bytes.size();
  f.Turn();
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(0u, f.Last(FRAME_ACK)->header.window);
  f.applied = 800 + record_size(4000);
  f.Turn();
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  EXPECT_EQ(record_size(4000), f.Last(FRAME_ACK)->header.window);
  f.applied += record_size(4000);
  f.Turn();
  EXPECT_EQ(0, f.SentAny()) << "a little more room is told with the next answer";
}

static uint64_t Window(Follower *f) { /* as told when half a ring is durable and committed */
  std::string bytes;
  for (uint32_t i = 6; bytes.size() < LIMIT_RING_MIN / 2; i++) bytes += f->Record(i, 4000);
  frame_header h = f->FromLeader(FRAME_PROPOSAL, 800);
  h.committed = 800 + bytes.size();
  f->Frame(h, bytes);
  f->durable = 800 + bytes.size();
  f->Turn();
  EXPECT_EQ(1, f->Sent(FRAME_ACK, 0));
  return f->Last(FRAME_ACK)->header.window;
}

static pos_t Held(const Follower &f) {
  positions p = {};
  bcast_publish(f.b, &p);
  return position_get(&p.held);
}

TEST(FollowerFrames, TheWindowStaysOpenWhileTheAppReadsTheLogAndNotTheRing) {
  Follower late(false), reader;
  EXPECT_EQ(LIMIT_RING_MIN, Window(&late));
  EXPECT_EQ(800u, late.applied);
  EXPECT_GE(LIMIT_RING_MIN / 2u, Window(&reader));
}

TEST(FollowerFrames, NothingIsReclaimedBeyondWhatIsCommittedThoughNobodyHoldsIt) {
  Follower f(false);
  std::string one = f.Record(6), both = one + f.Record(7);
  frame_header h = f.FromLeader(FRAME_PROPOSAL, 800);
  h.committed = 800 + one.size();
  f.Frame(h, both);
  f.durable = 800 + both.size();
  f.Turn();
  EXPECT_EQ(800 + one.size(), f.b->stream.reclaimed);
}

TEST(FollowerFrames, TheRingIsHeldFromWhereItWasReclaimedWhenTheAppAsksAndNotBefore) {
  Follower f(false);
  Window(&f);
  pos_t reclaimed = f.durable;
  EXPECT_EQ(0u, Held(f));
  f.holds = true; /* its applied is far below: it reads the log up to here */
  std::string more =
      f.Record(6 + static_cast<uint32_t>((f.durable - 800) / record_size(4000)), 4000);
  frame_header h = f.FromLeader(FRAME_PROPOSAL, f.durable);
  h.committed = f.durable + more.size();
  f.Frame(h, more);
  f.durable += more.size();
  EXPECT_EQ(0u, Held(f));
  f.Turn();
  EXPECT_EQ(reclaimed + 1, Held(f));
  f.applied = 800 + record_size(4000); /* still below what is held: nothing moves */
  f.Turn();
  EXPECT_EQ(reclaimed, f.b->stream.reclaimed);
  f.applied = f.durable;
  f.Turn();
  EXPECT_EQ(f.durable, f.b->stream.reclaimed);
  EXPECT_EQ(reclaimed + 1, Held(f));
}

TEST(FollowerFrames, DeliversWholeRecordsUpToCommittedAndItsOwnAck) {
  Follower f;
  std::string bytes = f.Record(6) + f.Record(7);
  pos_t one = 800 + record_size(100), two = 800 + bytes.size();
  frame_header h = f.FromLeader(FRAME_PROPOSAL, 800);
  h.committed = two - 8; /* told up to the middle of the second */
  f.Frame(h, bytes);
  f.Turn();
  EXPECT_EQ(800u, bcast_committed(f.b)) << "committed, but not acknowledged here";
  f.durable = two;
  f.Turn();
  EXPECT_EQ(one, bcast_committed(f.b));
  h = f.FromLeader(FRAME_COMMIT, two);
  h.committed = two;
  f.Frame(h);
  f.Turn();
  EXPECT_EQ(two, bcast_committed(f.b));
  h = f.FromLeader(FRAME_COMMIT, two);
  h.committed = one; /* an older one, late */
  f.Frame(h);
  f.Turn();
  EXPECT_EQ(two, bcast_committed(f.b));
}

TEST(FollowerFrames, ACommitThatOvertakesItsProposalDeliversNothingYet) {
  Follower f; /* J1 */
  std::string bytes = f.Record(6);
  frame_header h = f.FromLeader(FRAME_COMMIT, 800 + bytes.size());
  h.committed = 800 + bytes.size();
  f.Frame(h);
  f.Turn();
  EXPECT_EQ(800u, bcast_committed(f.b));
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0)) << "and the gap is reported at once";
  EXPECT_EQ(FRAME_GAP, f.Last(FRAME_ACK)->header.flags);
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes);
  f.durable = 800 + bytes.size();
  f.Turn();
  EXPECT_EQ(f.durable, bcast_committed(f.b));
}

TEST(FollowerFrames, ADamagedRecordIsAskedForAgainAndNeverAcknowledged) {
  Follower f;
  f.c.durability = DURABILITY_MEMORY;
  std::string bytes = f.Record(6), bad = bytes;
  bad[60] ^= 1;
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bad);
  f.Turn();
  EXPECT_EQ(1u, f.Count(REASON_RECORD_CRC));
  ASSERT_EQ(1, f.Sent(FRAME_ACK, 0));
  const bcast_action *ack = f.Last(FRAME_ACK);
  EXPECT_EQ(800u, ack->header.durable);
  frame_range range;
  memcpy(&range, ack->payload, sizeof range);
  EXPECT_EQ(800u, range.from);
  EXPECT_EQ(800u + bytes.size(), range.to);
  f.Frame(f.FromLeader(FRAME_PROPOSAL, 800), bytes);
  EXPECT_EQ(800u + bytes.size(), bcast_appended(f.b));
}

/* ---- liveness ---- */

TEST(Liveness, OnlyNewerSendTimesKeepAFollowerLoyal) {
  Follower f;
  frame_header h = f.FromLeader(FRAME_PING, 800);
  f.Frame(h);
  uint32_t stamp = h.send_time;
  for (int i = 0; i < 10; i++) { /* frames of one moment, delayed in a queue (F12) */
    f.now_us += 100;
    h = f.FromLeader(FRAME_PING, 800);
    h.send_time = stamp;
    f.Frame(h);
    f.Turn();
  }
  EXPECT_FALSE(f.Told(FAST_LOST));
  f.now_us += 1;
  f.Turn();
  ASSERT_TRUE(f.Told(FAST_LOST));
  EXPECT_EQ(REASON_LEADER_SILENT, f.Told(FAST_LOST)->reason);
  EXPECT_EQ(kIteration, f.Told(FAST_LOST)->iteration);
  EXPECT_EQ(0, f.SentAny());
}

TEST(Liveness, AnAnswerCountsFromTheSendTimeThatItEchoes) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  uint32_t echo = static_cast<uint32_t>(o.now_us);
  for (int i = 0; i < 10; i++) {
    o.now_us += 100;
    frame_header h = o.Ack(0, 0);
    h.echo_time = echo; /* C7: old answers that dwell in a queue */
    o.Frame(h);
    o.Turn();
    EXPECT_FALSE(o.Told(FAST_LOST));
  }
  o.now_us += 1;
  frame_header h = o.Ack(0, 0);
  h.echo_time = echo;
  o.Frame(h);
  o.Turn();
  ASSERT_TRUE(o.Told(FAST_LOST));
  EXPECT_EQ(REASON_QUORUM_SILENT, o.Told(FAST_LOST)->reason);
  EXPECT_EQ(0, o.SentAny());
}

TEST(Liveness, AFollowerAnswersAtLeastOnceAHeartbeatWhateverComes) {
  Follower f; /* only COMMITs, none of which needs an answer */
  int answers = 0;
  for (int i = 0; i < 100; i++) {
    f.now_us += 10;
    f.Frame(f.FromLeader(FRAME_COMMIT, 800));
    f.Turn();
    answers += f.SentAny();
  }
  EXPECT_GE(answers, 9);
  EXPECT_LE(answers, 11);
}

TEST(Liveness, AnObserversAnswersKeepNoLeader) {
  One o(0, 1); /* peer 1 observes; the voters are 0 and 2 */
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  o.Propose(1);
  o.durable = record_size(100);
  for (int i = 0; i < 11; i++) {
    o.now_us += 100;
    o.Frame(o.Ack(0, 0));
    o.Turn();
    EXPECT_EQ(0u, o.b->committed) << "R16, 1294";
    EXPECT_EQ(0, o.Sent(FRAME_PROPOSAL, 1)) << "an observer gets what is committed, as INFORM";
  }
  ASSERT_TRUE(o.Told(FAST_LOST));
}

/* ---- the ring ---- */

/* Leads both; fills the ring beyond three quarters. */
void FillRing(One *o) {
  o->LeadBoth();
  for (uint32_t i = 1; i <= 14; i++) o->Propose(i, 4000);
  o->durable = o->applied = 0;
}

TEST(Ring, WhenAllAreSlowAlikeNoneIsDetached) {
  One o;
  FillRing(&o);
  for (int i = 0; i < 8; i++) {
    o.now_us += 100;
    o.Frame(o.Ack(0, 0));
    frame_header h = o.From(2, FRAME_ACK);
    h.echo_time = static_cast<uint32_t>(o.now_us);
    o.Frame(h);
    o.Turn();
    EXPECT_FALSE(o.Told(FAST_DETACHED));
  }
}

TEST(Ring, APeerThatStaysHalfARingBehindTheOthersIsDetached) {
  One o;
  FillRing(&o);
  o.Turn();
  pos_t sent = o.b->peers[1].out.next;
  ASSERT_GT(sent, LIMIT_RING_MIN / 2u);
  int turns = 0;
  for (; turns < 8; turns++) {
    o.now_us += 100;
    o.Frame(o.Ack(sent, 0));
    frame_header h = o.From(2, FRAME_ACK);
    h.echo_time = static_cast<uint32_t>(o.now_us);
    o.Frame(h);
    o.Turn();
    if (o.Told(FAST_DETACHED)) break;
  }
  ASSERT_TRUE(o.Told(FAST_DETACHED));
  EXPECT_EQ(REASON_PEER_BEHIND, o.Told(FAST_DETACHED)->reason);
  EXPECT_EQ(2, o.Told(FAST_DETACHED)->peer_idx);
  EXPECT_GE(turns, 2) << "a short pause is waited for";
}

TEST(Ring, BytesThatWereOverwrittenAreNeverSentAgain) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  for (uint32_t i = 1; i <= 15; i++) o.Propose(i, 4000);
  o.Turn();
  o.durable = bcast_appended(o.b);
  o.Frame(o.Ack(o.durable, o.durable));
  o.Turn();
  o.applied = o.durable;
  o.Turn();
  frame_header old = o.Ack(o.durable, o.durable);
  old.flags = FRAME_GAP;
  frame_range range = {0, 4000};
  o.Frame(old, std::string(reinterpret_cast<const char *>(&range), sizeof range));
  o.Propose(16, 4000); /* overwrites what the late report names */
  o.Propose(17, 4000);
  ASSERT_GT(o.b->stream.reclaimed, 0u);
  o.Turn();
  for (auto &x : o.log)
    if (x.type == BCAST_ACT_SEND && x.header.type == FRAME_PROPOSAL) {
      EXPECT_GE(x.header.position, o.b->stream.reclaimed);
    }
}

TEST(Ring, APeerThatMissesWhatWasOverwrittenIsDetached) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  for (uint32_t i = 1; i <= 15; i++) o.Propose(i, 4000);
  o.Turn();
  o.durable = bcast_appended(o.b);
  o.Frame(o.Ack(o.durable, o.durable));
  o.Turn();
  o.applied = o.durable;
  o.Turn();
  o.Propose(16, 4000);
  o.Propose(17, 4000);
  frame_header h = o.Ack(o.durable, o.durable), late = o.Ack(o.durable, o.durable);
  late.flags = h.flags = FRAME_GAP;
  frame_range range = {0, 4000};
  std::string gap(reinterpret_cast<const char *>(&range), sizeof range);
  o.Frame(o.Ack(o.durable, o.durable));
  o.Frame(late, gap); /* overtaken by a newer frame: says nothing any more */
  EXPECT_FALSE(o.Told(FAST_DETACHED));
  h.seq = ++o.seq[1];
  o.Frame(h, gap);
  ASSERT_TRUE(o.Told(FAST_DETACHED));
  EXPECT_EQ(REASON_PEER_BEHIND, o.Told(FAST_DETACHED)->reason);
}

/* ---- economy ---- */

TEST(Economy, ManyRecordsShareAFrameAndALargeOneSpansFrames) {
  One o;
  o.Lead();
  o.Frame(o.Ack(0, 0));
  o.Establish();
  o.Turn();
  for (uint32_t i = 1; i <= 5; i++) o.Propose(i, 48);
  o.Turn();
  EXPECT_EQ(1, o.Sent(FRAME_PROPOSAL, 1));
  EXPECT_EQ(5u * 64, o.Last(FRAME_PROPOSAL)->len);
  o.Propose(6, 4096);
  o.Turn();
  uint32_t room = (1500 - 28 - 88 - 16) & ~7u;
  EXPECT_EQ(static_cast<int>((4096 + 16 + room - 1) / room), o.Sent(FRAME_PROPOSAL, 1));
  o.Turn();
  EXPECT_EQ(0, o.SentAny()) << "everything is said";
}

TEST(Economy, ACommitRidesOnTheNextProposal) {
  One o;
  o.ProposeFirst();
  o.Frame(o.Ack(o.durable, o.durable));
  o.Propose(2);
  o.Turn();
  EXPECT_EQ(1, o.SentAny());
  ASSERT_EQ(1, o.Sent(FRAME_PROPOSAL, 1));
  EXPECT_EQ(o.durable, o.Last(FRAME_PROPOSAL)->header.committed);
}

TEST(Economy, ACommitGoesAtOnceWhenNothingIsSent) {
  One o;
  o.ProposeFirst();
  o.Frame(o.Ack(o.durable, o.durable));
  o.Turn();
  EXPECT_EQ(1, o.SentAny());
  ASSERT_EQ(1, o.Sent(FRAME_COMMIT, 1));
  EXPECT_EQ(o.durable, o.Last(FRAME_COMMIT)->header.committed);
}

TEST(Economy, WhatCountCommitsLeavesWithTheRecordThatWaitedForIt) {
  One o;
  o.ProposeFirst();
  o.Frame(o.Ack(o.durable, o.durable));
  EXPECT_EQ(0u, bcast_committed(o.b)) << "a frame only notes";
  o.Turn(BCAST_COUNT);
  EXPECT_EQ(0, o.SentAny());
  ASSERT_EQ(o.durable, bcast_committed(o.b));
  o.Propose(2); /* a closed loop of one */
  o.Turn();
  EXPECT_EQ(1, o.SentAny());
  ASSERT_EQ(1, o.Sent(FRAME_PROPOSAL, 1));
  EXPECT_EQ(o.durable, o.Last(FRAME_PROPOSAL)->header.committed);
}

TEST(Economy, CountDecidesALossBeforeItCommits) {
  One o;
  o.ProposeFirst();
  frame_header late = o.Ack(o.durable, o.durable);
  o.now_us += o.c.timeout_us + 1;
  o.Frame(late);
  o.Turn(BCAST_COUNT);
  EXPECT_TRUE(o.Told(FAST_LOST));
  EXPECT_EQ(0u, o.b->committed) << "C7";
}

TEST(Economy, ThePeerWhoseAnswerCommittedIsSentToFirst) {
  One o;
  o.LeadBoth();
  for (uint32_t i = 1; i <= 4; i++) {
    int quick = i % 2 ? 2 : 1, slow = 3 - quick;
    o.Propose(i);
    o.durable = i * record_size(100);
    o.Turn();
    o.now_us++;
    for (int peer : {quick, slow}) {
      frame_header h = o.From(peer, FRAME_ACK);
      h.received = h.durable = o.durable;
      h.echo_time = static_cast<uint32_t>(o.now_us - 1);
      o.Frame(h);
      o.Turn();
      ASSERT_EQ(o.durable, o.b->committed);
      if (peer == quick) {
        ASSERT_EQ(2, o.Sent(FRAME_COMMIT, quick) + o.Sent(FRAME_COMMIT, slow));
        EXPECT_EQ(quick, o.log[0].peer_idx);
      }
    }
  }
}

/* The first's frames are under way while the second's are built. */
TEST(Economy, OneTurnSendsToOnePeer) {
  One o;
  o.LeadBoth();
  o.Propose(1);
  o.TurnOfOne();
  EXPECT_EQ(1, o.SentAny());
  EXPECT_EQ(1, o.Sent(FRAME_PROPOSAL, 1));
  ASSERT_TRUE(bcast_more(o.b));
  o.log.clear();
  o.TurnOfOne();
  EXPECT_EQ(1, o.SentAny());
  EXPECT_EQ(1, o.Sent(FRAME_PROPOSAL, 2));
  EXPECT_FALSE(bcast_more(o.b));
}

TEST(Economy, APeerWithMuchToBeSentGoesOnBehindTheOthers) {
  One o;
  FillRing(&o);
  o.b->payload_max = 512; /* more than LIMIT_FAST_ACTIONS slices */
  std::vector<int> served;
  do {
    o.log.clear();
    o.TurnOfOne();
    ASSERT_GT(o.SentAny(), 0);
    for (auto &x : o.log) ASSERT_EQ(o.log[0].peer_idx, x.peer_idx);
    served.push_back(o.log[0].peer_idx);
  } while (bcast_more(o.b));
  EXPECT_EQ((std::vector<int>{1, 2, 1, 2}), served);
}

/* ---- probes of paths ---- */

struct TwoPaths : One {
  explicit TwoPaths(int self = 0) : One(self) {
    for (auto &p : c.peers) p.fast_cnt = 2;
  }
  frame_header Probe(int peer, uint8_t type) {
    frame_header h = From(peer, type);
    h.flags = FRAME_PROBE;
    return h;
  }
  const bcast_action *SentOn(int on) const {
    for (auto &x : log)
      if (x.type == BCAST_ACT_SEND && x.path == on) return &x;
    return nullptr;
  }
};

/* It may come late, on a slow path: it is no loss, and proves what it echoes all the same. */
TEST(Probes, ALateOneCountsAndIsNotCountedAsLost) {
  TwoPaths o;
  o.Lead();
  frame_header late = o.Probe(1, FRAME_ACK);
  o.seq[1] += 1000;
  o.Frame(o.Ack(0, 0));
  o.path = PATH_FAST2;
  late.echo_time = static_cast<uint32_t>(o.now_us);
  late.send_time = static_cast<uint32_t>(o.now_us);
  o.Frame(late);
  EXPECT_EQ(0u, o.Count(REASON_STALE_SEQ));
  EXPECT_NE(0u, o.b->peers[1].paths.at[PATH_FAST2].answered_us);
}

TEST(Probes, TakeNothingButTimes) {
  TwoPaths o;
  o.Lead();
  o.Establish();
  o.Frame(o.Ack(0, 0));
  o.Propose(1);
  o.durable = record_size(100);
  o.Turn();
  frame_header h = o.Probe(1, FRAME_ACK);
  h.received = h.durable = record_size(100);
  o.path = PATH_FAST2;
  o.Frame(h);
  o.Turn();
  EXPECT_EQ(0u, o.b->committed) << "an old one, or one twice, must not matter";
  EXPECT_EQ(0u, o.b->peers[1].out.acked);
}

TEST(Probes, AFollowerAnswersOnThePathOnWhichItIsAskedAndStaysOnItsOwn) {
  TwoPaths f(1);
  f.Control(FAST_OPEN, 0);
  f.Frame(f.From(0, FRAME_PING));
  f.Turn();
  f.now_us += 50;
  frame_header h = f.Probe(0, FRAME_PING);
  f.path = PATH_FAST2;
  f.Frame(h);
  f.Turn();
  const bcast_action *answer = f.SentOn(PATH_FAST2);
  ASSERT_TRUE(answer);
  EXPECT_EQ(FRAME_PROBE, answer->header.flags);
  EXPECT_EQ(h.send_time, answer->header.echo_time);
  EXPECT_EQ(PATH_FAST, f.b->peers[0].paths.use);
  f.Turn();
  EXPECT_FALSE(f.SentOn(PATH_FAST2)) << "once";
}

TEST(Probes, AFollowerGoesWithItsLeadersNewestFrameOnly) {
  TwoPaths f(1);
  f.Control(FAST_OPEN, 0);
  frame_header old = f.From(0, FRAME_PING);
  f.Frame(f.From(0, FRAME_PING));
  f.path = PATH_FAST2;
  f.Frame(old); /* it was on its way when the leader went back */
  EXPECT_EQ(PATH_FAST, f.b->peers[0].paths.use);
  f.Frame(f.From(0, FRAME_PING));
  EXPECT_EQ(PATH_FAST2, f.b->peers[0].paths.use);
  ASSERT_TRUE(f.Told(FAST_MOVED));
  EXPECT_EQ(static_cast<pos_t>(PATH_FAST2), f.Told(FAST_MOVED)->pos);
  EXPECT_EQ(PATH_FAST, f.Told(FAST_MOVED)->left);
  f.Turn();
  ASSERT_TRUE(f.SentOn(PATH_FAST2)) << "an answer, at once";
  EXPECT_EQ(1u, f.Count(REASON_PATH_FOLLOWED));
}

TEST(Probes, APathThatTheAttachmentDoesNotHaveIsRefused) {
  One o;
  o.Lead();
  for (int on : {static_cast<int>(PATH_FAST2), static_cast<int>(PATH_TCP), LIMIT_PATHS, -1}) {
    o.path = on;
    o.Frame(o.Ack(0, 0));
  }
  EXPECT_EQ(4u, o.Count(REASON_FRAME_PEER));
  EXPECT_EQ(PEER_ATTACHED, o.b->peers[1].phase);
}

/* ---- REQUESTs go on through an epoch that is changed in place ---- */

constexpr uint64_t kNext = 0xdef; /* the iteration of the next attachment */
const uint32_t kRequest = record_size(8 + 24);

std::string Request(zxid_t number) {
  uint8_t payload[32] = {24}; /* u64 length, then so many bytes */
  std::string bytes(kRequest, 0);
  record_write(&bytes[0], number, payload, sizeof payload);
  return bytes;
}

struct Asks : One { /* node 2 follows node 1 and forwards */
  Asks() : One(1) {
    Control(FAST_OPEN, 0);
    Heard(0);
    for (int i = 0; i < 3; i++) Ask();
    Turn();
  }
  void Ask() {
    bcast_event e = {};
    e.type = BCAST_REQUEST;
    e.data = "123456789012345678901234";
    e.len = 24;
    Step(e);
  }
  void Heard(pos_t received) {
    frame_header h = From(0, FRAME_PING);
    h.received = received;
    Frame(h);
  }
  void Open(pos_t requests, uint64_t resumes = kIteration) {
    log.clear();
    Control({FAST_CLOSE, 0, kEpoch, REASON_NONE, kIteration, 0, 0});
    fast_msg open = {FAST_OPEN, 0, kEpoch + 1, REASON_NONE, kNext, 0, 0};
    open.resumes = resumes;
    open.requests = requests;
    Control(open);
  }
  frame_header Next(uint8_t type, pos_t received) {
    frame_header h = From(0, type);
    h.epoch = kEpoch + 1;
    h.iteration = kNext;
    h.received = received;
    return h;
  }
};

TEST(Resumed, AFollowerSendsFromWhereTheLeaderHoldsItsRequests) {
  Asks f;
  f.Heard(kRequest);
  f.Open(2 * kRequest);
  f.Ask();
  f.Frame(f.Next(FRAME_PING, 2 * kRequest));
  f.Turn();
  const bcast_action *sent = f.Last(FRAME_REQUEST);
  ASSERT_TRUE(sent);
  EXPECT_EQ(2 * kRequest, sent->header.position);
  EXPECT_EQ(2 * kRequest, sent->len) << "the third of before, and the new one behind it";
  EXPECT_EQ(1, f.Sent(FRAME_REQUEST, 0));
}

/* What the leader holds may yet turn out to be damaged: it asks again for what is still here. */
TEST(Resumed, ALeaderMayAskForWhatItHeldBefore) {
  Asks f;
  f.Heard(kRequest);
  f.Open(2 * kRequest);
  f.Frame(f.Next(FRAME_PING, 2 * kRequest));
  frame_range missing = {kRequest, 2 * kRequest};
  frame_header h = f.Next(FRAME_ACK, kRequest);
  h.flags = FRAME_GAP;
  f.Frame(h, std::string(reinterpret_cast<char *>(&missing), sizeof missing));
  EXPECT_EQ(0u, f.Count(REASON_IMPOSSIBLE_POSITION));
  f.Turn();
  bool again = false;
  for (auto &x : f.log) again |= x.type == BCAST_ACT_SEND && x.header.position == kRequest && x.len;
  EXPECT_TRUE(again);
}

TEST(Resumed, AFollowerLosesItsPathWhenItsRequestsCannotGoOn) {
  Asks beyond;
  beyond.Open(3 * kRequest + 8);
  ASSERT_TRUE(beyond.Told(FAST_LOST));
  EXPECT_EQ(REASON_IMPOSSIBLE_POSITION, beyond.Told(FAST_LOST)->reason);
  Asks other;
  other.Open(0, kIteration + 1);
  EXPECT_TRUE(other.Told(FAST_LOST));
}

struct Asked : One { /* node 1 leads; node 2 has forwarded three */
  Asked() {
    Lead();
    Establish();
    Frame(Ack(0, 0));
    frame_header h = From(1, FRAME_REQUEST);
    Frame(h, Request(1) + Request(2) + Request(3).substr(0, 16));
    Turn();
  }
  int Given() const {
    int cnt = 0;
    for (auto &x : log) cnt += x.type == BCAST_ACT_REQUEST;
    return cnt;
  }
  void NextEpoch(uint64_t resumes) {
    log.clear();
    durable = applied = 0;
    Control({FAST_CLOSE, 0, kEpoch, REASON_NONE, 0, 0, 0});
    Turn(); /* closed; what the app has finished with is counted */
    Control({FAST_LEAD, 0, kEpoch + 1, REASON_NONE, 0, 0, zxid_make(kEpoch, 1)});
    fast_msg attach = {FAST_ATTACH, 1, kEpoch + 1, REASON_NONE, kNext, 0, 0};
    attach.resumes = resumes;
    Control(attach);
    Turn();
  }
  frame_header Next(pos_t position) {
    frame_header h = From(1, FRAME_REQUEST);
    h.epoch = kEpoch + 1;
    h.iteration = kNext;
    h.position = position;
    return h;
  }
};

TEST(Resumed, ALeaderTellsHowFarItHoldsTheRequestsAndGoesOn) {
  Asked l;
  EXPECT_EQ(2, l.Given());
  l.NextEpoch(kIteration);
  const fast_msg *m = l.Told(FAST_ATTACHED);
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->resumes);
  EXPECT_EQ(2 * kRequest + 16, m->requests) << "inside the third";
  EXPECT_EQ(0, l.Given()) << "none twice";
  l.Frame(l.Next(2 * kRequest + 16), Request(3).substr(16));
  l.Turn();
  EXPECT_EQ(1, l.Given());
}

/* The app has finished with them before, between, or after: their memory is used again. */
TEST(Resumed, WhatTheAppHasFinishedWithIsReclaimedWheneverThatWas) {
  for (uint64_t before = 0; before <= 2; before++)
    for (uint64_t between = before; between <= 2; between++) {
      Asked l;
      l.consumed = before;
      l.Turn();
      l.consumed = between;
      l.NextEpoch(kIteration);
      l.consumed = 2;
      l.Turn();
      EXPECT_EQ(2 * kRequest, l.b->requests[1].reclaimed) << before << " " << between;
    }
}

TEST(Resumed, AnotherIterationThanTheLastBeginsANewStream) {
  Asked l;
  l.NextEpoch(kIteration + 1);
  const fast_msg *m = l.Told(FAST_ATTACHED);
  ASSERT_TRUE(m);
  EXPECT_FALSE(m->resumes);
  EXPECT_EQ(0u, m->requests);
}

}  // namespace
