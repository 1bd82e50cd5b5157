#include "slowpath/election_uv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/server_list.h"

#define FIRST_DELAY_US 5000
#define LAST_DELAY_US 500000
#define CALL_BACK_US 200000 /* after a doorbell: ringing again sooner would break the call-back */
#define IN_MAX (4 + LIMIT_NOTIFICATION)
#define BAD_IN_A_ROW 64 /* malformed messages of one peer between two looks at the others */

static const struct config_peer *peer_of(const struct election_uv *e, int i) {
  return &e->config->peers[i];
}

static bool is_larger(const struct election_uv *e, int i) {
  return peer_of(e, i)->id > e->config->id;
}

static void complain(struct election_uv *e, int i, enum reason r, const char *detail) {
  char where[LIMIT_HOST_LEN + 8];
  const struct config_peer *p = peer_of(e, i);
  snprintf(where, sizeof where, "%s:%u", p->address, (unsigned)p->election_port);
  complaint_say(&e->complaints, sock_now_us(), &(struct complaint){i, r, where, detail});
}

static void link_is(struct election_uv *e, int i, enum link_state link) {
  e->peer[i].link_due = true;
  e->peer[i].link = link;
}

/* ---- sending ---- */

/* Capacity 1: the newest message waits here until the one before is in the kernel. */
static void pump(struct election_uv_peer *p) {
  if (!p->unsent || !p->sock || p->sock->state != SOCK_OPEN || sock_waiting(p->sock) > 0) return;
  uint8_t *dst = sock_reserve(p->sock, p->message_len);
  if (!dst) return;
  memcpy(dst, p->message, p->message_len);
  sock_commit(p->sock, p->message_len);
  sock_flush(p->sock);
  p->unsent = false;
}

/* News shorten the wait for the next attempt, but not below not_before_us. */
static void want(struct election_uv_peer *p, uint64_t now_us) {
  uint64_t when = now_us > p->not_before_us ? now_us : p->not_before_us;
  if (when < p->try_us) p->try_us = when;
}

void election_uv_notify(struct election_uv *e, uint64_t now_us, int peer_idx, enum peer_state state,
                        const struct vote *vote) {
  struct election_uv_peer *p = &e->peer[peer_idx];
  assert(peer_idx != e->config->self_idx);
  e->own.state = state;
  e->own.vote = *vote;
  p->message_len = notification_write(p->message, sizeof p->message, &e->own);
  assert(p->message_len > 0);
  p->unsent = true;
  pump(p);
  if (!p->sock) want(p, now_us);
  e->dirty = true;
}

/* A new connection begins with the last message: of a role that has ended it would be a vote with
 * an old zxid (R12). */
void election_uv_forget(struct election_uv *e) {
  for (int i = 0; i < e->config->peer_cnt; i++) {
    e->peer[i].message_len = 0;
    e->peer[i].unsent = false;
  }
}

/* ---- the connection of a pair ---- */

/* The last message is said again: it may have been lost with the connection before. */
static void up(struct election_uv *e, uint64_t now_us, int i, struct sock_uv *s) {
  struct election_uv_peer *p = &e->peer[i];
  if (p->sock) sock_close(p->sock);
  p->sock = s;
  sock_expect_acks(s);
  p->called = false;
  p->delay_us = FIRST_DELAY_US;
  p->not_before_us = now_us + FIRST_DELAY_US;
  p->try_us = UINT64_MAX;
  p->unsent = p->message_len > 0;
  complaint_settled(&e->complaints, i, REASON_CONNECT_FAILED);
  link_is(e, i, LINK_UP);
  pump(p);
}

static void down(struct election_uv *e, uint64_t now_us, int i, enum link_state link) {
  struct election_uv_peer *p = &e->peer[i];
  if (p->sock) {
    if (sock_waiting(p->sock) > 0) p->unsent = p->message_len > 0;
    sock_close(p->sock);
    p->sock = NULL;
  }
  if (p->unsent) want(p, now_us);
  link_is(e, i, link);
}

static void say_hello(const struct election_uv *e, struct sock_uv *s) {
  const struct config_peer *self = peer_of(e, e->config->self_idx);
  uint8_t *dst = sock_reserve(s, LIMIT_LOBBY_BYTES);
  if (!dst) return; /* it has ended already; seen by its owner */
  size_t len = hello_write(dst, LIMIT_LOBBY_BYTES, self->id, self->address, self->election_port);
  assert(len > 0);
  sock_commit(s, len);
  sock_flush(s); /* one write: ZooKeeper takes it with one read */
}

