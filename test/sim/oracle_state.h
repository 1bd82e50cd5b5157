/* oracle_state.h - the judge's memory, shared by the oracle_*.c files. */
#ifndef ZABLINE_TEST_SIM_ORACLE_STATE_H
#define ZABLINE_TEST_SIM_ORACLE_STATE_H

#include "proto/notification.h"
#include "test/sim/client.h"
#include "test/sim/history.h"
#include "test/sim/oracle.h"

#define ORACLE_WINDOW 1024 /* more than any client has outstanding */
#define ORACLE_COUNTED 8   /* more attachments of one peer than can be on their way */

struct oracle_node {
  zxid_t tip; /* of its durable history, as its store says */
  /* what it has told others, and so must never forget */
  uint32_t promised, current, seen_current;
  uint32_t own_epoch; /* that it leads, or was about to */
  zxid_t acked;
  zxid_t said;      /* as acked, in `memory`: received, and perhaps lost by now */
  zxid_t cut;       /* where a leader has told it to cut, since it acknowledged last; 0: nowhere */
  zxid_t info_zxid; /* its last zxid at FOLLOWERINFO, or when it was fenced in place */
  uint32_t offered; /* newest epoch of its LEADERINFOs */
  bool in_place;    /* as a leader: its fast path is closed, and it leads on */
  /* its open stream: the record that ends where it has acknowledged */
  bool told_once;
  pos_t told_pos;
  zxid_t told_zxid;
  struct { /* its vote, when it was last looked at */
    uint64_t incarnation, ballot;
    struct vote vote;
  } voted;
  uint32_t strays;     /* in this turn: frames of no attachment that stands */
  uint64_t drops_then; /* counted before the first of them */
  /* as a leader: its own clock when a frame of each peer came, and when it was first seen to lead;
   * the iterations that were COUNTed */
  uint32_t led_epoch;
  uint64_t led_us, heard_us[LIMIT_VOTERS];
  uint64_t counted[LIMIT_VOTERS][ORACLE_COUNTED];
  uint32_t counted_cnt[LIMIT_VOTERS];
  /* as a leader: committed as far as this was looked at */
  pos_t seen_pos;
  zxid_t seen_zxid;
};

struct oracle_client {
  uint64_t submitted, committed; /* sequences up to here */
  uint64_t floor[ORACLE_WINDOW]; /* [sequence]: what was acknowledged when it was submitted */
};

struct oracle {
  struct history history;
  struct oracle_node node[LIMIT_VOTERS];
  struct oracle_client client[CLIENTS];
  uint64_t elections, in_place; /* established; of them without an election */
  uint64_t images;              /* looked at */
  uint64_t acked_depth;         /* the deepest record that was acknowledged to anybody */
};

struct oracle *oracle_state(void);
/* oracle_strays: the turn is over; each of them must have been dropped. */
void oracle_strays(struct machine *m);
/* oracle_counted: COUNT of an attachment is on its way to the fast lcore. */
void oracle_counted(struct machine *m, const struct fast_msg *f);
/* oracle_requests: followers' REQUESTs reach the leader's app in order, each once. */
void oracle_requests_init(void);
void oracle_requests(struct machine *m, enum ring_id id, const void *element);
/* oracle_promises: a learner asks its disk for the promise of an epoch. */
void oracle_promises(struct machine *m);
/* oracle_phases: what came was what may come. */
void oracle_phases(struct machine *m);
/* oracle_votes: how it votes. */
void oracle_votes(struct machine *m);
/* oracle_leads: who leads, and with whom. */
void oracle_leads(struct machine *m);
/* oracle_obliged: a store that has recovered d must know all that the node has told others. */
void oracle_obliged(int node, struct durable_state d, const char *when);
/* oracle_image looks at what m's disk would hold if its power went now. */
void oracle_image(struct machine *m);

#endif
