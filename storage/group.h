/* group.h - one group commit as it stands in a segment: a header, whole records, filling.
 *
 *      | header 80 | records ... | 0xa5 ... to a multiple of LIMIT_SECTOR |
 *
 * No 512-byte block of a complete group is all zeros (the header's mask is XORed over what follows
 * it, and is chosen so), hence a zero block proves that the write was torn.  The header says where
 * the group belongs (owner, segment, sequence) and which group it continues (chain), so that a lost
 * or misdirected write is told from bit rot.
 *
 * Pure.  Source: design 6; zab-rules E2, E7. */
#ifndef ZABLINE_STORAGE_GROUP_H
#define ZABLINE_STORAGE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/zxid.h"

#define GROUP_MAGIC 0x31474c5au /* "ZLG1" */
#define GROUP_BLOCK 512         /* what a disk writes as a whole */

enum group_type {
  GROUP_RECORDS = 1,
  GROUP_TRUNCATE, /* first of a segment: the history ends at last_zxid */
  GROUP_RESTART,  /* first of a segment: the history begins behind last_zxid, nothing before counts
                   */
  GROUP_IDLE,     /* trailer: says that the group before it was complete */
};

struct group_header { /* little endian, in memory as on disk */
  uint32_t crc;       /* of the rest of the header */
  uint32_t magic;
  uint64_t segment;
  uint64_t segment_size; /* bytes of the file, so that a cut file is noticed */
  uint64_t sequence;     /* of the group in the whole log, +1 each */
  uint64_t prev_zxid;
  uint64_t last_zxid;
  uint64_t mask;
  uint32_t chain;       /* crc of the group before */
  uint32_t payload_crc; /* of all behind the header, as stored */
  uint32_t len;         /* bytes of records */
  uint32_t type;
  uint32_t accepted_epoch; /* when it was written: an older epoch file has lost a promise (E4) */
  uint32_t owner;          /* of cluster and node id */
};
#define GROUP_HEADER 80
static_assert(sizeof(struct group_header) == GROUP_HEADER, "no padding");
static_assert(GROUP_HEADER % LIMIT_RECORD_ALIGN == 0, "records stay aligned");
static_assert(GROUP_HEADER <= GROUP_BLOCK, "the header is not torn");

/* group_size returns the bytes on disk of a group with len bytes of records. */
static inline uint32_t group_size(uint32_t len) {
  return (GROUP_HEADER + len + LIMIT_SECTOR - 1u) & ~(LIMIT_SECTOR - 1u);
}

/* group_build writes the group at buf (group_size(h->len) bytes); fills in magic, mask and both
 * crcs of *h and of the copy.  Returns its size. */
uint32_t group_build(uint8_t *buf, struct group_header *h, const void *records);

/* group_read_header returns true if block begins with an intact header that belongs to (segment,
 * owner). */
bool group_read_header(struct group_header *h, const void *block, uint64_t segment, uint32_t owner);

/* group_payload_ok checks all behind the header. */
bool group_payload_ok(const struct group_header *h, const uint8_t *group);

/* group_unmask restores len bytes copied from offset (behind the header; both multiples of 8). */
void group_unmask(const struct group_header *h, void *bytes, size_t len);

/* group_all_zero: len is a multiple of 8. */
bool group_all_zero(const uint8_t *p, size_t len);

/* group_has_zero_block: size is a multiple of GROUP_BLOCK. */
bool group_has_zero_block(const uint8_t *p, size_t size);

#endif
