/* raw_rtt.c - the limit "round trip of the port": one process exchanges frames with PAIRS others
 * over net_memif, one port each, and takes the time to the first answer, as a leader of PAIRS + 1
 * replicas does.  All poll, with the replicas' idle policy.  Links nothing of Zabline.
 *
 *     raw_rtt [--pairs 2] [--size 246] [--count 200000] [--warm-up 20000]
 *             [--idle spin|yield|sleep] [--idle-turns 500] [--dir /tmp]
 *             [--port memif|af_packet|af_xdp --netns PREFIX]
 *
 * Over af_packet and af_xdp process i is in the network namespace PREFIX<i>, on its interface
 * `fast`, whose MAC is 02:5a:42:00:00:<i>; the asking one is 1.
 *
 * --size: bytes of the frame from its Ethernet header on (246: headers of 42 and 88, a record of
 * 116). Prints one JSON object.  Source: performance.md, "The limits". */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "perf/raw/samples.h"

#define PAIRS_MAX 7
#define BURST 32
#define SLOT_BYTES 2048
#define PATIENCE_S 10
#define SLEEP_NS 50000
#define SEQ_AT 16 /* behind an Ethernet header */
#define XDP_PACKETS 8191
#define PACKETS 2047

enum idle { SPIN, YIELD, SLEEP };

struct raw {
  long pairs, size, count, warm_up, idle_turns;
  enum idle idle;
  char idle_name[16];
  const char *port, *netns;
  char dir[64]; /* of the sockets, ours */
  pid_t echoes[PAIRS_MAX];
  int started[2]; /* pipe: one byte from each */
  struct rte_mempool *pool;
  long empty_turns;
};

static int die(const char *what) {
  fprintf(stderr, "raw_rtt: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void idle(struct raw *r) {
  rte_pause();
  if (++r->empty_turns < r->idle_turns) return;
  r->empty_turns = 0;
  if (r->idle == YIELD) sched_yield();
  if (r->idle == SLEEP) nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
}

static int is_xdp(const struct raw *r) { return strcmp(r->port, "af_xdp") == 0; }

/* Over the kernel's interfaces there is one port, however many answer. */
static long port_cnt(const struct raw *r) { return r->netns ? 1 : r->pairs; }

static void enter(const struct raw *r, long host) {
  char path[128];
  if (!r->netns) return;
  snprintf(path, sizeof path, "/var/run/netns/%s%ld", r->netns, host);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET)) die(path);
  close(fd);
}

static void start_eal(const struct raw *r, const char *role, long first, long last) {
  char args[8 + PAIRS_MAX][160];
  char *argv[8 + PAIRS_MAX];
  static const char *const fixed[] = {"raw_rtt",
                                      "--no-huge",
                                      "-m",
                                      "64",
                                      "--no-pci",
                                      "--no-shconf",
                                      "--no-telemetry",
                                      "--log-level=*:emergency"};
  int argc = 0;
  for (; argc < 8; argc++) snprintf(args[argc], sizeof args[argc], "%s", fixed[argc]);
  for (long i = first; r->netns && i == first; i++)
    snprintf(args[argc++], sizeof args[0], "--vdev=net_%s0,iface=fast%s", r->port,
             is_xdp(r) ? ",busy_budget=0" : "");
  for (long i = first; !r->netns && i <= last; i++)
    snprintf(args[argc++], sizeof args[0],
             "--vdev=net_memif%ld,role=%s,id=1,bsize=%d,rsize=10,socket-abstract=no,socket=%s/%ld",
             i - first, role, SLOT_BYTES, r->dir, i);
  for (int i = 0; i < argc; i++) argv[i] = args[i];
  if (rte_eal_init(argc, argv) < 0) die("EAL does not start");
}

static void set_up_port(struct raw *r, uint16_t port) {
  struct rte_eth_conf conf = {0};
  if (rte_eth_dev_configure(port, 1, 1, &conf) ||
      rte_eth_rx_queue_setup(port, 0, 1024, 0, NULL, r->pool) ||
      rte_eth_tx_queue_setup(port, 0, 1024, 0, NULL))
    die("cannot configure a port");
}

