/* txn.h - ZooKeeper's TxnHeader, with which every payload begins (32 bytes, big endian).
 *
 *      i8 clientId | i4 cxid | i8 zxid | i8 time | i4 type
 *
 * Pure.  Source: design 3; zookeeper/storage.md. */
#ifndef ZABLINE_PROTO_TXN_H
#define ZABLINE_PROTO_TXN_H

#include <stdint.h>

#include "proto/zxid.h"

#define TXN_HEADER_LEN 32
#define TXN_ERROR (-1) /* a refused request: it consumed a zxid and changes nothing */

struct txn_header {
  int64_t client_id;
  int32_t cxid;
  zxid_t zxid;
  int64_t time_ms;
  int32_t type;
};

/* txn_header_write puts TXN_HEADER_LEN bytes at dst. */
void txn_header_write(void *dst, const struct txn_header *h);

/* txn_header_read reads TXN_HEADER_LEN bytes at src. */
struct txn_header txn_header_read(const void *src);

#endif
