#include "service/control.h"

#include <stdlib.h>
#include <string.h>

#include "config/memory.h"

#define READ_BYTES 65536u

typedef enum control_taken control_handler(struct control_conn *n, const struct control_frame *f);

static enum control_taken on_hello(struct control_conn *n, const struct control_frame *f);

static control_handler *const handlers[CONTROL_TYPE_CNT] = {
    [CONTROL_HELLO] = on_hello,
    [CONTROL_STATUS] = control_on_status,
    [CONTROL_DIGEST] = control_on_digest,
    [CONTROL_STEP_DOWN] = control_on_step_down,
    [CONTROL_RECOVER] = control_on_recover,
    [CONTROL_BENCH] = control_on_bench,
    [CONTROL_TAIL] = control_on_tail,
    [CONTROL_START] = control_on_start,
    [CONTROL_SUBMIT] = control_on_submit,
};

/* ---- sending ---- */

void control_send(struct control_conn *n, enum control_type type, const void *body, size_t len) {
  if (n->closing || n->last_words) return;
  struct writer w;
  writer_init(&w, buffer_room(&n->out, CONTROL_FRAME_HEADER + len), CONTROL_FRAME_HEADER + len);
  writer_i32(&w, (int32_t)(len + 1));
  writer_u8(&w, (uint8_t)type);
  writer_bytes(&w, body, len);
  buffer_added(&n->out, CONTROL_FRAME_HEADER + len);
}

void control_send_json(struct control_conn *n, const char *text) {
  control_send(n, CONTROL_JSON, text, strlen(text));
}

void control_fail(struct control_conn *n, enum reason r, const char *text) {
  uint8_t body[4 + LIMIT_TEXT_LEN];
  struct writer w;
  size_t len = strnlen(text, LIMIT_TEXT_LEN);
  writer_init(&w, body, sizeof body);
  writer_i32(&w, (int32_t)r);
  writer_bytes(&w, text, len);
  counters_add(n->control->thread->c->own_counters, r, 1);
  if (n->hello) {
    control_send(n, CONTROL_ERROR, body, 4 + len);
  } else if (!n->last_words) { /* somebody who does not speak our frames: one line */
    buffer_append(&n->out, "error: ", 7);
    buffer_append(&n->out, text, len);
    buffer_append(&n->out, "\n", 1);
  }
  n->last_words = true;
}

static void on_closed(uv_handle_t *h) {
  struct control_conn *n = h->data;
  n->control->closing_cnt--;
  buffer_free(&n->in);
  buffer_free(&n->out);
  buffer_free(&n->flight);
  buffer_free(&n->acks);
  free(n);
}

