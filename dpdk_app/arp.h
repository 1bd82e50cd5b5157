/* arp.h - where the peers of one port are: ARP as a machine driven by time.
 *
 *   peer    UNKNOWN --answer to our request, or its gratuitous ARP--> KNOWN
 *   asked   UNKNOWN: broadcast, at first every ARP_GAP_NS, doubling up to ARP_GAP_MAX_NS
 *           KNOWN:   unicast after ARP_FRESH_NS, ARP_UNICASTS times, then broadcast; its MAC stays
 *                    in use until another one is heard of
 *
 * Only the configured peers' addresses are learnt, so the table cannot grow.  Learnt is what
 * answers our own question, and the gratuitous ARP of a peer, by which it takes another NIC into
 * use; that is asked after at once, so that the owner of an address that a stranger claims has it
 * back a round trip later.  A request of a peer is not believed: it makes us ask.  Who lies here
 * diverts frames, but cannot forge one: iteration and cluster are checked behind (R13).
 * Who claims our own address is contradicted, once in ARP_GAP_MAX_NS.
 *
 * Addresses are in network byte order.  Owner: fast lcore.  Blocks: no.  Allocates: no.  Reads no
 * clock.  Source: RFC 826, RFC 5227 (announcements), RFC 1122 2.3.2.1 (unicast poll). */
#ifndef ZABLINE_DPDK_APP_ARP_H
#define ZABLINE_DPDK_APP_ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"

#define ARP_BODY 28
#define ARP_GAP_NS 10000000ull /* between two requests for one peer, and two announcements */
#define ARP_GAP_MAX_NS 1000000000ull
#define ARP_FRESH_NS 10000000000ull
#define ARP_UNICASTS 3
#define ARP_ANNOUNCEMENTS 3

struct arp_peer {
  uint32_t ip;   /* 0: not here */
  bool is_fixed; /* static: neither asked nor learnt */
  bool is_known;
  bool is_asked; /* a request is unanswered */
  uint8_t mac[6];
  uint32_t unanswered; /* requests since the last answer */
  uint64_t gap_ns;     /* to the next request, UNKNOWN */
  uint64_t asked_ns;   /* last request; 0: none */
  uint64_t ask_ns;     /* next request is due */
};

struct arp {
  uint32_t ip;
  uint8_t mac[6];
  int announcements; /* still to be sent */
  uint64_t announce_ns;
  uint64_t defended_ns; /* 0: never */
  struct arp_peer peers[LIMIT_PEERS];
};

/* What is to be sent behind an Ethernet header to `to`. */
struct arp_packet {
  uint8_t to[6];
  uint8_t body[ARP_BODY];
};

struct arp_result {
  bool answer;    /* *out is to be sent */
  int peer_idx;   /* learnt or confirmed: peers[peer_idx].mac; -1: nobody */
  bool changed;   /* ... and it was another one before */
  bool solicited; /* ... and it answers a question of ours: at most once for each */
  bool conflict;  /* another host claims our own address */
};

void arp_init(struct arp *a, uint32_t ip, const uint8_t mac[6]);
/* arp_add: peer_idx has ip; mac is fixed, or NULL: to be asked for. */
void arp_add(struct arp *a, int peer_idx, uint32_t ip, const uint8_t *mac);

/* arp_start: the link came up.  Announces this node, asks for everybody at once. */
void arp_start(struct arp *a, uint64_t now_ns);

/* arp_next gives one packet that is due; false: none is. */
bool arp_next(struct arp *a, uint64_t now_ns, struct arp_packet *out);
/* arp_due returns when arp_next has something. */
uint64_t arp_due(const struct arp *a);

/* arp_take reads the len bytes behind an Ethernet header; what is malformed or a stranger's gives
 * nothing. */
struct arp_result arp_take(struct arp *a, uint64_t now_ns, const void *body, size_t len,
                           struct arp_packet *out);

#endif
