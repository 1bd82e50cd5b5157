#include "test/sim/tcp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/fault.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"
#include "test/sim/probe.h"

#define WINDOW (128u << 10) /* bytes on their way and unread */
#define RESEND (5 * MS)
#define RESEND_MAX (200 * MS)
#define DEAD (5 * SECOND) /* sock_uv.c's keepalive and user timeout */
#define KEEPALIVE SECOND
#define SYN_AGAIN (100 * MS)

enum segment_kind { SEGMENT_DATA, SEGMENT_FIN, SEGMENT_RESET };

struct segment {
  struct segment *next;
  uint64_t at;
  enum segment_kind kind;
  uint32_t len;
  uint8_t bytes[];
};

static struct tcp *streams; /* all that there ever were */
static uint64_t serials;

static void pipe_clear(struct pipe *p) {
  while (p->head) {
    struct segment *s = p->head;
    p->head = s->next;
    free(s);
  }
  p->tail = NULL;
  p->flight = 0;
}

static void release(struct tcp *s) {
  if (!s->end[0].closed || !s->end[1].closed || s->pipe[0].head || s->pipe[1].head) return;
  for (int i = 0; i < 2; i++) {
    free(s->pipe[i].in);
    oracle_forget_bytes(s->watch[i]);
  }
  struct tcp *next = s->next;
  *s = (struct tcp){.next = next};
}

void tcps_free(void) {
  while (streams) {
    struct tcp *s = streams;
    streams = s->next;
    for (int i = 0; i < 2; i++) {
      pipe_clear(&s->pipe[i]);
      free(s->pipe[i].in);
      oracle_forget_bytes(s->watch[i]);
    }
    free(s);
  }
  serials = 0;
}

static struct tcp *tcp_new(void) {
  struct tcp *s = streams;
  while (s && s->serial) s = s->next;
  if (!s) {
    s = calloc(1, sizeof *s);
    assert(s);
    s->next = streams;
    streams = s;
  }
  s->serial = ++serials;
  for (int i = 0; i < 2; i++) s->pipe[i] = (struct pipe){.stream = s, .dir = i};
  return s;
}

static void at(struct tcp *s, uint64_t when) {
  heap_push(&world->heap,
            (struct sim_event){.at = when, .kind = EVENT_STREAM, .ptr = s, .number = s->serial});
}

struct tcp *tcp_connect(int from, int to, uint16_t port, struct sim_tcp *tcp) {
  struct tcp *s = tcp_new();
  s->port = port;
  s->end[0] = (struct tcp_end){.machine = from, .tcp = tcp};
  s->end[1] = (struct tcp_end){.machine = to, .closed = true};
  at(s, world->now + network_delay(from, to) + network_delay(to, from));
  return s;
}

static bool is_off(int host) {
  return host < HOST_CLIENTS && world->machines[host].state == MACHINE_OFF;
}

static bool is_cut(const struct tcp *s) {
  int a = s->end[0].machine, b = s->end[1].machine;
  return stream_is_cut(a, b, s->port) || stream_is_cut(b, a, s->port) || is_off(a) || is_off(b);
}

static void fail(struct tcp *s, int side, int error) {
  struct tcp_end *e = &s->end[side];
  if (e->closed || e->error) return;
  e->error = error;
  pipe_clear(&s->pipe[side]);
  tcp_changed(e);
}

static void knock(struct tcp *s) {
  struct machine *m = &world->machines[s->end[1].machine];
  if (s->end[0].closed) {
    release(s);
  } else if (is_cut(s)) {
    fault_link_hit(s->end[0].machine, s->end[1].machine, -1);
    fault_link_hit(s->end[1].machine, s->end[0].machine, -1);
    at(s, world->now + SYN_AGAIN);
  } else if (!tcp_arrived(m, s)) {
    tcp_connected(s, UV_ECONNREFUSED);
  } else {
    s->open = true;
    s->end[1].closed = false;
    tcp_connected(s, 0);
    at(s, world->now + KEEPALIVE);
  }
}

