#include "slowpath/lobby_uv.h"

#include <assert.h>
#include <string.h>

#include "config/log.h"
#include "slowpath/dial_uv.h"

#define SILENT_US 2000000 /* to say who one is: one segment, sent right after connecting */

struct sock_uv *lobby_take(struct lobby_uv *l, int i) {
  struct sock_uv *s = l->at[i].sock;
  assert(i < l->cnt);
  l->cnt--;
  memmove(&l->at[i], &l->at[i + 1], (size_t)(l->cnt - i) * sizeof l->at[0]);
  return s;
}

void lobby_drop(struct lobby_uv *l, int i, enum reason r, const char *detail) {
  char where[SOCK_NAME_LEN];
  struct sock_uv *s = lobby_take(l, i);
  sock_peer_name(s, where);
  complaint_say(l->complaints, sock_now_us(),
                &(struct complaint){COMPLAINT_STRANGER, r, where, detail});
  sock_close(s);
}

bool lobby_drop_late(struct lobby_uv *l, int i, uint64_t now_us) {
  struct sock_uv *s = l->at[i].sock;
  if (s->state != SOCK_ENDED && now_us < l->at[i].deadline_us && sock_want_more(s)) return false;
  lobby_drop(l, i, l->silent, NULL);
  return true;
}

static void on_connection(uv_stream_t *listener, int status) {
  struct lobby_uv *l = listener->data;
  int error = status;
  if (error == 0 && l->accepted == LIMIT_LOBBY) { /* libuv accepts no further one until we do */
    *l->dirty = l->waiting = true;
    return;
  }
  l->accepted++;
  if (error == 0 && l->cnt == LIMIT_LOBBY) lobby_drop(l, 0, REASON_CONN_LIMIT, NULL);
  struct sock_uv *s = error ? NULL : sock_accept(listener, LIMIT_LOBBY_BYTES, l->dirty, &error);
  if (!s) { /* no file descriptor or memory left */
    complaint_say(
        l->complaints, sock_now_us(),
        &(struct complaint){COMPLAINT_STRANGER, REASON_CONN_LIMIT, NULL, uv_strerror(error)});
    return;
  }
  l->at[l->cnt++] = (struct lobby_guest){s, sock_now_us() + SILENT_US};
}

void lobby_look(struct lobby_uv *l) {
  l->accepted = 0;
  if (!l->waiting) return;
  l->waiting = false;
  on_connection((uv_stream_t *)&l->listener, 0);
}

int lobby_open(struct lobby_uv *l, uv_loop_t *loop, const char *host, uint16_t port) {
  int error = uv_tcp_init(loop, &l->listener);
  l->listener.data = l;
  if (!error) error = dial_listen(&l->listener, host, port, on_connection);
  if (!error) return 0;
  log_line(LEVEL_ERROR, l->complaints->config->id, "%s: cannot listen at %s:%u: %s",
           l->complaints->port, host, (unsigned)port, uv_strerror(error));
  return -1;
}

void lobby_close(struct lobby_uv *l) {
  while (l->cnt > 0) sock_close(lobby_take(l, l->cnt - 1));
  uv_close((uv_handle_t *)&l->listener, NULL);
}

uint64_t lobby_deadline_us(const struct lobby_uv *l) {
  return l->cnt > 0 ? l->at[0].deadline_us : UINT64_MAX;
}
