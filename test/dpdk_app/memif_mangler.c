/* memif_mangler.c - the wire between two nodes joined by net_memif, in hostile hands.
 *
 *     memif_mangler ARGS0 ARGS1          memif arguments of its port towards either node
 *
 * Every packet from the one node goes to the other, but as the rule of its direction says.
 * Direction d: what comes in at port d and leaves at 1 - d.  Commands on stdin, one per line, each
 * answered by one line on stdout ("ok", or numbers):
 *
 *   pass D                      forward as it is
 *   cut D                       forward nothing
 *   bytes D EVERY AT HEX [seal] [copy] [xor]
 *                               every EVERYth packet long enough gets the bytes at AT; seal: the
 *                               frame header's crc is made right again; copy: the changed packet
 *                               goes before the true one, else instead of it; xor: bytes are turned
 *   random D EVERY FROM TO [seal] [copy]
 *                               1 to 4 bytes at random within [FROM, TO) get random values
 *   cutto D EVERY LEN           every EVERYth longer packet is shortened to LEN bytes
 *   record                      keep the next RECORDED packets of each direction
 *   replay D TO                 send what was recorded of direction D out of port TO
 *   flood TO KIND COUNT         COUNT packets out of port TO, as fast as it takes them, of KIND
 *                               noise (random bytes), wrapped (right addresses, random frame),
 *                               sealed (the same with a good checksum), again (the newest)
 *   stats                       "seen0=N seen1=N changed=N injected=N refused=N up0=N up1=N
 *                               flooding=N"; all but the last three since the command before
 *   quit
 *
 * Offsets are of the packet: Ethernet 0, IPv4 14, UDP 34, frame header 42, payload 130. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_random.h>

#include "dpdk_app/eal.h"
#include "dpdk_app/port_impl.h"
#include "proto/crc32c.h"
#include "proto/exit_code.h"
#include "test/dpdk_app/pair_config.h"

#define FRAME_AT 42u
#define RECORDED 512
#define LARGEST 2048
#define LINE 512

enum rule_kind { RULE_PASS, RULE_CUT, RULE_BYTES, RULE_RANDOM, RULE_CUT_TO };

struct rule {
  enum rule_kind kind;
  unsigned every, count;
  unsigned from, to; /* BYTES: from, length; CUT_TO: length */
  bool seal, copy, turn;
  uint8_t bytes[64];
};

struct kept {
  uint16_t len;
  uint8_t bytes[LARGEST];
};

enum flood_kind { FLOOD_NOISE, FLOOD_WRAPPED, FLOOD_SEALED, FLOOD_AGAIN };

struct mangler {
  struct config config;
  struct counters counters;
  struct eal eal;
  struct ports *ports;
  _Atomic int pending, stop; /* pending: `line` waits for the lcore to write `answer` */
  char line[LINE], answer[LINE];
  struct rule rule[2];
  bool recording;
  int kept_cnt[2];
  struct kept kept[2][RECORDED];
  struct kept newest[2];
  enum flood_kind flood;
  int flood_to;
  uint64_t flood_left;
  uint64_t seen[2], changed, injected, refused;
};

static struct port *port_of(struct mangler *m, int idx) { return &m->ports->ports[idx]; }

static bool is_up(struct mangler *m, int idx) {
  return atomic_load_explicit(&port_of(m, idx)->up, memory_order_acquire);
}

static void put_out(struct mangler *m, int to, struct rte_mbuf *packet) {
  if (is_up(m, to) && rte_eth_tx_burst(port_of(m, to)->dev, 0, &packet, 1) == 1) return;
  m->refused++;
  rte_pktmbuf_free(packet);
}

static struct rte_mbuf *copy_of(struct mangler *m, const void *bytes, uint16_t len) {
  struct rte_mbuf *packet = rte_pktmbuf_alloc(m->ports->pool);
  assert(packet);
  memcpy(rte_pktmbuf_mtod(packet, void *), bytes, len);
  packet->data_len = len;
  packet->pkt_len = len;
  return packet;
}

static void inject(struct mangler *m, int to, const void *bytes, uint16_t len) {
  m->injected++;
  put_out(m, to, copy_of(m, bytes, len));
}

static void seal(uint8_t *packet, uint16_t len) {
  struct frame_header h;
  if (len < FRAME_AT + sizeof h) return;
  memcpy(&h, packet + FRAME_AT, sizeof h);
  h.crc = crc32c(&h, offsetof(struct frame_header, crc));
  memcpy(packet + FRAME_AT, &h, sizeof h);
}

/* ---- what comes in ---- */

static bool applies(struct rule *r, uint16_t len) {
  if (r->kind == RULE_PASS || r->kind == RULE_CUT) return false;
  unsigned need = r->kind == RULE_BYTES ? r->from + r->to : r->from + 1;
  return len >= need && ++r->count % r->every == 0;
}