static uint64_t grown(uint64_t delay_us) {
  return 2 * delay_us < LAST_DELAY_US ? 2 * delay_us : LAST_DELAY_US;
}

static void dialled(struct election_uv *e, uint64_t now_us, int i) {
  struct election_uv_peer *p = &e->peer[i];
  struct sock_uv *s = dial_take(&p->dial);
  say_hello(e, s);
  if (!is_larger(e, i)) {
    up(e, now_us, i, s);
    return;
  }
  sock_close(s); /* the doorbell has been rung */
  if (p->delay_us < CALL_BACK_US) p->delay_us = CALL_BACK_US;
  p->not_before_us = now_us + CALL_BACK_US;
  p->try_us = now_us + p->delay_us;
  p->delay_us = grown(p->delay_us);
}

static void dial_failed(struct election_uv *e, uint64_t now_us, int i) {
  struct election_uv_peer *p = &e->peer[i];
  int error = p->dial.error;
  dial_abort(&p->dial);
  p->called = false;
  p->not_before_us = now_us + FIRST_DELAY_US;
  complain(e, i, REASON_CONNECT_FAILED, uv_strerror(error));
  down(e, now_us, i, error == UV_ECONNREFUSED ? LINK_REFUSED : LINK_DOWN);
  p->try_us = p->unsent ? now_us + p->delay_us : UINT64_MAX;
  p->delay_us = grown(p->delay_us);
}

static void advance(struct election_uv *e, uint64_t now_us, int i) {
  struct election_uv_peer *p = &e->peer[i];
  if (p->dial.state == DIAL_IDLE && p->try_us <= now_us) {
    p->try_us = UINT64_MAX;
    if (!p->sock || p->called)
      dial_start(&p->dial, now_us, peer_of(e, i)->address, peer_of(e, i)->election_port);
  }
  enum dial_state state = dial_poll(&p->dial, now_us);
  if (state == DIAL_DONE) dialled(e, now_us, i);
  if (state == DIAL_FAILED) dial_failed(e, now_us, i);
  pump(p);
}

/* ---- who has connected ---- */

/* A hello of a smaller id is a doorbell: it has no connection, whatever we believe
 * (election.md 1.5). The address in it is not used: peers are where the config says. */
static void greet(struct election_uv *e, uint64_t now_us, int guest, int64_t sid) {
  char id[32];
  int i = sid >= 1 && sid <= LIMIT_NODE_ID ? config_peer_idx(e->config, (uint8_t)sid) : -1;
  if (i < 0 || i == e->config->self_idx) {
    snprintf(id, sizeof id, "id %lld", (long long)sid);
    lobby_drop(&e->lobby, guest, i < 0 ? REASON_HELLO_UNKNOWN : REASON_HELLO_SELF, id);
    return;
  }
  struct election_uv_peer *p = &e->peer[i];
  struct sock_uv *s = lobby_take(&e->lobby, guest);
  if (!is_larger(e, i)) {
    sock_close(s);
    p->called = true;
    want(p, now_us);
    return;
  }
  dial_abort(&p->dial);
  sock_adopt(s, IN_MAX, &e->dirty);
  up(e, now_us, i, s);
}

static void look_into_lobby(struct election_uv *e, uint64_t now_us) {
  for (int i = 0; i < e->lobby.cnt;) {
    struct hello hello;
    struct span in = sock_input(e->lobby.at[i].sock);
    int len = hello_read(&hello, in.data, (size_t)in.len);
    if (len > 0) {
      sock_consume(e->lobby.at[i].sock, (size_t)len);
      greet(e, now_us, i, hello.sid);
    } else if (len < 0) {
      lobby_drop(&e->lobby, i, REASON_HELLO_BAD, NULL);
    } else if (!lobby_drop_late(&e->lobby, i, now_us)) {
      i++;
    }
  }
  lobby_look(&e->lobby);
}

/* ---- events ---- */

static bool next_link(struct election_uv *e, int i, struct replica_event *ev) {
  if (!e->peer[i].link_due) return false;
  e->peer[i].link_due = false;
  *ev = (struct replica_event){.type = EV_LINK, .peer_idx = i, .link = e->peer[i].link};
  return true;
}

