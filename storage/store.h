/* store.h - a node's durable history: log, snapshots, epoch file, format file.
 *
 *   format        cluster name, node id, format version; written once by store_format
 *   epoch.a, .b   two checksummed copies: generation, acceptedEpoch, currentEpoch, flags (E4)
 *   log.<n>       segments of groups of whole records (design 6)
 *   snap.<zxid>   checksummed chunks
 *   clean         mark of a stop; removed durably by store_open (before the first ACK)
 *
 * The log holds every record after log_base, gap-free, up to last_zxid; some may be damaged: "have,
 * faulty" (E1).  Every function that
 * changes something is durable when it returns 0.  Any error return is final: the store refuses all
 * further changes with REASON_DISK_ERROR (R15, E6) and store_error says what happened.
 *
 * Owner: the disk thread.  Blocks: yes.  Allocates: at open; on segment switch and snapshot
 * install. Source: design 6; zab-rules R4, R5b, R10, R12, R14, R15, D1-D6, E1-E13. */
#ifndef ZABLINE_STORAGE_STORE_H
#define ZABLINE_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/disk_msg.h"
#include "proto/reason.h"
#include "proto/zxid.h"
#include "storage/disk.h"

struct store; /* opaque: its parts are storage/log.h, epoch_file.h, snapshot.h */

struct store_config {
  const char *cluster;
  uint8_t id;
  uint32_t largest_record; /* expected: a larger one (of old history) makes its segment longer */
  uint64_t segment_bytes;
  uint32_t snapshots_kept;
};

enum { STORE_SLOW = 0, STORE_APP = 1, STORE_ASKERS = 2 }; /* whose snapshot read or write */

/* store_format writes a new, empty data directory.  may_vote false: --rejoin (E5).
 * Returns 0, or -1 with one line for people in error (LIMIT_TEXT_LEN bytes). */
int store_format(struct disk *d, const struct store_config *c, bool may_vote, char *error);

struct store_opened {
  struct store *store; /* NULL: one line in error */
  enum reason reason; /* NONE; DATA_DIR_FOREIGN (missing, another's, newer format), DATA_DIR_IN_USE,
                       * CORRUPT (the log so damaged that it cannot be repaired from peers; both
                       * epoch copies), DISK_ERROR */
};

/* store_open recovers; error takes LIMIT_TEXT_LEN bytes. */
struct store_opened store_open(struct disk *d, const struct store_config *c, char *error);
void store_close(struct store *s);

struct durable_state store_state(const struct store *s);
/* store_error returns the line of the error that closed the store, "" if none. */
const char *store_error(const struct store *s);
/* store_note returns the idx-th line of what recovery found and mended (a torn tail, a stale epoch
 * copy), or NULL. */
const char *store_note(const struct store *s, int idx);

enum reason store_set_accepted(struct store *s, uint32_t epoch); /* only grows (asserted) (R1) */
enum reason store_set_current(struct store *s, uint32_t epoch);
enum reason store_set_may_vote(struct store *s, bool may_vote);
enum reason store_mark_clean(struct store *s);
/* store_mark_corrupt, when the store has failed because it could not read what it had written: the
 * next start knows how long the log was (stop_mark.c).  Does nothing after another failure. */
void store_mark_corrupt(const struct store *s);

/* store_append writes whole records as one or more groups: one durable write each and nothing else,
 * but at the end of a segment.  Checks crc and order of each record first: REASON_RECORD_CRC
 * (damaged, or above LIMIT_RECORD_MAX), REASON_RECORD_ORDER (not next, or of an epoch above
 * acceptedEpoch, R10) leave the store unchanged and usable (J7, B13). */
enum reason store_append(struct store *s, const void *records, size_t len);

/* store_truncate removes every record above zxid; snapshots above it go first.  zxid below
 * log_base, or below every snapshot while log_base > 0 (the state there could not be rebuilt):
 * REASON_BELOW_LOG, nothing changed. */
enum reason store_truncate(struct store *s, zxid_t zxid);

