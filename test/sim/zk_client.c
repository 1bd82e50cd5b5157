/* A ZooKeeper client: one connection, one session, a window of requests; when the connection breaks
 * it goes to some node with its session, and makes a new one when that has expired.  It has faults
 * of its own: it stops for a while, its network fails, it leaves without a word. */
#include <assert.h>
#include <string.h>

#include "service/tree/jute.h"
#include "test/sim/oracle.h"
#include "test/sim/tcp.h"
#include "test/sim/zk_parts.h"

#define WAKE_NS (20 * US)
#define RETRY (10 * MS)
#define GREETING_LIMIT (100 * MS)
#define HASTY (4 * MS) /* its requests may come to the leader behind those from its next node */
#define READ_BYTES 65536

struct zk zk;

static uint64_t between(uint64_t a, uint64_t b) { return random_between(&zk.random, a, b); }

static uint64_t timeout_ns(const struct zk_client *c) { return (uint32_t)c->timeout_ms * MS; }

/* ---- events ---- */

static void at(struct zk_client *c, uint64_t when) {
  if (when < world->now) when = world->now;
  c->due = when;
  heap_push(&world->heap,
            (struct sim_event){.at = when, .kind = EVENT_ZK, .who = c->idx, .number = ++c->timer});
}

void zk_client_wake(struct zk_client *c) {
  uint64_t soon = world->now + random_below(&zk.random, WAKE_NS);
  if (soon < c->due) at(c, soon);
}

bool zk_client_is_cut(int who) { return zk.client[who].cut_to > world->now; }

/* ---- its line ---- */

static struct tcp *line_of(const struct zk_client *c) {
  return c->line && c->line->serial == c->serial ? c->line : NULL;
}

static void hang_up(struct zk_client *c) {
  struct tcp *s = line_of(c);
  if (s) tcp_close(s, 0);
  c->line = NULL;
  c->phase = ZK_DOWN;
  c->cnt = c->first = 0; /* nobody will ever know */
  c->rewatching = c->closing = false;
  buffer_consume(&c->in, buffer_len(&c->in));
  buffer_consume(&c->out, buffer_len(&c->out));
  c->next = world->now + between(RETRY / 10, RETRY);
}

static void lost(struct zk_client *c) {
  if (c->phase == ZK_OPEN)
    note("ClientLost", "client", (struct noted){c->node, -1, {(uint64_t)c->idx}});
  hang_up(c);
}

static void new_session(struct zk_client *c) {
  static const int32_t timeouts[] = {200, 400, 400, 1000, 2000};
  c->session = 0;
  c->seen = 0;
  c->xid = 0;
  c->asked_ms = timeouts[random_below(&zk.random, 5)];
  memset(c->password, 0, sizeof c->password);
  memset(c->watch, 0, sizeof c->watch);
}

static void dial(struct zk_client *c) {
  if (!zk.pinned && between(0, 2)) c->node = (int)between(0, (uint64_t)world->plan.nodes - 1);
  c->patience = between(0, 2) ? NEVER : between(HASTY / 10, HASTY);
  if (!c->session) new_session(c);
  c->phase = ZK_DIALLING;
  c->connected = c->refused = false;
  c->line = tcp_connect(HOST_CLIENTS + c->idx, c->node, ZK_PORT, NULL);
  c->serial = c->line->serial;
  c->line->end[0].zk = c;
  c->heard = world->now;
}

void zk_client_connected(struct zk_client *c, int error) {
  if (error)
    c->refused = true;
  else
    c->connected = true;
  zk_client_wake(c);
}

/* ---- what comes ---- */

static void check_expired(const struct zk_client *c) {
  const struct zk_session *s = zk_session_of(c->session);
  if (!s || !s->closed)
    violation("client %d is told that its session 0x%llx is over, which it is not", c->idx,
              (unsigned long long)c->session);
}

