/* app_log.h - the application "opaque records": what clients submit is kept in order and read back.
 *
 * A request is (client id, sequence, data).  prepare accepts sequence = last + 1 only, against
 * applied and outstanding records (0: nothing yet), so a client's order is never broken by a retry:
 * a smaller one is a duplicate, a larger one is refused and the client starts again from last + 1.
 *
 *   request      i8 client | i8 sequence | data                       big endian, like all below
 *   transaction  TxnHeader(type APP_LOG_RECORD, clientId = client, cxid = low half of sequence)
 *                | i8 sequence | data
 *   error        TxnHeader(type TXN_ERROR, ...) | i8 sequence | i4 reason: consumes a zxid, changes
 * nothing
 *
 * State: the client table (clients.h) and a running digest over every transaction; both are the
 * same on all nodes at the same zxid.  The records kept (kept.h) are the same but for how far back
 * they reach.
 *
 * A snapshot is fixed at snapshot_begin: the clients are copied then, records follow up to its
 * zxid; one that is purged before its turn is left out, as if purged before (never a torn one).
 *
 * Owner: app thread.  Blocks: no.  Allocates: yes, bounded by keep, keep_bytes and LIMIT_CLIENTS.
 * Source: design 7; issue "spine" 5; zab-rules B19, C10, C11. */
#ifndef ZABLINE_SERVICE_APP_LOG_H
#define ZABLINE_SERVICE_APP_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/txn.h"
#include "service/app.h"
#include "service/kept.h"

#define APP_LOG_RECORD 0x5a4c /* transaction type: none of ZooKeeper's opcodes */
#define APP_LOG_REQUEST_HEADER 16
#define APP_LOG_TXN_OVERHEAD (TXN_HEADER_LEN + 8) /* payload bytes beyond data */

struct app_log; /* opaque: app_log_state.h */

/* app_log_create never fails (no memory ends the process).  keep: records, at least one. */
struct app_log *app_log_create(uint64_t keep, uint64_t keep_bytes);
void app_log_destroy(struct app_log *l);
struct app app_log_app(struct app_log *l);
/* app_log_of returns the app_log behind a, NULL if a is another application. */
struct app_log *app_log_of(const struct app *a);

/* app_log_request_write puts the header of a request at dst (APP_LOG_REQUEST_HEADER bytes). */
void app_log_request_write(void *dst, uint64_t client, uint64_t sequence);

struct app_log_txn {
  int32_t type; /* APP_LOG_RECORD or TXN_ERROR; 0: not one of app_log's */
  uint64_t client, sequence;
  enum reason reason;
  const uint8_t *data;
  uint32_t len;
};
struct app_log_txn app_log_txn_read(const void *txn, uint32_t len);

struct app_log_id {
  uint64_t sequence; /* 0: unknown client */
  zxid_t zxid;
};
/* app_log_last returns the last applied record of client. */
struct app_log_id app_log_last(const struct app_log *l, uint64_t client);
/* app_log_expected returns the sequence that prepare accepts next (leader). */
uint64_t app_log_expected(const struct app_log *l, uint64_t client);

const struct kept *app_log_kept(const struct app_log *l);

#endif
