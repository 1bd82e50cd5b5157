/* packet.h - quorum port 2888: QuorumPacket and what stands in its data, byte for byte ZooKeeper's.
 *
 * Pure.  Source: quorum.md 1, 3; design 3 (authinfo Id {"crc32c", hex}), 5.1 (extension). */
#ifndef ZABLINE_PROTO_PACKET_H
#define ZABLINE_PROTO_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "proto/cursor.h"
#include "proto/reason.h"
#include "proto/zxid.h"

enum packet_type {
  PACKET_REQUEST = 1,
  PACKET_PROPOSAL = 2,
  PACKET_ACK = 3,
  PACKET_COMMIT = 4,
  PACKET_PING = 5,
  PACKET_REVALIDATE = 6,
  PACKET_SYNC = 7,
  PACKET_INFORM = 8,
  PACKET_COMMITANDACTIVATE = 9,
  PACKET_NEWLEADER = 10,
  PACKET_FOLLOWERINFO = 11,
  PACKET_UPTODATE = 12,
  PACKET_DIFF = 13,
  PACKET_TRUNC = 14,
  PACKET_SNAP = 15,
  PACKET_OBSERVERINFO = 16,
  PACKET_LEADERINFO = 17,
  PACKET_ACKEPOCH = 18,
  PACKET_INFORMANDACTIVATE = 19,
  PACKET_FRAME = 100, /* data: one frame of the broadcast (frame.h); FEATURE_TCP_FRAMES only */
  PACKET_ASK = 101,   /* repair.h; FEATURE_REPAIR only */
  PACKET_ANSWER = 102,
  /* not on the wire: what the reader makes of the raw bytes behind SNAP (between Zabline peers
   * (i4 length, u4 crc32c, bytes)*, i4 0, str "BenWasHere") */
  PACKET_SNAP_CHUNK = 1000, /* data: one verified chunk, at most LIMIT_SNAP_CHUNK */
  PACKET_SNAP_END = 1001,
};

struct packet {
  int32_t type;
  zxid_t zxid;
  struct span data; /* points into the reader's buffer */
  uint32_t crc;     /* of authinfo Id {"crc32c", hex}; 0 with has_crc false */
  bool has_crc;
};

/* packet_write puts one packet at dst; returns its length, 0 if cap is too small. */
size_t packet_write(void *dst, size_t cap, const struct packet *p);

/* packet_snap_chunk_write / packet_snap_end_write put one chunk / the end of a SNAP at dst. */
size_t packet_snap_chunk_write(void *dst, size_t cap, const void *data, uint32_t len);
size_t packet_snap_end_write(void *dst, size_t cap);

/* Incremental: hand packet_read what has arrived; it says how many bytes the next packet took. */
struct packet_reader {
  bool in_snap; /* the last packet was SNAP: chunks follow */
};

/* packet_read parses one packet at buf.  Returns the bytes it took, 0 if more are needed, -1 if it
 * is malformed (REASON_PACKET_BAD), unknown types included, as soon as the bad field is there.
 * A packet needs at most LIMIT_PACKET_DATA + 4096 bytes. */
long packet_read(struct packet_reader *r, struct packet *p, const void *buf, size_t len);

/* LearnerInfo, the data of FOLLOWERINFO (20 bytes), then the extension. */
struct learner_info {
  int64_t sid;
  int32_t protocol; /* 0x10000 */
  int64_t config_version;
};
#define LEARNER_INFO_LEN 20
#define PROTOCOL_VERSION 0x10000
void learner_info_write(void *dst, const struct learner_info *i);
/* learner_info_read: data of 8, 12 or at least 20 bytes; REASON_PACKET_BAD otherwise. */
enum reason learner_info_read(struct learner_info *i, struct span data);

/* packet_name returns "NEWLEADER" and so on. */
const char *packet_name(int32_t type);

#endif
