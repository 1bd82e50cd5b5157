#include "slowpath/sock_uv.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FIRST 4096    /* first size of an input buffer; doubled when a message needs it */
#define IN_ADOPTED 65536 /* of a known peer: fewer system calls */
#define CHUNK_ROOM 65536 /* small messages of one step share a chunk, hence a system call */
#define KEEPALIVE_IDLE_S \
  2 /* a peer without power is noticed after idle + interval * count seconds */
#define KEEPALIVE_INTERVAL_S 1
#define KEEPALIVE_CNT 3

#define PATIENCE_MS (24u * 3600u * 1000u) /* the kernel's own limit is a quarter of an hour */

struct sock_chunk {
  uv_write_t req;
  struct sock_uv *sock;
  size_t len, cap;
  uint8_t bytes[];
};

static void mark(struct sock_uv *s) {
  if (s->dirty) *s->dirty = true;
}

static void end(struct sock_uv *s, int error) {
  if (s->state == SOCK_ENDED) return;
  s->state = SOCK_ENDED;
  s->error = error;
  if (s->reading) uv_read_stop((uv_stream_t *)&s->tcp);
  s->reading = false;
  mark(s);
}

/* ---- input ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct sock_uv *s = handle->data;
  (void)suggested;
  if (s->in_from > 0) {
    memmove(s->in, s->in + s->in_from, s->in_to - s->in_from);
    s->in_to -= s->in_from;
    s->in_from = 0;
  }
  *buf = uv_buf_init((char *)s->in + s->in_to, (unsigned)(s->in_cap - s->in_to));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf);

static void read_on(struct sock_uv *s) {
  bool room = s->in_to - s->in_from < s->in_cap;
  bool want = s->state == SOCK_OPEN && room;
  if (want == s->reading) return;
  s->reading = want;
  if (!want) {
    uv_read_stop((uv_stream_t *)&s->tcp);
    return;
  }
  int error = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
  if (error) end(s, error);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
  struct sock_uv *s = stream->data;
  (void)buf;
  if (len == 0) return; /* EAGAIN */
  if (len < 0) {
    end(s, (int)len);
    return;
  }
  s->in_to += (size_t)len;
  assert(s->in_to <= s->in_cap);
  read_on(s);
  mark(s);
}

struct span sock_input(const struct sock_uv *s) {
  return (struct span){s->in + s->in_from, (int32_t)(s->in_to - s->in_from)};
}

void sock_consume(struct sock_uv *s, size_t len) {
  assert(len <= s->in_to - s->in_from);
  s->in_from += len;
  read_on(s);
}

bool sock_want_more(struct sock_uv *s) {
  if (s->in_to - s->in_from < s->in_cap) return true;
  if (s->in_cap >= s->in_max) return false;
  size_t cap = 2 * s->in_cap < s->in_max ? 2 * s->in_cap : s->in_max;
  uint8_t *in = realloc(s->in, cap);
  if (!in) {
    end(s, UV_ENOMEM);
    return true;
  }
  s->in = in;
  s->in_cap = cap;
  read_on(s);
  return true;
}

/* ---- output ---- */

static void on_written(uv_write_t *req, int status) {
  struct sock_chunk *c = req->data;
  struct sock_uv *s = c->sock;
  s->queued -= c->len;
  free(c);
  if (status < 0) end(s, status);
  mark(s);
}

static struct sock_chunk *chunk_new(struct sock_uv *s, size_t cap) {
  struct sock_chunk *c = malloc(sizeof *c + cap);
  if (!c) return NULL;
  c->sock = s;
  c->len = 0;
  c->cap = cap;
  return c;
}

/* What the kernel did not take may wait long, behind many others: it keeps no empty room. */
static struct sock_chunk *chunk_rest(struct sock_chunk *c, size_t sent) {
  c->len -= sent;
  memmove(c->bytes, c->bytes + sent, c->len);
  struct sock_chunk *small = realloc(c, sizeof *c + c->len);
  if (!small) return c;
  small->cap = small->len;
  return small;
}

uint8_t *sock_reserve(struct sock_uv *s, size_t len) {
  if (s->open && s->open->cap - s->open->len < len) sock_flush(s);
  if (s->state != SOCK_OPEN) return NULL;
  if (!s->open) s->open = chunk_new(s, len > CHUNK_ROOM ? len : CHUNK_ROOM);
  if (!s->open) {
    end(s, UV_ENOMEM);
    return NULL;
  }
  return s->open->bytes + s->open->len;
}

void sock_commit(struct sock_uv *s, size_t used) {
  assert(used <= s->open->cap - s->open->len);
  s->open->len += used;
}

void sock_flush(struct sock_uv *s) {
  struct sock_chunk *c = s->open;
  if (!c) return;
  s->open = NULL;
  int sent = 0;
  if (s->state == SOCK_OPEN) {
    uv_buf_t all = uv_buf_init((char *)c->bytes, (unsigned)c->len);
    sent = uv_try_write((uv_stream_t *)&s->tcp, &all, 1);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) end(s, sent);
  }
  if (s->state != SOCK_OPEN || (size_t)sent == c->len) {
    free(c);
    return;
  }
  c = chunk_rest(c, (size_t)sent);
  uv_buf_t rest = uv_buf_init((char *)c->bytes, (unsigned)c->len);
  c->req.data = c;
  int error = uv_write(&c->req, (uv_stream_t *)&s->tcp, &rest, 1, on_written);
  if (error) {
    free(c);
    end(s, error);
    return;
  }
  s->queued += c->len;
}

