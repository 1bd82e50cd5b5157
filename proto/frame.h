/* frame.h - the fast path's frame header: 88 bytes, little endian, natural alignment.
 *
 * What the fields say, by direction (positions of the epoch stream unless said otherwise):
 *
 *               leader -> follower                     follower -> leader
 *   position    of the payload; without a slice:       the same, in its REQUEST stream
 *               all below has been sent to you
 *   committed   at most position + length, so that     its own view: the newest it was told
 *               the follower can check it
 *   durable     acknowledged by the leader itself      acknowledged, a record end (R6, R11)
 *   received    of the follower's REQUEST stream       of the epoch stream
 *   window      room for REQUESTs beyond received      room in the ring beyond received
 *   send_time   the sender's clock, never 0            the same
 *   echo_time   newest send_time heard on the path     the same
 *               that this frame takes, 0: none yet
 *
 * Source: design 4 (the table there is this struct). */
#ifndef ZABLINE_PROTO_FRAME_H
#define ZABLINE_PROTO_FRAME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/reason.h"
#include "proto/zxid.h"

#define FRAME_MAGIC 0x425au /* "ZB" */
#define FRAME_VERSION 1

enum frame_type { /* rows: msg.def */
#define FRAME(id, value, name, sender, payload) FRAME_##id = value,
#include "proto/msg.def"
#undef FRAME
};

enum frame_sender { SENDER_LEADER = 1, SENDER_FOLLOWER = 2, SENDER_EITHER = 3 };
enum frame_payload { PAYLOAD_EMPTY, PAYLOAD_SLICE, PAYLOAD_GAPS };

#define FRAME_GAP 0x01u   /* payload: up to LIMIT_GAP_RANGES of struct frame_range */
#define FRAME_GROUP 0x02u /* multicast; not sent yet */
/* Only the times count: does the path on which it comes answer?  PING of the leader, answered by an
 * ACK on the same path.  Takes a seq, but is not ordered with the other frames. */
#define FRAME_PROBE 0x04u

struct frame_range {
  uint64_t from, to;
};

struct frame_header {
  uint16_t magic;
  uint8_t version, type;
  uint8_t flags, key_id;
  uint16_t payload_len;
  uint32_t cluster_id;
  uint8_t source, destination; /* node ids */
  uint16_t zero_a;
  uint64_t iteration;
  uint64_t seq; /* counts every frame of this direction and iteration, from 1 */
  uint32_t epoch;
  uint32_t window;   /* bytes the sender can still take beyond `received` */
  uint64_t position; /* of the payload, in the stream the sender writes */
  uint64_t committed;
  uint64_t durable;              /* the sender's own */
  uint64_t received;             /* how far the sender holds the stream the addressee writes */
  uint32_t send_time, echo_time; /* us, low 32 bits */
  uint32_t crc;                  /* crc32c of the 80 bytes before */
  uint32_t zero_b;
};
static_assert(sizeof(struct frame_header) == LIMIT_FRAME_HEADER, "design 4");
static_assert(offsetof(struct frame_header, iteration) == 16 &&
                  offsetof(struct frame_header, committed) == 48 &&
                  offsetof(struct frame_header, crc) == 80,
              "design 4");

/* frame_seal sets magic, version, zeros and the crc. */
void frame_seal(struct frame_header *h);

/* frame_check validates what needs no state: length, magic, version, crc, reserved fields, type,
 * flags, payload length against len.  frame: len bytes as received, header first, any alignment; *h
 * is overwritten, and is worth reading when REASON_NONE is returned. */
enum reason frame_check(struct frame_header *h, const void *frame, size_t len);

/* frame_name returns "PROPOSAL" ..., "unknown" for what is no type. */
const char *frame_name(uint8_t type);

/* frame_sender returns who sends frames of this type (enum frame_sender), 0 for what is no type. */
unsigned frame_sender(uint8_t type);

#endif
