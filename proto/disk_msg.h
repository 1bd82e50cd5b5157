/* disk_msg.h - rings slow_disk, disk_slow, app_disk, disk_app: what the disk thread is asked to do.
 *
 * A request is answered by one message with the same type and tag.  `buf` is lent: it belongs to
 * the disk thread from the request to its answer.  An error answer (reason DISK_ERROR) is final
 * (R15): the node stops.  Answers to one asker come in the order of its requests.
 *
 * type           request                             answer
 * OPENED         (none: sent once, after recovery)   state
 * START          epoch, pos: positions are set,      (none)
 *                read the ring from pos on
 * DRAIN          pos: write the ring to pos, stop    state (re-read from durable state, R12);
 *                                                    without a START before it: only the answer
 * ACCEPTED       epoch: acceptedEpoch, durably       state
 * CURRENT        epoch: currentEpoch, durably        state
 * MAY_VOTE       flag 1: the node may vote from now on, durably (E5)              state
 * APPEND         buf, len: whole records             zxid = last zxid, durable
 * TRUNCATE       zxid                                zxid = last zxid, durable
 * LOOKUP         zxid                                zxid = largest in log (or its base) <= zxid;
 *                                                    reason BELOW_LOG if zxid < base of the log
 * READ           zxid, buf, cap: durable records     len, zxid = last one read (len 0: nothing
 *                after zxid                          after), upto = last of the log: a slice may
 *                                                    end early; BELOW_LOG
 * SNAP_OPEN      zxid: newest snapshot <= zxid       zxid of it, pinned until SNAP_CLOSE;
 *                                                    BELOW_LOG: none
 * SNAP_READ      buf, cap, pos = offset              len (0 at the end)
 * SNAP_CLOSE                                         -
 * SNAP_BEGIN     zxid: new snapshot file             -
 * SNAP_WRITE     buf, len (<= LIMIT_SNAP_CHUNK)      -
 * SNAP_COMMIT    flag SNAP_OWN or SNAP_INSTALL       state: durable; INSTALL: the log now starts
 *                                                    at zxid
 * SNAP_ABORT                                         -
 * CLEAN_STOP     the mark of a clean stop            -
 * ASK            zxid, upto, buf, cap: the record    len, zxid = the record's; FAULTY, NOT_HELD,
 *                behind zxid on the way to upto      BELOW_LOG (store_ask)
 * REPAIR         flag REPAIR_BEGIN; or buf, len: a   flag = enum repair_step, zxid = after, upto;
 *                record, len 0: go on; or            state; RECORD_CRC, RECORD_ORDER: not that one
 *                REPAIR_DISCARD
 * FREE                                               pos = free bytes of the data directory
 *
 * Slow and app each have one snapshot read and one snapshot write open at most.
 * Source: design 1, 6; zab-rules R4, R5, R10, R12, R14. */
#ifndef ZABLINE_PROTO_DISK_MSG_H
#define ZABLINE_PROTO_DISK_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/reason.h"
#include "proto/zxid.h"

enum disk_msg_type {
  DISK_OPENED = 1,
  DISK_START,
  DISK_DRAIN,
  DISK_ACCEPTED,
  DISK_CURRENT,
  DISK_MAY_VOTE,
  DISK_APPEND,
  DISK_TRUNCATE,
  DISK_LOOKUP,
  DISK_READ,
  DISK_SNAP_OPEN,
  DISK_SNAP_READ,
  DISK_SNAP_CLOSE,
  DISK_SNAP_BEGIN,
  DISK_SNAP_WRITE,
  DISK_SNAP_COMMIT,
  DISK_SNAP_ABORT,
  DISK_CLEAN_STOP,
  DISK_ASK,
  DISK_REPAIR,
  DISK_FREE,
};

enum { SNAP_OWN = 0, SNAP_INSTALL = 1 };
enum { REPAIR_GO_ON = 0, REPAIR_BEGIN = 1, REPAIR_DISCARD = 2 };
enum repair_step {
  REPAIR_DONE,
  REPAIR_COPIES, /* go on */
  REPAIR_NEEDS,  /* the record behind `after`, up to `upto`: from a peer, or discard */
};

/* What a node has promised and holds, from durable state only (R12). */
struct durable_state {
  uint32_t accepted_epoch; /* f.p */
  uint32_t current_epoch;  /* f.a; the last zxid's epoch may be above it (R5b) */
  zxid_t last_zxid;
  zxid_t log_base;      /* the log holds everything after this zxid, gap-free (B14) */
  zxid_t snapshot_zxid; /* newest snapshot, 0: none */
  bool may_vote;        /* false: --rejoin not yet done (E5) */
  bool clean_stop;      /* at start: the last stop was clean */
  bool no_state;        /* no intact snapshot reaches log_base: applying needs a SNAP first */
  zxid_t faulty;        /* first damaged record, as far as known; 0: all can be read (E1) */
  uint32_t faulty_cnt;  /* damaged places */
};

struct disk_msg {
  enum disk_msg_type type;
  enum reason reason;
  uint32_t tag; /* chosen by the asker, comes back */
  uint32_t epoch;
  uint32_t flag;
  uint32_t len;
  uint32_t cap;
  void *buf;
  zxid_t zxid, upto;
  pos_t pos;
  struct durable_state state;
};

#endif
