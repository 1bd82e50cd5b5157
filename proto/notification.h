/* notification.h - election port 3888: hello and notification, byte for byte ZooKeeper's.
 *
 * Pure.  Source: election.md 1.3, 1.6, 2. */
#ifndef ZABLINE_PROTO_NOTIFICATION_H
#define ZABLINE_PROTO_NOTIFICATION_H

#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/reason.h"
#include "proto/zxid.h"

enum peer_state { PEER_LOOKING = 0, PEER_FOLLOWING = 1, PEER_LEADING = 2, PEER_OBSERVING = 3 };

struct vote {
  int64_t leader;
  zxid_t zxid;            /* ZXID_NONE: neither votes nor counts */
  int64_t election_epoch; /* the round */
  int64_t peer_epoch;     /* currentEpoch of the voted leader */
};

struct notification {
  enum peer_state state;
  struct vote vote;
  int32_t version;                /* 2; 0 for the oldest two formats */
  char config[LIMIT_CONFIG_TEXT]; /* sender's server list, "" if none; cut at the bound */
};

/* notification_write puts i4 length and the body (version 2) at dst; returns the bytes written, 0
 * if cap is too small. */
size_t notification_write(void *dst, size_t cap, const struct notification *n);

/* notification_read parses one body (length prefix already taken off).  REASON_NONE or
 * REASON_NOTIFICATION_BAD. */
enum reason notification_read(struct notification *n, const void *body, size_t len);

struct hello {
  int64_t sid;
  char address[LIMIT_HOST_LEN + 8]; /* first "host:port", "" in the legacy form */
};

/* hello_write writes the V1 hello; returns its length, 0 if cap is too small. */
size_t hello_write(void *dst, size_t cap, int64_t sid, const char *host, uint16_t port);

/* hello_read returns the bytes the hello took, 0 if more are needed, -1 if it is malformed. */
int hello_read(struct hello *h, const void *buf, size_t len);

#endif
