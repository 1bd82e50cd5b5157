#include "dpdk_app/arp.h"

#include <assert.h>
#include <string.h>

#define NEVER UINT64_MAX

enum { OP_REQUEST = 1, OP_REPLY = 2 };

/* Offsets in the body; everything in network byte order. */
enum { AT_OP = 6, AT_SENDER_MAC = 8, AT_SENDER_IP = 14, AT_TARGET_MAC = 18, AT_TARGET_IP = 24 };

static const uint8_t head[AT_OP] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, their lengths */
static const uint8_t nobody[6];
static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void arp_init(struct arp *a, uint32_t ip, const uint8_t mac[6]) {
  memset(a, 0, sizeof *a);
  a->ip = ip;
  a->announce_ns = NEVER;
  memcpy(a->mac, mac, sizeof a->mac);
}

void arp_add(struct arp *a, int peer_idx, uint32_t ip, const uint8_t *mac) {
  struct arp_peer *p = &a->peers[peer_idx];
  *p = (struct arp_peer){.ip = ip, .ask_ns = NEVER, .gap_ns = ARP_GAP_NS};
  if (!mac) return;
  p->is_fixed = p->is_known = true;
  memcpy(p->mac, mac, sizeof p->mac);
}

static bool is_asked_for(const struct arp_peer *p) { return p->ip && !p->is_fixed; }

void arp_start(struct arp *a, uint64_t now_ns) {
  a->announcements = ARP_ANNOUNCEMENTS;
  a->announce_ns = now_ns;
  for (int i = 0; i < LIMIT_PEERS; i++) {
    struct arp_peer *p = &a->peers[i];
    if (!is_asked_for(p)) continue;
    p->ask_ns = now_ns;
    p->gap_ns = ARP_GAP_NS;
  }
}

struct host {
  const uint8_t *mac;
  uint32_t ip;
};

static void write(const struct arp *a, struct arp_packet *out, const uint8_t to[6], uint8_t op,
                  struct host target) {
  uint8_t *b = out->body;
  memcpy(out->to, to, sizeof out->to);
  memcpy(b, head, sizeof head);
  b[AT_OP] = 0;
  b[AT_OP + 1] = op;
  memcpy(b + AT_SENDER_MAC, a->mac, 6);
  memcpy(b + AT_SENDER_IP, &a->ip, 4);
  memcpy(b + AT_TARGET_MAC, target.mac, 6);
  memcpy(b + AT_TARGET_IP, &target.ip, 4);
}

static void announce(struct arp *a, uint64_t now_ns, struct arp_packet *out) {
  write(a, out, everybody, OP_REQUEST, (struct host){nobody, a->ip});
  a->announcements--;
  a->announce_ns = a->announcements ? now_ns + ARP_GAP_NS : NEVER;
}

static void ask(const struct arp *a, struct arp_peer *p, uint64_t now_ns, struct arp_packet *out) {
  bool poll = p->is_known && p->unanswered < ARP_UNICASTS;
  write(a, out, poll ? p->mac : everybody, OP_REQUEST, (struct host){nobody, p->ip});
  p->is_asked = true;
  p->unanswered++;
  p->asked_ns = now_ns;
  p->ask_ns = now_ns + (p->is_known ? ARP_GAP_MAX_NS : p->gap_ns);
  p->gap_ns = p->gap_ns * 2 > ARP_GAP_MAX_NS ? ARP_GAP_MAX_NS : p->gap_ns * 2;
}

bool arp_next(struct arp *a, uint64_t now_ns, struct arp_packet *out) {
  if (a->announce_ns <= now_ns) {
    announce(a, now_ns, out);
    return true;
  }
  for (int i = 0; i < LIMIT_PEERS; i++) {
    struct arp_peer *p = &a->peers[i];
    if (!is_asked_for(p) || p->ask_ns > now_ns) continue;
    ask(a, p, now_ns, out);
    return true;
  }
  return false;
}

