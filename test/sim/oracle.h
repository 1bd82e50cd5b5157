/* oracle.h - the judge: what must hold on all nodes, for ever, checked when something happens.
 *
 * It keeps history variables that no node has: every record that a leader ever numbered, with its
 * predecessor; the one committed history; what each node has promised, acknowledged, delivered.
 * All histories are branches of one tree: a zxid is numbered once, by the leader of its epoch, so
 * it names its whole past (I-1, Integrity, History consistency: checked, not assumed).
 *
 *   epoch e:  base Z0 <- (e,1) <- (e,2) <- ...
 *
 * A violation ends the run.  Source: zab-rules 2; issue "simulation" 2. */
#ifndef ZABLINE_TEST_SIM_ORACLE_H
#define ZABLINE_TEST_SIM_ORACLE_H

#include "proto/exit_code.h"
#include "test/sim/drive.h"
#include "test/sim/world.h"

struct tcp;

void oracle_init(void);
void oracle_free(void);

/* ---- what the seams show it ---- */
void oracle_ring(struct machine *m, enum ring_id id, const void *element);
void oracle_frame(struct machine *m, int to, int path, const struct frame_header *h);
/* oracle_received: the fast lcore takes a whole frame from its NIC. */
void oracle_received(struct machine *m, int from, const void *frame);
/* oracle_heard: a frame of that peer, whatever it is worth, is given to the fast lcore. */
void oracle_heard(struct machine *m, int from);
void oracle_bytes(struct machine *m, struct tcp *s, int side, const void *bytes, uint32_t len);
void oracle_forget_bytes(void *watch);
void oracle_disk_op(struct machine *m, enum drive_op op);

/* ---- after a turn ---- */
void oracle_after_fast(struct machine *m);
void oracle_after_disk(struct machine *m);
void oracle_after_slow(struct machine *m);
void oracle_after_app(struct machine *m);

/* ---- a process ---- */
void oracle_recovered(struct machine *m);                /* its store has been opened */
void oracle_promised(struct machine *m, uint32_t epoch); /* its disk knows */
void oracle_wiped(struct machine *m);                    /* what it held and knew is gone */
void oracle_process_ends(struct machine *m, enum machine_end how);
struct app oracle_app(struct machine *m); /* the node's app, watched */
/* oracle_machine_of: whose app it is, watched or not. */
struct machine *oracle_machine_of(const struct app *a);
void oracle_listen(struct machine *m);

/* ---- clients ---- */
void oracle_submitted(uint64_t client, uint64_t sequence);
void oracle_acked(int node, uint64_t client, uint64_t sequence);

/* ---- the run ---- */
void oracle_end(void); /* all that is on the disks */
struct oracle_totals {
  uint64_t elections, in_place; /* established; of them without an election */
  uint64_t committed, images;
};
struct oracle_totals oracle_totals(void);
zxid_t oracle_committed(void); /* the newest record that anybody has committed */

#endif
