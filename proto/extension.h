/* extension.h - what Zabline peers tell each other inside ZooKeeper's packets.
 *
 *      u32 "ZABL" | u16 version | u16 length | (u16 type, u16 length, value)*      big endian
 *
 * Follows LearnerInfo in FOLLOWERINFO, the protocol version in LEADERINFO, and, after one NUL byte,
 * the config text of NEWLEADER; it is also the data of UPTODATE between Zabline peers.  Unknown
 * types are skipped.  Pure.  Source: design 5.1. */
#ifndef ZABLINE_PROTO_EXTENSION_H
#define ZABLINE_PROTO_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/cursor.h"
#include "proto/reason.h"
#include "proto/zxid.h"

#define EXTENSION_MAGIC 0x5a41424cu /* "ZABL" */
#define EXTENSION_VERSION 1

enum extension_type {
  EXT_BUILD = 1,          /* text */
  EXT_CLUSTER = 2,        /* text */
  EXT_DURABILITY = 3,     /* u8: enum config_durability */
  EXT_LARGEST_RECORD = 4, /* u32 */
  EXT_MTU = 5,            /* u16 */
  EXT_FAST_ADDRESS = 6,   /* u32 ip, u16 port */
  EXT_ITERATION = 7,      /* u64, chosen by the leader */
  EXT_KEY = 8,            /* key material (security.md); room only */
  EXT_FEATURES = 9,       /* u64: FEATURE_* */
  EXT_POSITION = 10,      /* u64: P of NEWLEADER */
  EXT_REQUESTS = 11,      /* u64: NEWLEADER with FEATURE_RESUMES: the leader holds so much */
};

/* feature bits */
#define FEATURE_NON_COUNTING (1u << 0) /* FOLLOWERINFO: sender must not be counted */
#define FEATURE_REJOIN (1u << 1)       /* FOLLOWERINFO: ... because its disk was lost (E5) */
#define FEATURE_MAY_VOTE (1u << 2)     /* UPTODATE: from now on the learner may vote and count */
#define FEATURE_TCP_FRAMES (1u << 3)   /* sender takes frames of the broadcast over TCP (5.4) */
#define FEATURE_YIELDS (1u << 4)     /* FOLLOWERINFO: sender, if it can be spared, shall not lead */
#define FEATURE_IN_PLACE (1u << 5)   /* sender goes to the next epoch on the same connection */
#define FEATURE_RESUMES (1u << 6)    /* NEWLEADER: the REQUEST stream of before goes on */
#define FEATURE_REPAIR (1u << 8)     /* sender answers ASK (repair.h) */
#define FEATURE_NEEDS_SNAP (1u << 9) /* FOLLOWERINFO: only a SNAP helps the sender */

struct extension {
  bool present;
  char build[LIMIT_NAME_LEN];
  char cluster[LIMIT_NAME_LEN];
  uint8_t durability;
  uint32_t largest_record;
  uint16_t mtu;
  uint32_t fast_ip;
  uint16_t fast_port;
  uint64_t iteration;
  uint64_t features;
  pos_t position;
  pos_t requests; /* written with FEATURE_RESUMES only */
};

/* extension_write returns the length, 0 if cap is too small.  Writes every field,
 * `requests` if it means something. */
size_t extension_write(void *dst, size_t cap, const struct extension *e);

/* extension_read parses buf from its magic on.  e->present is false and REASON_NONE returned when
 * there is no magic (a ZooKeeper peer); REASON_EXTENSION_BAD when it is malformed (a
 * type twice included); missing types stay zero.  Bytes behind the block are not looked at. */
enum reason extension_read(struct extension *e, const void *buf, size_t len);

#endif