static void keep_alive(struct tcp *s) {
  if (!is_cut(s)) {
    s->cut_since = 0;
  } else if (!s->cut_since) {
    s->cut_since = world->now;
  } else if (world->now - s->cut_since >= DEAD - KEEPALIVE) {
    for (int i = 0; i < 2; i++)
      if (!s->end[i].patient) fail(s, i, UV_ETIMEDOUT);
  }
  at(s, world->now + KEEPALIVE);
}

void tcp_event(void *stream, uint64_t serial) {
  struct tcp *s = stream;
  if (s->serial != serial) return;
  if (s->open)
    keep_alive(s);
  else
    knock(s);
}

/* ---- bytes ---- */

static void arm(struct pipe *p, uint64_t when) {
  if (p->pending || !p->head) return;
  if (probe && probe->segment && !probe->segment(p)) return;
  p->pending = true;
  heap_push(
      &world->heap,
      (struct sim_event){.at = when, .kind = EVENT_SEGMENT, .ptr = p, .number = p->stream->serial});
}

static void put(struct pipe *p, enum segment_kind kind, const void *bytes, uint32_t len) {
  struct segment *s = malloc(sizeof *s + len);
  assert(s);
  int from = p->stream->end[p->dir].machine, to = p->stream->end[!p->dir].machine;
  *s = (struct segment){.kind = kind, .len = len};
  if (len) memcpy(s->bytes, bytes, len);
  s->at = world->now + network_delay(from, to);
  if (s->at < p->last_at) s->at = p->last_at;
  p->last_at = s->at;
  p->flight += len;
  if (p->tail)
    p->tail->next = s;
  else
    p->head = s;
  p->tail = s;
  arm(p, s->at);
}

uint32_t tcp_write(struct tcp *s, int side, const void *bytes, uint32_t len) {
  struct pipe *p = &s->pipe[side];
  uint32_t used = p->flight + p->in_to - p->in_from, done = 0;
  if (len > WINDOW - used) len = WINDOW - used;
  while (done < len) {
    uint64_t part = 1 + random_below(&world->random_net, world->plan.segment_max);
    if (part > len - done) part = len - done;
    put(p, SEGMENT_DATA, (const uint8_t *)bytes + done, (uint32_t)part);
    done += (uint32_t)part;
  }
  return len;
}

uint32_t tcp_readable(const struct tcp *s, int side, const uint8_t **bytes) {
  const struct pipe *p = &s->pipe[!side];
  *bytes = p->in + p->in_from;
  return p->in_to - p->in_from;
}

void tcp_consume(struct tcp *s, int side, uint32_t len) {
  struct pipe *p = &s->pipe[!side];
  p->in_from += len;
  if (p->in_from == p->in_to) p->in_from = p->in_to = 0;
  tcp_changed(&s->end[!side]); /* there is room again */
}

static void take_in(struct pipe *p, const struct segment *s) {
  if (p->in_to + s->len > p->in_cap) {
    memmove(p->in, p->in + p->in_from, p->in_to - p->in_from);
    p->in_to -= p->in_from;
    p->in_from = 0;
  }
  if (p->in_to + s->len > p->in_cap) {
    p->in_cap = 2 * (p->in_to + s->len);
    p->in = realloc(p->in, p->in_cap);
    assert(p->in);
  }
  memcpy(p->in + p->in_to, s->bytes, s->len);
  p->in_to += s->len;
}

/* Nobody is there (any more) to take it: the kernel answers with a reset. */
static void answer_reset(struct pipe *p) {
  int sender = p->dir;
  pipe_clear(p);
  if (!p->stream->end[sender].closed) put(&p->stream->pipe[!sender], SEGMENT_RESET, NULL, 0);
}

