/* heap.h - the one event heap: by time, and among equals by the order of insertion.
 *
 * Most events are turns of actors, each of which has one that is due, or none: these stand in a
 * tournament beside the heap, since they are moved more often than they come. */
#ifndef ZABLINE_TEST_SIM_HEAP_H
#define ZABLINE_TEST_SIM_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
  EVENT_ACTOR,    /* who: actor */
  EVENT_DATAGRAM, /* ptr: struct datagram */
  EVENT_SEGMENT,  /* ptr: struct pipe of a stream; number: the stream's serial */
  EVENT_STREAM,   /* ptr: struct tcp: keepalive, connect */
  EVENT_CLIENT,   /* who: client */
  EVENT_FAULT,    /* the nemesis has its turn */
  EVENT_UNDO,     /* who: slot of a fault that ends; number: its serial */
  EVENT_BOOT,     /* who: machine; number: its incarnation */
  EVENT_ZK,       /* who: client of the tree; number: of its newest event */
  EVENT_KINDS
};

struct sim_event {
  uint64_t at; /* ns */
  enum event_kind kind;
  int32_t who;
  uint64_t number;
  void *ptr;
};

/* What is compared lies close together: four children are one cache line. */
struct heap_key {
  uint64_t at;
  uint64_t order_slot; /* the order of insertion, above HEAP_SLOT_BITS of the slot */
};

#define HEAP_SLOT_BITS 24
#define HEAP_ACTORS 32 /* a power of two */

struct heap {
  struct heap_key *key;
  struct sim_event *slot;
  uint32_t *free; /* slots; those of free[cnt] and behind are */
  uint32_t cnt, cap;
  uint64_t order;
  struct heap_key due[HEAP_ACTORS];
  uint8_t winner[HEAP_ACTORS]; /* [1]: who is due first; those of [i] are [2i], [2i+1] */
};

void heap_clear(struct heap *h);
void heap_free(struct heap *h);
void heap_push(struct heap *h, struct sim_event e);
/* heap_actor: the turn of actor who is due at `at`, and at no other time; UINT64_MAX: never. */
void heap_actor(struct heap *h, int who, uint64_t at);
/* heap_next: when the next event is due; UINT64_MAX: there is none. */
uint64_t heap_next(const struct heap *h);
bool heap_pop(struct heap *h, struct sim_event *e);

#endif
