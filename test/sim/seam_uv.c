/* uv.h on the simulated network: what sock_uv.c, dial_uv.c, lobby_uv.c and the client port call of
 * libuv.
 *
 * As there, callbacks come only while the loop runs (uv_seam_run): the slow thread has one, and the
 * app thread another. */
#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/oracle.h"
#include "test/sim/tcp.h"
#include "test/sim/zk.h"

#define READS 16 /* of one handle in one run of the loop */
#define WAKE_NS 20000

struct write {
  uv_write_t *req;
  const uint8_t *bytes;
  uint32_t len;
  uv_write_cb cb;
  struct write *next;
};

struct sim_tcp {
  uv_tcp_t *handle;
  struct machine *machine;
  enum thread_id thread;
  struct sim_tcp *next;
  bool listening, reading, closing, connect_due, stuck;
  uint16_t port;
  uv_connection_cb on_connection;
  uv_alloc_cb on_alloc;
  uv_read_cb on_read;
  uv_connect_t *connect;
  uv_connect_cb on_connect;
  int connect_error;
  uv_close_cb on_close;
  struct tcp *stream;
  uint64_t serial;
  int side;
  struct write *writes;             /* oldest first */
  struct tcp *waiting[LIMIT_LOBBY]; /* to be accepted */
  int waiting_cnt;
};

static struct sim_tcp *tcp_of(const uv_handle_t *h) { return h->u.reserved[0]; }
static struct sim_tcp *tcp_of_stream(const uv_stream_t *h) {
  return tcp_of((const uv_handle_t *)h);
}
static struct machine *machine_of_loop(const uv_loop_t *l) { return l->data; }

static struct tcp *line_of(const struct sim_tcp *t) {
  return t->stream && t->stream->serial == t->serial ? t->stream : NULL;
}

static void wake(const struct sim_tcp *t) {
  actor_wake(&t->machine->actor[t->thread], random_below(&world->random_turn, WAKE_NS));
}

void tcp_changed(struct tcp_end *e) {
  if (e->tcp) wake(e->tcp);
  if (e->zk) zk_client_wake(e->zk);
}

static struct sim_tcp *listener_of(const struct machine *m, uint16_t port) {
  for (int i = 0; i < THREAD_CNT; i++)
    for (struct sim_tcp *t = m->tcps[i]; t; t = t->next)
      if (t->listening && !t->closing && t->port == port) return t;
  return NULL;
}

bool tcp_arrived(struct machine *m, struct tcp *s) {
  struct sim_tcp *t = listener_of(m, s->port);
  if (!t || t->waiting_cnt == LIMIT_LOBBY) return false;
  t->waiting[t->waiting_cnt++] = s;
  wake(t);
  return true;
}

void tcp_connected(struct tcp *s, int error) {
  struct sim_tcp *t = s->end[0].tcp;
  if (s->end[0].zk) zk_client_connected(s->end[0].zk, error);
  if (!t) return;
  t->connect_due = true;
  t->connect_error = error;
  wake(t);
}

/* ---- libuv's interface ---- */

/* Outside of an actor's turn only the dead call, who do not care. */
uint64_t uv_hrtime(void) {
  return machine_clock_ns(world->current ? world->current->machine : &world->machines[0]);
}

const char *uv_strerror(int error) {
  return error == UV_ECONNREFUSED ? "connection refused"
         : error == UV_ETIMEDOUT  ? "timed out"
         : error == UV_ECONNRESET ? "reset"
                                  : "error";
}

uv_buf_t uv_buf_init(char *base, unsigned len) { return (uv_buf_t){.base = base, .len = len}; }

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *h) {
  struct sim_tcp *t = calloc(1, sizeof *t);
  assert(t);
  struct machine *m = machine_of_loop(loop);
  memset(h, 0, sizeof *h);
  h->loop = loop;
  h->type = UV_TCP;
  h->u.reserved[0] = t;
  *t = (struct sim_tcp){.handle = h, .machine = m};
  t->thread = loop == &m->app_loop ? THREAD_APP : THREAD_SLOW;
  t->next = m->tcps[t->thread];
  m->tcps[t->thread] = t;
  return 0;
}

int uv_tcp_nodelay(uv_tcp_t *h, int on) { return (void)h, (void)on, 0; }

int uv_tcp_keepalive(uv_tcp_t *h, int on, unsigned delay) {
  struct sim_tcp *t = tcp_of((uv_handle_t *)h);
  struct tcp *s = line_of(t);
  (void)delay;
  if (s) s->end[t->side].patient = !on;
  return 0;
}

