/* world.h - the simulated cluster: machines, their threads, the network, the clients, the judge.
 *
 *      event heap (virtual time, one seed)
 *        |- actors: fast, disk, slow, app of each node: the product's own turns, each a fiber
 *        |- datagrams and streams between them (net.c, tcp.c)
 *        |- clients (client.c), faults (fault.c)
 *      after each event: oracle.c
 *
 * The product reaches all this through functions that it links elsewhere against DPDK, libuv, the
 * kernel: topo.h, wake.h (seam_topo.c), port.h (seam_port.c), disk.h (seam_disk.c), uv.h
 * (seam_uv.c).
 * They have no argument for the world, so there is one, `world`.
 *
 * One thread.  Source: design 2 (law 7); issue "simulation" 1, 2. */
#ifndef ZABLINE_TEST_SIM_WORLD_H
#define ZABLINE_TEST_SIM_WORLD_H

#include "dpdk_app/node.h"
#include "dpdk_app/rings.h"
#include "dpdk_app/turn_disk.h"
#include "dpdk_app/turn_fast.h"
#include "service/app_thread.h"
#include "slowpath/slow_turn_uv.h"
#include "test/harness/disk_powercut.h"
#include "test/sim/fiber.h"
#include "test/sim/heap.h"
#include "test/sim/plan.h"
#include "test/sim/random.h"
#include "test/sim/trace.h"

#define US 1000ull
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define NEVER UINT64_MAX
#define SIM_START (10 * SECOND) /* the machines' clocks are not near 0 */

/* ---- actors ---- */

struct actor {
  struct fiber fiber;
  struct machine *machine;
  enum thread_id thread;
  uint64_t due; /* it runs then; NEVER: not scheduled */
  uint64_t busy_to;
  uint64_t stalled_to; /* its core is taken away until then */
  bool sleeping;       /* may be woken before due */
  bool poked;          /* since it looked last */
};

/* ---- machines ---- */

enum machine_state {
  MACHINE_OFF,     /* no power: packets vanish */
  MACHINE_NO_NODE, /* the kernel answers that nobody listens */
  MACHINE_BOOTING, /* recovery runs */
  MACHINE_UP,
};

/* POWER: what was not durable is lost by chance. */
enum machine_end { END_KILL, END_POWER };

struct machine {
  int idx;
  enum machine_state state;
  uint32_t incarnation; /* counts processes */
  int exit_code;        /* of the last process; -1: it was killed */
  uint64_t boots, recoveries;
  struct config config;
  struct actor actor[THREAD_CNT];
  uint64_t stalled_to;             /* SIGSTOP, or the whole machine pauses */
  uint32_t slowness;               /* of the CPU, in hundredths */
  int64_t wall_ms;                 /* added to the wall clock */
  uint64_t clock_base, clock_from; /* the monotonic clock: base + (now - from) * rate */
  uint32_t clock_ppm;              /* rate, 1000000: right */

  struct node *node;
  struct fast fast;
  struct diskd disk;
  struct slow_turn *slow;
  struct slow_uv_config slow_config;
  struct app_thread app;
  struct app_uv_config app_config;
  bool slow_runs, app_runs;
  bool wiped;     /* has lost its disk, and does not vote yet */
  bool damaged;   /* its disk has done something bad to what it holds, once */
  bool rotten;    /* its log or snapshots have rotted: peers repair that, it takes part again */
  bool unwinding; /* it is dead; its disk thread returns from where it stood */
  bool dying;     /* has ended itself; machine_reap takes it down */
  enum machine_end dies_how;
  pos_t seen_durable, seen_applied, seen_holds; /* by the poll of the fast lcore */

  struct sim_disk *drive;
  struct sim_tcp *tcps[THREAD_CNT]; /* libuv's handles of this process, by the loop they are of */
  uv_loop_t loop, app_loop;         /* data: the machine */
  struct client_port *clients;      /* of the tree (zk_node.c) */
  struct sim_queue *rx;             /* [port]: datagrams that the NIC has taken */
};

/* ---- the world ---- */

/* What became of damaged records, as the nodes say it. */
enum repair_effect {
  REPAIR_FOUND,
  REPAIR_MADE,
  REPAIR_DENIED,
  REPAIR_WAITED,
  REPAIR_VOTE,
  REPAIR_EFFECTS
};