static void change(const struct rule *r, struct rte_mbuf *packet) {
  uint8_t *at = rte_pktmbuf_mtod(packet, uint8_t *);
  uint16_t len = packet->data_len;
  if (r->kind == RULE_CUT_TO) packet->data_len = (uint16_t)r->from;
  packet->pkt_len = packet->data_len;
  for (unsigned i = 0; r->kind == RULE_BYTES && i < r->to; i++)
    at[r->from + i] = (uint8_t)(r->turn ? at[r->from + i] ^ r->bytes[i] : r->bytes[i]);
  if (r->kind == RULE_RANDOM) {
    unsigned end = r->to < len ? r->to : len;
    for (uint64_t n = 1 + rte_rand_max(4); n; n--)
      at[r->from + rte_rand_max(end - r->from)] ^= (uint8_t)(1 + rte_rand_max(255));
  }
  if (r->seal) seal(at, len);
}

static void keep(struct kept *k, const struct rte_mbuf *packet) {
  k->len = packet->data_len < LARGEST ? packet->data_len : LARGEST;
  memcpy(k->bytes, rte_pktmbuf_mtod(packet, const void *), k->len);
}

/* Probes of a path that is not in use have no sequence number: again and again is their right. */
static bool is_probe(const struct rte_mbuf *packet) {
  struct frame_header h;
  if (packet->data_len < FRAME_AT + sizeof h) return false;
  memcpy(&h, rte_pktmbuf_mtod_offset(packet, const void *, FRAME_AT), sizeof h);
  return h.flags & FRAME_PROBE;
}

static void forward(struct mangler *m, int dir, struct rte_mbuf *packet) {
  struct rule *r = &m->rule[dir];
  m->seen[dir]++;
  if (!is_probe(packet)) keep(&m->newest[dir], packet);
  if (m->recording && m->kept_cnt[dir] < RECORDED) keep(&m->kept[dir][m->kept_cnt[dir]++], packet);
  if (r->kind == RULE_CUT) {
    rte_pktmbuf_free(packet);
    return;
  }
  struct rte_mbuf *original = NULL;
  if (applies(r, packet->data_len)) {
    m->changed++;
    if (r->copy) original = copy_of(m, rte_pktmbuf_mtod(packet, const void *), packet->data_len);
    change(r, packet);
  }
  put_out(m, 1 - dir, packet);
  if (original) put_out(m, 1 - dir, original);
}

static int receive(struct mangler *m) {
  struct rte_mbuf *burst[LIMIT_BURST];
  int total = 0;
  guard_quiescent(&m->ports->guard);
  for (int dir = 0; dir < 2; dir++) {
    if (!is_up(m, dir)) continue;
    int cnt = rte_eth_rx_burst(port_of(m, dir)->dev, 0, burst, LIMIT_BURST);
    for (int i = 0; i < cnt; i++) forward(m, dir, burst[i]);
    total += cnt;
  }
  return total;
}

static void fill(uint8_t *at, unsigned len) {
  for (unsigned i = 0; i < len; i++) at[i] = (uint8_t)rte_rand();
}

static void flood_one(struct mangler *m) {
  const struct kept *base = &m->newest[1 - m->flood_to]; /* what goes out there came in here */
  struct kept k;
  k.len = (uint16_t)(60 + rte_rand_max(1400));
  fill(k.bytes, k.len);
  if (m->flood != FLOOD_NOISE && base->len) {
    if (m->flood == FLOOD_AGAIN || k.len < base->len) k.len = base->len;
    memcpy(k.bytes, base->bytes, m->flood == FLOOD_AGAIN ? base->len : FRAME_AT);
    k.bytes[16] = (uint8_t)((k.len - 14) >> 8); /* IPv4 and UDP lengths */
    k.bytes[17] = (uint8_t)(k.len - 14);
    k.bytes[38] = (uint8_t)((k.len - 34) >> 8);
    k.bytes[39] = (uint8_t)(k.len - 34);
  }
  if (m->flood == FLOOD_SEALED) {
    struct frame_header h;
    memcpy(&h, k.bytes + FRAME_AT, sizeof h);
    h.magic = FRAME_MAGIC;
    h.version = FRAME_VERSION;
    memcpy(k.bytes + FRAME_AT, &h, sizeof h);
    seal(k.bytes, k.len);
  }
  inject(m, m->flood_to, k.bytes, k.len);
  m->flood_left--;
}

/* ---- commands ---- */

static void flags(struct rule *r, const char *words) {
  r->seal = strstr(words, "seal") != NULL;
  r->copy = strstr(words, "copy") != NULL;
  r->turn = strstr(words, "xor") != NULL;
}