int uv_fileno(const uv_handle_t *h, uv_os_fd_t *fd) { return (void)h, (void)fd, UV_EBADF; }

static uint16_t port_of(const struct sockaddr *a) {
  return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

int uv_tcp_bind(uv_tcp_t *h, const struct sockaddr *a, unsigned flags) {
  (void)flags;
  tcp_of((uv_handle_t *)h)->port = port_of(a);
  return 0;
}

int uv_listen(uv_stream_t *h, int backlog, uv_connection_cb cb) {
  struct sim_tcp *t = tcp_of_stream(h);
  (void)backlog;
  t->listening = true;
  t->on_connection = cb;
  return 0;
}

static void attach(struct sim_tcp *t, struct tcp *s, int side) {
  t->stream = s;
  t->serial = s->serial;
  t->side = side;
  s->end[side].tcp = t;
}

int uv_accept(uv_stream_t *server, uv_stream_t *client) {
  struct sim_tcp *l = tcp_of_stream(server);
  if (!l->waiting_cnt) return UV_EAGAIN;
  attach(tcp_of_stream(client), l->waiting[0], 1);
  l->waiting_cnt--;
  memmove(l->waiting, l->waiting + 1, (size_t)l->waiting_cnt * sizeof l->waiting[0]);
  l->stuck = false;
  return 0;
}

int uv_tcp_connect(uv_connect_t *req, uv_tcp_t *h, const struct sockaddr *a, uv_connect_cb cb) {
  struct sim_tcp *t = tcp_of((uv_handle_t *)h);
  struct machine *to = machine_of_ip(ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
  assert(to);
  req->handle = (uv_stream_t *)h;
  t->connect = req;
  t->on_connect = cb;
  attach(t, tcp_connect(t->machine->idx, to->idx, port_of(a), t), 0);
  return 0;
}

int uv_read_start(uv_stream_t *h, uv_alloc_cb alloc, uv_read_cb read) {
  struct sim_tcp *t = tcp_of_stream(h);
  t->reading = true;
  t->on_alloc = alloc;
  t->on_read = read;
  wake(t); /* as epoll does, if anything is there */
  return 0;
}

int uv_read_stop(uv_stream_t *h) {
  tcp_of_stream(h)->reading = false;
  return 0;
}

static int error_of(const struct sim_tcp *t) {
  const struct tcp *s = line_of(t);
  if (!s || !s->open) return UV_ENOTCONN;
  return s->end[t->side].error;
}

int uv_try_write(uv_stream_t *h, const uv_buf_t *bufs, unsigned cnt) {
  struct sim_tcp *t = tcp_of_stream(h);
  assert(cnt == 1);
  int error = error_of(t);
  if (error) return error == UV_ENOTCONN ? UV_EBADF : UV_EPIPE;
  if (t->writes) return UV_EAGAIN;
  uint32_t done = tcp_write(t->stream, t->side, bufs[0].base, (uint32_t)bufs[0].len);
  if (t->thread == THREAD_SLOW) oracle_bytes(t->machine, t->stream, t->side, bufs[0].base, done);
  return done ? (int)done : UV_EAGAIN;
}

int uv_write(uv_write_t *req, uv_stream_t *h, const uv_buf_t *bufs, unsigned cnt, uv_write_cb cb) {
  struct sim_tcp *t = tcp_of_stream(h);
  struct write **last = &t->writes, *w = malloc(sizeof *w);
  assert(w && cnt == 1);
  req->handle = h;
  *w = (struct write){req, (const uint8_t *)bufs[0].base, (uint32_t)bufs[0].len, cb, NULL};
  while (*last) last = &(*last)->next;
  *last = w;
  return 0;
}

void uv_close(uv_handle_t *h, uv_close_cb cb) {
  struct sim_tcp *t = tcp_of(h);
  assert(!t->closing);
  t->closing = true;
  t->reading = false;
  t->on_close = cb;
  struct tcp *s = line_of(t);
  if (s) tcp_close(s, t->side);
  for (int i = 0; i < t->waiting_cnt; i++) tcp_close(t->waiting[i], 1);
  wake(t);
}

int uv_tcp_getpeername(const uv_tcp_t *h, struct sockaddr *name, int *len) {
  const struct sim_tcp *t = tcp_of((const uv_handle_t *)h);
  const struct tcp *s = line_of(t);
  if (!s) return UV_ENOTCONN;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port)};
  a.sin_addr.s_addr = htonl(0x0a000001u + (uint32_t)s->end[!t->side].machine);
  memcpy(name, &a, sizeof a);
  *len = sizeof a;
  return 0;
}