static void deliver(struct pipe *p, const struct segment *s) {
  struct tcp_end *to = &p->stream->end[!p->dir];
  if (s->kind == SEGMENT_RESET) {
    fail(p->stream, !p->dir, UV_ECONNRESET);
    return;
  }
  if (to->error)
    return; /* written before the writer heard of the reset: there is no such stream any more */
  if (s->kind == SEGMENT_FIN)
    p->eof = true;
  else
    take_in(p, s);
  tcp_changed(to);
}

static void stall(struct pipe *p) {
  struct tcp *s = p->stream;
  fault_link_hit(s->end[p->dir].machine, s->end[!p->dir].machine, -1);
  if (!p->stalled_since) p->stalled_since = world->now;
  uint64_t stalled = world->now - p->stalled_since;
  bool given_up = stalled > DEAD && !s->end[p->dir].patient;
  if (given_up || s->end[p->dir].closed) {
    if (stalled > DEAD) {
      fail(s, p->dir, UV_ETIMEDOUT);
      pipe_clear(p);
      release(s);
      return;
    }
  }
  uint64_t wait = stalled < RESEND ? RESEND : stalled < RESEND_MAX ? stalled : RESEND_MAX;
  arm(p, world->now + wait + random_below(&world->random_net, RESEND));
}

static void arrive(struct pipe *p) {
  struct tcp *s = p->stream;
  struct segment *g = p->head;
  p->head = g->next;
  if (!p->head) p->tail = NULL;
  p->flight -= g->len;
  if (!s->end[!p->dir].closed)
    deliver(p, g);
  else if (g->kind == SEGMENT_DATA)
    answer_reset(p);
  free(g);
}

bool tcp_next(const struct pipe *p, uint64_t *at) {
  if (!p->stream || !p->head) return false;
  *at = p->head->at;
  return !is_off(p->stream->end[!p->dir].machine);
}

void tcp_arrive(struct pipe *p) {
  struct tcp *s = p->stream;
  arrive(p);
  tcp_changed(&s->end[p->dir]);
  release(s);
}

void tcp_segment_event(void *pipe, uint64_t serial) {
  struct pipe *p = pipe;
  struct tcp *s = p->stream;
  if (!s || s->serial != serial) return;
  p->pending = false;
  int from = s->end[p->dir].machine, to = s->end[!p->dir].machine;
  if (!p->head) return;
  if (stream_is_cut(from, to, s->port) || is_off(to)) {
    stall(p);
    return;
  }
  p->stalled_since = 0;
  while (p->head && p->head->at <= world->now) arrive(p);
  if (p->head) arm(p, p->head->at);
  tcp_changed(&s->end[p->dir]);
  release(s);
}

void tcp_close(struct tcp *s, int side) {
  struct tcp_end *e = &s->end[side];
  struct pipe *out = &s->pipe[side], *in = &s->pipe[!side];
  if (e->closed) return;
  e->closed = true;
  e->tcp = NULL;
  e->zk = NULL;
  if (is_off(e->machine)) {
    pipe_clear(out); /* without a word */
  } else if (s->open && !e->error && !s->end[!side].closed) {
    bool unread = in->in_to > in->in_from || in->head;
    put(out, unread ? SEGMENT_RESET : SEGMENT_FIN, NULL, 0);
  }
  if (s->open) release(s);
}

/* A fault: all connections of the pair are reset, each end hears of it in its own time. */
bool tcps_reset(int a, int b) {
  bool any = false;
  for (struct tcp *s = streams; s; s = s->next) {
    if (!s->serial || !s->open) continue;
    int x = s->end[0].machine, y = s->end[1].machine;
    if (!((x == a && y == b) || (x == b && y == a))) continue;
    for (int i = 0; i < 2; i++) {
      pipe_clear(&s->pipe[i]);
      put(&s->pipe[i], SEGMENT_RESET, NULL, 0);
    }
    any = true;
  }
  return any;
}
