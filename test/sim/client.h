/* client.h - the clients: what each has asked, and what it was told. */
#ifndef ZABLINE_TEST_SIM_CLIENT_H
#define ZABLINE_TEST_SIM_CLIENT_H

#include "test/sim/world.h"

#define CLIENTS 16

enum client_step { CLIENT_IDLE, CLIENT_STARTING, CLIENT_SUBMITTING, CLIENT_BROKEN };

struct submitter {
  uint64_t id;
  int node;
  enum client_step step;
  uint64_t next;              /* sequence to be submitted next */
  uint64_t acked;             /* sequences up to here were acknowledged */
  uint64_t wanted;            /* when pinned: up to here */
  uint64_t every, not_before; /* ns between two of its requests; 0: as fast as it is served */
  uint64_t progress;
  uint64_t timer; /* number of its newest event */
  bool waits;     /* for room */
};

struct submitters_state {
  int cnt;
  uint64_t acked; /* by all */
  bool pinned;
  struct submitter at[CLIENTS];
};

/* submitters_pin: from now on they stay at these nodes, and each wants one more acknowledgement. */
void submitters_pin(const int *nodes, int cnt);
/* submitters_settle: client i stays at node i, and wants nothing yet (a scenario's). */
void submitters_settle(void);
void submitters_want(int who, uint64_t more, uint64_t every);
/* submitters_no_more: what it has asked for is all that it wants. */
void submitters_no_more(int who);
/* client_data writes the request that client id makes of sequence; returns its length. */
uint32_t client_data(uint64_t id, uint64_t sequence, uint8_t *dst);

#endif