int uv_ip_name(const struct sockaddr *a, char *dst, size_t size) {
  return inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, dst, (socklen_t)size)
             ? 0
             : UV_EINVAL;
}

int uv_ip4_addr(const char *ip, int port, struct sockaddr_in *a) {
  *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  return inet_pton(AF_INET, ip, &a->sin_addr) == 1 ? 0 : UV_EINVAL;
}

int uv_ip6_addr(const char *ip, int port, struct sockaddr_in6 *a) {
  *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  return inet_pton(AF_INET6, ip, &a->sin6_addr) == 1 ? 0 : UV_EINVAL;
}

int uv_inet_ntop(int af, const void *src, char *dst, size_t size) {
  return inet_ntop(af, src, dst, (socklen_t)size) ? 0 : UV_EINVAL;
}

int uv_is_closing(const uv_handle_t *h) { return tcp_of(h)->closing; }

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *host,
                   const char *service, const struct addrinfo *hints) {
  struct addrinfo numeric = *hints;
  (void)loop;
  assert(!cb); /* every address of the plan is a number */
  numeric.ai_flags |= AI_NUMERICHOST;
  return getaddrinfo(host, service, &numeric, &req->addrinfo) ? UV_EAI_NONAME : 0;
}

void uv_freeaddrinfo(struct addrinfo *list) {
  if (list) freeaddrinfo(list);
}

int uv_cancel(uv_req_t *req) { return (void)req, UV_EBUSY; }

/* ---- the loop ---- */

static void run_connect(struct sim_tcp *t) {
  if (!t->connect_due || t->closing) return;
  uv_connect_t *req = t->connect;
  t->connect_due = false;
  t->connect = NULL;
  t->on_connect(req, t->connect_error);
}

static void run_accept(struct sim_tcp *t) {
  while (t->waiting_cnt && !t->stuck && !t->closing) {
    int before = t->waiting_cnt;
    t->on_connection((uv_stream_t *)t->handle, 0);
    t->stuck = t->waiting_cnt == before;
  }
}

static void run_read(struct sim_tcp *t) {
  for (int i = 0; i < READS && t->reading; i++) {
    struct tcp *s = line_of(t);
    const uint8_t *bytes;
    uint32_t len = s ? tcp_readable(s, t->side, &bytes) : 0;
    uv_buf_t buf = {NULL, 0};
    int end = !s                      ? UV_ECONNRESET
              : s->end[t->side].error ? s->end[t->side].error
              : s->pipe[!t->side].eof ? UV_EOF
                                      : 0;
    if (!len && !end) return;
    t->on_alloc((uv_handle_t *)t->handle, 65536, &buf);
    if (!len) {
      t->on_read((uv_stream_t *)t->handle, end, &buf);
      return;
    }
    if (len > buf.len) len = (uint32_t)buf.len;
    memcpy(buf.base, bytes, len);
    tcp_consume(s, t->side, len);
    t->on_read((uv_stream_t *)t->handle, len, &buf);
  }
}

static void written(struct sim_tcp *t, int status) {
  struct write *w = t->writes;
  t->writes = w->next;
  w->cb(w->req, status);
  free(w);
}

static void run_write(struct sim_tcp *t) {
  while (t->writes && !t->closing) {
    struct write *w = t->writes;
    if (error_of(t)) {
      written(t, UV_EPIPE);
      continue;
    }
    uint32_t done = tcp_write(t->stream, t->side, w->bytes, w->len);
    if (t->thread == THREAD_SLOW) oracle_bytes(t->machine, t->stream, t->side, w->bytes, done);
    w->bytes += done;
    w->len -= done;
    if (w->len) return;
    written(t, 0);
  }
}

static void run_close(struct machine *m, enum thread_id thread) {
  for (struct sim_tcp **at = &m->tcps[thread]; *at;) {
    struct sim_tcp *t = *at;
    if (!t->closing) {
      at = &t->next;
      continue;
    }
    *at = t->next;
    while (t->writes) written(t, UV_ECANCELED);
    if (t->connect) t->on_connect(t->connect, UV_ECANCELED);
    if (t->on_close) t->on_close((uv_handle_t *)t->handle);
    free(t);
  }
}

void uv_seam_run(struct machine *m, enum thread_id thread) {
  for (struct sim_tcp *t = m->tcps[thread]; t; t = t->next) {
    run_connect(t);
    run_accept(t);
    run_read(t);
    run_write(t);
  }
  run_close(m, thread);
}

void uv_seam_end(struct machine *m, enum thread_id thread) {
  run_close(m, thread);
  assert(!m->tcps[thread]);
}
