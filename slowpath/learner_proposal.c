/* learner_proposal.c - PROPOSAL, COMMIT of a sync: the record is rebuilt bit for bit and appended.
 *
 * Records are collected in buffer[0] and written in groups; nothing is read while it is lent. */
#include <assert.h>

#include "proto/record.h"
#include "slowpath/replica_parts.h"

static enum reason check(const struct replica *r, const struct packet *p) {
  const struct learning *l = &r->learn;
  if (p->data.len < LIMIT_RECORD_MIN || !p->has_crc) return REASON_PACKET_BAD;
  /* history: it may be of a config that allowed more */
  if ((uint32_t)p->data.len > LIMIT_RECORD_MAX) return REASON_TOO_LARGE;
  if (!zxid_follows(l->tail, p->zxid)) return REASON_SYNC_ORDER; /* B13, R10 */
  if (zxid_epoch(p->zxid) > l->epoch) return REASON_SYNC_ORDER;
  return REASON_NONE;
}

/* What is not nearly full has room for one more record of any size. */
static bool nearly_full(const struct replica *r) {
  return r->learn.len + record_size(LIMIT_RECORD_MAX) > LIMIT_SYNC_BUFFER;
}

static void on_commit(struct replica *r, const struct packet *p, struct replica_actions *a) {
  /* It names the record just sent; it means "deliver at UPTODATE", which delivers all (R9, I-14).
   */
  if (p->zxid != r->learn.tail) learner_abandon(r, REASON_SYNC_ORDER, false, a);
}

void learner_on_proposal(struct replica *r, const struct packet *p, struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (p->type == PACKET_COMMIT) {
    on_commit(r, p, a);
    return;
  }
  enum reason bad = check(r, p);
  if (!bad) {
    uint8_t *at = (uint8_t *)r->memory.buffer[0] + l->len;
    uint32_t size = record_write(at, p->zxid, p->data.data, (uint32_t)p->data.len);
    struct record rebuilt;
    enum record_status status = record_peek(&rebuilt, at, size, LIMIT_RECORD_MAX);
    assert(status == RECORD_OK);
    if (rebuilt.crc == p->crc) { /* end to end (J7) */
      l->len += size;
      l->tail = p->zxid;
    } else {
      bad = REASON_RECORD_CRC;
    }
  }
  if (bad) {
    learner_abandon(r, bad, false, a);
  } else if (nearly_full(r)) {
    l->step = LEARNING_APPEND;
    act_disk(r, DISK_LEARNER,
             (struct disk_msg){.type = DISK_APPEND, .buf = r->memory.buffer[0], .len = l->len}, a);
  }
}
