#include "dpdk_app/reach.h"

#include <string.h>

#define NEVER UINT64_MAX
#define NO_MAC UINT64_MAX

static_assert(LIMIT_PEERS <= 64, "full_owed has a bit for each");

void reach_init(struct reach *r) {
  memset(r, 0, sizeof *r);
  for (int i = 0; i < LIMIT_PEERS; i++)
    r->peers[i] = (struct reach_peer){.ask_ns = NEVER, .proven_mac = NO_MAC};
}

static uint64_t soonest(const struct reach_peer *p, uint64_t now_ns) {
  uint64_t at = p->asked_ns ? p->asked_ns + REACH_GAP_NS : now_ns;
  return at < now_ns ? now_ns : at;
}

static void unprove(struct reach_peer *p, uint64_t now_ns) {
  p->is_ready = true;
  p->is_proven = p->is_too_small = false;
  p->small_cnt = 0;
  p->gap_ns = REACH_GAP_NS;
  p->ask_ns = soonest(p, now_ns);
}

static void prove(struct reach_peer *p) {
  p->is_proven = true;
  p->is_too_small = false;
  p->ask_ns = NEVER;
}

void reach_begin(struct reach *r, int peer_idx, uint64_t now_ns) {
  struct reach_peer *p = &r->peers[peer_idx];
  p->proven_mac = NO_MAC;
  unprove(p, now_ns);
}

void reach_mac(struct reach *r, int peer_idx, uint64_t now_ns, struct reach_host at) {
  struct reach_peer *p = &r->peers[peer_idx];
  if (p->is_ready && p->mac == at.mac) return;
  p->mac = at.mac;
  if (p->is_ready && p->mac == p->proven_mac) {
    prove(p);
    return;
  }
  unprove(p, now_ns);
  if (at.is_answer) p->ask_ns = now_ns;
}

void reach_seen(struct reach *r, int peer_idx, uint64_t now_ns) {
  struct reach_peer *p = &r->peers[peer_idx];
  if (!p->is_ready || p->is_proven) return;
  uint64_t at = soonest(p, now_ns);
  if (at < p->ask_ns) p->ask_ns = at;
}

bool reach_next(struct reach *r, uint64_t now_ns, struct reach_ping *out) {
  for (int i = 0; i < LIMIT_PEERS; i++) {
    struct reach_peer *p = &r->peers[i];
    uint64_t bit = 1ull << i;
    if (!(r->full_owed & bit) && p->ask_ns > now_ns) continue;
    *out = (struct reach_ping){.peer_idx = i, .is_full = r->full_owed & bit};
    r->full_owed ^= bit;
    if (out->is_full) return true;
    p->asked_ns = now_ns;
    p->asked_mac = p->mac;
    p->ask_ns = now_ns + p->gap_ns;
    p->gap_ns = p->gap_ns * 2 > REACH_GAP_MAX_NS ? REACH_GAP_MAX_NS : p->gap_ns * 2;
    return true;
  }
  return false;
}

uint64_t reach_due(const struct reach *r) {
  uint64_t due = NEVER;
  for (int i = 0; i < LIMIT_PEERS; i++)
    if (r->peers[i].ask_ns < due) due = r->peers[i].ask_ns;
  return r->full_owed ? 0 : due;
}

void reach_answer(struct reach *r, int peer_idx, bool is_full) {
  struct reach_peer *p = &r->peers[peer_idx];
  if (!p->is_ready || p->is_proven) return;
  if (!is_full) {
    p->is_too_small = ++p->small_cnt >= REACH_VERDICT;
    return;
  }
  p->proven_mac = p->asked_mac;
  if (p->mac == p->proven_mac) prove(p);
}
