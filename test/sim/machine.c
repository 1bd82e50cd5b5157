/* One machine: power, kernel, disk, and the process of its node while that lives. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "proto/crc32c.h"
#include "proto/exit_code.h"
#include "storage/store_impl.h"
#include "test/sim/drive.h"
#include "test/sim/fault.h"
#include "test/sim/oracle.h"
#include "test/sim/scene.h"
#include "test/sim/world.h"
#include "test/sim/zk.h"

#define CLUSTER "simulated"
#define IP_BASE 0x0a000001u /* 10.0.0.1: node 1 */

uint64_t machine_clock_ns(const struct machine *m) {
  return m->clock_base + (world->now - m->clock_from) * m->clock_ppm / 1000000;
}

struct machine *machine_of_ip(uint32_t ip) {
  uint32_t i = ip - IP_BASE;
  return i < (uint32_t)world->plan.nodes ? &world->machines[i] : NULL;
}

struct machine *machine_of_topo(const struct topo *t) {
  for (int i = 0; i < world->plan.nodes; i++)
    if (world->machines[i].node && &world->machines[i].node->topo == t) return &world->machines[i];
  abort();
}

static void configure_peer(struct config_peer *p, int idx, int paths) {
  *p = (struct config_peer){.id = (uint8_t)(idx + 1),
                            .role = ROLE_VOTER,
                            .quorum_port = 2888,
                            .election_port = 3888,
                            .fast_cnt = paths};
  snprintf(p->address, sizeof p->address, "10.0.0.%d", idx + 1);
  for (int i = 0; i < paths; i++)
    p->fast[i] = (struct config_fast){.ip = IP_BASE + (uint32_t)idx, .port_idx = i};
}

static void configure(struct config *c, int idx) {
  const struct plan *p = &world->plan;
  *c = (struct config){.id = (uint8_t)(idx + 1),
                       .self_idx = idx,
                       .peer_cnt = p->nodes,
                       .port_cnt = p->paths,
                       .durability = p->memory ? DURABILITY_MEMORY : DURABILITY_SYNC,
                       .idle = IDLE_YIELD,
                       .idle_turns = 1,
                       .mtu = (uint16_t)p->mtu,
                       .ring_bytes = p->ring_bytes,
                       .largest_record = p->largest_record,
                       .heartbeat_us = p->heartbeat_us,
                       .timeout_us = p->timeout_us,
                       .tick_ms = 100,
                       .init_limit = 10,
                       .sync_limit = 5,
                       .finalize_ms = 20,
                       .disk_timeout_ms = 500,
                       .segment_bytes = p->segment_bytes,
                       .snapshot_log_bytes = p->snapshot_log_bytes,
                       .snapshots_kept = 3,
                       .counter_limit = p->counter_limit,
                       .app_keep = 100000};
  if (p->tree) {
    c->app = CONFIG_APP_TREE;
    c->client_port = ZK_PORT;
    c->container_check_ms = 200;
  }
  strcpy(c->cluster, CLUSTER);
  c->cluster_id = crc32c(CLUSTER, strlen(CLUSTER));
  snprintf(c->data_dir, sizeof c->data_dir, "%d", idx);
  for (int i = 0; i < p->paths; i++) c->ports[i] = (struct config_port){.fast_idx = i};
  for (int i = 0; i < p->nodes; i++) configure_peer(&c->peers[i], i, p->paths);
  for (int i = 0; i < p->paths; i++) c->peers[idx].fast[i].port_idx = -1;
}

void machine_init(struct machine *m, int idx) {
  void *stacks[THREAD_CNT];
  for (int i = 0; i < THREAD_CNT; i++) stacks[i] = m->actor[i].fiber.stack;
  memset(m, 0, sizeof *m);
  for (int i = 0; i < THREAD_CNT; i++) {
    m->actor[i].fiber.stack = stacks[i];
    m->actor[i].machine = m;
    m->actor[i].thread = (enum thread_id)i;
  }
  m->idx = idx;
  m->state = MACHINE_NO_NODE;
  m->exit_code = -1;
  m->slowness = 100;
  m->clock_ppm = 1000000;
  m->clock_from = world->now;
  m->clock_base = SIM_START + random_below(&world->random_turn, 1000 * SECOND);
  m->loop.data = m->app_loop.data = m;
  configure(&m->config, idx);
  m->drive = sim_disk_new(idx);
  int code = node_format(&m->config, false);
  assert(code == 0);
}

