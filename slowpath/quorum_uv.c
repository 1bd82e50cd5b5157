#include "slowpath/quorum_uv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define IN_MAX (LIMIT_PACKET_DATA + 4096)
#define PACKET_OVERHEAD \
  64 /* of one packet that we write: header, authinfo with one Id; chunk header */
#define SNAP_END_ROOM 64

static void complain(struct quorum_uv *q, int conn, enum reason r, const char *detail) {
  char where[SOCK_NAME_LEN];
  sock_peer_name(q->conn[conn].sock, where);
  complaint_say(
      &q->complaints, sock_now_us(),
      &(struct complaint){conn == 0 ? q->leader_idx : COMPLAINT_STRANGER, r, where, detail});
}

static void conn_open(struct quorum_uv *q, int conn, struct sock_uv *s) {
  sock_adopt(s, IN_MAX, &q->dirty);
  q->conn[conn] = (struct quorum_uv_conn){.sock = s, .opened_due = true};
}

void quorum_uv_close_conn(struct quorum_uv *q, int conn) {
  struct quorum_uv_conn *c = &q->conn[conn];
  if (conn == 0 && q->dialling >= 0) {
    dial_abort(&q->dial[q->dialling]);
    q->dialling = -1;
  }
  if (c->sock) sock_close(c->sock);
  *c = (struct quorum_uv_conn){0};
}

void quorum_uv_connect(struct quorum_uv *q, uint64_t now_us, int peer_idx) {
  const struct config_peer *p = &q->config->peers[peer_idx];
  quorum_uv_close_conn(q, 0);
  q->dialling = q->leader_idx = peer_idx;
  dial_start(&q->dial[peer_idx], now_us, p->address, p->quorum_port);
}

/* ---- sending ---- */

/* Room for len bytes, NULL if the connection is gone or takes no more. */
static uint8_t *room(struct quorum_uv *q, int conn, size_t len) {
  struct quorum_uv_conn *c = &q->conn[conn];
  if (!c->sock || c->end != REASON_NONE) return NULL;
  if (sock_waiting(c->sock) + len > LIMIT_OUTPUT) {
    c->end = REASON_OUTPUT_FULL;
    complain(q, conn, c->end, NULL);
    return NULL;
  }
  c->sent = true;
  return sock_reserve(c->sock, len);
}

void quorum_uv_send(struct quorum_uv *q, int conn, const struct packet *p) {
  size_t len = PACKET_OVERHEAD + (p->data.len > 0 ? (size_t)p->data.len : 0);
  uint8_t *dst = room(q, conn, len);
  if (!dst) return;
  size_t used = packet_write(dst, len, p);
  assert(used > 0);
  sock_commit(q->conn[conn].sock, used);
}

void quorum_uv_send_frame(struct quorum_uv *q, int conn, const struct packet *p) {
  struct quorum_uv_conn *c = &q->conn[conn];
  size_t len = PACKET_OVERHEAD + (size_t)p->data.len;
  bool full = c->sock && sock_waiting(c->sock) + len > LIMIT_TCP_WAITING;
  uint8_t *dst = c->sock && !full ? sock_reserve(c->sock, len) : NULL;
  if (!dst) {
    counters_add(q->counters, full ? REASON_TCP_FULL : REASON_TCP_DOWN, 1);
    return;
  }
  if (!c->frames) sock_keep_fresh(c->sock, LIMIT_TCP_UNSENT);
  c->frames = true;
  size_t used = packet_write(dst, len, p);
  assert(used > 0);
  sock_commit(c->sock, used);
}

void quorum_uv_keep_conn(struct quorum_uv *q, int conn) {
  if (q->conn[conn].sock) sock_be_patient(q->conn[conn].sock);
}

void quorum_uv_watch_conn(struct quorum_uv *q, int conn) {
  if (q->conn[conn].sock) sock_be_watchful(q->conn[conn].sock);
}

void quorum_uv_send_chunk(struct quorum_uv *q, int conn, struct span chunk) {
  bool last = chunk.len <= 0;
  size_t len = last ? SNAP_END_ROOM : PACKET_OVERHEAD + (size_t)chunk.len;
  uint8_t *dst = room(q, conn, len);
  if (!dst) return;
  size_t used = last ? packet_snap_end_write(dst, len)
                     : packet_snap_chunk_write(dst, len, chunk.data, (uint32_t)chunk.len);
  assert(used > 0);
  sock_commit(q->conn[conn].sock, used);
}

void quorum_uv_flush(struct quorum_uv *q) {
  for (int i = 0; i < QUORUM_CONNS; i++)
    if (q->conn[i].sock) sock_flush(q->conn[i].sock);
}

/* ---- who has connected ---- */

static int free_conn(const struct quorum_uv *q) {
  for (int i = 1; i < QUORUM_CONNS; i++)
    if (!q->conn[i].sock) return i;
  return -1;
}

/* The first packet is only looked at here; the machine gets it behind EV_ACCEPTED. */
static bool admit(struct quorum_uv *q, int guest, uint64_t now_us) {
  struct packet_reader reader = {.in_snap = false};
  struct packet first;
  struct span in = sock_input(q->lobby.at[guest].sock);
  long len = packet_read(&reader, &first, in.data, (size_t)in.len);
  if (len == 0) return lobby_drop_late(&q->lobby, guest, now_us);
  int conn = free_conn(q);
  if (len < 0) {
    lobby_drop(&q->lobby, guest, REASON_PACKET_BAD, NULL);
  } else if (first.type != PACKET_FOLLOWERINFO && first.type != PACKET_OBSERVERINFO) {
    lobby_drop(&q->lobby, guest, REASON_PACKET_PHASE, packet_name(first.type));
  } else if (conn < 0) {
    lobby_drop(&q->lobby, guest, REASON_CONN_LIMIT, NULL);
  } else {
    conn_open(q, conn, lobby_take(&q->lobby, guest));
  }
  return true;
}