/* store_lookup finds the largest zxid of the log (or log_base) that is <= zxid. */
enum reason store_lookup(struct store *s, zxid_t zxid, zxid_t *floor);

struct store_slice {
  enum reason
      reason;   /* NONE, BELOW_LOG, FAULTY (a damaged record comes next), DISK_ERROR, CORRUPT */
  uint32_t len; /* 0: nothing after */
  zxid_t last_zxid;
};
/* store_read copies whole records after zxid, at most max_zxid, into buf; cap: one of
 * LIMIT_RECORD_MAX fits.  It may end early (after 1 MB from disk).  A zxid that is not of the
 * history reads on behind its floor.  CORRUPT is final, as DISK_ERROR is. */
struct store_slice store_read(struct store *s, zxid_t zxid, zxid_t max_zxid, void *buf,
                              uint32_t cap);

/* store_ask answers a peer whose log is damaged behind `after`, up to `upto`: the next record of
 * that.  NONE: we have it; FAULTY: it is damaged here, too, or nobody can say: we have something
 * between the two, and nothing of upto's epoch; NOT_HELD: it is not of our history; BELOW_LOG: we
 * have purged it, since a snapshot holds it. */
struct store_slice store_ask(struct store *s, zxid_t after, zxid_t upto, void *buf, uint32_t cap);

/* Repair of the log while durable_state.faulty is not 0.  It ends, durably and at once, with
 * REPAIR_DONE; until then the log is as it was, faulty and with its last zxid (E1).  Nothing else
 * may change the log between begin and the end; begin starts anew. */
struct store_repair {
  enum reason
      reason; /* NONE; RECORD_CRC, RECORD_ORDER: not that record, nothing changed; or final */
  enum repair_step step;
  zxid_t after, upto;
};
struct store_repair store_repair_begin(struct store *s);
struct store_repair store_repair_put(struct store *s, const void *record, size_t len);
/* store_repair_discard: the history ends at `after`, with what was repaired before it. */
struct store_repair store_repair_discard(struct store *s);
void store_repair_abort(struct store *s);

/* Snapshots.  asker: STORE_SLOW or STORE_APP, each with one read and one write open at most. */
enum reason store_snap_open(struct store *s, int asker, zxid_t max_zxid, zxid_t *zxid);
struct store_slice store_snap_read(struct store *s, int asker, uint64_t offset, void *buf,
                                   uint32_t cap);
void store_snap_close(struct store *s, int asker);
enum reason store_snap_begin(struct store *s, int asker, zxid_t zxid);
enum reason store_snap_write(struct store *s, int asker, const void *buf, uint32_t len);
/* store_snap_commit: tmp, fsync, rename, fsync of the directory; SNAP_INSTALL then starts the log
 * anew behind zxid and is either whole or not there after a power cut.  SNAP_OWN: store_idle then
 * purges what is older than snapshots_kept.  Not final: BUSY (SNAP_OWN above last_zxid, durability
 * `memory`: the write stays open, commit it again later); LEADER_CHANGED (truncate or install came
 * in between), BELOW_LOG, RECORD_ORDER (SNAP_INSTALL of an epoch above acceptedEpoch): the write is
 * gone. */
enum reason store_snap_commit(struct store *s, int asker, uint32_t flag);
void store_snap_abort(struct store *s, int asker);

int64_t store_free_bytes(struct store *s);
/* store_idle does one bounded step of background work: zeros for the next segment (LOG_FILL_SLICE;
 * quiet: nothing was asked for some milliseconds, and they may be written before they are due), or
 * the unlinking of one old file.  Returns true if it did something.  False after an error, too: see
 * store_error. */
bool store_idle(struct store *s, bool quiet);

/* store_seal writes the idle trailer (one durable write, if there is none yet), by which a damaged
 * last group is known to have been complete.  Call it when nothing was appended for some
 * milliseconds, not at once: it would delay the next group. */
enum reason store_seal(struct store *s);

#endif
