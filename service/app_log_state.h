/* app_log_state.h - the inside of app_log, shared by its parts (app_log.c, app_log_snapshot.c).
 * Owner: app thread. */
#ifndef ZABLINE_SERVICE_APP_LOG_STATE_H
#define ZABLINE_SERVICE_APP_LOG_STATE_H

#include "service/app_log.h"
#include "service/buffer.h"
#include "service/clients.h"

/* What the leader has prepared and not yet applied, one entry per client. */
struct outstanding {
  uint64_t id;
  uint64_t sequence; /* last one proposed; 0: none outstanding */
  uint64_t refused;  /* asker told: everything from this sequence on is refused; 0: no */
  UT_hash_handle hh;
};

struct app_log {
  zxid_t applied;
  uint64_t running; /* digest over all transactions */
  struct clients clients;
  struct kept kept;
  /* leader: empty otherwise */
  struct outstanding *index;
  uint32_t free_cnt;
  struct outstanding *free[LIMIT_CLIENTS];
  struct outstanding at[LIMIT_CLIENTS];
  struct {
    bool active, ended;
    zxid_t zxid;
    uint32_t crc;
    uint64_t record_cnt;
    struct kept_cursor cursor;
    struct buffer stage; /* whole items, consumed from the front */
  } snap;
  struct {
    bool bad, header, ended;
    zxid_t zxid, last; /* of the snapshot; of the last record taken */
    uint64_t running;
    uint32_t crc, client_cnt;
    uint64_t record_cnt;
    struct buffer stage; /* bytes of an item that is not whole yet */
  } restore;
};

void app_log_outstanding_clear(struct app_log *l);
void app_log_snapshot_begin(struct app *a);
uint32_t app_log_snapshot_next(struct app *a, void *buf, uint32_t cap);
void app_log_snapshot_end(struct app *a);
void app_log_restore_begin(struct app *a);
bool app_log_restore_next(struct app *a, const void *buf, uint32_t len);
bool app_log_restore_end(struct app *a, zxid_t zxid);

#endif
