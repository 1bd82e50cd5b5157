/* port.h and ring memory: the NIC is a queue of datagrams. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dpdk_app/mem.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"
#include "test/sim/world.h"

/* The product's handle: which machine. */
struct ports {
  struct machine *machine;
  struct counters *counters;
  int held[LIMIT_PORTS]; /* datagrams of a port's last burst */
};

static struct ports all[LIMIT_VOTERS];

static struct machine *machine_of_config(const struct config *c) {
  return &world->machines[c->self_idx];
}

int ports_open(struct ports **out, const struct config *c, struct counters *counters,
               struct open_error *e) {
  (void)e;
  *out = &all[c->self_idx];
  **out = (struct ports){.machine = machine_of_config(c), .counters = counters};
  return 0;
}

void ports_count_drops(struct ports *p, struct drops *d) { (void)p, (void)d; }
void ports_close(struct ports *p) { (void)p; }

int port_rx(struct ports *p, int port_idx, struct rx_frame *out) {
  struct sim_queue *q = &p->machine->rx[port_idx];
  int cnt = 0;
  assert(!p->held[port_idx]);
  for (; cnt < LIMIT_BURST && cnt < (int)q->cnt; cnt++) {
    struct datagram *d = q->at[(q->head + (uint32_t)cnt) % NIC_MAX];
    oracle_heard(p->machine, d->from);
    if (!d->corrupt) oracle_received(p->machine, d->from, d->bytes);
    out[cnt] = (struct rx_frame){d->bytes, (uint16_t)d->len, d->from};
  }
  p->held[port_idx] = cnt;
  return cnt;
}

void port_rx_done(struct ports *p, int port_idx) {
  struct sim_queue *q = &p->machine->rx[port_idx];
  for (; p->held[port_idx]; p->held[port_idx]--) {
    datagram_free(q->at[q->head]);
    q->head = (q->head + 1) % NIC_MAX;
    q->cnt--;
  }
}

void port_tx(struct ports *p, struct port_to to, const struct frame_header *header,
             const void *payload, uint32_t len) {
  struct machine *m = p->machine;
  assert(len + sizeof *header + LIMIT_FRAME_OVERHEAD <= m->config.mtu);
  oracle_frame(m, to.peer_idx, to.fast_idx, header);
  datagram_send(m->idx, to, header, (struct span){payload, (int32_t)len});
  actor_point();
}

bool port_reaches(const struct ports *p, struct port_to to) { return (void)p, (void)to, true; }
void port_tick(struct ports *p, uint64_t now_ns) { (void)p, (void)now_ns; }
void port_doubt(struct ports *p, struct port_to to) { (void)p, (void)to; }
void port_flush(struct ports *p) { (void)p; }
void port_flush_to_one(struct ports *p) { (void)p; }
void port_leave(struct ports *p) { (void)p; }
bool port_link_up(const struct ports *p, struct port_to to) { return (void)p, (void)to, true; }

/* ---- rings that are mapped twice: kept, since mapping costs more than a node's start ---- */

#define RINGS 128

static struct {
  void *ring;
  uint64_t bytes;
  bool used;
} rings[RINGS];

static void *map_twice(uint64_t bytes) {
  int fd = memfd_create("ring", MFD_CLOEXEC);
  assert(fd >= 0);
  int err = ftruncate(fd, (off_t)bytes);
  assert(err == 0);
  uint8_t *p = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  assert(p != MAP_FAILED);
  for (int half = 0; half < 2; half++) {
    void *at = mmap(p + (uint64_t)half * bytes, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED, fd, 0);
    assert(at != MAP_FAILED);
  }
  close(fd);
  return p;
}

/* What was in it before is gone: a seed must not depend on the one before it. */
void *ring_map(uint64_t bytes) {
  int i = 0;
  while (i < RINGS && rings[i].ring && (rings[i].used || rings[i].bytes != bytes)) i++;
  assert(i < RINGS);
  if (!rings[i].ring) rings[i].ring = map_twice(bytes);
  rings[i].bytes = bytes;
  rings[i].used = true;
  memset(rings[i].ring, 0xa5, bytes);
  return rings[i].ring;
}

void ring_unmap(void *ring, uint64_t bytes) {
  (void)bytes;
  for (int i = 0; i < RINGS; i++)
    if (rings[i].ring && rings[i].ring == ring) rings[i].used = false;
}
