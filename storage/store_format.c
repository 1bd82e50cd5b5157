/* Format: `format.tmp` first, `format` last.  Both durable names bracket the rest, so a directory
 * in which an earlier --format was cut short is told from one that holds, or lost, somebody's data.
 */
#include <stdio.h>
#include <string.h>

#include "storage/format_file.h"
#include "storage/store_impl.h"

#define OWN_FILES 8 /* that an unfinished format can have left */

struct content {
  char leftover[OWN_FILES][IO_NAME_LEN];
  int leftover_cnt;
  bool unfinished;
  char other[IO_NAME_LEN]; /* one that is not ours to remove */
};

static void see_file(void *ctx, const char *name) {
  static const char *const own[] = {FORMAT_UNFINISHED, "epoch.a", "epoch.b", LOG_SPARE_TMP,
                                    "log.00000001"};
  struct content *c = ctx;
  if (!strcmp(name, FORMAT_UNFINISHED)) c->unfinished = true;
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
    if (strcmp(name, own[i]) != 0 || c->leftover_cnt == OWN_FILES) continue;
    snprintf(c->leftover[c->leftover_cnt++], IO_NAME_LEN, "%s", name);
    return;
  }
  snprintf(c->other, sizeof c->other, "%.31s", name);
}

/* The unfinished mark goes last: a cut in between leaves it for the next try. */
static int clear(struct io *io) {
  struct content c = {.leftover_cnt = 0};
  if (io_list(io, see_file, &c)) return -1;
  if (c.other[0] || (c.leftover_cnt && !c.unfinished))
    return io_fail(io, REASON_DISK_ERROR,
                   "data directory is not empty (%s is in it); --format does not overwrite",
                   c.other[0] ? c.other : c.leftover[0]);
  for (int i = 0; i < c.leftover_cnt; i++)
    if (strcmp(c.leftover[i], FORMAT_UNFINISHED) != 0 && io_unlink(io, c.leftover[i])) return -1;
  if (!c.unfinished) return 0;
  if (io_sync_dir(io)) return -1;
  return io_unlink(io, FORMAT_UNFINISHED) || io_sync_dir(io) ? -1 : 0;
}

static int make_log(struct io *io, const struct store_config *c) {
  struct log l;
  int rc = log_init(&l, io, format_owner(c), c->largest_record, c->segment_bytes);
  if (!rc) rc = log_create(&l);
  log_free(&l);
  return rc;
}

static int make_epochs(struct io *io, const struct store_config *c, bool may_vote) {
  struct epoch_file e;
  int rc = epoch_create(&e, io, format_owner(c), may_vote);
  epoch_close(&e);
  return rc;
}

int store_format(struct disk *d, const struct store_config *c, bool may_vote, char *error) {
  struct io io = {.disk = d};
  int rc = clear(&io);
  if (!rc) rc = format_write(&io, FORMAT_UNFINISHED, c);
  if (!rc) rc = make_epochs(&io, c, may_vote);
  if (!rc) rc = make_log(&io, c);
  if (!rc) rc = io_rename(&io, FORMAT_UNFINISHED, FORMAT_NAME);
  if (!rc) rc = io_sync_dir(&io);
  snprintf(error, LIMIT_TEXT_LEN, "%s", io.error);
  return rc;
}