/* The length of the whole message at in, 0: not yet whole, -1: impossible. */
static long message_len(struct span in) {
  struct cursor c;
  cursor_init(&c, in.data, (size_t)in.len);
  int32_t len = cursor_i32(&c);
  if (c.bad) return 0;
  if (len < 1 || len > LIMIT_NOTIFICATION) return -1;
  return in.len - 4 >= len ? len : 0;
}

static void compare_lists(struct election_uv *e, int i) {
  const char *list = e->heard.config;
  if (list[0] == 0) return; /* older formats carry none */
  if (server_list_same(list, e->own.config)) {
    complaint_settled(&e->complaints, i, REASON_SERVER_LIST_DIFFERS);
  } else {
    complain(e, i, REASON_SERVER_LIST_DIFFERS, list);
  }
}

static void break_off(struct election_uv *e, uint64_t now_us, int i, const char *why) {
  complain(e, i, REASON_NOTIFICATION_BAD, why);
  e->peer[i].not_before_us = now_us + LAST_DELAY_US;
  down(e, now_us, i, LINK_DOWN);
}

static bool next_notification(struct election_uv *e, uint64_t now_us, int i,
                              struct replica_event *ev) {
  struct sock_uv *s = e->peer[i].sock;
  for (int n = 0; s && n < BAD_IN_A_ROW; n++) {
    struct span in = sock_input(s);
    long len = message_len(in);
    if (len < 0) break_off(e, now_us, i, "impossible length");
    if (len == 0) sock_want_more(s);
    if (len == 0 && s->state == SOCK_ENDED) down(e, now_us, i, LINK_DOWN);
    if (len <= 0) return false;
    enum reason r = notification_read(&e->heard, in.data + 4, (size_t)len);
    sock_consume(s, 4 + (size_t)len);
    if (r == REASON_NONE) {
      compare_lists(e, i);
      *ev =
          (struct replica_event){.type = EV_NOTIFICATION, .peer_idx = i, .notification = &e->heard};
      return true;
    }
    complain(e, i, r, NULL);
  }
  if (s) break_off(e, now_us, i, "nothing else comes");
  return false;
}

bool election_uv_next(struct election_uv *e, uint64_t now_us, struct replica_event *ev) {
  if (!e->dirty && now_us < election_uv_deadline_us(e)) return false;
  e->dirty = false;
  look_into_lobby(e, now_us);
  for (int n = 0; n < e->config->peer_cnt; n++) {
    e->turn = (e->turn + 1) % e->config->peer_cnt; /* a chatty peer comes last next time */
    if (e->turn == e->config->self_idx) continue;
    advance(e, now_us, e->turn);
    if (next_link(e, e->turn, ev) || next_notification(e, now_us, e->turn, ev) ||
        next_link(e, e->turn, ev)) {
      e->dirty = true;
      return true;
    }
  }
  return false;
}

uint64_t election_uv_deadline_us(const struct election_uv *e) {
  uint64_t first = lobby_deadline_us(&e->lobby);
  for (int i = 0; i < e->config->peer_cnt; i++) {
    const struct election_uv_peer *p = &e->peer[i];
    uint64_t own = p->dial.state == DIAL_IDLE ? p->try_us : p->dial.deadline_us;
    if (own < first) first = own;
  }
  return first;
}

/* ---- open and close ---- */

int election_uv_open(struct election_uv *e, uv_loop_t *loop, const struct config *c,
                     struct counters *counters) {
  memset(e, 0, sizeof *e);
  e->config = c;
  complaint_init(&e->complaints, c, counters, "election port");
  e->lobby.complaints = &e->complaints;
  e->lobby.silent = REASON_HELLO_MISSING;
  e->lobby.dirty = &e->dirty;
  config_quorum_text(c, e->own.config);
  for (int i = 0; i < c->peer_cnt; i++) {
    e->peer[i].try_us = UINT64_MAX;
    e->peer[i].delay_us = FIRST_DELAY_US;
    dial_init(&e->peer[i].dial, loop, IN_MAX, &e->dirty);
  }
  const struct config_peer *self = peer_of(e, c->self_idx);
  return lobby_open(&e->lobby, loop, self->address, self->election_port);
}

void election_uv_close(struct election_uv *e) {
  lobby_close(&e->lobby);
  for (int i = 0; i < e->config->peer_cnt; i++) {
    if (e->peer[i].sock) sock_close(e->peer[i].sock);
    e->peer[i].sock = NULL;
    dial_close(&e->peer[i].dial);
  }
}
