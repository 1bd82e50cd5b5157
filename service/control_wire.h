/* control_wire.h - what zabctl and zabd say to each other on the control socket (UNIX stream).
 *
 *      u32 length of type and body | u8 type | body                      big endian
 *
 * The client speaks first: HELLO.  Whatever is wrong before a good HELLO is answered with one line
 * of text ("error: ...") and the end of the connection; afterwards with a CONTROL_ERROR frame.  A
 * frame longer than largest_record allows is wrong.  One command at a time on a connection.
 *
 * client                                          server
 *   HELLO      i4 magic, i4 version                 HELLO    i4 magic, i4 version, i4 id, build
 *   STATUS                                          JSON     text
 *   DIGEST                                          JSON     text
 *   STEP_DOWN                                       JSON     text
 *   RECOVER    cluster name                         JSON     text
 *   BENCH      i8 count, i4 size, i4 outstanding    JSON     text
 *   TAIL       i8 from, i4 follow 0/1               PURGED i8 zxid, RECORDS ..., END i8 applied
 *   START      i8 client, i8 acked, i8 its zxid     ACKS of what the client has missed, then
 *                                                   READY    i8 last, i8 zxid, i4 largest data;
 *                                                            as soon as the node serves
 *   SUBMIT     i8 client, i8 sequence, data         ACKS     n x (i8 sequence, i8 zxid or 0:
 * unknown) RESEND   i4 reason: START again, then from last + 1 REFUSED  i8 sequence, i4 reason: the
 * same RECORDS    n x (i8 zxid, i8 client, i8 sequence, i4 len, data)
 *
 * SUBMIT's body is app_log's request.  An acknowledgement is also one of all before it.
 * Source: issue "spine" 7. */
#ifndef ZABLINE_SERVICE_CONTROL_WIRE_H
#define ZABLINE_SERVICE_CONTROL_WIRE_H

#include "config/limits.h"

#define CONTROL_MAGIC 0x5a414243 /* "ZABC" */
#define CONTROL_VERSION 1
#define CONTROL_FRAME_HEADER 5   /* length and type */
#define CONTROL_RECORD_HEADER 28 /* of one record in RECORDS */
#define CONTROL_FRAME_MAX (LIMIT_RECORD_MAX + 128u * 1024u)

enum control_type {
  CONTROL_HELLO = 1,
  CONTROL_STATUS,
  CONTROL_DIGEST,
  CONTROL_STEP_DOWN,
  CONTROL_RECOVER,
  CONTROL_BENCH,
  CONTROL_TAIL,
  CONTROL_START,
  CONTROL_SUBMIT,
  CONTROL_JSON,
  CONTROL_ERROR, /* i4 reason, text */
  CONTROL_READY,
  CONTROL_ACKS,
  CONTROL_RESEND,
  CONTROL_REFUSED,
  CONTROL_PURGED,
  CONTROL_RECORDS,
  CONTROL_END,
  CONTROL_TYPE_CNT
};

#endif
