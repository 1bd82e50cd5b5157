/* history.h - the tree of all records that were ever numbered, and the committed branch of it.
 *
 * Source: zab-rules 2. */
#ifndef ZABLINE_TEST_SIM_HISTORY_H
#define ZABLINE_TEST_SIM_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/zxid.h"

#define HISTORY_EPOCHS 4096

struct history_record {
  uint32_t crc, size;        /* of the transaction; bytes of its record */
  uint64_t digest;           /* of the app's state behind it; 0: nobody was there yet */
  uint64_t client, sequence; /* 0: none */
  uint64_t full;             /* of a tree: digest of all that there is, 0: nobody has looked */
};

struct history_epoch {
  int leader; /* -1: nobody has led it */
  bool established;
  zxid_t base; /* Z0: last record of the initial history */
  uint64_t base_depth;
  uint32_t cnt, cap; /* numbered */
  struct history_record *at;
};

struct history {
  struct history_epoch epoch[HISTORY_EPOCHS];
  uint32_t largest; /* epoch */
  zxid_t committed; /* the newest */
};

void history_init(struct history *h);
void history_free(struct history *h);
/* history_record returns the record, NULL if nobody numbered it. */
struct history_record *history_record(struct history *h, zxid_t zxid);
struct history_record *history_add(struct history *h, zxid_t zxid);
/* history_depth returns how many records the history up to zxid has. */
uint64_t history_depth(const struct history *h, zxid_t zxid);
/* history_common returns the last record that both histories have. */
zxid_t history_common(const struct history *h, zxid_t a, zxid_t b);
/* history_has: zxid is in the history that ends with tip. */
static inline bool history_has(const struct history *h, zxid_t tip, zxid_t zxid) {
  return history_common(h, tip, zxid) == zxid;
}
/* history_previous returns the record before zxid. */
zxid_t history_previous(const struct history *h, zxid_t zxid);

#endif
