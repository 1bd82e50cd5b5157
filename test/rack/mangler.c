/* mangler.c - a bad cable: some of its frames come twice, late, out of order or damaged.
 *
 *   mangler A B [NAME=VALUE...]      what comes in at one of the two veths goes out at the other
 *
 *   duplicate, delay, hold, corrupt  so many of 10,000 frames, each by chance
 *   delay_us=1000                    a delayed frame leaves so much later
 *   hold_frames=3                    a held frame leaves after so many later ones of its direction
 *   record=4096                      keeps the last so many frames, until SIGUSR2; SIGUSR1 sends
 *                                    them again, in order: a switch that comes back with old frames
 *   seed=1
 *
 * A damaged frame has one bit flipped behind its UDP header, where no NIC's check is left.  What
 * is late is overtaken.  At most LATE_MAX frames are late; further ones leave as they come.
 * SIGTERM ends it; it prints its counters as one JSON object.
 *
 * Owner: one thread, its own process.  Source: issue "Rack", 4. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 9400
#define BEHIND_UDP 42
#define LATE_MAX 256
#define RECORD_MAX 65536
#define TEN_THOUSAND 10000
#define BURST 64
#define SOCKET_BYTES (8 << 20)

struct frame {
  int to;         /* index of the socket it leaves by */
  uint32_t len;   /* 0: none */
  uint32_t waits; /* held: so many frames more; 0: delayed until at_ns */
  uint64_t at_ns;
  uint8_t bytes[FRAME_MAX];
};

struct options {
  unsigned duplicate, delay, hold, corrupt, delay_us, hold_frames, record, seed;
};

struct counts {
  uint64_t frames, duplicated, delayed, held, corrupted, replayed, lost;
};

struct mangler {
  struct options o;
  struct counts counts;
  int sock[2];
  uint64_t random;
  struct frame late[LATE_MAX];
  struct frame *record; /* ring of o.record frames */
  uint64_t recorded;
  bool recording;
};

static void die(const char *what) {
  fprintf(stderr, "mangler: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*: the same seed, the same decisions. */
static uint64_t next_random(struct mangler *m) {
  m->random ^= m->random >> 12;
  m->random ^= m->random << 25;
  m->random ^= m->random >> 27;
  return m->random * 0x2545f4914f6cdd1dull;
}

static bool chance(struct mangler *m, unsigned of_ten_thousand) {
  return of_ten_thousand && next_random(m) % TEN_THOUSAND < of_ten_thousand;
}

static int open_socket(const char *interface) {
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
  int one = 1, bytes = SOCKET_BYTES;
  at.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(interface);
  if (!at.sll_ifindex) die(interface);
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) die("AF_PACKET");
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) die(interface);
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all)) die(interface);
  return fd;
}

static void send_frame(struct mangler *m, const struct frame *f) {
  if (send(m->sock[f->to], f->bytes, f->len, MSG_DONTWAIT) < 0) m->counts.lost++;
}

/* ---- late frames ---- */

static bool keep_late(struct mangler *m, const struct frame *f, uint32_t waits, uint64_t at_ns) {
  for (int i = 0; i < LATE_MAX; i++) {
    if (m->late[i].len) continue;
    memcpy(&m->late[i], f, offsetof(struct frame, bytes) + f->len);
    m->late[i].waits = waits;
    m->late[i].at_ns = at_ns;
    return true;
  }
  return false;
}

/* passed: a frame to this side has just left; -1: none. */
static void release_late(struct mangler *m, int passed) {
  uint64_t now = now_ns();
  for (int i = 0; i < LATE_MAX; i++) {
    struct frame *f = &m->late[i];
    if (!f->len) continue;
    bool due = f->waits ? f->to == passed && --f->waits == 0 : f->at_ns <= now;
    if (!due) continue;
    send_frame(m, f);
    f->len = 0;
  }
}

static bool any_late(const struct mangler *m) {
  for (int i = 0; i < LATE_MAX; i++)
    if (m->late[i].len) return true;
  return false;
}

/* ---- one frame ---- */

static void record(struct mangler *m, const struct frame *f) {
  if (!m->recording) return;
  struct frame *kept = &m->record[m->recorded++ % m->o.record];
  memcpy(kept, f, offsetof(struct frame, bytes) + f->len);
}

static void corrupt(struct mangler *m, struct frame *f) {
  if (f->len <= BEHIND_UDP || !chance(m, m->o.corrupt)) return;
  uint64_t bit = next_random(m) % (8ull * (f->len - BEHIND_UDP));
  f->bytes[BEHIND_UDP + bit / 8] ^= (uint8_t)(1u << bit % 8);
  m->counts.corrupted++;
}

