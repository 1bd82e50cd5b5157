/* scene.h - a scenario: lines of text that move the simulated cluster, wait, say what must hold.
 *
 *      scene.c       the file, the lines in their order, the end that every scenario has
 *      scene_words.c what a line is made of: n2, 3:17, 40ms, n1>n3
 *      scene_do.c    lines that do something: boot, power, submit, ... (also behind `when`)
 *      scene_net.c   ... to the network: cut, hold, lose, replay, ...
 *      scene_disk.c  ... to a disk: fail, flip, remove, ...
 *      scene_cond.c  what can be waited for and expected
 *      scene_when.c  what is watched, so that a fault comes at a named action
 *      scene_golden.c  what of the trace is compared with the file
 *
 * The network is benign and the seed one and the same, so that a scenario is one run; all oracles
 * are on.  Nothing here knows the protocol.  Source: issue "simulation" 3; test/scenario. */
#ifndef ZABLINE_TEST_SIM_SCENE_H
#define ZABLINE_TEST_SIM_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "test/sim/drive.h"
#include "test/sim/net.h"
#include "test/sim/trace.h"

/* scene_run runs the file and prints what its trace is compared by; ends the process if anything
 * does not hold. */
struct scene_options {
  const char *file;
  bool live;     /* print the whole trace */
  uint64_t seed; /* 1: the one that the golden trace is of */
};
void scene_run(const struct scene_options *o);

/* ---- what the seams show it; without a scenario they do nothing ---- */
void scene_note(const struct trace_row *r);
/* scene_seen: something that can be watched, but is too frequent for the trace. */
void scene_seen(int node, int peer, const char *action, zxid_t zxid);
/* scene_disk: the operation is about to take effect (over: it has).  Returns 0 or the error that it
 * is to end with. */
int scene_disk(struct machine *m, enum drive_op op, const char *name, bool over);
/* scene_disk_loses: the durable write will say that it has been done. */
bool scene_disk_loses(struct machine *m, const char *name);
void scene_disk_asked(struct machine *m, int request); /* enum disk_msg_type */
/* scene_datagram: false: it does not go out now. */
bool scene_datagram(struct datagram *d);
/* scene_after_event carries out what triggers have asked for. */
void scene_after_event(void);
bool scene_is_on(void);
/* scene_flip_record: a bit of the record on the machine's disk turns; it must be there. */
void scene_flip_record(struct machine *m, zxid_t zxid);

#endif
