/* dial_uv.h - one attempt to connect to host:port: resolve the name, try each of its addresses.
 *
 * Names are resolved at each attempt (an address may change), numeric ones without libuv's threads.
 * At most one resolution per struct dial is under way, also after it was given up.
 *
 * Owner: slow thread.  Blocks: no.  Source: election.md 1.2; quorum.md 2; design 5.3. */
#ifndef ZABLINE_SLOWPATH_DIAL_UV_H
#define ZABLINE_SLOWPATH_DIAL_UV_H

#include "slowpath/sock_uv.h"

enum dial_state { DIAL_IDLE, DIAL_RESOLVING, DIAL_CONNECTING, DIAL_DONE, DIAL_FAILED };

struct dial_resolve; /* one uv_getaddrinfo */

struct dial_uv {
  uv_loop_t *loop;
  bool *dirty;
  size_t in_max;
  enum dial_state state;
  struct dial_resolve *resolve; /* under way */
  struct addrinfo *list, *next; /* addresses found; not yet tried */
  struct sock_uv *sock;
  uint64_t deadline_us; /* of this attempt; UINT64_MAX: none under way */
  int error;            /* the last one */
};

void dial_init(struct dial_uv *d, uv_loop_t *loop, size_t in_max, bool *dirty);

/* dial_start begins an attempt; d is idle.  Whatever goes wrong is seen by dial_poll. */
void dial_start(struct dial_uv *d, uint64_t now_us, const char *host, uint16_t port);

/* dial_poll goes on and says where it is.  DIAL_DONE: dial_take; DIAL_FAILED: dial_abort.
 * d->error is UV_ECONNREFUSED if nobody listens at any of the addresses. */
enum dial_state dial_poll(struct dial_uv *d, uint64_t now_us);

/* dial_take gives the open connection away; d is idle then. */
struct sock_uv *dial_take(struct dial_uv *d);

/* dial_abort ends an attempt in any state; d is idle then. */
void dial_abort(struct dial_uv *d);

/* dial_close is dial_abort for good: a resolution under way forgets d. */
void dial_close(struct dial_uv *d);

/* dial_listen binds tcp to host:port and listens.  Blocks for the resolution (at start only).
 * Returns 0 or a libuv error. */
int dial_listen(uv_tcp_t *tcp, const char *host, uint16_t port, uv_connection_cb on_connection);

#endif
