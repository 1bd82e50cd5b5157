/* probe.h - somebody who looks on, and may interfere, at the points where a cluster can go one way
 * or another: test/exhaustive/.
 *
 * A function of it that is called in the middle of a process's turn may end that process
 * (probe_die). */
#ifndef ZABLINE_TEST_SIM_PROBE_H
#define ZABLINE_TEST_SIM_PROBE_H

#include "test/sim/drive.h"
#include "test/sim/net.h"
#include "test/sim/tcp.h"

struct probe {
  /* a protocol's action, as in the trace */
  void (*note)(const struct trace_row *r);
  /* the operation is about to take effect (over: it has) */
  void (*disk)(struct machine *m, enum drive_op op, const char *name, bool over);
  void (*deliver)(struct machine *m, zxid_t zxid); /* about to */
  /* false: it is taken away, the probe has it */
  bool (*datagram)(struct datagram *d);
  /* there is something on its way: false: it arrives when the probe says so */
  bool (*segment)(struct pipe *p);
};
extern const struct probe *probe; /* NULL: nobody; any function of it may be NULL */

#endif
