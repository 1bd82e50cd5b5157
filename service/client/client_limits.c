/* Limits: what is over one, or soon will be, gets one line that names it; and who is not read from
 * while too much waits. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/log.h"
#include "service/client/client.h"
#include "service/tree/jute.h"

#define SHOWN 200 /* bytes of a path */
#define THROTTLE_LINE_MS 10000

static void line(const struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(const struct client *c, const char *format, ...) {
  char text[LIMIT_TEXT_LEN];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  log_line(LEVEL_WARN, c->port->thread->c->config->id, "client %s:%u, session 0x%llx: %s",
           c->address, c->from_port, (unsigned long long)c->session, text);
}

/* ---- what a request is ---- */

static const char *op_name(int32_t type) {
  static const struct {
    int32_t type;
    const char *name;
  } names[] = {{OP_CREATE, "create"},
               {OP_CREATE2, "create2"},
               {OP_CREATE_CONTAINER, "createContainer"},
               {OP_CREATE_TTL, "createTTL"},
               {OP_SET_DATA, "setData"},
               {OP_SET_ACL, "setACL"},
               {OP_GET_DATA, "getData"},
               {OP_GET_CHILDREN, "getChildren"},
               {OP_GET_CHILDREN2, "getChildren2"},
               {OP_GET_ACL, "getACL"},
               {OP_GET_EPHEMERALS, "getEphemerals"},
               {OP_MULTI, "multi"},
               {OP_MULTI_READ, "multiRead"},
               {OP_SET_WATCHES, "setWatches"},
               {OP_SET_WATCHES2, "setWatches2"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (names[i].type == type) return names[i].name;
  return "request";
}

static bool has_path(int32_t type) {
  return type != OP_MULTI && type != OP_MULTI_READ && type != OP_SET_WATCHES &&
         type != OP_SET_WATCHES2;
}

struct shown {
  char text[SHOWN + 32];
};

/* "create of /a/b"; record may be cut short. */
static struct shown show(int32_t type, struct span record) {
  struct shown s;
  struct cursor c;
  cursor_init(&c, record.data, record.len > 0 ? (size_t)record.len : 0);
  int32_t len = cursor_i32(&c), there = (int32_t)(c.end - c.next);
  if (c.bad || !has_path(type) || len < 1) len = 0;
  if (len > there) len = there;
  if (len > SHOWN) len = SHOWN;
  int at = snprintf(s.text, sizeof s.text, "%s%s", op_name(type), len ? " of " : "");
  for (int32_t i = 0; i < len && at + 1 < (int)sizeof s.text; i++)
    s.text[at++] = c.next[i] < ' ' || c.next[i] == 0x7f ? '?' : (char)c.next[i];
  s.text[at] = 0;
  return s;
}

/* ---- sizes ---- */

static struct shown show_packet(const struct client *c, const uint8_t *data, size_t len) {
  struct cursor in;
  cursor_init(&in, data, len);
  cursor_i32(&in);
  int32_t type = cursor_i32(&in);
  if (in.bad || c->phase != CLIENT_OPEN) return (struct shown){"connect request"};
  return show(type, (struct span){in.next, (int32_t)(in.end - in.next)});
}

void client_close_too_long(struct client *c, int32_t len) {
  char text[LIMIT_TEXT_LEN];
  c->port->stats.too_long++;
  struct shown s = show_packet(c, buffer_at(&c->in) + 4, buffer_len(&c->in) - 4);
  snprintf(text, sizeof text,
           "Len error %d: a packet may have %u bytes (ZooKeeper's jute.maxbuffer, fixed here): %s",
           len, LIMIT_CLIENT_PACKET, s.text);
  client_close_line(c, text);
}

/* Once for each connection: a warning before it is too late, and no flood. */
static bool first_warning(struct client *c) {
  bool first = !c->warned;
  c->warned = true;
  return first;
}

void client_note_request(struct client *c, const uint8_t *data, uint32_t len) {
  if (len <= LIMIT_CLIENT_PACKET / 2 || !first_warning(c)) return;
  line(c, "%s has %u bytes, more than half of the %u that a packet may have (jute.maxbuffer)",
       show_packet(c, data, len).text, len, LIMIT_CLIENT_PACKET);
}

void client_note_answer(struct client *c, const struct ask *a, size_t len) {
  struct client_stats *s = &c->port->stats;
  s->answer_last = len;
  if (!s->answer_min || len < s->answer_min) s->answer_min = len;
  if (len > s->answer_max) s->answer_max = len;
  if (len <= LIMIT_CLIENT_PACKET || !first_warning(c)) return;
  line(c, "the answer to %s has %zu bytes: a client refuses more than its jute.maxbuffer, %u",
       show(a->type, (struct span){a->bytes, (int32_t)a->len}).text, len, LIMIT_CLIENT_PACKET);
}

void client_note_too_large(const struct client *c, const struct ask *a) {
  struct request q;
  if (!request_read(&q, a->bytes, a->len)) return;
  line(c, "%s has %u bytes, largest_record in the config allows %u: refused",
       show(a->type, q.record).text, a->len, c->port->thread->c->config->largest_record);
}

/* ---- throttling ---- */

/* As there: with too much outstanding, who has some of it waits, and who has none is served. */
bool client_is_throttled(const struct client *c) {
  const struct client_port *p = c->port;
  if (!c->ask_cnt) return false;
  return p->ask_cnt >= p->thread->c->config->global_outstanding_limit ||
         p->ask_bytes >= LIMIT_ASK_BYTES;
}

void client_note_throttled(struct client *c) {
  struct client_port *p = c->port;
  int64_t now_ms = p->thread->now_ms;
  p->stats.throttled++;
  if (p->throttle_line_ms && now_ms - p->throttle_line_ms < THROTTLE_LINE_MS) return;
  p->throttle_line_ms = now_ms;
  log_line(LEVEL_WARN, p->thread->c->config->id,
           "%u requests of clients wait, with %llu bytes: who has some is not read from "
           "(global_outstanding_limit in the config is %u, and %u bytes are the limit)",
           p->ask_cnt, (unsigned long long)p->ask_bytes,
           p->thread->c->config->global_outstanding_limit, LIMIT_ASK_BYTES);
}
