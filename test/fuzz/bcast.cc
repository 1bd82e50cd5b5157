// The broadcast machine, as leader or as follower: legal control messages and positions, frames of
// any content, most of them of a peer that nearly keeps the rules.
#include <vector>

#include "proto/atomic.h"
#include "test/fuzz/input.h"

extern "C" {
#include "fastpath/bcast.h"
#include "proto/record.h"
}
#include "test/fastpath/ring_map.h"

constexpr int kRoundMax = 256; /* a ring in frames of the smallest mtu, in steps of 62, for two */

struct Machine {
  struct config c = {};
  struct counters counters = {};
  struct latency latency = {};
  struct bcast_memory m = {};
  struct bcast *b = new struct bcast;
  struct bcast_actions a = {};
  uint64_t now_us = 1000000;
  pos_t durable = 0, applied = 0;
  uint64_t given = 0, consumed = 0;
  uint32_t epoch = 0, counter = 0, stamp = 0;
  bool holds = false;

  Machine() {
    m.stream_ring = ring_map(LIMIT_RING_MIN);
    for (int i = 0; i < 3; i++) m.request_ring[i] = ring_map(LIMIT_RING_MIN);
    m.request_ring_bytes = LIMIT_RING_MIN;
  }
  void Init(Input &in) {
    uint8_t how = in.u8();
    c = {};
    c.cluster_id = 9;
    c.peer_cnt = 3;
    c.self_idx = how & 1;
    c.id = static_cast<uint8_t>(c.self_idx + 1);
    c.durability = how & 2 ? DURABILITY_MEMORY : DURABILITY_SYNC;
    c.mtu = how & 4 ? 1500 : LIMIT_MTU_MIN;
    c.ring_bytes = LIMIT_RING_MIN;
    c.largest_record = 4096;
    c.heartbeat_us = 100;
    c.timeout_us = 1000;
    c.disk_timeout_ms = 10;
    c.sync_limit = 3;
    c.tick_ms = 10;
    c.counter_limit = 1000;
    for (int i = 0; i < 3; i++) {
      c.peers[i].id = static_cast<uint8_t>(i + 1);
      c.peers[i].fast_cnt = how & 8 ? 2 : 1;
      c.peers[i].role = how & 16 && i == 2 ? ROLE_OBSERVER : ROLE_VOTER;
    }
    counters = {};
    latency = {};
    bcast_init(b, &c, &m, &counters, &latency);
    now_us = 1000000;
    durable = applied = given = consumed = 0;
    epoch = counter = 0;
    holds = false;
  }
  void Step(struct bcast_event e) {
    e.now_ns = now_us * 1000;
    bcast_step(b, &e, &a);
    for (uint32_t i = 0; i < a.cnt; i++) {
      if (a.at[i].type == BCAST_ACT_REQUEST) given++;
      if (a.at[i].type != BCAST_ACT_SEND) continue;
      stamp = a.at[i].header.send_time;
      if (c.durability == DURABILITY_SYNC) CHECK(a.at[i].header.durable <= durable); /* R10 */
      CHECK(a.at[i].len + sizeof(struct frame_header) + LIMIT_FRAME_OVERHEAD <= c.mtu);
    }
    CHECK(bcast_committed(b) <= bcast_appended(b));
  }
  bool Open() const { return b->phase == BCAST_LEADING || b->phase == BCAST_FOLLOWING; }
};

static void turn(Machine &m, Input &in) {
  uint8_t how = in.u8();
  struct bcast_event e = {};
  e.type = BCAST_TURN;
  if (m.Open()) {
    if (how & 1) m.durable = bcast_appended(m.b);
    if (how & 2) m.applied = bcast_committed(m.b);
    if (how & 4) m.consumed = m.given;
    if (how & 8 && m.b->phase == BCAST_FOLLOWING && m.applied >= m.b->stream.reclaimed)
      m.holds = true;
  }
  e.durable = m.durable;
  e.applied = m.applied;
  e.app_holds = m.holds;
  e.requests_consumed = m.consumed;
  m.Step(e);
  static struct positions p;
  bcast_publish(m.b, &p);
  for (int i = 0; i < kRoundMax && bcast_more(m.b); i++) m.Step(e);
  CHECK(!bcast_more(m.b));
}

