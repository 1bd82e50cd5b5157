/* port_peer.c - one end of a pair of nodes joined by net_memif, as a process of its own.
 *
 *     port_peer server|client SOCKET echo|ping|flood [MTU [EAL ARGUMENT...]]
 *
 * echo sends every frame back.  ping sends frames of every length and checks what comes back, then
 * ends. flood receives and transmits without pause and without waiting for anything.  Lines on
 * stdout: "ready" when DPDK has started, "up" and "down" as the link changes; at the end (SIGTERM,
 * or ping is done) "rx=N tx=N full=N down=N no_mbuf=N ups=N fds=N".  Exit status: that of zabd. */
#include <assert.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "dpdk_app/eal.h"
#include "dpdk_app/port.h"
#include "proto/exit_code.h"
#include "test/dpdk_app/pair_config.h"

#define PING_PATIENCE_S 20

enum mode { MODE_ECHO, MODE_PING, MODE_FLOOD };

struct peer {
  struct config config;
  struct counters counters;
  struct eal eal;
  struct ports *ports;
  enum mode mode;
  _Atomic int stop;
  _Atomic int failed;
  bool was_up;
  uint64_t rx, tx, ups;
  uint32_t ping_len;  /* payload of the ping that is out */
  uint64_t ping_sent; /* cycles */
  uint8_t payload[LIMIT_MTU_MAX];
};

static void configure(struct peer *p, int argc, char **argv) {
  struct config *c = &p->config;
  bool is_server = strcmp(argv[1], "server") == 0;
  pair_config(c, is_server ? 0 : 1, (uint16_t)(argc > 4 ? atoi(argv[4]) : 1500));
  if (argc > 5) c->eal_cnt = 0;
  for (int i = 5; i < argc; i++) snprintf(c->eal[c->eal_cnt++], LIMIT_ARG_LEN, "%s", argv[i]);
  c->port_cnt = 1;
  snprintf(c->ports[0].name, LIMIT_NAME_LEN, "net_memif0");
  snprintf(c->ports[0].args, LIMIT_ARG_LEN, "role=%s,id=1,socket=%s", argv[1], argv[2]);
}

static int other(const struct peer *p) { return 1 - p->config.self_idx; }

static void send(struct peer *p, uint64_t seq, const void *payload, uint32_t len) {
  struct frame_header h = {.magic = FRAME_MAGIC, .seq = seq, .payload_len = (uint16_t)len};
  port_tx(p->ports, (struct port_to){other(p), 0}, &h, payload, len);
  p->tx++;
}

static uint32_t largest(const struct peer *p) {
  return p->config.mtu - LIMIT_FRAME_OVERHEAD - LIMIT_FRAME_HEADER;
}

static void fail(struct peer *p, const char *what) {
  printf("failed: %s at length %u\n", what, p->ping_len);
  atomic_store(&p->failed, 1);
  atomic_store(&p->stop, 1);
}

static void ping_next(struct peer *p) {
  for (uint32_t i = 0; i < p->ping_len; i++) p->payload[i] = (uint8_t)(p->ping_len * 7 + i);
  send(p, p->ping_len, p->payload, p->ping_len);
  p->ping_sent = rte_rdtsc();
}

static void ping_answer(struct peer *p, const struct rx_frame *f) {
  struct frame_header h;
  memcpy(&h, f->frame, sizeof h);
  if (h.seq != p->ping_len) return; /* of an earlier, repeated ping */
  if (f->len != sizeof h + p->ping_len || f->peer_idx != other(p)) return fail(p, "length or peer");
  if (p->ping_len && memcmp((const uint8_t *)f->frame + sizeof h, p->payload, p->ping_len) != 0)
    return fail(p, "content");
  if (p->ping_len == largest(p)) {
    atomic_store(&p->stop, 1);
    return;
  }
  p->ping_len++;
  ping_next(p);
}

static void on_frame(struct peer *p, const struct rx_frame *f) {
  struct frame_header h;
  memcpy(&h, f->frame, sizeof h);
  p->rx++;
  if (p->mode == MODE_PING) ping_answer(p, f);
  if (p->mode == MODE_ECHO)
    send(p, h.seq, (const uint8_t *)f->frame + sizeof h, f->len - (uint32_t)sizeof h);
}

static void between(struct peer *p, uint64_t start) {
  bool up = port_link_up(p->ports, (struct port_to){other(p), 0});
  if (up != p->was_up) {
    printf("%s\n", up ? "up" : "down");
    p->was_up = up;
    p->ups += up;
  }
  if (p->mode == MODE_FLOOD)
    for (int i = 0; i < 8; i++) send(p, p->tx, p->payload, (uint32_t)(p->tx % largest(p)));
  if (p->mode != MODE_PING) return;
  uint64_t now = rte_rdtsc(), hz = rte_get_tsc_hz();
  if (up && now - p->ping_sent > hz / 5) ping_next(p); /* the first, or one lost */
  if (now - start > PING_PATIENCE_S * hz) fail(p, "no answer");
}

static int loop(void *arg) {
  struct peer *p = arg;
  struct rx_frame frames[LIMIT_BURST];
  uint64_t start = rte_rdtsc();
  while (!atomic_load(&p->stop)) {
    int cnt = port_rx(p->ports, 0, frames);
    for (int i = 0; i < cnt; i++) on_frame(p, &frames[i]);
    port_rx_done(p->ports, 0);
    between(p, start);
    port_flush(p->ports);
    if (cnt == 0) sched_yield();
  }
  return 0;
}

static int open_fds(void) {
  int cnt = 0;
  DIR *d = opendir("/proc/self/fd");
  while (d && readdir(d)) cnt++;
  if (d) closedir(d);
  return cnt;
}

static uint64_t count(const struct peer *p, enum reason r) { return counters_get(&p->counters, r); }

static void run(struct peer *p) {
  sigset_t set;
  printf("ready\n");
  eal_launch(&p->eal, loop, p);
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  while (!atomic_load(&p->stop))
    if (sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = 20000000}) == SIGTERM)
      atomic_store(&p->stop, 1);
  eal_wait(&p->eal);
  printf("rx=%lu tx=%lu full=%lu down=%lu no_mbuf=%lu ups=%lu fds=%d\n", p->rx, p->tx,
         count(p, REASON_PORT_FULL), count(p, REASON_PORT_DOWN), count(p, REASON_PORT_NO_MBUF),
         p->ups, open_fds());
}

int main(int argc, char **argv) {
  if (argc < 4) return EXIT_CODE_CONFIG;
  struct peer *p = calloc(1, sizeof *p);
  struct open_error e;
  sigset_t set;
  assert(p);
  setvbuf(stdout, NULL, _IOLBF, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  p->mode = *argv[3] == 'e' ? MODE_ECHO : *argv[3] == 'p' ? MODE_PING : MODE_FLOOD;
  configure(p, argc, argv);
  if (eal_open(&p->eal, &p->config, &e) || ports_open(&p->ports, &p->config, &p->counters, &e)) {
    fprintf(stderr, "%s\n", e.text);
    free(p);
    return EXIT_CODE_PORT;
  }
  run(p);
  ports_close(p->ports);
  eal_close(&p->eal);
  int failed = atomic_load(&p->failed);
  free(p);
  return failed;
}