static void open_ports(struct raw *r, const char *role, long first, long last) {
  cpu_set_t all;
  sched_getaffinity(0, sizeof all, &all);
  start_eal(r, role, first, last);
  sched_setaffinity(0, sizeof all,
                    &all); /* EAL pins its main thread: the pollers share the cores */
  r->pool = rte_pktmbuf_pool_create("raw", is_xdp(r) ? XDP_PACKETS : PACKETS, 256, 0,
                                    SLOT_BYTES + RTE_PKTMBUF_HEADROOM, 0);
  if (!r->pool) die("no memory for packets");
  for (uint16_t port = 0; port < (r->netns ? 1 : last - first + 1); port++) set_up_port(r, port);
}

static void wait_for_link(uint16_t port) {
  for (int ms = 0; ms < PATIENCE_S * 1000; ms += 10) {
    struct rte_eth_link link;
    if (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status) return;
    usleep(10000);
  }
  errno = ETIMEDOUT;
  die("no link");
}

static void write_addresses(uint8_t *frame, uint8_t to, uint8_t from) {
  const uint8_t header[14] = {2, 0x5a, 0x42, 0, 0, to, 2, 0x5a, 0x42, 0, 0, from, 0x88, 0xb5};
  memcpy(frame, header, sizeof header);
}

/* Keeps what is ours of cnt frames, with its addresses exchanged. */
static uint16_t answer_ours(struct rte_mbuf **frames, uint16_t cnt) {
  uint16_t kept = 0;
  for (uint16_t i = 0; i < cnt; i++) {
    uint8_t *frame = rte_pktmbuf_mtod(frames[i], uint8_t *);
    if (frame[12] != 0x88 || frame[13] != 0xb5) {
      rte_pktmbuf_free(frames[i]);
      continue;
    }
    write_addresses(frame, frame[11], frame[5]);
    frames[kept++] = frames[i];
  }
  return kept;
}

static _Noreturn void echo(struct raw *r, long idx) {
  struct rte_mbuf *frames[BURST];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  enter(r, idx + 2);
  open_ports(r, "server", idx, idx);
  if (rte_eth_dev_start(0) || write(r->started[1], "", 1) != 1) die("cannot start a port");
  for (;;) {
    uint16_t cnt = rte_eth_rx_burst(0, 0, frames, BURST);
    cnt = r->netns ? answer_ours(frames, cnt) : cnt;
    uint16_t sent = cnt ? rte_eth_tx_burst(0, 0, frames, cnt) : 0;
    if (sent < cnt) rte_pktmbuf_free_bulk(frames + sent, cnt - sent);
    if (cnt)
      r->empty_turns = 0;
    else
      idle(r);
  }
}

static void send_frame(struct raw *r, long idx, uint64_t seq) {
  uint16_t port = r->netns ? 0 : (uint16_t)idx;
  struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
  if (!m) die("no packet");
  m->data_len = (uint16_t)r->size;
  m->pkt_len = m->data_len;
  memset(rte_pktmbuf_mtod(m, void *), 0, (size_t)r->size);
  write_addresses(rte_pktmbuf_mtod(m, void *), (uint8_t)(idx + 2), 1);
  memcpy(rte_pktmbuf_mtod_offset(m, void *, SEQ_AT), &seq, sizeof seq);
  if (rte_eth_tx_burst(port, 0, &m, 1) != 1) rte_pktmbuf_free(m);
}

/* Returns 1 if the answer to seq is among what has come. */
static int receive(struct raw *r, uint64_t seq) {
  int found = 0, any = 0;
  for (uint16_t port = 0; port < port_cnt(r); port++) {
    struct rte_mbuf *frames[BURST];
    uint16_t cnt = rte_eth_rx_burst(port, 0, frames, BURST);
    for (uint16_t i = 0; i < cnt; i++) {
      uint64_t got;
      memcpy(&got, rte_pktmbuf_mtod_offset(frames[i], void *, SEQ_AT), sizeof got);
      found |= got == seq;
    }
    if (cnt) rte_pktmbuf_free_bulk(frames, cnt);
    any |= cnt;
  }
  if (any)
    r->empty_turns = 0;
  else
    idle(r);
  return found;
}

