/* repair.h - what Zabline peers ask each other about damaged records (quorum port).
 *
 *      ASK      zxid = after; data: i8 upto                      "the record behind `after`, up to
 *      ANSWER   zxid = after; data: i4 answer, i8 upto, record    `upto`, is damaged here"
 *
 * Sent only to a peer with FEATURE_REPAIR.  The record is whole, as it stands in logs and streams,
 * with its own checksum.  Pure.  Source: design 5.1, 6; zab-rules E3. */
#ifndef ZABLINE_PROTO_REPAIR_H
#define ZABLINE_PROTO_REPAIR_H

#include "proto/packet.h"

enum repair_answer {
  ANSWER_HAVE = 1,
  ANSWER_DONT_HAVE, /* it is not of my history */
  ANSWER_FAULTY,    /* damaged here, too; or I cannot say */
  ANSWER_BELOW_LOG, /* I have purged it: a snapshot of mine holds it */
};

struct repair_msg {
  zxid_t after, upto;
  enum repair_answer answer; /* ANSWER */
  struct span record;        /* HAVE */
};

#define REPAIR_ASK_LEN 8
#define REPAIR_ANSWER_HEAD 12

/* repair_ask writes the data of an ASK into dst (REPAIR_ASK_LEN bytes). */
struct packet repair_ask(void *dst, zxid_t after, zxid_t upto);
/* repair_answer: dst holds the record behind REPAIR_ANSWER_HEAD bytes of room. */
struct packet repair_answer(void *dst, const struct repair_msg *m);

/* repair_read: REASON_NONE, or REASON_PACKET_BAD.  m->record points into p's data. */
enum reason repair_read(struct repair_msg *m, const struct packet *p);

#endif
