#include "storage/epoch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_MAGIC 0x3150455au /* "ZEP1" */

static const char *const names[2] = {"epoch.a", "epoch.b"};

struct epoch_sector { /* the rest of the sector is zero and covered by the crc */
  uint32_t crc;
  uint32_t magic;
  uint64_t generation;
  uint32_t accepted, current;
  uint32_t may_vote;
  uint32_t owner;
  uint64_t log_sequence, log_end;
};

static void encode(const struct epoch_file *e, const struct epochs *v, uint8_t *sector) {
  struct epoch_sector s = {.magic = EPOCH_MAGIC,
                           .generation = v->generation,
                           .accepted = v->accepted,
                           .current = v->current,
                           .may_vote = v->may_vote,
                           .owner = e->owner,
                           .log_sequence = v->log_sequence,
                           .log_end = v->log_end};
  memset(sector, 0, LIMIT_SECTOR);
  memcpy(sector, &s, sizeof s);
  s.crc = io_sector_crc(sector);
  memcpy(sector, &s, sizeof s);
}

static bool decode(const struct epoch_file *e, const uint8_t *sector, struct epochs *v) {
  struct epoch_sector s;
  memcpy(&s, sector, sizeof s);
  if (s.crc != io_sector_crc(sector) || s.magic != EPOCH_MAGIC || s.owner != e->owner) return false;
  *v = (struct epochs){s.generation,    s.accepted,     s.current,
                       s.may_vote != 0, s.log_sequence, s.log_end};
  return true;
}

static int init(struct epoch_file *e, struct io *io, uint32_t owner) {
  memset(e, 0, sizeof *e);
  e->io = io;
  e->owner = owner;
  e->sector = io_alloc_zeroed(io, LIMIT_SECTOR);
  return e->sector ? 0 : -1;
}

void epoch_close(struct epoch_file *e) {
  for (int i = 0; i < 2; i++) io_close(e->io, &e->copy[i]);
  free(e->sector);
  e->sector = NULL;
}

int epoch_create(struct epoch_file *e, struct io *io, uint32_t owner, bool may_vote) {
  if (init(e, io, owner)) return -1;
  struct epochs first = {.generation = 1, .may_vote = may_vote};
  encode(e, &first, e->sector);
  for (int i = 0; i < 2; i++)
    if (io_write_file(io, names[i], e->sector)) return -1;
  return 0;
}

static void see_name(void *ctx, const char *name) {
  bool *there = ctx;
  for (int i = 0; i < 2; i++)
    if (!strcmp(name, names[i])) there[i] = true;
}

/* read_copy opens or creates the copy; *good tells whether its content is intact. */
static int read_copy(struct epoch_file *e, int i, bool there, struct epochs *v, bool *good) {
  struct io_file *f = &e->copy[i];
  *good = false;
  if (io_open(e->io, f, names[i], there ? DISK_READ_WRITE : DISK_CREATE)) return -1;
  if (!there) return io_sync_dir(e->io);
  int64_t size = io_size(e->io, f);
  if (size < 0) return -1;
  if (size < LIMIT_SECTOR) return 0;
  if (io_read(e->io, f, e->sector, LIMIT_SECTOR, 0)) return -1;
  *good = decode(e, e->sector, v);
  return 0;
}

static bool same(const struct epochs *a, const struct epochs *b) {
  return a->generation == b->generation && a->accepted == b->accepted && a->current == b->current &&
         a->may_vote == b->may_vote && a->log_sequence == b->log_sequence &&
         a->log_end == b->log_end;
}

static int write_copy(struct epoch_file *e, int i) {
  return io_write_durable(e->io, &e->copy[i], e->sector, LIMIT_SECTOR, 0);
}

/* choose returns the copy that counts, or -1. */
static int choose(struct epoch_file *e, const struct epochs v[2], const bool good[2]) {
  if (!good[0] && !good[1])
    return io_fail(e->io, REASON_CORRUPT,
                   "epoch.a and epoch.b are both damaged at offset 0: what this node promised is "
                   "lost; it may come back only by `zabd --config FILE --format --rejoin`");
  if (!good[0] || !good[1]) return good[0] ? 0 : 1;
  if (v[0].generation == v[1].generation && !same(&v[0], &v[1]))
    return io_fail(e->io, REASON_CORRUPT, "epoch.a and epoch.b differ in the same generation %llu",
                   (unsigned long long)v[0].generation);
  return v[0].generation >= v[1].generation ? 0 : 1;
}

int epoch_open(struct epoch_file *e, struct io *io, uint32_t owner) {
  struct epochs v[2];
  bool there[2] = {false, false}, good[2] = {false, false};
  memset(v, 0, sizeof v);
  if (init(e, io, owner) || io_list(io, see_name, there)) return -1;
  if (!there[0] && !there[1]) return choose(e, v, good);
  for (int i = 0; i < 2; i++)
    if (read_copy(e, i, there[i], &v[i], &good[i])) return -1;
  int best = choose(e, v, good);
  if (best < 0) return -1;
  e->now = v[best];
  if (!good[1 - best] || !same(&v[0], &v[1]))
    snprintf(e->note, sizeof e->note, "%s was %s; renewed from %s (accepted epoch %u)",
             names[1 - best], good[1 - best] ? "older" : "damaged", names[best], e->now.accepted);
  encode(e, &e->now, e->sector);
  /* the better copy stays while the other is renewed; after a mere kill neither may be durable yet
   */
  return io_sync(io, &e->copy[best]) || write_copy(e, 1 - best) ? -1 : 0;
}

int epoch_write(struct epoch_file *e, struct epochs next) {
  next.generation = e->now.generation + 1;
  encode(e, &next, e->sector);
  for (int i = 0; i < 2; i++)
    if (write_copy(e, i)) return -1;
  e->now = next;
  return 0;
}
