/* Sockets: listening, accepting, reading, writing. */
#include "service/client/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config/log.h"
#include "config/memory.h"
#include "proto/exit_code.h"
#include "service/tree/jute.h"

#define READ_BYTES 65536u
#define BACKLOG 512

void client_ready(struct client *c) {
  struct client_port *p = c->port;
  if (c->ready || c->closing) return;
  c->ready = true;
  c->ready_next = NULL;
  if (p->ready)
    p->ready_last->ready_next = c;
  else
    p->ready = c;
  p->ready_last = c;
  p->ready_cnt++;
}

/* ---- sending ---- */

size_t client_begin(struct client *c) {
  size_t begin = buffer_len(&c->out);
  jute_append_i32(&c->out, 0);
  return begin;
}

void client_end(struct client *c, size_t begin) {
  struct writer w;
  writer_init(&w, c->out.data + c->out.begin + begin, 4);
  writer_i32(&w, (int32_t)(buffer_len(&c->out) - begin - 4));
  c->port->stats.bytes_out += buffer_len(&c->out) - begin;
  c->sent++;
  c->port->stats.sent++;
  client_ready(c);
}

void client_header(struct client *c, int32_t xid, int32_t err) {
  jute_append_i32(&c->out, xid);
  jute_append_i64(&c->out, (int64_t)c->port->app->tree.applied);
  jute_append_i32(&c->out, err);
}

void client_answer_error(struct client *c, int32_t xid, int32_t err) {
  size_t begin = client_begin(c);
  client_header(c, xid, err);
  client_end(c, begin);
}

/* While its requests wait here, a client lives that takes its answers: it may say nothing more. */
static void note_taken(struct client *c) {
  if (!c->first && !buffer_len(&c->in)) return;
  c->silent_ticks = 0;
  c->touched = true;
}

/* Idle ones are small. */
static void give_back(struct buffer *b) {
  if (!buffer_len(b) && b->cap > READ_BYTES) buffer_free(b);
}

static void on_written(uv_write_t *w, int status) {
  struct client *c = w->data;
  c->writing = false;
  buffer_consume(&c->flight, buffer_len(&c->flight));
  c->event_bytes = c->out_events;
  give_back(&c->flight);
  if (status < 0) {
    client_close(c);
  } else {
    note_taken(c);
    client_ready(c);
  }
}

/* Most answers fit into the socket at once, and need no turn of the loop. */
static void write_now(struct client *c) {
  uv_buf_t b = {.base = (char *)c->out.data + c->out.begin, .len = buffer_len(&c->out)};
  int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
  if (n > 0) buffer_consume(&c->out, (size_t)n);
  if (n > 0) note_taken(c);
  if (n < 0 && n != UV_EAGAIN) client_close(c);
}

static bool flush(struct client *c) {
  if (c->closing || c->writing || (!buffer_len(&c->out) && !c->last_words)) return false;
  if (buffer_len(&c->out)) write_now(c);
  if (c->closing) return true;
  if (!buffer_len(&c->out)) {
    c->event_bytes = c->out_events = 0;
    if (c->last_words) client_close(c);
    return true;
  }
  struct buffer empty = c->flight;
  c->flight = c->out;
  c->out = empty;
  c->out_events = 0;
  uv_buf_t b = {.base = (char *)c->flight.data + c->flight.begin, .len = buffer_len(&c->flight)};
  c->writing = true;
  c->write.data = c;
  if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) < 0) {
    c->writing = false;
    client_close(c);
  }
  return true;
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *h) {
  struct client *c = h->data;
  c->port->closing_cnt--;
  buffer_free(&c->in);
  buffer_free(&c->out);
  buffer_free(&c->flight);
  buffer_free(&c->ids);
  free(c);
}

static void not_ready(struct client *c) {
  struct client_port *p = c->port;
  struct client *before = NULL, *at = p->ready;
  if (!c->ready) return;
  for (; at != c; at = at->ready_next) before = at;
  if (before)
    before->ready_next = c->ready_next;
  else
    p->ready = c->ready_next;
  if (p->ready_last == c) p->ready_last = before;
  p->ready_cnt--;
  c->ready = false;
}

