/* What is really on a disk: a copy of it loses everything that was not durable, a store is opened
 * on what remains, and must still know all that the node has told others; its log is read from the
 * first record to the last.  This does not believe the running store in anything. */
#include <assert.h>
#include <stdlib.h>

#include "proto/crc32c.h"
#include "proto/record.h"
#include "test/sim/oracle_state.h"

#define READ_BYTES (2u << 20)

static void check_record(int node, const struct record *r, zxid_t before) {
  struct history *h = &oracle_state()->history;
  const struct history_record *k = history_record(h, r->zxid);
  if (!k || k->crc != crc32c(r->payload, r->payload_len))
    violation("n%d: the 0x%llx on its disk is not what was numbered so", node + 1,
              (unsigned long long)r->zxid);
  if (history_previous(h, r->zxid) != before)
    violation("n%d: on its disk 0x%llx stands behind 0x%llx", node + 1, (unsigned long long)r->zxid,
              (unsigned long long)before);
}

static void check_log(int node, struct store *s) {
  static uint8_t buffer[READ_BYTES];
  zxid_t at = store_state(s).log_base;
  for (;;) {
    struct store_slice slice = store_read(s, at, ZXID_NONE, buffer, sizeof buffer);
    if (slice.reason != REASON_NONE)
      violation("n%d: its log cannot be read behind 0x%llx: %s", node + 1, (unsigned long long)at,
                *store_error(s) ? store_error(s) : reason_text(slice.reason));
    if (!slice.len) break;
    for (uint32_t off = 0; off < slice.len;) {
      struct record r;
      enum record_status status = record_read(&r, buffer + off, slice.len - off, READ_BYTES);
      assert(status == RECORD_OK);
      check_record(node, &r, at);
      at = r.zxid;
      off += r.size;
    }
  }
  if (at != store_state(s).last_zxid)
    violation("n%d: its log ends at 0x%llx, not at 0x%llx", node + 1, (unsigned long long)at,
              (unsigned long long)store_state(s).last_zxid);
}

void oracle_obliged(int node, struct durable_state d, const char *when) {
  struct oracle *o = oracle_state();
  const struct oracle_node *n = &o->node[node];
  if (world->machines[node].damaged) return; /* then the others must know */
  if (d.accepted_epoch < n->promised || d.current_epoch < n->current)
    violation("n%d forgets%s: accepted %u, promised %u; current %u, acknowledged %u", node + 1,
              when, d.accepted_epoch, n->promised, d.current_epoch, n->current);
  if (!world->plan.memory && !history_has(&o->history, d.last_zxid, n->acked))
    violation("n%d forgets%s: holds 0x%llx, acknowledged 0x%llx", node + 1, when,
              (unsigned long long)d.last_zxid, (unsigned long long)n->acked);
}

void oracle_image(struct machine *m) {
  if (m->damaged || m->rotten) return; /* it may refuse to start; its records may be faulty */
  char error[LIMIT_TEXT_LEN];
  struct powercut *copy = powercut_durable(m->drive->power);
  struct disk disk;
  powercut_disk(copy, &disk);
  struct store_config c = {.cluster = m->config.cluster,
                           .id = m->config.id,
                           .largest_record = m->config.largest_record,
                           .segment_bytes = m->config.segment_bytes,
                           .snapshots_kept = m->config.snapshots_kept};
  struct store_opened opened = store_open(&disk, &c, error);
  if (!opened.store) violation("n%d: what is durable cannot be opened: %s", m->idx + 1, error);
  oracle_obliged(m->idx, store_state(opened.store), ", if its power goes now");
  check_log(m->idx, opened.store);
  store_close(opened.store);
  powercut_free(copy);
  oracle_state()->images++;
}