static void pass(struct mangler *m, struct frame *f) {
  m->counts.frames++;
  record(m, f);
  corrupt(m, f);
  if (chance(m, m->o.duplicate)) {
    send_frame(m, f);
    m->counts.duplicated++;
  }
  if (chance(m, m->o.hold) && keep_late(m, f, m->o.hold_frames, 0)) {
    m->counts.held++;
    return;
  }
  if (chance(m, m->o.delay) && keep_late(m, f, 0, now_ns() + 1000ull * m->o.delay_us)) {
    m->counts.delayed++;
    return;
  }
  send_frame(m, f);
  release_late(m, f->to);
}

static void pump(struct mangler *m, int from) {
  struct frame f = {.to = !from};
  for (int i = 0; i < BURST; i++) {
    ssize_t len = recv(m->sock[from], f.bytes, sizeof f.bytes, MSG_DONTWAIT | MSG_TRUNC);
    if (len < 0) return;
    f.len = (uint32_t)len;
    if (len <= (ssize_t)sizeof f.bytes) pass(m, &f);
  }
}

static void replay(struct mangler *m) {
  m->recording = false;
  uint64_t cnt = m->recorded < m->o.record ? m->recorded : m->o.record;
  for (uint64_t i = 0; i < cnt; i++) {
    send_frame(m, &m->record[(m->recorded - cnt + i) % m->o.record]);
    m->counts.replayed++;
  }
}

/* ---- options, signals, end ---- */

static unsigned *option(struct options *o, const char *name, size_t len) {
  struct {
    const char *name;
    unsigned *value;
  } all[] = {{"duplicate", &o->duplicate}, {"delay", &o->delay},
             {"hold", &o->hold},           {"corrupt", &o->corrupt},
             {"delay_us", &o->delay_us},   {"hold_frames", &o->hold_frames},
             {"record", &o->record},       {"seed", &o->seed}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strlen(all[i].name) == len && memcmp(all[i].name, name, len) == 0) return all[i].value;
  return NULL;
}

static void read_options(struct options *o, int argc, char **argv) {
  *o = (struct options){.delay_us = 1000, .hold_frames = 3, .seed = 1};
  for (int i = 3; i < argc; i++) {
    size_t len = strcspn(argv[i], "=");
    unsigned *value = option(o, argv[i], len);
    if (!value || argv[i][len] != '=') {
      fprintf(stderr, "mangler: %s: unknown option\n", argv[i]);
      exit(2);
    }
    *value = (unsigned)strtoul(argv[i] + len + 1, NULL, 10);
  }
  if (o->record > RECORD_MAX) o->record = RECORD_MAX;
  if (!o->hold_frames) o->hold_frames = 1;
}

static void print_counts(const struct counts *c) {
  printf("{\"frames\": %llu, \"duplicated\": %llu, \"delayed\": %llu, \"held\": %llu, ",
         (unsigned long long)c->frames, (unsigned long long)c->duplicated,
         (unsigned long long)c->delayed, (unsigned long long)c->held);
  printf("\"corrupted\": %llu, \"replayed\": %llu, \"lost\": %llu}\n",
         (unsigned long long)c->corrupted, (unsigned long long)c->replayed,
         (unsigned long long)c->lost);
}

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_NONBLOCK);
}

/* Returns whether it goes on. */
static bool on_signal(struct mangler *m, int fd) {
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) != sizeof info) return true;
  if (info.ssi_signo == SIGUSR1) replay(m);
  if (info.ssi_signo == SIGUSR2) m->recording = false;
  return info.ssi_signo != SIGTERM;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "mangler A B [NAME=VALUE...], see test/rack/mangler.c\n");
    return 2;
  }
  struct mangler *m = calloc(1, sizeof *m);
  if (!m) die("memory");
  read_options(&m->o, argc, argv);
  m->random = 0x9e3779b97f4a7c15ull * (m->o.seed + 1ull);
  m->record = calloc(m->o.record ? m->o.record : 1, sizeof *m->record);
  if (!m->record) die("memory");
  m->recording = m->o.record > 0;
  struct pollfd fds[3] = {{.fd = open_signals(), .events = POLLIN}};
  for (int i = 0; i < 2; i++) {
    m->sock[i] = open_socket(argv[1 + i]);
    fds[1 + i] = (struct pollfd){.fd = m->sock[i], .events = POLLIN};
  }
  do {
    struct timespec wait = {0, 50000};
    ppoll(fds, 3, any_late(m) ? &wait : NULL, NULL);
    for (int i = 0; i < 2; i++)
      if (fds[1 + i].revents) pump(m, i);
    release_late(m, -1);
  } while (!(fds[0].revents & POLLIN) || on_signal(m, fds[0].fd));
  print_counts(&m->counts);
  return 0;
}
