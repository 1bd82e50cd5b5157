/* jute.h - the records that requests, transactions and answers share, on proto/cursor.h.
 * Pure.  Source: zookeeper/client.md 1, 3.2, 9. */
#ifndef ZABLINE_SERVICE_TREE_JUTE_H
#define ZABLINE_SERVICE_TREE_JUTE_H

#include "proto/cursor.h"
#include "service/tree/tree.h"

#define JUTE_STAT_LEN 68
#define JUTE_DIGEST_LEN 12

/* jute_text and jute_data take a string and a buffer: the bytes, or len -1 for null. */
struct span jute_text(struct cursor *c);
struct span jute_data(struct cursor *c);
bool jute_bool(struct cursor *c);
void jute_put(struct writer *w, struct span s);
void jute_put_bool(struct writer *w, bool v);

/* jute_stat writes the Stat that a client sees, JUTE_STAT_LEN bytes: cversion counts creates and
 * deletes, and the owner is that of an ordinary ephemeral. */
void jute_stat(struct writer *w, const struct znode *n);
/* jute_append_stat and the others append to a buffer. */
void jute_append_stat(struct buffer *b, const struct znode *n);
void jute_append_text(struct buffer *b, struct span s);
void jute_append_i32(struct buffer *b, int32_t v);
void jute_append_i64(struct buffer *b, int64_t v);
void jute_append_u8(struct buffer *b, uint8_t v);

/* One operation of a multi: {i4 type, bool done, i4 err} and its record. */
struct multi_header {
  int32_t type, err;
  bool done;
};
struct multi_header jute_multi_header(struct cursor *c);
void jute_append_multi_header(struct buffer *b, int32_t type, bool done, int32_t err);

/* The record of create, create2, createContainer, createTTL. */
struct create_record {
  struct span path, data, acl;
  int32_t flags;
  int64_t ttl; /* -1: not given */
};
struct create_record jute_create(struct cursor *c, int32_t type);

#endif
