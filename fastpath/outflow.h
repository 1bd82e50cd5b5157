/* outflow.h - one stream towards one peer: what was sent, what it holds, what it misses.
 *
 * The ring is the retransmission buffer: this keeps positions only.  New bytes are sent once, up to
 * the peer's window and to flight_max slices not yet received, so that its rx ring cannot overflow;
 * what the peer reports missing is sent again, exactly, no further ahead of what it holds than
 * flight_max full slices (a path may have room for fewer than were sent on the one before); the
 * tail of the stream, which nothing behind it betrays, is sent again when `received` stood still
 * for the retransmission timeout.
 *
 *      start <= acked <= next <= limit
 *
 * Owner: the thread that owns struct bcast.  Blocks: no.  Allocates: no.
 * Source: design 3 "Retransmission"; performance.md "What the fast ones do" 4, 5; zab-rules C12. */
#ifndef ZABLINE_FASTPATH_OUTFLOW_H
#define ZABLINE_FASTPATH_OUTFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/frame.h"
#include "proto/zxid.h"

#define OUTFLOW_RTO_FLOOR_US 300
#define OUTFLOW_RTO_SLICES 8 /* sent again at one timeout */

struct outflow {
  pos_t start;         /* P */
  pos_t acked;         /* the peer holds everything below; never goes back */
  pos_t next;          /* first byte never sent */
  pos_t limit;         /* window edge: highest received + window that the peer told */
  uint64_t moved_us;   /* acked moved, or the first byte in flight left, or a timeout repeated it */
  uint64_t stalled_us; /* the same without the timeouts */
  uint32_t doublings;  /* timeouts in a row */
  uint32_t flight_max, flight_first, flight_cnt;
  int repair_cnt;
  struct frame_range repair[LIMIT_GAP_RANGES];
  pos_t flight[LIMIT_FLIGHT]; /* ends of the slices sent and not yet received */
};

struct outflow_slice {
  pos_t pos;
  uint32_t len; /* 0: nothing may be sent now */
  bool again;
};

void outflow_init(struct outflow *o, pos_t start, uint32_t flight_max);

/* outflow_moved: another path, with room for flight_max slices; the tail is due for repetition as
 * soon as no answer comes. */
void outflow_moved(struct outflow *o, uint32_t flight_max, uint64_t now_us);

/* outflow_is_stalled: nothing of what is in flight has arrived for so long, however often it was
 * sent again. */
static inline bool outflow_is_stalled(const struct outflow *o, uint64_t for_us, uint64_t now_us) {
  return o->acked != o->next && now_us - o->stalled_us > for_us;
}

/* outflow_ack notes that the peer holds all below received and can take window bytes more. */
void outflow_ack(struct outflow *o, pos_t received, uint32_t window, uint64_t now_us);

/* outflow_missing asks for a range again; one that was never sent, or does not fit, is not taken.
 */
void outflow_missing(struct outflow *o, struct frame_range range);

/* outflow_forget drops what was asked for below `reclaimed`: the ring has other bytes there now.
 * Who still misses it will say so again. */
void outflow_forget(struct outflow *o, pos_t reclaimed);

/* outflow_tick repeats the tail after rto_us without progress, doubling up to max_us. */
void outflow_tick(struct outflow *o, uint64_t now_us, uint64_t rto_us, uint64_t max_us);

/* outflow_take returns the next slice, at most max bytes, below end, and counts it as sent: first
 * what is missing, then what is new. */
struct outflow_slice outflow_take(struct outflow *o, pos_t end, uint32_t max, uint64_t now_us);

#endif
