// The election: legal calls, any content.
#include "test/fuzz/input.h"

extern "C" {
#include "slowpath/election.h"
}

struct Node {
  struct config c = {};
  struct election e = {};
  struct replica_actions a = {};
  uint64_t now = 1;
  bool settled = false;
};

static struct vote vote(Input &in, const struct election &e) {
  struct vote v;
  uint8_t how = in.u8();
  v.leader = how & 1 ? static_cast<int64_t>(in.u64()) : in.u8() % 6;
  v.zxid = how & 2 ? in.u64() : how & 4 ? ZXID_NONE : zxid_make(in.u8() % 3, in.u8());
  v.election_epoch = how & 8 ? static_cast<int64_t>(in.u64()) : e.round + in.u8() % 3 - 1;
  v.peer_epoch = how & 16 ? static_cast<int64_t>(in.u64()) : in.u8() % 3;
  return v;
}

static void decided(Node &n, struct election_result r) {
  CHECK(n.a.cnt <= LIMIT_SLOW_ACTIONS);
  for (uint32_t i = 0; i < n.a.cnt; i++)
    CHECK(n.a.at[i].type == ACT_NOTIFY || n.a.at[i].type == ACT_LOG);
  if (!r.decided) return;
  CHECK(!n.settled && r.leader_idx >= 0 && r.leader_idx < n.c.peer_cnt);
  CHECK(r.leader_idx != n.c.self_idx || n.e.initial.zxid != ZXID_NONE);
  n.settled = true;
}

static void start(Node &n, Input &in) {
  struct vote v = {n.c.id, in.flag() ? ZXID_NONE : zxid_make(in.u8() % 3, in.u8()), 0, 0};
  v.peer_epoch = in.u8() % 3;
  n.settled = false;
  int lost = in.u8() % (n.c.peer_cnt + 1) - 1;
  decided(n, election_start(&n.e, n.now, v, lost == n.c.self_idx ? -1 : lost, &n.a));
}

static void step(Node &n, Input &in) {
  n.a.cnt = 0;
  n.now += in.u16();
  int peer = in.u8() % n.c.peer_cnt;
  static struct notification note;
  switch (in.u8() % 6) {
    case 0:
      start(n, in);
      break;
    case 1:
      n.now = n.e.deadline_us == UINT64_MAX || n.e.deadline_us < n.now ? n.now : n.e.deadline_us;
      decided(n, election_on_tick(&n.e, n.now, &n.a));
      break;
    case 2:
      if (peer == n.c.self_idx) break;
      decided(n,
              election_on_link(&n.e, n.now, peer, static_cast<enum link_state>(in.u8() % 3), &n.a));
      break;
    case 3:
      if (n.settled) election_established(&n.e, in.u8());
      break;
    default:
      note.state = static_cast<enum peer_state>(in.u8() % 4);
      note.version = in.flag() ? 2 : 0;
      note.vote = vote(in, n.e);
      if (peer == n.c.self_idx) peer = -1;
      decided(n, election_on_notification(&n.e, n.now, peer, &note, &n.a));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  static Node n;
  n.c = {};
  n.now = 1;
  n.c.peer_cnt = 1 + static_cast<int>(in.below(5));
  n.c.self_idx = static_cast<int>(in.below(static_cast<uint32_t>(n.c.peer_cnt)));
  n.c.id = static_cast<uint8_t>(n.c.self_idx + 1);
  n.c.finalize_ms = 20;
  for (int i = 0; i < n.c.peer_cnt; i++) n.c.peers[i].id = static_cast<uint8_t>(i + 1);
  n.a.cnt = 0;
  election_init(&n.e, &n.c);
  start(n, in);
  for (int i = 0; i < 300 && !in.empty(); i++) step(n, in);
  return 0;
}
