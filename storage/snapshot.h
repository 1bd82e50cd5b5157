/* snapshot.h - the state of the application up to a zxid, in checksummed chunks.
 *
 *      snap.<zxid>   | chunk 0 | chunk 1 | ... | end sector |
 *      chunk         | header 32 | payload SNAP_PAYLOAD (the last: less, to a multiple of a sector)
 * |
 *
 * Written as tmp.snap.<asker>, synced, then renamed: to snap.<zxid>, or to inst.<zxid> while the
 * log still belongs to the history before it (SNAP_INSTALL).  The end sector holds the total length
 * and crc; a file without it does not count.
 *
 * Part of storage/.  Owner: the disk thread.  Blocks: yes.  Allocates: at open.
 * Source: design 6; zab-rules B14-B16, B21, D4, E8. */
#ifndef ZABLINE_STORAGE_SNAPSHOT_H
#define ZABLINE_STORAGE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/io.h"
#include "storage/store.h"

#define SNAP_HEADER 32
#define SNAP_PAYLOAD (LIMIT_SNAP_CHUNK - SNAP_HEADER)
#define SNAP_FILES 64      /* snapshots a directory may hold */
#define SNAP_SYNC_CHUNKS 8 /* so that no fsync holds up a group commit for long */

struct snapshot {
  zxid_t zxid;
  bool good; /* false: damaged; never offered, never thrown away before newer good ones (E8) */
};

struct snap_reader {
  bool open;
  struct io_file file;
  zxid_t zxid;
  uint64_t len;
  uint8_t *chunk;
  uint64_t chunk_idx;
  uint32_t chunk_len; /* 0: nothing in chunk */
};

struct snap_writer {
  bool open;
  bool doomed; /* the history changed under it */
  struct io_file file;
  zxid_t zxid;
  uint8_t *chunk;
  uint32_t fill;
  uint64_t chunk_cnt;
  uint64_t len;
  uint32_t crc;
};

struct snapshots {
  struct io *io;
  uint32_t owner;
  struct snapshot list[SNAP_FILES]; /* ascending zxid */
  int cnt;
  struct snap_reader reader[STORE_ASKERS];
  struct snap_writer writer[STORE_ASKERS];
  char note[LIMIT_TEXT_LEN];
};

/* Functions that return int: 0, or -1 with io failed. */
int snap_init(struct snapshots *s, struct io *io, uint32_t owner);
void snap_free(struct snapshots *s);

/* snap_recover checks every snapshot whole.  last_zxid, base: of the log; restarted: it begins with
 * a RESTART behind base.  An install that the log has made valid is finished, any other is undone.
 */
int snap_recover(struct snapshots *s, zxid_t base, zxid_t last_zxid, bool restarted);

/* snap_newest returns the index of the newest good one <= max_zxid, or -1; snap_oldest: of the
 * oldest good one. */
int snap_newest(const struct snapshots *s, zxid_t max_zxid);
int snap_oldest(const struct snapshots *s);
bool snap_pinned(const struct snapshots *s, zxid_t zxid);

/* snap_remove_range unlinks what is in [from, to], durably. */
int snap_remove_range(struct snapshots *s, zxid_t from, zxid_t to);
/* snap_purge unlinks the oldest unpinned one of those before the newest kept good ones; *more: it
 * did. */
int snap_purge(struct snapshots *s, uint32_t kept, bool *more);

int snap_reader_open(struct snapshots *s, int asker, int idx);
/* snap_reader_read returns the bytes copied, 0 at the end, -1. */
int64_t snap_reader_read(struct snapshots *s, int asker, uint64_t offset, void *buf, uint32_t cap);
void snap_reader_close(struct snapshots *s, int asker);

int snap_writer_open(struct snapshots *s, int asker, zxid_t zxid);
int snap_writer_write(struct snapshots *s, int asker, const uint8_t *buf, uint32_t len);
/* snap_writer_finish makes the file durable and gives it its name: snap.<zxid>, or inst.<zxid>. */
int snap_writer_finish(struct snapshots *s, int asker, bool install);
int snap_writer_abort(struct snapshots *s, int asker);
/* snap_install turns inst.<zxid> into the only snapshot; durable is that none is above it. */
int snap_install(struct snapshots *s, zxid_t zxid);

/* Between the snapshot_*.c files. */
struct snap_header { /* little endian */
  uint32_t crc;      /* of the rest, payload and filling included */
  uint32_t magic;
  uint64_t zxid;
  uint64_t index;
  uint32_t len;
  uint32_t owner;
};
struct snap_end { /* the rest of the sector is zero and covered */
  uint32_t crc;
  uint32_t magic;
  uint64_t zxid;
  uint64_t chunk_cnt;
  uint64_t len;
  uint32_t total_crc;
  uint32_t owner;
};
static_assert(sizeof(struct snap_header) == SNAP_HEADER, "no padding");
#define SNAP_CHUNK_MAGIC 0x3143535au /* "ZSC1" */
#define SNAP_END_MAGIC 0x3145535au   /* "ZSE1" */

static inline uint32_t snap_chunk_size(uint32_t len) {
  return (SNAP_HEADER + len + LIMIT_SECTOR - 1u) & ~(LIMIT_SECTOR - 1u);
}
void snap_name(char *name, zxid_t zxid, bool install);
void snap_list_add(struct snapshots *s, zxid_t zxid, bool good);
/* snap_check reads the whole file.  Returns 1 if it is intact, 0 if not, -1; text says where. */
int snap_check(struct snapshots *s, const char *name, zxid_t zxid, char *text);

#endif