static void on_greeting(struct zk_client *c, struct cursor *in) {
  cursor_i32(in);
  int32_t timeout_ms = cursor_i32(in);
  int64_t session = cursor_i64(in);
  struct span password = jute_data(in);
  jute_bool(in);
  if (in->bad || in->next != in->end || password.len != sizeof c->password)
    violation("client %d: a malformed answer to its connect request", c->idx);
  if (!session) {
    check_expired(c);
    note("ClientExpired", "client session",
         (struct noted){c->node, -1, {(uint64_t)c->idx, (uint64_t)c->session}});
    hang_up(c);
    c->session = 0;
    return;
  }
  if ((c->session && c->session != session) || timeout_ms != c->asked_ms)
    violation("client %d asks for session 0x%llx of %d ms and gets 0x%llx of %d", c->idx,
              (unsigned long long)c->session, c->asked_ms, (unsigned long long)session, timeout_ms);
  if (!c->session) c->since = world->now;
  c->session = session;
  c->timeout_ms = timeout_ms;
  memcpy(c->password, password.data, sizeof c->password);
  c->phase = ZK_OPEN;
  note("ClientConnected", "client session",
       (struct noted){c->node, -1, {(uint64_t)c->idx, (uint64_t)session}});
  if (zk_watch_any(c)) zk_write_watches(c);
}

static bool take_frame(struct zk_client *c) {
  struct cursor in;
  cursor_init(&in, buffer_at(&c->in), buffer_len(&c->in));
  if (buffer_len(&c->in) < 4) return false;
  int32_t len = cursor_i32(&in);
  if (len < 0) violation("client %d: a packet of %d bytes", c->idx, len);
  if (buffer_len(&c->in) < 4 + (size_t)len) return false;
  in.end = in.next + len;
  c->heard = world->now;
  if (c->phase == ZK_GREETING)
    on_greeting(c, &in);
  else
    zk_reply(c, &in);
  if (buffer_len(&c->in)) buffer_consume(&c->in, 4 + (size_t)len);
  return true;
}

/* false: the line is no more. */
static bool receive(struct zk_client *c) {
  struct tcp *s = line_of(c);
  const uint8_t *bytes;
  uint32_t len = s ? tcp_readable(s, 0, &bytes) : 0;
  if (len) {
    buffer_append(&c->in, bytes, len);
    tcp_consume(s, 0, len);
    while (c->phase > ZK_DIALLING && take_frame(c)) continue;
    return c->phase != ZK_DOWN;
  }
  bool over = !s || s->end[0].error || (s->open && s->pipe[1].eof);
  if (over && c->closing && !c->cnt) c->session = 0; /* as it has asked */
  if (over) lost(c);
  return !over;
}

static void send_out(struct zk_client *c) {
  struct tcp *s = line_of(c);
  if (!s || !c->connected || !buffer_len(&c->out) || s->end[0].error) return;
  uint32_t done = tcp_write(s, 0, buffer_at(&c->out), (uint32_t)buffer_len(&c->out));
  buffer_consume(&c->out, done);
}

/* ---- what it does ---- */

static void put(struct zk_client *c, struct zk_ask *a) {
  c->ask[(c->first + c->cnt) % ZK_WINDOW] = *a;
  a = &c->ask[(c->first + c->cnt) % ZK_WINDOW];
  a->xid = ++c->xid;
  a->floor = zk.shown;
  c->cnt++;
  c->closing = a->type == OP_CLOSE_SESSION;
  zk_write_ask(c, a);
}

static void ask(struct zk_client *c) {
  struct zk_ask a;
  zk_draw(c, &a);
  if (zk.pinned && a.type == OP_CLOSE_SESSION) return;
  if (a.type == OP_CLOSE_SESSION && c->cnt + 1 < ZK_WINDOW) { /* of one just made, too */
    struct zk_ask last;
    zk_draw_ephemeral(&last);
    put(c, &last);
  }
  put(c, &a);
}

static bool may_ask(const struct zk_client *c) {
  if (c->rewatching || c->closing || c->cnt >= world->plan.window) return false;
  return !zk.pinned || c->acked < c->wanted;
}

static void work(struct zk_client *c) {
  uint64_t ping = timeout_ns(c) / 3;
  if (world->now >= c->said + ping) zk_write_ping(c);
  while (may_ask(c) && world->now >= c->next) {
    ask(c);
    c->next = world->now + between(0, 2 * world->plan.pace);
  }
}