size_t sock_waiting(const struct sock_uv *s) { return s->queued + (s->open ? s->open->len : 0); }

/* ---- open and close ---- */

static void on_closed(uv_handle_t *handle) {
  struct sock_uv *s = handle->data;
  free(s->open);
  free(s->in);
  free(s);
}

static struct sock_uv *sock_new(uv_loop_t *loop, size_t in_max, bool *dirty, int *error) {
  struct sock_uv *s = calloc(1, sizeof *s);
  *error = UV_ENOMEM;
  if (!s) return NULL;
  s->in_max = in_max;
  s->in_cap = in_max < IN_FIRST ? in_max : IN_FIRST;
  s->in = malloc(s->in_cap);
  s->dirty = dirty;
  s->state = SOCK_CONNECTING;
  if (!s->in || (*error = uv_tcp_init(loop, &s->tcp)) != 0) {
    free(s->in);
    free(s);
    return NULL;
  }
  s->tcp.data = s;
  return s;
}

static void keep_alive(struct sock_uv *s) {
  uv_tcp_keepalive(&s->tcp, 1, KEEPALIVE_IDLE_S);
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0) {
    int interval = KEEPALIVE_INTERVAL_S, cnt = KEEPALIVE_CNT;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &cnt, sizeof cnt);
  }
}

static void opened(struct sock_uv *s) {
  s->state = SOCK_OPEN;
  uv_tcp_nodelay(&s->tcp, 1);
  keep_alive(s);
  read_on(s);
  mark(s);
}

/* 0: the kernel's own. */
static void set_patience(struct sock_uv *s, unsigned ms) {
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

void sock_be_patient(struct sock_uv *s) {
  if (s->state != SOCK_OPEN) return;
  uv_tcp_keepalive(&s->tcp, 0, 0);
  set_patience(s, PATIENCE_MS);
}

void sock_be_watchful(struct sock_uv *s) {
  if (s->state != SOCK_OPEN) return;
  keep_alive(s);
  set_patience(s, 0);
}

struct sock_uv *sock_accept(uv_stream_t *listener, size_t in_max, bool *dirty, int *error) {
  struct sock_uv *s = sock_new(listener->loop, in_max, dirty, error);
  if (!s) return NULL;
  *error = uv_accept(listener, (uv_stream_t *)&s->tcp);
  if (*error) {
    sock_close(s);
    return NULL;
  }
  opened(s);
  return s;
}

static void on_connected(uv_connect_t *req, int status) {
  struct sock_uv *s = req->data;
  if (!s->dirty) return; /* closed meanwhile */
  if (status) {
    end(s, status);
  } else {
    opened(s);
  }
}

struct sock_uv *sock_connect(uv_loop_t *loop, const struct sockaddr *to, size_t in_max, bool *dirty,
                             int *error) {
  struct sock_uv *s = sock_new(loop, in_max, dirty, error);
  if (!s) return NULL;
  s->connecting.data = s;
  *error = uv_tcp_connect(&s->connecting, &s->tcp, to, on_connected);
  if (*error) {
    sock_close(s);
    return NULL;
  }
  return s;
}

void sock_adopt(struct sock_uv *s, size_t in_max, bool *dirty) {
  s->in_max = in_max;
  s->dirty = dirty;
  mark(s);
  if (s->in_cap >= IN_ADOPTED || in_max < IN_ADOPTED) return;
  uint8_t *in = realloc(s->in, IN_ADOPTED);
  if (!in) return; /* the small one does too */
  s->in = in;
  s->in_cap = IN_ADOPTED;
  read_on(s);
}

void sock_expect_acks(struct sock_uv *s) {
  uv_os_fd_t fd;
  unsigned limit_ms = 1000u * (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_CNT);
  if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
}

void sock_keep_fresh(struct sock_uv *s, unsigned unsent_max) {
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
}

void sock_close(struct sock_uv *s) {
  sock_flush(s);
  set_patience(s, 0); /* the kernel shall not keep what nobody reads */
  s->dirty = NULL;
  uv_close((uv_handle_t *)&s->tcp, on_closed);
}

/* ---- names ---- */

void sock_address_name(const struct sockaddr *a, char *buf) {
  char host[INET6_ADDRSTRLEN] = "?";
  uv_ip_name(a, host, sizeof host);
  if (a->sa_family == AF_INET6) {
    snprintf(buf, SOCK_NAME_LEN, "[%s]:%d", host,
             ntohs(((const struct sockaddr_in6 *)a)->sin6_port));
  } else {
    snprintf(buf, SOCK_NAME_LEN, "%s:%d", host, ntohs(((const struct sockaddr_in *)a)->sin_port));
  }
}

void sock_peer_name(const struct sock_uv *s, char *buf) {
  struct sockaddr_storage a;
  int len = sizeof a;
  if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&a, &len) == 0) {
    sock_address_name((const struct sockaddr *)&a, buf);
  } else {
    snprintf(buf, SOCK_NAME_LEN, "?");
  }
}