static bool set_rule(struct mangler *m, const char *line) {
  struct rule r = {.every = 1};
  char word[16], hex[129] = "", rest[64] = "";
  unsigned dir = 2;
  if (sscanf(line, "%15s %u", word, &dir) != 2 || dir > 1) return false;
  if (strcmp(word, "pass") == 0) {
    r.kind = RULE_PASS;
  } else if (strcmp(word, "cut") == 0) {
    r.kind = RULE_CUT;
  } else if (strcmp(word, "bytes") == 0) {
    r.kind = RULE_BYTES;
    if (sscanf(line, "%*s %*u %u %u %128s %63[^\n]", &r.every, &r.from, hex, rest) < 3)
      return false;
    for (; r.to < sizeof r.bytes && sscanf(hex + 2 * r.to, "%2hhx", &r.bytes[r.to]) == 1; r.to++)
      continue;
  } else if (strcmp(word, "random") == 0) {
    r.kind = RULE_RANDOM;
    if (sscanf(line, "%*s %*u %u %u %u %63[^\n]", &r.every, &r.from, &r.to, rest) < 3) return false;
  } else if (strcmp(word, "cutto") == 0) {
    r.kind = RULE_CUT_TO;
    if (sscanf(line, "%*s %*u %u %u", &r.every, &r.from) < 2) return false;
  } else {
    return false;
  }
  flags(&r, rest);
  m->rule[dir] = r;
  return r.every > 0;
}

static bool replay(struct mangler *m, const char *line) {
  unsigned dir, to;
  if (sscanf(line, "replay %u %u", &dir, &to) != 2 || dir > 1 || to > 1) return false;
  for (int i = 0; i < m->kept_cnt[dir]; i++)
    inject(m, (int)to, m->kept[dir][i].bytes, m->kept[dir][i].len);
  return true;
}

static bool set_flood(struct mangler *m, const char *line) {
  static const char *const kinds[] = {"noise", "wrapped", "sealed", "again"};
  char kind[16];
  unsigned to;
  unsigned long count;
  if (sscanf(line, "flood %u %15s %lu", &to, kind, &count) != 3 || to > 1) return false;
  for (unsigned i = 0; i < 4; i++) {
    if (strcmp(kinds[i], kind) != 0) continue;
    m->flood = (enum flood_kind)i;
    m->flood_to = (int)to;
    m->flood_left = count;
    return true;
  }
  return false;
}

static void say_stats(struct mangler *m) {
  snprintf(m->answer, LINE,
           "seen0=%lu seen1=%lu changed=%lu injected=%lu refused=%lu up0=%d up1=%d flooding=%lu",
           m->seen[0], m->seen[1], m->changed, m->injected, m->refused, is_up(m, 0), is_up(m, 1),
           m->flood_left);
  m->seen[0] = m->seen[1] = m->changed = m->injected = m->refused = 0;
}

static void execute(struct mangler *m) {
  const char *line = m->line;
  bool good = true;
  snprintf(m->answer, LINE, "ok");
  if (strncmp(line, "record", 6) == 0) {
    m->recording = true;
    m->kept_cnt[0] = m->kept_cnt[1] = 0;
  } else if (strncmp(line, "replay", 6) == 0) {
    m->recording = false;
    good = replay(m, line);
  } else if (strncmp(line, "flood", 5) == 0) {
    good = set_flood(m, line);
  } else if (strncmp(line, "stats", 5) == 0) {
    say_stats(m);
  } else {
    good = set_rule(m, line);
  }
  if (!good) snprintf(m->answer, LINE, "not understood");
}

static int loop(void *arg) {
  struct mangler *m = arg;
  while (!atomic_load(&m->stop)) {
    int cnt = receive(m);
    for (int i = 0; i < LIMIT_BURST && m->flood_left; i++, cnt++) flood_one(m);
    if (atomic_load_explicit(&m->pending, memory_order_acquire)) {
      execute(m);
      atomic_store_explicit(&m->pending, 0, memory_order_release);
    }
    if (cnt == 0) sched_yield();
  }
  return 0;
}

static void serve_stdin(struct mangler *m) {
  printf("ready\n");
  while (fgets(m->line, LINE, stdin) && strncmp(m->line, "quit", 4) != 0) {
    atomic_store_explicit(&m->pending, 1, memory_order_release);
    while (atomic_load_explicit(&m->pending, memory_order_acquire)) sched_yield();
    printf("%s\n", m->answer);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return EXIT_CODE_CONFIG;
  struct mangler *m = calloc(1, sizeof *m);
  struct open_error e;
  assert(m);
  setvbuf(stdout, NULL, _IOLBF, 0);
  pair_config(&m->config, 0, 1500);
  m->config.port_cnt = 2;
  for (int i = 0; i < 2; i++) {
    snprintf(m->config.ports[i].name, LIMIT_NAME_LEN, "net_memif%d", i);
    snprintf(m->config.ports[i].args, LIMIT_ARG_LEN, "%s", argv[1 + i]);
  }
  if (eal_open(&m->eal, &m->config, &e) || ports_open(&m->ports, &m->config, &m->counters, &e)) {
    fprintf(stderr, "%s\n", e.text);
    free(m);
    return EXIT_CODE_PORT;
  }
  eal_launch(&m->eal, loop, m);
  serve_stdin(m);
  atomic_store(&m->stop, 1);
  eal_wait(&m->eal);
  _exit(0); /* as zabd: EAL's teardown races with its own threads */
}
