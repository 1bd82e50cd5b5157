/* sock_uv.h - one TCP connection of the slow thread with bounded buffers.
 *
 * libuv's callbacks only move bytes and set *dirty; whoever owns the connection looks at it
 * afterwards, outside of libuv's loop.  So no event of the machine arises inside a callback.
 *
 * Input stops being read when its buffer is full, output is refused above its
 * bound: both push back on the peer through TCP.
 *
 * Owner: slow thread.  Blocks: no.  Allocates: on open and as buffers grow.  Source: design 1, 2
 * (law 5). */
#ifndef ZABLINE_SLOWPATH_SOCK_UV_H
#define ZABLINE_SLOWPATH_SOCK_UV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/cursor.h"

enum sock_state { SOCK_CONNECTING, SOCK_OPEN, SOCK_ENDED };

struct sock_chunk; /* bytes on their way out */

struct sock_uv {
  uv_tcp_t tcp;
  uv_connect_t connecting;
  enum sock_state state;
  int error;   /* UV_EOF, UV_ECONNREFUSED, ...: why it ended */
  bool *dirty; /* set when anything has changed; NULL: closed by its owner */
  bool reading;
  uint8_t *in;
  size_t in_from, in_to, in_cap, in_max;
  struct sock_chunk *open; /* being filled */
  size_t queued;           /* bytes handed to libuv and not yet to the kernel */
};

#define SOCK_NAME_LEN 64

/* now_us is the slow thread's clock: monotonic. */
static inline uint64_t sock_now_us(void) { return uv_hrtime() / 1000; }

/* sock_accept takes the connection that waits at listener; sock_connect begins one.  in_max: bound
 * of the input buffer.  Both return NULL with *error set if that cannot be. */
struct sock_uv *sock_accept(uv_stream_t *listener, size_t in_max, bool *dirty, int *error);
struct sock_uv *sock_connect(uv_loop_t *loop, const struct sockaddr *to, size_t in_max, bool *dirty,
                             int *error);

/* sock_adopt gives s to another owner with another bound. */
void sock_adopt(struct sock_uv *s, size_t in_max, bool *dirty);

/* sock_expect_acks ends s when what it has sent is not acknowledged by the peer's host for as long
 * as keepalive takes.  Keepalive itself rests while something is unacknowledged, and TCP then waits
 * twice as long each time, up to minutes.  Only for a peer that always reads. */
void sock_expect_acks(struct sock_uv *s);

/* sock_be_patient: from now on silence of the other side, which somebody else watches, does not end
 * s; what waits for it stays. */
void sock_be_patient(struct sock_uv *s);

/* sock_be_watchful takes that back. */
void sock_be_watchful(struct sock_uv *s);

/* sock_keep_fresh: the kernel takes no more while it holds so many bytes that it has not sent yet,
 * so that sock_waiting tells how old the next ones will be. */
void sock_keep_fresh(struct sock_uv *s, unsigned unsent_max);

/* sock_close makes one attempt to send what is queued, then closes and frees s. */
void sock_close(struct sock_uv *s);

/* sock_input returns what has arrived and is not yet consumed; valid until the loop runs again. */
struct span sock_input(const struct sock_uv *s);
void sock_consume(struct sock_uv *s, size_t len);

/* sock_want_more: the input is no whole message yet.  Returns false if it already fills in_max. */
bool sock_want_more(struct sock_uv *s);

/* sock_reserve returns room for len bytes of output (NULL if s has ended), of which sock_commit
 * takes the first used ones; sock_flush sends what was committed.  sock_waiting counts the bytes
 * not yet in the kernel. */
uint8_t *sock_reserve(struct sock_uv *s, size_t len);
void sock_commit(struct sock_uv *s, size_t used);
void sock_flush(struct sock_uv *s);
size_t sock_waiting(const struct sock_uv *s);

/* sock_peer_name writes "127.0.0.1:41234" (SOCK_NAME_LEN bytes). */
void sock_peer_name(const struct sock_uv *s, char *buf);
void sock_address_name(const struct sockaddr *a, char *buf);

#endif