/* All of them together about as often as the nemesis; some last longer than a session. */
static void suffer(struct zk_client *c) {
  if (zk.pinned || world->now < c->suffers) return;
  c->suffers = world->now + between(0, 2 * world->plan.fault_gap * (uint64_t)zk.cnt);
  uint64_t time = random_tail(&zk.random, MS, 2 * timeout_ns(c) + 10 * MS);
  switch (between(0, 3)) {
    case 0:
      c->paused_to = world->now + time;
      break;
    case 1:
      c->cut_to = world->now + time;
      break;
    case 2:
      lost(c);
      break;
    default: /* the other end hears nothing of it until it is reached again */
      c->cut_to = world->now + time;
      lost(c);
      c->cut_to = world->now + between(0, MS);
      break;
  }
}

/* How long it listens to silence. */
static uint64_t limit_of(const struct zk_client *c) {
  if (c->phase != ZK_OPEN) return GREETING_LIMIT;
  uint64_t limit = timeout_ns(c) * 2 / 3;
  return c->cnt && !zk.pinned && c->patience < limit ? c->patience : limit;
}

static void step(struct zk_client *c) {
  if (c->phase == ZK_DOWN) {
    if (world->now >= c->next) dial(c);
    return;
  }
  if (c->refused) {
    lost(c);
    return;
  }
  if (c->phase == ZK_DIALLING && c->connected) {
    zk_write_hello(c);
    c->phase = ZK_GREETING;
  }
  if (c->connected && !receive(c)) return;
  if (world->now >= c->heard + limit_of(c)) {
    bool hasty = limit_of(c) <= HASTY;
    lost(c);
    if (hasty) c->next = world->now;
    return;
  }
  if (c->phase != ZK_OPEN) return;
  suffer(c);
  if (c->phase == ZK_OPEN) work(c);
}

void zk_client_event(int who, uint64_t number) {
  struct zk_client *c = &zk.client[who];
  if (number != c->timer) return;
  if (c->paused_to > world->now) {
    at(c, c->paused_to);
    return;
  }
  c->due = NEVER;
  step(c);
  send_out(c);
  uint64_t next = world->now + RETRY;
  if (c->phase == ZK_DOWN || (c->phase == ZK_OPEN && may_ask(c) && c->next < next)) next = c->next;
  if (c->phase == ZK_OPEN && c->heard + limit_of(c) < next) next = c->heard + limit_of(c);
  if (next < c->due) at(c, next);
}

/* ---- all of them ---- */

void zk_begin(uint64_t seed) {
  memset(&zk, 0, sizeof zk);
  if (!world->plan.tree) return;
  zk.random.state = seed;
  zk.cnt = world->plan.clients;
  zk_history_init();
  zk_session_init();
  for (int i = 0; i < zk.cnt; i++) {
    struct zk_client *c = &zk.client[i];
    c->idx = i;
    c->node = (int)between(0, (uint64_t)world->plan.nodes - 1);
    c->suffers = between(0, 2 * world->plan.fault_gap * (uint64_t)zk.cnt);
    at(c, world->now + between(0, RETRY));
  }
}

void zk_end(void) {
  if (!world->plan.tree) return;
  for (int i = 0; i < zk.cnt; i++) {
    buffer_free(&zk.client[i].in);
    buffer_free(&zk.client[i].out);
  }
  zk_history_free();
  zk_session_free();
}

uint64_t zk_acked(void) { return zk.acked; }

void zk_clients_pin(const int *nodes, int cnt) {
  zk.pinned = true;
  zk.pinned_at = world->now;
  for (int i = 0; i < zk.cnt; i++) {
    struct zk_client *c = &zk.client[i];
    if (c->node != nodes[i % cnt] && c->phase != ZK_DOWN) lost(c);
    c->node = nodes[i % cnt];
    c->paused_to = c->cut_to = 0;
    c->wanted = c->acked + 1;
    c->since = world->now;
    at(c, world->now);
  }
}

bool zk_clients_served(void) {
  for (int i = 0; i < zk.cnt; i++)
    if (zk.client[i].acked < zk.client[i].wanted) return false;
  return true;
}

bool zk_sessions_settled(void) {
  int64_t ids[ZK_CLIENTS];
  for (int i = 0; i < zk.cnt; i++) {
    const struct zk_client *c = &zk.client[i];
    ids[i] = c->session;
    uint64_t lived = world->now - c->since;
    if (c->phase != ZK_OPEN || lived < timeout_ns(c) * 3 / 2) return false;
  }
  return zk_sessions_left(ids, zk.cnt) == 0;
}
