/* Apply: the committed records of the stream, between our position and the committed one. */
#include <assert.h>

#include "proto/record.h"
#include "service/app_thread.h"

/* The one way in: live, sync and replay (B19). */
void app_apply_one(struct app_thread *t, zxid_t zxid, const void *txn, uint32_t len) {
  assert(zxid_follows(t->app.ops->applied(&t->app), zxid) || !t->app.ops->applied(&t->app));
  t->app.ops->apply(&t->app, zxid, txn, len);
  t->snapshot.applied_bytes += record_size(len);
  if (t->listener.applied) t->listener.applied(t->listener.self, zxid, txn, len);
  if (t->clients.applied) t->clients.applied(t->clients.self, zxid, txn, len);
}

bool app_apply_stream(struct app_thread *t) {
  if (t->state != APP_SERVING) return false;
  const struct app_uv_config *c = t->c;
  pos_t committed = position_get(&c->positions->committed), begin = t->pos;
  assert(committed >= t->pos && committed - t->pos <= c->stream_mask + 1);
  for (int i = 0; i < LIMIT_APP_TURN && t->pos < committed; i++) {
    struct record r;
    enum record_status s = record_peek(&r, c->stream_ring + (t->pos & c->stream_mask),
                                       committed - t->pos, c->config->largest_record);
    assert(s == RECORD_OK); /* the fast path has checked each, and commits whole ones */
    app_apply_one(t, r.zxid, r.payload, r.payload_len);
    t->proposals.committed += t->leading;
    t->pos += r.size;
  }
  if (t->pos == begin) return false;
  position_set(&c->positions->applied, t->pos);
  return true;
}
