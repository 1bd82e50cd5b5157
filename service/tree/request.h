/* request.h - what a client's write is on its way to the leader, from any node of ours.
 *
 *      i8 session | i4 cxid | i4 type | u8 node | vec<{str scheme, str id}> ids | record
 *
 * node serves the client; ids is what its connection has proven; record as in client.md 3.2.
 * Pure.  Source: design 3 (REQUEST); zookeeper/quorum.md (REQUEST). */
#ifndef ZABLINE_SERVICE_TREE_REQUEST_H
#define ZABLINE_SERVICE_TREE_REQUEST_H

#include "proto/cursor.h"

#define REQUEST_HEADER_LEN 17

struct request {
  int64_t session;
  int32_t cxid, type;
  uint8_t node;
  struct span ids, record;
};

/* request_read: false if it is malformed. */
bool request_read(struct request *q, const void *data, uint32_t len);
/* request_len, request_write: q->ids is a whole vector ("0 entries": 4 zero bytes). */
uint32_t request_len(const struct request *q);
void request_write(const struct request *q, void *dst);

#endif