void client_close(struct client *c) {
  struct client_port *p = c->port;
  if (c->closing) return;
  not_ready(c);
  c->closing = true;
  client_touch_gone(c);
  client_session_forget(c);
  client_unwatch_all(c);
  client_asks_drop(c);
  p->clients[c->idx] = p->clients[--p->client_cnt];
  p->clients[c->idx]->idx = c->idx;
  p->closing_cnt++;
  uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void client_close_line(struct client *c, const char *why) {
  if (c->closing) return;
  log_line(LEVEL_WARN, c->port->thread->c->config->id,
           "client %s:%u, session 0x%llx: %s; closing its connection", c->address, c->from_port,
           (unsigned long long)c->session, why);
  client_close(c);
}

/* ---- receiving ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
  struct client *c = h->data;
  (void)suggested;
  buf->base = (char *)buffer_room(&c->in, READ_BYTES);
  buf->len = READ_BYTES;
}

static bool may_read(const struct client *c) {
  return !c->last_words && !client_is_throttled(c) && c->ask_cnt < LIMIT_CLIENT_ASKS &&
         c->ask_bytes < LIMIT_CLIENT_ASK_BYTES && buffer_len(&c->in) <= LIMIT_CLIENT_PACKET + 4;
}

static void on_read(uv_stream_t *s, ssize_t len, const uv_buf_t *buf) {
  struct client *c = s->data;
  (void)buf;
  if (len < 0) {
    client_close(c);
    return;
  }
  buffer_added(&c->in, (size_t)len);
  c->port->stats.bytes_in += (uint64_t)len;
  c->touched = true;
  c->silent_ticks = 0;
  c->stalled = true;
  client_ready(c);
  if (may_read(c)) return;
  uv_read_stop(s);
  c->reading = false;
}

static void go_on_reading(struct client *c) {
  if (c->reading || c->closing || !may_read(c)) return;
  c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
  if (!c->reading) client_close(c);
}

static bool turn(struct client *c) {
  if (c->event_bytes > LIMIT_CLIENT_EVENTS) { /* here: events walk lists that a close changes */
    client_close_line(c, "it does not read its watch events");
    return true;
  }
  if (c->crowded) {
    client_close_line(c, "too many watches");
    return true;
  }
  bool worked = c->stalled && client_frames(c);
  if (!c->closing) worked |= client_asks(c);
  if (!c->closing) go_on_reading(c);
  if (!c->closing) worked |= flush(c);
  /* Without room, what makes some (an answer, the end of a write) makes it ready. */
  bool goes_on = (c->stalled && client_has_room(c)) || client_asks_wait(c);
  if (!c->closing && goes_on) client_ready(c);
  give_back(&c->in);
  give_back(&c->out);
  return worked;
}

bool client_port_turn(struct client_port *p) {
  bool worked = false;
  for (int left = p->ready_cnt; left && p->ready; left--) { /* who gets ready now is next time's */
    struct client *c = p->ready;
    not_ready(c);
    worked |= turn(c);
  }
  return worked;
}

/* ---- accepting ---- */

static void note_address(struct client *c) {
  struct sockaddr_storage a;
  int len = sizeof a;
  memset(&a, 0, sizeof a);
  uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len);
  if (a.ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
    uv_inet_ntop(AF_INET, &v4->sin_addr, c->address, sizeof c->address);
    c->from_port = ntohs(v4->sin_port);
  } else {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
    uv_inet_ntop(AF_INET6, &v6->sin6_addr, c->address, sizeof c->address);
    c->from_port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
      memmove(c->address, c->address + strlen("::ffff:"), strlen(c->address) - 6);
  }
}

static int from_same_address(const struct client_port *p, const struct client *c) {
  int cnt = 0;
  for (int i = 0; i < p->client_cnt; i++) cnt += !strcmp(p->clients[i]->address, c->address);
  return cnt;
}

static void on_refused_closed(uv_handle_t *h) {
  struct client *c = h->data;
  c->port->closing_cnt--;
  free(c);
}

static void refuse(struct client *c, const char *why) {
  counters_add(c->port->thread->c->own_counters, REASON_CONN_LIMIT, 1);
  if (why)
    log_line(LEVEL_WARN, c->port->thread->c->config->id, "Too many connections from %s: %s",
             c->address, why);
  c->port->closing_cnt++;
  uv_close((uv_handle_t *)&c->tcp, on_refused_closed);
}

static void on_connection(uv_stream_t *server, int status) {
  struct client_port *p = server->data;
  if (status < 0) return;
  struct client *c = memory_or_end(calloc(1, sizeof *c), sizeof *c);
  int most = p->thread->c->config->max_client_cnxns;
  c->port = p;
  uv_tcp_init(p->loop, &c->tcp);
  c->tcp.data = c;
  if (uv_accept(server, (uv_stream_t *)&c->tcp)) {
    refuse(c, NULL);
    return;
  }
  note_address(c);
  if (p->client_cnt >= p->client_max) {
    refuse(c, "as many as descriptors allow (ulimit -n)");
  } else if (most && from_same_address(p, c) >= most) {
    refuse(c, "max_client_cnxns in the config");
  } else {
    uv_tcp_nodelay(&c->tcp, 1);
    client_ids_init(c);
    c->idx = p->client_cnt;
    p->clients[p->client_cnt++] = c;
    p->stats.accepted++;
    c->since_ms = p->thread->now_ms;
    go_on_reading(c);
  }
}