struct world {
  struct plan plan;
  uint64_t seed;
  char options[48]; /* of sim, for the command that repeats it */
  uint64_t now;     /* ns */
  uint64_t events;
  uint64_t repairs[REPAIR_EFFECTS];
  struct heap heap;
  struct trace trace;
  struct random random_net, random_turn, random_disk, random_fault, random_client, random_slow,
      random_oracle;
  struct machine machines[LIMIT_VOTERS];
  struct actor *current; /* whose turn it is; NULL: the world's */
  struct network *network;
  struct submitters_state *submitters;
  struct nemesis *nemesis;
  struct oracle *oracle;
  bool ended;
  bool scripted; /* no seed's run: scenarios, test/exhaustive/ */
};

extern struct world *world;

static_assert(LIMIT_VOTERS * THREAD_CNT <= HEAP_ACTORS, "the tournament has room");

/* violation prints what does not hold, the seed, the command and the trace's tail, and ends the
 * process with status 1. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* note adds a line to the trace; names: of the values ("zxid pos"). */
struct noted {
  int node, peer;
  uint64_t v[3];
};
void note(const char *action, const char *names, struct noted n);

/* ---- actor.c ---- */
void actor_start(struct machine *m, enum thread_id t);
void actor_stop(struct machine *m, enum thread_id t);
/* actor_wake: there is something for it; it runs in delay, or when it is free. */
void actor_wake(struct actor *a, uint64_t delay);
/* actor_sleep gives the turn away until `at`, or, if may_wake, until actor_wake. */
void actor_sleep(uint64_t at, bool may_wake);
/* actor_block is a sleep inside an operation that can fail; false: the process has ended. */
bool actor_block(uint64_t at);
/* actor_point: the thread may lose its core here for a while, in the middle of its turn. */
void actor_point(void);
void actor_run(struct actor *a);
/* actor_positions: what the fast lcore polls for has changed? */
void actor_positions(struct machine *m);
static inline struct actor *actor_of(int who) {
  return &world->machines[who / THREAD_CNT].actor[who % THREAD_CNT];
}

/* ---- machine.c ---- */
void machine_init(struct machine *m, int idx);
void machine_free(struct machine *m);
void machine_boot(struct machine *m);
void machine_boot_later(struct machine *m, uint64_t delay);
void machine_end(struct machine *m, enum machine_end how);
/* machine_exit is called by one of its threads: the process ends by itself. */
_Noreturn void machine_exit(struct machine *m, int exit_code);
void machine_wipe(struct machine *m); /* an empty disk, formatted --rejoin; there is no process */
void machine_reap(struct machine *m);
uint64_t machine_clock_ns(const struct machine *m);
static inline bool machine_is_up(const struct machine *m) { return m->state == MACHINE_UP; }
struct machine *machine_of_ip(uint32_t ip);
struct machine *machine_of_topo(const struct topo *t);

/* ---- net.c ---- */
void network_init(void);
void network_free(void);
void network_calm(void); /* the bad luck is over */
bool network_is_cut(int from, int to, int path);
uint64_t network_delay(int from, int to);
void datagram_send(int from, struct port_to to, const void *head, struct span payload);
void datagram_arrive(void *ptr);
void datagram_forget(struct machine *m); /* its NIC's rings are empty */

/* ---- seam_uv.c, tcp.c ---- */
void uv_seam_run(struct machine *m, enum thread_id t); /* its libuv loop, once */
void uv_seam_end(struct machine *m, enum thread_id t);
void tcp_segment_event(void *pipe, uint64_t serial);
void tcp_event(void *stream, uint64_t serial);
void tcps_free(void);
bool tcps_reset(int a, int b); /* a fault; false: there were none */

/* ---- seam_disk.c ---- */
struct sim_disk *sim_disk_new(int idx);
void sim_disk_free(struct sim_disk *d);
/* sim_disk_process_ends: all operations of the process fail from now on; sim_disk_restore: all its
 * files are closed, the next process may come. */
void sim_disk_process_ends(struct sim_disk *d, enum machine_end how);
void sim_disk_restore(struct sim_disk *d, enum machine_end how);

/* ---- client.c ---- */
void submitters_init(void);
void submitters_free(void);
void submitters_event(int who, uint64_t number);
bool submitters_turn(struct machine *m); /* in the app thread */
bool submitters_wait(const struct machine *m);
bool submitters_urgent(const struct machine *m); /* one waits here for a commit */
void submitters_role_changed(struct machine *m);
void submitters_applied(struct machine *m, zxid_t zxid, const void *txn, uint32_t len);

#endif
