/* drive.h - a machine's disk: what it holds, how slow it is, what is wrong with it.
 *
 * Faults of the disk are named here and drawn by fault.c.  Source: issue "simulation" 1, "Disk". */
#ifndef ZABLINE_TEST_SIM_DRIVE_H
#define ZABLINE_TEST_SIM_DRIVE_H

#include "test/sim/world.h"

enum drive_op {
  DRIVE_OPEN,
  DRIVE_READ,
  DRIVE_WRITE,
  DRIVE_WRITE_DURABLE,
  DRIVE_SYNC,
  DRIVE_RENAME,
  DRIVE_UNLINK,
  DRIVE_SYNC_DIR,
  DRIVE_OPS
};

struct sim_disk {
  int idx;
  struct powercut *power;
  struct disk under;
  bool dead;          /* its process is over: nothing reaches it any more */
  uint64_t slow_ns;   /* added to each operation */
  int64_t free_bytes; /* 0: plenty */
  uint32_t broken;    /* bit: enum drive_op fails next time */
  int broken_errno;
  uint64_t ops[DRIVE_OPS];
  int survivors;         /* enum powercut_survivors when the power goes; SURVIVE_CNT: by chance */
  uint32_t kept, groups; /* groups > 0: these of as many groups of what is unsynced survive */
  uint32_t unsynced;     /* so much was, when the last process ended */
  bool lose_next, misdirect_next, keep_next; /* the next durable write */
  struct {                                   /* STALE_READ: what stood there before a write */
    bool there;
    int inode; /* of its file: names change, and a handle does not live as long */
    uint64_t offset;
    size_t len;
    void *bytes;
  } old, lost; /* lost: the last write to that kind of file, which was lost */
};

/* drive_rot flips a bit of a file whose name begins so and that has some content; false: found
 * none. */
bool drive_rot(struct sim_disk *s, struct random *r, const char *prefix);
/* drive_write_goes_wrong: a durable write that says 0 but does something else; false: it does not.
 */
bool drive_write_goes_wrong(struct sim_disk *s, struct disk_file *f, const void *buf, size_t len,
                            uint64_t offset);
/* drive_read_stale: what was read at offset is, where that was kept, what stood there before: once.
 */
void drive_read_stale(struct sim_disk *s, const struct disk_file *f, uint8_t *buf, size_t len,
                      uint64_t offset);
/* drive_wrote: a durable write has taken effect.  By a later one of its kind a lost write is known,
 * and that of a group of the log by the epochs, which say how long the log was. */
void drive_wrote(struct sim_disk *s, const struct disk_file *f);
/* drive_give_back: the process ends.  If nothing has been written since by which a lost write is
 * known, nothing on this disk can tell at the next start, and no replica can do without it: the
 * atlas puts it there after all. */
void drive_give_back(struct sim_disk *s);

/* drive_fault counts the operation; 0, or the error that it is to end with. */
int drive_fault(struct sim_disk *s, enum drive_op op);

#endif