static void ping(struct raw *r) {
  uint64_t *ns = calloc((size_t)r->count, sizeof *ns), hz = rte_get_tsc_hz();
  if (!ns) die("no memory for the samples");
  for (long i = -r->warm_up; i < r->count; i++) {
    uint64_t seq = (uint64_t)(i + r->warm_up + 1), start = rte_rdtsc(), end = start;
    for (long idx = 0; idx < r->pairs; idx++) send_frame(r, idx, seq);
    while (!receive(r, seq)) {
      end = rte_rdtsc();
      if (end - start > hz) {
        errno = ETIMEDOUT;
        die("no answer");
      }
    }
    end = rte_rdtsc();
    if (i >= 0) ns[i] = (uint64_t)((double)(end - start) * 1e9 / (double)hz);
  }
  printf(
      "{\"name\": \"raw_rtt\", \"unit\": \"us\", \"port\": \"net_%s\", \"pollers\": %ld, "
      "\"frame_bytes\": %ld, \"idle\": \"%s\", \"idle_turns\": %ld, ",
      r->port, r->pairs + 1, r->size, r->idle_name, r->idle_turns);
  samples_print(ns, (size_t)r->count);
  printf("}\n");
  free(ns);
}

static void usage(void) {
  fprintf(stderr,
          "usage: raw_rtt [--pairs N] [--size BYTES] [--count N] [--warm-up N] "
          "[--idle spin|yield|sleep] [--idle-turns N] [--dir DIR] "
          "[--port memif|af_packet|af_xdp --netns PREFIX]\n");
  exit(2);
}

static void read_args(struct raw *r, int argc, char **argv, const char **dir) {
  static const struct option options[] = {{"pairs", 1, NULL, 'p'}, {"size", 1, NULL, 's'},
                                          {"count", 1, NULL, 'c'}, {"warm-up", 1, NULL, 'w'},
                                          {"idle", 1, NULL, 'i'},  {"idle-turns", 1, NULL, 't'},
                                          {"dir", 1, NULL, 'd'},   {"port", 1, NULL, 'P'},
                                          {"netns", 1, NULL, 'n'}, {NULL, 0, NULL, 0}};
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (o == 'p')
      r->pairs = atol(optarg);
    else if (o == 's')
      r->size = atol(optarg);
    else if (o == 'c')
      r->count = atol(optarg);
    else if (o == 'w')
      r->warm_up = atol(optarg);
    else if (o == 't')
      r->idle_turns = atol(optarg);
    else if (o == 'd')
      *dir = optarg;
    else if (o == 'P')
      r->port = optarg;
    else if (o == 'n')
      r->netns = optarg;
    else if (o == 'i')
      snprintf(r->idle_name, sizeof r->idle_name, "%s", optarg);
    else
      usage();
  }
  r->idle = *r->idle_name == 'y' ? YIELD : r->idle_name[1] == 'l' ? SLEEP : SPIN;
  if ((strcmp(r->port, "memif") == 0) != !r->netns) usage();
  if (r->pairs < 1 || r->pairs > PAIRS_MAX || r->size < 60 || r->size > SLOT_BYTES || r->count < 1)
    usage();
}

static void end(struct raw *r) {
  char path[96];
  for (long i = 0; i < r->pairs; i++) {
    kill(r->echoes[i], SIGKILL);
    waitpid(r->echoes[i], NULL, 0);
    snprintf(path, sizeof path, "%s/%ld", r->dir, i);
    unlink(path);
  }
  rmdir(r->dir);
}

int main(int argc, char **argv) {
  struct raw r = {.pairs = 2,
                  .size = 246,
                  .count = 200000,
                  .warm_up = 20000,
                  .idle_turns = 500,
                  .idle_name = "yield",
                  .port = "memif"};
  const char *dir = "/tmp";
  read_args(&r, argc, argv, &dir);
  if (snprintf(r.dir, sizeof r.dir, "%s/raw_rtt.XXXXXX", dir) >= (int)sizeof r.dir ||
      !mkdtemp(r.dir))
    die("cannot make a directory");
  if (pipe(r.started)) die("pipe");
  for (long i = 0; i < r.pairs; i++) {
    r.echoes[i] = fork();
    if (r.echoes[i] < 0) die("fork");
    if (r.echoes[i] == 0) echo(&r, i);
  }
  close(r.started[1]);
  enter(&r, 1);
  for (long i = 0; i < r.pairs; i++)
    if (read(r.started[0], &(char){0}, 1) != 1) die("an echo process has ended");
  open_ports(&r, "client", 0, r.pairs - 1);
  for (uint16_t port = 0; port < port_cnt(&r); port++) {
    if (rte_eth_dev_start(port)) die("cannot connect");
    wait_for_link(port);
  }
  ping(&r);
  end(&r);
  return 0;
}