static void look_into_lobby(struct quorum_uv *q, uint64_t now_us) {
  for (int i = 0; i < q->lobby.cnt;)
    if (!admit(q, i, now_us)) i++;
  lobby_look(&q->lobby);
}

/* ---- events ---- */

static bool next_dial(struct quorum_uv *q, uint64_t now_us, struct replica_event *ev) {
  if (q->dialling < 0) return false;
  int peer_idx = q->dialling;
  struct dial_uv *d = &q->dial[peer_idx];
  enum dial_state state = dial_poll(d, now_us);
  if (state != DIAL_DONE && state != DIAL_FAILED) return false;
  q->dialling = -1;
  *ev = (struct replica_event){.peer_idx = peer_idx, .conn = 0};
  if (state == DIAL_DONE) {
    conn_open(q, 0, dial_take(d));
    q->conn[0].opened_due = false;
    complaint_settled(&q->complaints, peer_idx, REASON_CONNECT_FAILED);
    ev->type = EV_CONNECTED;
    return true;
  }
  const struct config_peer *p = &q->config->peers[peer_idx];
  char where[LIMIT_HOST_LEN + 8];
  snprintf(where, sizeof where, "%s:%u", p->address, (unsigned)p->quorum_port);
  ev->type = EV_CONNECT_FAILED;
  ev->reason = REASON_CONNECT_FAILED;
  complaint_say(&q->complaints, now_us,
                &(struct complaint){peer_idx, ev->reason, where, uv_strerror(d->error)});
  dial_abort(d);
  return true;
}

static bool closed(struct quorum_uv *q, int conn, enum reason r, struct replica_event *ev) {
  *ev = (struct replica_event){.type = EV_CONN_CLOSED, .conn = conn, .reason = r};
  quorum_uv_close_conn(q, conn);
  return true;
}

/* Packets that came before the end are given before it. */
static bool next_packet(struct quorum_uv *q, int conn, struct replica_event *ev) {
  struct quorum_uv_conn *c = &q->conn[conn];
  struct span in = sock_input(c->sock);
  long len = packet_read(&c->reader, &q->packet, in.data, (size_t)in.len);
  if (len < 0) {
    complain(q, conn, REASON_PACKET_BAD, NULL);
    return closed(q, conn, REASON_PACKET_BAD, ev);
  }
  if (len > 0) {
    sock_consume(c->sock, (size_t)len); /* the bytes stay where they are until the loop runs */
    *ev = (struct replica_event){.type = EV_PACKET, .conn = conn, .packet = &q->packet};
    return true;
  }
  if (c->sock->state == SOCK_ENDED) return closed(q, conn, REASON_CONN_CLOSED, ev);
  sock_want_more(c->sock);
  return false;
}

static bool next_of_conn(struct quorum_uv *q, int conn, bool wanted, struct replica_event *ev) {
  struct quorum_uv_conn *c = &q->conn[conn];
  if (!c->sock) return false;
  if (c->opened_due) {
    c->opened_due = false;
    *ev = (struct replica_event){.type = EV_ACCEPTED, .conn = conn};
    return true;
  }
  if (c->end != REASON_NONE) return closed(q, conn, c->end, ev);
  if (c->sent && c->sock->state == SOCK_OPEN && sock_waiting(c->sock) == 0) {
    c->sent = false;
    *ev = (struct replica_event){.type = EV_WRITABLE, .conn = conn};
    return true;
  }
  return wanted && next_packet(q, conn, ev);
}

bool quorum_uv_next(struct quorum_uv *q, uint64_t now_us, uint32_t wanted,
                    struct replica_event *ev) {
  if (q->dirty || now_us >= lobby_deadline_us(&q->lobby)) look_into_lobby(q, now_us);
  q->dirty = false;
  if (next_dial(q, now_us, ev)) return true;
  for (int n = 0; n < QUORUM_CONNS; n++) {
    q->turn = (q->turn + 1) % QUORUM_CONNS; /* a busy connection comes last next time */
    if (next_of_conn(q, q->turn, wanted >> q->turn & 1u, ev)) return true;
  }
  return false;
}

uint64_t quorum_uv_deadline_us(const struct quorum_uv *q) {
  uint64_t first = lobby_deadline_us(&q->lobby);
  if (q->dialling >= 0 && q->dial[q->dialling].deadline_us < first)
    first = q->dial[q->dialling].deadline_us;
  return first;
}

/* ---- open and close ---- */

int quorum_uv_open(struct quorum_uv *q, uv_loop_t *loop, const struct config *c,
                   struct counters *counters) {
  memset(q, 0, sizeof *q);
  q->config = c;
  q->counters = counters;
  q->dialling = -1;
  complaint_init(&q->complaints, c, counters, "quorum port");
  q->lobby.complaints = &q->complaints;
  q->lobby.silent = REASON_INFO_MISSING;
  q->lobby.dirty = &q->dirty;
  for (int i = 0; i < c->peer_cnt; i++) dial_init(&q->dial[i], loop, IN_MAX, &q->dirty);
  const struct config_peer *self = &c->peers[c->self_idx];
  return lobby_open(&q->lobby, loop, self->address, self->quorum_port);
}

void quorum_uv_close(struct quorum_uv *q) {
  lobby_close(&q->lobby);
  for (int i = 0; i < QUORUM_CONNS; i++) quorum_uv_close_conn(q, i);
  for (int i = 0; i < q->config->peer_cnt; i++) dial_close(&q->dial[i]);
}