uint64_t arp_due(const struct arp *a) {
  uint64_t due = a->announce_ns;
  for (int i = 0; i < LIMIT_PEERS; i++)
    if (is_asked_for(&a->peers[i]) && a->peers[i].ask_ns < due) due = a->peers[i].ask_ns;
  return due;
}

static int find(const struct arp *a, uint32_t ip) {
  for (int i = 0; i < LIMIT_PEERS; i++)
    if (ip && a->peers[i].ip == ip) return i;
  return -1;
}

static bool learn(struct arp_peer *p, uint64_t now_ns, const uint8_t mac[6]) {
  bool changed = p->is_known && memcmp(p->mac, mac, sizeof p->mac) != 0;
  memcpy(p->mac, mac, sizeof p->mac);
  p->is_known = true;
  p->is_asked = false;
  p->unanswered = 0;
  p->gap_ns = ARP_GAP_NS;
  p->ask_ns = now_ns + ARP_FRESH_NS;
  return changed;
}

/* Not believed, but reason enough to ask, if that was not just done. */
static void ask_soon(struct arp_peer *p, uint64_t now_ns, const uint8_t mac[6]) {
  if (p->is_known && memcmp(p->mac, mac, sizeof p->mac) == 0) return;
  uint64_t at =
      p->asked_ns && p->asked_ns + ARP_GAP_NS > now_ns ? p->asked_ns + ARP_GAP_NS : now_ns;
  if (at < p->ask_ns) p->ask_ns = at;
  p->unanswered = ARP_UNICASTS; /* by broadcast: the old NIC may be gone */
}

/* What we did not ask for may be a lie: its owner, if there is another one, will say so. */
static void ask_after(struct arp_peer *p, uint64_t now_ns) {
  p->unanswered = ARP_UNICASTS;
  p->ask_ns = p->asked_ns && p->asked_ns + ARP_GAP_NS > now_ns ? p->asked_ns + ARP_GAP_NS : now_ns;
}

static void defend(struct arp *a, uint64_t now_ns) {
  if (a->announcements || (a->defended_ns && now_ns - a->defended_ns < ARP_GAP_MAX_NS)) return;
  a->announcements = 1;
  a->announce_ns = a->defended_ns = now_ns;
}

static bool is_one_host(const uint8_t mac[6]) {
  return !(mac[0] & 1) && memcmp(mac, nobody, sizeof nobody) != 0;
}

struct arp_result arp_take(struct arp *a, uint64_t now_ns, const void *body, size_t len,
                           struct arp_packet *out) {
  struct arp_result r = {.peer_idx = -1};
  const uint8_t *b = body, *mac = b + AT_SENDER_MAC;
  if (len < ARP_BODY || memcmp(b, head, sizeof head) != 0 || b[AT_OP] != 0) return r;
  uint8_t op = b[AT_OP + 1];
  uint32_t sender, target;
  memcpy(&sender, b + AT_SENDER_IP, sizeof sender);
  memcpy(&target, b + AT_TARGET_IP, sizeof target);
  if ((op != OP_REQUEST && op != OP_REPLY) || !is_one_host(mac)) return r;
  if (sender == a->ip) {
    r.conflict = memcmp(mac, a->mac, sizeof a->mac) != 0;
    if (r.conflict) defend(a, now_ns);
    return r;
  }
  int idx = find(a, sender);
  if (op == OP_REQUEST && target == a->ip) {
    write(a, out, mac, OP_REPLY, (struct host){mac, sender});
    r.answer = true;
    if (idx >= 0 && is_asked_for(&a->peers[idx])) ask_soon(&a->peers[idx], now_ns, mac);
    return r;
  }
  if (idx < 0 || a->peers[idx].is_fixed) return r;
  r.solicited = op == OP_REPLY && target == a->ip && a->peers[idx].is_asked;
  if (!r.solicited && sender != target) return r;
  r.peer_idx = idx;
  r.changed = learn(&a->peers[idx], now_ns, mac);
  if (r.changed && !r.solicited) ask_after(&a->peers[idx], now_ns);
  return r;
}
