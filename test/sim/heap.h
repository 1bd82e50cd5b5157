/* heap.h - the one event heap: by time, and among equals by the order of insertion. */
#ifndef ZABLINE_TEST_SIM_HEAP_H
#define ZABLINE_TEST_SIM_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
  EVENT_ACTOR,    /* who: actor; number: its due number, else stale */
  EVENT_DATAGRAM, /* ptr: struct datagram */
  EVENT_SEGMENT,  /* ptr: struct pipe of a stream; number: the stream's serial */
  EVENT_STREAM,   /* ptr: struct tcp: keepalive, connect */
  EVENT_CLIENT,   /* who: client */
  EVENT_FAULT,    /* the nemesis has its turn */
  EVENT_UNDO,     /* who: slot of a fault that ends; number: its serial */
  EVENT_BOOT,     /* who: machine; number: its incarnation */
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

struct heap {
  struct heap_key *key;
  struct sim_event *slot;
  uint32_t *free; /* slots; those of free[cnt] and behind are */
  uint32_t cnt, cap;
  uint64_t order;
};

void heap_clear(struct heap *h);
void heap_free(struct heap *h);
void heap_push(struct heap *h, struct sim_event e);
bool heap_pop(struct heap *h, struct sim_event *e);

#endif