static void close_conn(struct control_conn *n) {
  struct control *c = n->control;
  if (n->closing) return;
  n->closing = true;
  control_bench_closed(c, n);
  c->conns[n->idx] = c->conns[--c->conn_cnt];
  c->conns[n->idx]->idx = n->idx;
  c->closing_cnt++;
  uv_close((uv_handle_t *)&n->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status) {
  struct control_conn *n = w->data;
  n->writing = false;
  buffer_consume(&n->flight, buffer_len(&n->flight));
  if (status < 0) close_conn(n); /* EPIPE: the client went away */
}

/* Returns true if something was handed to the socket. */
static bool flush(struct control_conn *n) {
  if (n->closing || n->writing) return false;
  if (buffer_len(&n->acks)) {
    control_send(n, CONTROL_ACKS, buffer_at(&n->acks), buffer_len(&n->acks));
    buffer_consume(&n->acks, buffer_len(&n->acks));
  }
  if (!buffer_len(&n->out)) {
    if (n->last_words) close_conn(n);
    return false;
  }
  struct buffer empty = n->flight;
  n->flight = n->out;
  n->out = empty;
  uv_buf_t buf = {.base = (char *)n->flight.data + n->flight.begin, .len = buffer_len(&n->flight)};
  n->writing = true;
  n->write.data = n;
  if (uv_write(&n->write, (uv_stream_t *)&n->pipe, &buf, 1, on_written) < 0) {
    n->writing = false;
    close_conn(n);
  }
  return true;
}

/* ---- receiving ---- */

static enum control_taken on_hello(struct control_conn *n, const struct control_frame *f) {
  const struct app_uv_config *uv = n->control->thread->c;
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  int32_t magic = cursor_i32(&in), version = cursor_i32(&in);
  if (in.bad || magic != CONTROL_MAGIC || n->hello) {
    control_fail(n, REASON_CONTROL_BAD, "not a zabctl request");
  } else if (version != CONTROL_VERSION) {
    control_fail(n, REASON_CONTROL_BAD, "another version of the control protocol");
  } else {
    uint8_t body[12 + LIMIT_TEXT_LEN];
    struct writer w;
    size_t len = strnlen(uv->build, LIMIT_TEXT_LEN);
    writer_init(&w, body, sizeof body);
    writer_i32(&w, CONTROL_MAGIC);
    writer_i32(&w, CONTROL_VERSION);
    writer_i32(&w, uv->config->id);
    writer_bytes(&w, uv->build, len);
    n->hello = true;
    control_send(n, CONTROL_HELLO, body, 12 + len);
  }
  return CONTROL_TAKEN;
}

/* The next whole frame; false: not there yet, or the connection has been failed. */
static bool next_frame(struct control_conn *n, struct control_frame *f) {
  if (n->last_words || buffer_len(&n->in) < 4) return false;
  struct cursor in;
  cursor_init(&in, buffer_at(&n->in), buffer_len(&n->in));
  uint32_t len = (uint32_t)cursor_i32(&in);
  if (!len || len > (n->hello ? n->control->frame_max : LIMIT_TEXT_LEN)) {
    control_fail(n, n->hello ? REASON_TOO_LARGE : REASON_CONTROL_BAD,
                 n->hello ? "request longer than largest_record allows" : "not a zabctl request");
    return false;
  }
  if (buffer_len(&n->in) < 4 + (size_t)len) return false;
  f->type = cursor_u8(&in);
  f->body = in.next;
  f->len = len - 1;
  bool known = f->type < CONTROL_TYPE_CNT && handlers[f->type];
  if (!known || (!n->hello && f->type != CONTROL_HELLO)) {
    control_fail(n, REASON_CONTROL_BAD, "not a zabctl request");
    return false;
  }
  return true;
}

/* It does not read its answers: no more questions, so that these are bounded. */
static bool is_full(const struct control_conn *n) {
  return buffer_len(&n->out) + buffer_len(&n->acks) > n->control->frame_max;
}

static bool take_frames(struct control_conn *n) {
  struct control_frame f;
  int taken = 0;
  if (is_full(n)) return false; /* stalled: on_written goes on */
  n->stalled = false;
  for (; taken < LIMIT_APP_TURN && !is_full(n) && next_frame(n, &f); taken++) {
    if (handlers[f.type](n, &f) == CONTROL_STALLED) {
      n->stalled = true;
      return taken > 0;
    }
    buffer_consume(&n->in, CONTROL_FRAME_HEADER + f.len);
  }
  /* perhaps more: others first, or its answers */
  if (taken == LIMIT_APP_TURN || is_full(n)) n->stalled = true;
  return taken > 0;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
  struct control_conn *n = h->data;
  (void)suggested;
  buf->base = (char *)buffer_room(&n->in, READ_BYTES);
  buf->len = READ_BYTES;
}

static void on_read(uv_stream_t *s, ssize_t len, const uv_buf_t *buf) {
  struct control_conn *n = s->data;
  (void)buf;
  if (len < 0) {
    close_conn(n);
    return;
  }
  buffer_added(&n->in, (size_t)len);
  if (n->last_words) { /* heard no more */
    buffer_consume(&n->in, buffer_len(&n->in));
    return;
  }
  n->stalled = true; /* control_turn takes them, after this batch of reads */
  if (buffer_len(&n->in) < n->control->frame_max + READ_BYTES) return;
  uv_read_stop(s);
  n->reading = false;
}

static void go_on_reading(struct control_conn *n) {
  if (n->reading || n->closing || buffer_len(&n->in) > n->control->frame_max) return;
  n->reading = uv_read_start((uv_stream_t *)&n->pipe, on_alloc, on_read) == 0;
  if (!n->reading) close_conn(n);
}

static void say_limit(struct control_conn *n) {
  char line[] = "error: too many control connections\n";
  uv_buf_t buf = {.base = line, .len = sizeof line - 1};
  counters_add(n->control->thread->c->own_counters, REASON_CONN_LIMIT, 1);
  uv_try_write((uv_stream_t *)&n->pipe, &buf, 1); /* a fresh socket has room for a line */
}

/* Whoever connects and says nothing must not keep the operator out: the one that has been mute
 * longest makes room.  False: everybody has said HELLO. */
static bool make_room(struct control *c) {
  struct control_conn *mute = NULL;
  for (int i = 0; i < c->conn_cnt; i++) {
    struct control_conn *n = c->conns[i];
    if (!n->hello && !n->last_words && (!mute || n->number < mute->number)) mute = n;
  }
  if (!mute) return false;
  say_limit(mute);
  close_conn(mute);
  return true;
}

static void on_refused_closed(uv_handle_t *h) {
  struct control_conn *n = h->data;
  n->control->closing_cnt--;
  free(n);
}

static void refuse_conn(struct control_conn *n) {
  say_limit(n);
  n->control->closing_cnt++;
  uv_close((uv_handle_t *)&n->pipe, on_refused_closed);
}

static void on_connection(uv_stream_t *server, int status) {
  struct control *c = server->data;
  if (status < 0) return;
  struct control_conn *n = memory_or_end(calloc(1, sizeof *n), sizeof *n);
  n->control = c;
  uv_pipe_init(c->loop, &n->pipe, 0);
  n->pipe.data = n;
  bool accepted = uv_accept(server, (uv_stream_t *)&n->pipe) == 0;
  if (!accepted || (c->conn_cnt == LIMIT_CONTROL_CONNS && !make_room(c))) {
    refuse_conn(n);
    return;
  }
  n->number = c->accepted_cnt++;
  n->idx = c->conn_cnt;
  c->conns[c->conn_cnt++] = n;
  go_on_reading(n);
}

/* ---- what the app thread has to tell ---- */

static void heard_applied(void *self, zxid_t zxid, const void *txn, uint32_t len) {
  struct control *c = self;
  if (!c->conn_cnt) return;
  struct app_log_txn t = app_log_txn_read(txn, len);
  if (!t.type) return;
  control_submit_applied(c, zxid, &t);
  control_bench_applied(c, &t);
}

static void heard_serving(void *self) { control_submit_serving(self); }

static void heard_stopped(void *self) {
  control_submit_stopped(self);
  control_bench_stopped(self);
  control_admin_stopped(self);
}

static void heard_status(void *self) { control_status_answered(self); }

bool control_turn(struct control *c) {
  bool worked = control_bench_turn(c);
  for (int i = c->conn_cnt - 1; i >= 0; i--) { /* downwards: a closed one is replaced by the last */
    struct control_conn *n = c->conns[i];
    if (n->stalled) worked |= take_frames(n);
    if (n->job == JOB_TAIL) worked |= control_tail_produce(n);
    go_on_reading(n);
    worked |= flush(n);
  }
  return worked;
}

bool control_waits(const struct control *c) {
  for (int i = 0; i < c->conn_cnt; i++)
    if (c->conns[i]->stalled && !is_full(c->conns[i])) return true;
  return false;
}

bool control_urgent(const struct control *c) {
  for (int i = 0; i < c->conn_cnt; i++)
    if (c->conns[i]->job != JOB_NONE && c->conns[i]->job != JOB_BENCH) return true;
  return c->bench.conn && c->bench.outstanding > 1;
}

int control_open(struct control *c, struct app_thread *t, uv_loop_t *loop) {
  memset(c, 0, sizeof *c);
  c->thread = t;
  c->loop = loop;
  c->frame_max = t->c->config->largest_record + 64;
  t->listener = (struct app_listener){.self = c,
                                      .applied = heard_applied,
                                      .serving = heard_serving,
                                      .stopped = heard_stopped,
                                      .status = heard_status};
  return control_listen(c, on_connection);
}

void control_close(struct control *c) {
  while (c->conn_cnt) close_conn(c->conns[c->conn_cnt - 1]);
  if (!uv_is_closing((uv_handle_t *)&c->listener)) uv_close((uv_handle_t *)&c->listener, NULL);
  free(c->bench.request);
  c->bench.request = NULL;
}
