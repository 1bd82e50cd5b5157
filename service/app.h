/* app.h - what an application is to the replica (design 7).
 *
 * prepare runs on the leader only, against applied plus outstanding state (primary-backup); apply
 * is the one function for live, sync and replay (B19), and depends on nothing but its arguments and
 * the state (C10, C11).  Transactions begin with a TxnHeader (proto/txn.h).
 *
 * Owner: app thread.  Blocks: no.  Source: design 7; zab-rules B19, C10, C11, E10. */
#ifndef ZABLINE_SERVICE_APP_H
#define ZABLINE_SERVICE_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/reason.h"
#include "proto/zxid.h"

struct app {
  const struct app_ops *ops;
  void *self;
};

struct app_request {
  zxid_t zxid; /* of the transaction that it becomes */
  int64_t time_ms;
  const void *data;
  uint32_t len;
};

struct app_prepared {
  enum reason reason; /* NONE: propose; SEQ_DUPLICATE: nothing to propose; else refused */
  uint32_t len;       /* of the transaction; NONE and 0: taken, and nothing is to be proposed */
};

struct app_work { /* a request of the application's own */
  const void *data;
  uint32_t len;
};

struct app_ops {
  const char *name;
  /* lead: the node leads epoch; the outstanding view is empty. */
  void (*lead)(struct app *a, uint32_t epoch);
  /* prepare turns request into the transaction numbered r->zxid at txn (cap bytes). */
  struct app_prepared (*prepare)(struct app *a, const struct app_request *r, void *txn,
                                 uint32_t cap);
  /* refuse writes the error transaction (TXN_ERROR, at most LIMIT_ERROR_TXN bytes) that tells the
   * asker of a forwarded request why it was refused.  Returns its length; 0: the asker need not be
   * told.  Called again for the same request it does the same: the first may have to wait. */
  uint32_t (*refuse)(struct app *a, const struct app_request *r, enum reason reason, void *txn);
  /* tick: work of time on the leader (session expiry); gives one request, valid until the next
   * call, and is called again until its len is 0.  held: requests are being held back, so nobody's
   * silence counts. */
  struct app_work (*tick)(struct app *a, int64_t time_ms, bool held);
  void (*apply)(struct app *a, zxid_t zxid, const void *txn, uint32_t len);
  /* stop drops the outstanding view. */
  void (*stop)(struct app *a);
  zxid_t (*applied)(const struct app *a);
  uint64_t (*digest)(const struct app *a); /* of all state, at applied() */
  /* snapshot: begin fixes the state at applied(); next fills at most cap bytes of it and returns
   * how many, 0 at the end; changes go on between calls.  end may come early (abort). */
  void (*snapshot_begin)(struct app *a);
  uint32_t (*snapshot_next)(struct app *a, void *buf, uint32_t cap);
  void (*snapshot_end)(struct app *a);
  /* restore: begin empties the state; next takes the bytes in order; end checks: false if they are
   * not a whole snapshot at zxid. */
  void (*restore_begin)(struct app *a);
  bool (*restore_next)(struct app *a, const void *buf, uint32_t len);
  bool (*restore_end)(struct app *a, zxid_t zxid);
};

#endif