static void begin(Machine &m, struct fast_msg &f, Input &in) {
  f.epoch = ++m.epoch;
  f.zxid = in.flag() ? zxid_make(m.epoch - 1, in.u8()) : zxid_make(m.epoch, 1 + in.u8());
  f.pos = 0;
  if (f.type == FAST_LEAD)
    f.zxid = zxid_make(m.epoch - 1, in.u8());
  else
    f.pos = in.u16() * 8u;
  f.iteration = f.type == FAST_LEAD ? 0 : 1 + in.u8() % 2;
  f.tcp = in.flag();
  m.counter = 0;
  m.durable = m.applied = f.pos;
  m.holds = false;
}

static void control(Machine &m, Input &in) {
  static const enum fast_msg_type types[] = {FAST_LEAD,  FAST_ATTACH, FAST_DETACH,    FAST_COUNT,
                                             FAST_COUNT, FAST_OPEN,   FAST_ESTABLISH, FAST_CLOSE};
  struct fast_msg f = {};
  f.type = types[in.u8() % 8];
  bool begins = f.type == FAST_LEAD || f.type == FAST_OPEN;
  if (begins && m.b->phase != BCAST_CLOSED) return;
  f.peer_idx = (m.c.self_idx + 1 + static_cast<int>(in.below(2))) % 3;
  f.epoch = in.u8() == 7 ? m.epoch - 1 : m.epoch;
  f.iteration = 1 + in.u8() % 2;
  f.zxid = zxid_make(m.epoch, in.u8() % 4);
  f.tcp = in.flag();
  if (f.type == FAST_LEAD) f.peer_idx = m.c.self_idx;
  if (begins) begin(m, f, in);
  struct bcast_event e = {};
  e.type = BCAST_CONTROL;
  e.fast = &f;
  m.Step(e);
}

/* Whole records behind what the follower holds, or slices of them. */
static std::string records(Machine &m, Input &in) {
  std::string all;
  zxid_t zxid = m.b->stream.last_zxid;
  for (int i = in.u8() % 4; i >= 0; i--) {
    zxid = zxid_epoch(zxid) == m.epoch ? zxid + 1 : zxid_make(m.epoch, 1);
    std::string payload(32 + in.u8(), 'p');
    std::vector<uint8_t> rec(record_size(static_cast<uint32_t>(payload.size())));
    record_write(rec.data(), zxid, payload.data(), static_cast<uint32_t>(payload.size()));
    if (in.u8() == 7) rec[in.u8() % rec.size()] ^= 1;
    all.append(rec.begin(), rec.end());
  }
  return all;
}

static pos_t near(pos_t pos, Input &in) {
  uint8_t how = in.u8();
  if (how < 128) return pos;
  if (how == 255) return in.u64();
  return pos + static_cast<uint64_t>(static_cast<int16_t>(in.u16())) * (how & 1 ? 8 : 1);
}

static std::string payload_of(Machine &m, struct frame_header &h, Input &in) {
  uint32_t max = m.b->payload_max;
  std::string payload;
  if (h.flags & FRAME_GAP) {
    for (int i = in.u8() % 8; i >= 0; i--) {
      uint64_t from = near(0, in), to = near(from, in);
      payload.append(reinterpret_cast<char *>(&from), 8);
      payload.append(reinterpret_cast<char *>(&to), 8);
    }
  } else if (h.type == FRAME_PROPOSAL || h.type == FRAME_INFORM || h.type == FRAME_REQUEST) {
    payload = in.flag() ? records(m, in) : in.take(in.u8());
    size_t cut = in.u8();
    if (cut < payload.size() && in.flag()) payload.erase(0, cut), h.position += cut;
  }
  return payload.substr(0, max);
}

