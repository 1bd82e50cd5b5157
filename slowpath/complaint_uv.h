/* complaint_uv.h - one line per peer and cause until that is settled; every one is counted.
 *
 * Bad input must be seen by people without flooding them: what was settled is said again after
 * some seconds only, what strangers do after a minute.  What a peer sent is printed as plain text.
 *
 * Owner: slow thread.  Source: design 9. */
#ifndef ZABLINE_SLOWPATH_COMPLAINT_UV_H
#define ZABLINE_SLOWPATH_COMPLAINT_UV_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/reason.h"

#define COMPLAINT_STRANGER (-1)

struct complaints {
  const struct config *config;
  struct counters *counters;
  const char *port; /* "election port" */
  struct {
    uint64_t again_us; /* 0: not said yet; UINT64_MAX: once is enough */
    uint64_t said_us;
  } of[LIMIT_PEERS + 1][REASON_CNT]; /* [0]: strangers */
};

void complaint_init(struct complaints *c, const struct config *config, struct counters *counters,
                    const char *port);

/* complaint_say counts r and prints "PORT: node 2 (WHERE): TEXT OF r: DETAIL" unless it is already
 * said. peer_idx: index in config.peers or COMPLAINT_STRANGER; where, detail may be NULL. */
struct complaint {
  int peer_idx;
  enum reason reason;
  const char *where, *detail;
};
void complaint_say(struct complaints *c, uint64_t now_us, const struct complaint *what);

/* complaint_settled: peer_idx is good again in this respect; the next time it is not is said again.
 */
void complaint_settled(struct complaints *c, int peer_idx, enum reason r);

#endif
