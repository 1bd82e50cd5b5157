#include "slowpath/dial_uv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_US 1000000 /* name and connection; a silent host costs its own attempt only */
#define BACKLOG 512

struct dial_resolve {
  uv_getaddrinfo_t req;
  struct dial_uv *dial; /* NULL: its owner is gone */
  bool wanted;
};

void dial_init(struct dial_uv *d, uv_loop_t *loop, size_t in_max, bool *dirty) {
  *d = (struct dial_uv){.loop = loop, .in_max = in_max, .dirty = dirty, .deadline_us = UINT64_MAX};
}

static void fail(struct dial_uv *d, int error) {
  d->state = DIAL_FAILED;
  d->error = error;
  *d->dirty = true;
}

/* A refusal counts as one only if no other address failed in another way. */
static void note_error(struct dial_uv *d, int error) {
  if (d->error == 0 || error != UV_ECONNREFUSED) d->error = error;
}

static void try_next(struct dial_uv *d) {
  while (d->next) {
    int error;
    const struct addrinfo *a = d->next;
    d->next = a->ai_next;
    d->state = DIAL_CONNECTING;
    d->sock = sock_connect(d->loop, a->ai_addr, d->in_max, d->dirty, &error);
    if (d->sock) return;
    note_error(d, error);
  }
  fail(d, d->error ? d->error : UV_EAI_NONAME);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
  struct dial_resolve *r = req->data;
  struct dial_uv *d = r->wanted ? r->dial : NULL;
  if (r->dial) r->dial->resolve = NULL;
  if (!d) {
    uv_freeaddrinfo(list);
  } else if (status) {
    fail(d, status);
  } else {
    d->list = d->next = list;
    try_next(d);
    *d->dirty = true;
  }
  free(r);
}

static void resolve(struct dial_uv *d, const char *host, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  struct dial_resolve *r = calloc(1, sizeof *r);
  if (!r) {
    fail(d, UV_ENOMEM);
    return;
  }
  *r = (struct dial_resolve){.dial = d, .wanted = true, .req = {.data = r}};
  int error = uv_getaddrinfo(d->loop, &r->req, on_resolved, host, port, &hints);
  if (error) {
    free(r);
    fail(d, error);
    return;
  }
  d->resolve = r;
}

/* A numeric address needs no thread: with AI_NUMERICHOST getaddrinfo only parses. */
static struct addrinfo *parse_numeric(const char *host, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
  struct addrinfo *list = NULL;
  return getaddrinfo(host, port, &hints, &list) == 0 ? list : NULL;
}

void dial_start(struct dial_uv *d, uint64_t now_us, const char *host, uint16_t port) {
  char text[8];
  assert(d->state == DIAL_IDLE);
  snprintf(text, sizeof text, "%u", (unsigned)port);
  d->error = 0;
  d->deadline_us = now_us + CONNECT_US;
  d->state = DIAL_RESOLVING;
  d->list = d->next = parse_numeric(host, text);
  if (d->list) {
    try_next(d);
  } else if (d->resolve) {
    d->resolve->wanted = true; /* the one given up before: same name, still running */
  } else {
    resolve(d, host, text);
  }
}

enum dial_state dial_poll(struct dial_uv *d, uint64_t now_us) {
  bool under_way = d->state == DIAL_RESOLVING || d->state == DIAL_CONNECTING;
  if (d->state == DIAL_CONNECTING && d->sock->state == SOCK_OPEN) d->state = DIAL_DONE;
  if (d->state == DIAL_CONNECTING && d->sock->state == SOCK_ENDED) {
    note_error(d, d->sock->error);
    sock_close(d->sock);
    d->sock = NULL;
    try_next(d);
  }
  if (under_way && now_us >= d->deadline_us && d->state != DIAL_DONE) fail(d, UV_ETIMEDOUT);
  return d->state;
}

static void release(struct dial_uv *d) {
  if (d->resolve) d->resolve->wanted = false;
  uv_freeaddrinfo(d->list);
  d->list = d->next = NULL;
  d->sock = NULL;
  d->deadline_us = UINT64_MAX;
  d->state = DIAL_IDLE;
}

struct sock_uv *dial_take(struct dial_uv *d) {
  assert(d->state == DIAL_DONE);
  struct sock_uv *s = d->sock;
  release(d);
  return s;
}

void dial_abort(struct dial_uv *d) {
  if (d->sock) sock_close(d->sock);
  release(d);
}

void dial_close(struct dial_uv *d) {
  dial_abort(d);
  if (!d->resolve) return;
  d->resolve->dial = NULL;
  uv_cancel((uv_req_t *)&d->resolve->req);
  d->resolve = NULL;
}

int dial_listen(uv_tcp_t *tcp, const char *host, uint16_t port, uv_connection_cb on_connection) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
  uv_getaddrinfo_t req;
  char text[8];
  snprintf(text, sizeof text, "%u", (unsigned)port);
  int error = uv_getaddrinfo(tcp->loop, &req, NULL, host, text, &hints);
  if (error) return error;
  error = uv_tcp_bind(tcp, req.addrinfo->ai_addr, 0);
  if (!error) error = uv_listen((uv_stream_t *)tcp, BACKLOG, on_connection);
  uv_freeaddrinfo(req.addrinfo);
  return error;
}