void machine_free(struct machine *m) {
  if (m->node) machine_end(m, END_KILL);
  sim_disk_free(m->drive);
}

void machine_wipe(struct machine *m) {
  assert(!m->node);
  sim_disk_free(m->drive);
  m->drive = sim_disk_new(m->idx);
  int code = node_format(&m->config, true);
  assert(code == 0);
  m->wiped = true;
  oracle_wiped(m);
  note("DiskLost", "", (struct noted){m->idx, -1, {0}});
}

void machine_boot(struct machine *m) {
  size_t size = (sizeof *m->node + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  assert(!m->node);
  fault_at_boot(m);
  m->node = memory_or_end(aligned_alloc(CACHE_LINE, size), size);
  memset(m->node, 0, size);
  m->node->config = m->config;
  m->node->build = "sim";
  m->incarnation++;
  m->boots++;
  m->exit_code = -1;
  m->state = MACHINE_BOOTING;
  m->seen_durable = m->seen_applied = m->seen_holds = 0;
  note("NodeStart", "incarnation", (struct noted){m->idx, -1, {m->incarnation}});
  actor_start(m, THREAD_DISK);
}

void machine_boot_later(struct machine *m, uint64_t delay) {
  heap_push(
      &world->heap,
      (struct sim_event){
          .at = world->now + delay, .kind = EVENT_BOOT, .who = m->idx, .number = m->incarnation});
}

/* The disk thread may stand in the middle of a disk operation: it gets an error and returns, so
 * that what it took for this operation is given back. */
static void unwind_disk(struct machine *m) {
  struct actor *a = &m->actor[THREAD_DISK];
  struct actor *before = world->current;
  if (!a->fiber.alive || !a->fiber.started || before == a) return;
  world->current = a;
  m->unwinding = true;
  while (a->fiber.alive) fiber_resume(&a->fiber);
  m->unwinding = false;
  world->current = before;
}

static void free_process(struct machine *m) {
  if (m->slow) {
    slow_turn_close(m->slow);
    uv_seam_end(m, THREAD_SLOW);
    memset(m->slow->replica.lent, 0, sizeof m->slow->replica.lent); /* nobody has it any more */
    slow_turn_free(m->slow);
  }
  zk_node_close(m);
  if (m->app_runs) app_thread_free(&m->app);
  node_close(m->node);
  free(m->node);
  m->slow = NULL;
  m->node = NULL;
  m->slow_runs = m->app_runs = false;
}

static void end(struct machine *m, enum machine_end how) {
  oracle_process_ends(m, how);
  m->state = how == END_POWER ? MACHINE_OFF : MACHINE_NO_NODE;
  /* a node that stops because it has seen it must know it when it comes back */
  bool seen = m->node->store && m->node->store->io.reason == REASON_CORRUPT;
  if (!seen && !scene_is_on()) drive_give_back(m->drive);
  sim_disk_process_ends(m->drive, how);
  datagram_forget(m);
  for (int i = 0; i < THREAD_CNT; i++)
    if (i != THREAD_DISK) actor_stop(m, (enum thread_id)i);
  submitters_role_changed(m);
}

/* Not from one of its own threads. */
void machine_end(struct machine *m, enum machine_end how) {
  if (!m->node) {
    m->state = how == END_POWER ? MACHINE_OFF : m->state;
    return;
  }
  end(m, how);
  unwind_disk(m);
  actor_stop(m, THREAD_DISK);
  free_process(m);
  sim_disk_restore(m->drive, how);
}

_Noreturn void machine_exit(struct machine *m, int exit_code) {
  if (m->unwinding) fiber_exit();
  m->exit_code = exit_code;
  /* so much damage that it refuses to start: rightly, if it says so */
  if (m->rotten && m->state == MACHINE_BOOTING && exit_code == EXIT_CODE_STORAGE) m->damaged = true;
  m->dies_how = END_KILL;
  m->dying = true; /* machine_reap takes it down from outside of this fiber */
  note("NodeExit", "code", (struct noted){m->idx, -1, {(uint64_t)exit_code}});
  if (!scene_is_on()) /* its supervisor; a scenario boots by itself */
    machine_boot_later(m, random_between(&world->random_fault, MS, 50 * MS));
  fiber_exit();
}

void machine_reap(struct machine *m) {
  if (!m->dying) return;
  m->dying = false;
  machine_end(m, m->dies_how);
}
