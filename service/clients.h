/* clients.h - app_log's client table: the last sequence of each client, bounded, part of the state.
 *
 * At most LIMIT_CLIENTS clients are remembered.  A new one evicts the one whose last record is
 * oldest in the order of apply, so every node evicts the same one at the same zxid.  An evicted
 * client is a stranger: its sequence starts at 1 again, and a record that it sends twice is not
 * recognised; it sees last = 0 where it expected more, and must take a new id (zabctl does, by
 * giving up with an error).
 *
 * Owner: app thread.  Blocks: no.  Allocates: the index.  Source: design 7; zab-rules C10. */
#ifndef ZABLINE_SERVICE_CLIENTS_H
#define ZABLINE_SERVICE_CLIENTS_H

#include <stdint.h>

#include "config/limits.h"
#include "proto/zxid.h"
#include "service/hash.h"

struct client {
  uint64_t id;
  uint64_t sequence; /* of its last record */
  zxid_t zxid;       /* of that record: also its place in the order of eviction */
  struct client *older, *newer;
  UT_hash_handle hh;
};

struct clients {
  uint32_t cnt;
  uint64_t digest; /* of all entries, whatever their order */
  struct client *index;
  struct client *oldest, *newest;
  struct client at[LIMIT_CLIENTS];
};

void clients_init(struct clients *c);
void clients_clear(struct clients *c);
/* clients_find returns the entry of id, or NULL. */
const struct client *clients_find(const struct clients *c, uint64_t id);
/* clients_set notes the last record of id; zxid is above every other one's. */
void clients_set(struct clients *c, uint64_t id, uint64_t sequence, zxid_t zxid);

#endif
