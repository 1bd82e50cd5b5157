/* lobby_uv.h - a listening port, and those who have connected but not yet said who they are.
 *
 * Nobody waits for them: each has a deadline, a small input buffer, and when the lobby is full the
 * one who has been silent longest makes room for the next.  At most LIMIT_LOBBY are accepted
 * between two looks, so that whoever spoke at once has been heard and a flood does not hold the
 * loop.
 * Its owner looks at at[0..cnt).
 *
 * Owner: slow thread.  Blocks: no.  Source: design 5.3 ("a silent peer delays nobody"), 9. */
#ifndef ZABLINE_SLOWPATH_LOBBY_UV_H
#define ZABLINE_SLOWPATH_LOBBY_UV_H

#include "config/limits.h"
#include "slowpath/complaint_uv.h"
#include "slowpath/sock_uv.h"

struct lobby_guest {
  struct sock_uv *sock;
  uint64_t deadline_us;
};

struct lobby_uv {
  uv_tcp_t listener;
  struct complaints *complaints;
  enum reason silent; /* reason of a guest who says nothing or not enough */
  bool *dirty;
  int accepted; /* since lobby_look */
  bool waiting; /* the next one waits in libuv for lobby_look */
  int cnt;
  struct lobby_guest at[LIMIT_LOBBY]; /* oldest first */
};

/* lobby_open listens at host:port.  Returns 0, or -1 after a line that names them. */
int lobby_open(struct lobby_uv *l, uv_loop_t *loop, const char *host, uint16_t port);
void lobby_close(struct lobby_uv *l);

/* lobby_look: its owner has looked at all; who had to wait is accepted. */
void lobby_look(struct lobby_uv *l);

/* lobby_take gives the connection of guest i away; lobby_drop closes it and complains. */
struct sock_uv *lobby_take(struct lobby_uv *l, int i);
void lobby_drop(struct lobby_uv *l, int i, enum reason r, const char *detail);

/* lobby_drop_late drops guest i if it has ended, is late or has filled its buffer. */
bool lobby_drop_late(struct lobby_uv *l, int i, uint64_t now_us);

/* lobby_deadline_us returns when the next guest is late, UINT64_MAX: never. */
uint64_t lobby_deadline_us(const struct lobby_uv *l);

#endif