static void frame(Machine &m, Input &in) {
  struct frame_header h = {};
  int peer = (m.c.self_idx + 1 + static_cast<int>(in.below(2))) % 3;
  const struct bcast_peer *p = &m.b->peers[peer];
  bool leads = m.b->phase == BCAST_LEADING;
  h.type = in.u8() % 8;
  h.flags = in.u8() & in.u8() & (FRAME_GAP | FRAME_PROBE);
  h.cluster_id = 9;
  h.source = static_cast<uint8_t>(peer + 1);
  h.destination = m.c.id;
  h.epoch = in.u8() == 7 ? m.epoch + 1 : m.epoch;
  h.iteration = in.u8() == 7 ? 3 : p->iteration;
  h.seq = near(p->rx_seq + 1, in);
  h.window = in.u16() * 16u;
  const struct stream *from = leads ? &m.b->requests[peer] : &m.b->stream;
  h.position = near(from->received, in);
  h.received = near(in.flag() ? p->out.next : p->out.acked, in);
  h.durable = near(leads ? h.received : m.b->committed, in);
  h.send_time = static_cast<uint32_t>(m.now_us) + in.u8();
  h.echo_time = in.flag() ? m.stamp : in.flag() ? in.u32() : 0;
  std::string payload = payload_of(m, h, in);
  h.payload_len = static_cast<uint16_t>(payload.size());
  h.committed = near(leads ? m.b->committed : h.position + payload.size(), in);
  frame_seal(&h);
  std::string bytes(reinterpret_cast<char *>(&h), sizeof h);
  Exact exact(bytes + payload);
  struct bcast_event e = {};
  e.type = BCAST_FRAME;
  e.data = exact.data.get();
  e.len = static_cast<uint32_t>(exact.len);
  e.path = in.u8() % 8 ? PATH_FAST : in.u8() % LIMIT_PATHS;
  m.Step(e);
}

static void offer(Machine &m, Input &in, enum bcast_event_type type) {
  uint32_t len = LIMIT_RECORD_MIN + (in.u8() % 8 ? in.u8() : in.u16() % 4000);
  if (!bcast_room(m.b, type, len)) return;
  std::string payload(len, 'x');
  struct bcast_event e = {};
  e.type = type;
  e.data = payload.data();
  e.len = len;
  if (type == BCAST_PROPOSE) e.zxid = zxid_make(m.epoch, ++m.counter);
  m.Step(e);
}

/* A good start: LEAD, both peers attached and counted, established; or OPEN. */
static void start(Machine &m) {
  auto tell = [&](enum fast_msg_type type, int peer) {
    struct fast_msg f = {};
    f.type = type;
    f.peer_idx = peer;
    f.epoch = 1;
    f.iteration = type == FAST_LEAD ? 0 : 1;
    struct bcast_event e = {};
    e.type = BCAST_CONTROL;
    e.fast = &f;
    m.Step(e);
  };
  Input none = {nullptr, 0};
  m.epoch = 1;
  if (m.c.self_idx) {
    tell(FAST_OPEN, 0);
    return;
  }
  tell(FAST_LEAD, 0);
  tell(FAST_ATTACH, 1);
  tell(FAST_ATTACH, 2);
  turn(m, none);
  tell(FAST_COUNT, 1);
  tell(FAST_COUNT, 2);
  tell(FAST_ESTABLISH, 0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static Machine m;
  Input in = {data, len};
  m.Init(in);
  if (in.flag()) start(m);
  for (int i = 0; i < 400 && !in.empty(); i++) {
    uint8_t op = in.u8();
    m.now_us += op & 0x80 ? in.u16() : op & 0x40 ? in.u8() : 1;
    switch (op % 8) {
      case 0:
      case 1:
        turn(m, in);
        break;
      case 2:
        control(m, in);
        break;
      case 3:
        offer(m, in, BCAST_PROPOSE);
        break;
      case 4:
        offer(m, in, BCAST_REQUEST);
        break;
      default:
        frame(m, in);
    }
  }
  return 0;
}
