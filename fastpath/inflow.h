/* inflow.h - one stream from one peer: which missing bytes to report, and when.
 *
 * A new gap is reported at once, once; whatever is still missing after `again_us` is reported
 * again. The writer's frames without payload say how much it has sent, so a lost tail is a gap too.
 *
 * Owner: the thread that owns struct bcast.  Blocks: no.  Allocates: no.  Source: design 3, 4. */
#ifndef ZABLINE_FASTPATH_INFLOW_H
#define ZABLINE_FASTPATH_INFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/stream.h"
#include "proto/frame.h"

struct inflow {
  pos_t announced;        /* the writer has sent everything below */
  pos_t reported;         /* gaps below were reported */
  pos_t held;             /* received, when it was last looked at */
  uint64_t held_us;       /* since when it stands there */
  uint64_t told_us;       /* ... and our first frame after that; 0: none */
  pos_t idle;             /* newest frame without payload: the writer had sent this much ... */
  uint64_t idle_us;       /* ... and had nothing to add when this came */
  uint64_t idle_heard_us; /* ... although it had heard what we sent then */
  uint64_t reported_us;   /* when all gaps were last reported */
};

void inflow_init(struct inflow *f, pos_t start);

/* inflow_announce notes that the writer has sent all below pos. */
void inflow_announce(struct inflow *f, pos_t pos);

/* inflow_idle notes a frame without payload: the writer has sent all below pos and, just then, had
 * no more, or had to wait for our answer: the newest that it had heard was sent at heard_us (0:
 * none). */
struct inflow_quiet {
  pos_t pos;
  uint64_t now_us, heard_us;
};
void inflow_idle(struct inflow *f, struct inflow_quiet q);

/* inflow_fell_back notes that bytes above whole are missing again. */
void inflow_fell_back(struct inflow *f, pos_t whole);

/* inflow_is_stuck: all that was sent is there and could go on to edge, but it ends inside a record,
 * and wait_us (at least a heartbeat) after that the writer, who had heard that it is there, still
 * said that this is all.  It sends whole records, so the length of that one is damaged; one that is
 * merely late, or may not send more at a time, does not say that. */
struct inflow_clock {
  uint64_t now_us, wait_us;
  uint64_t sent_us; /* our last frame that told what we hold */
};
bool inflow_is_stuck(struct inflow *f, const struct stream *s, pos_t edge, struct inflow_clock c);

/* inflow_moved: another path.  What was told on the old one may be lost. */
void inflow_moved(struct inflow *f, uint64_t now_us);

/* inflow_report fills out (LIMIT_GAP_RANGES) with what to report now; returns how many ranges. */
int inflow_report(struct inflow *f, const struct stream *s, uint64_t now_us, uint64_t again_us,
                  struct frame_range *out);

#endif