static int listen_error(struct client_port *p, int error) {
  const struct config *config = p->thread->c->config;
  log_line(LEVEL_ERROR, config->id, "client port %u: %s", config->client_port, uv_strerror(error));
  uv_close((uv_handle_t *)&p->listener, NULL);
  return EXIT_CODE_PORT;
}

/* All addresses, of IPv6 and IPv4; where there is no IPv6, of IPv4. */
static int bind_all(struct client_port *p) {
  struct sockaddr_in6 v6;
  struct sockaddr_in v4;
  uint16_t port = p->thread->c->config->client_port;
  uv_ip6_addr("::", port, &v6);
  int error = uv_tcp_bind(&p->listener, (struct sockaddr *)&v6, 0);
  if (error != UV_EAFNOSUPPORT && error != UV_EADDRNOTAVAIL) return error;
  uv_ip4_addr("0.0.0.0", port, &v4);
  return uv_tcp_bind(&p->listener, (struct sockaddr *)&v4, 0);
}

static int descriptors_for_clients(void) {
  struct rlimit files = {LIMIT_FILES, LIMIT_FILES};
  getrlimit(RLIMIT_NOFILE, &files);
  rlim_t most = files.rlim_cur > LIMIT_FILES ? files.rlim_cur - LIMIT_FILES / 2 : LIMIT_FILES / 2;
  return most > LIMIT_CLIENT_CONNS ? LIMIT_CLIENT_CONNS : (int)most;
}

static void heard_stopped(void *port) {
  struct client_port *p = port;
  while (p->client_cnt) client_close(p->clients[p->client_cnt - 1]); /* as ZooKeeper does */
  p->gone_cnt = 0; /* the next leader gives each its whole timeout */
}

int client_port_open(struct client_port *p, struct app_thread *t, uv_loop_t *loop) {
  memset(p, 0, sizeof *p);
  p->trace_mask = TRACE_MASK;
  p->thread = t;
  p->loop = loop;
  p->app = app_tree_of(&t->app);
  if (!p->app) return 0;
  p->client_max = descriptors_for_clients();
  t->clients = (struct app_listener){.self = p,
                                     .applied = client_heard_applied,
                                     .stopped = heard_stopped,
                                     .status = client_heard_status,
                                     .lent = &p->status};
  p->app->tree.listener = (struct tree_listener){.self = p, .event = client_heard_event};
  uv_tcp_init(loop, &p->listener);
  p->listener.data = p;
  int error = bind_all(p);
  if (!error) error = uv_listen((uv_stream_t *)&p->listener, BACKLOG, on_connection);
  return error ? listen_error(p, error) : 0;
}

void client_port_close(struct client_port *p) {
  if (!p->app) return;
  while (p->client_cnt) client_close(p->clients[p->client_cnt - 1]);
  if (!uv_is_closing((uv_handle_t *)&p->listener)) uv_close((uv_handle_t *)&p->listener, NULL);
  buffer_free(&p->scratch);
}

/* ---- time ---- */

#define SESSIONLESS_MS 10000

/* Counted in ticks and not by the clock: after a stall of our own, what has been sent to us
 * meanwhile is read before the next tick. */
static void check_silence(struct client *c) {
  int64_t silent_ms = (int64_t)++c->silent_ticks * CLIENT_TICK_MS;
  if (c->phase != CLIENT_OPEN && silent_ms > SESSIONLESS_MS) {
    c->port->stats.sessionless++;
    client_close(c);
  } else if (c->phase == CLIENT_OPEN && silent_ms > c->timeout_ms) {
    client_close(c);
  }
}

static void note_time(struct client_port *p) {
  const struct app_thread *t = p->thread;
  if (!p->start_ms) p->start_ms = t->now_ms;
  bool leads = t->leading && t->state == APP_SERVING;
  if (leads != (p->lead_ms != 0)) p->lead_ms = leads ? t->now_ms : 0;
}

void client_port_tick(struct client_port *p) {
  if (!p->app) return;
  note_time(p);
  for (int i = p->client_cnt - 1; i >= 0; i--) check_silence(p->clients[i]);
  client_touches(p);
}

bool client_port_waits(const struct client_port *p) { return p->ready != NULL; }
bool client_port_urgent(const struct client_port *p) { return p->outstanding > 0; }
