#include "proto/packet.h"

#include <assert.h>
#include <string.h>

#include "config/limits.h"
#include "proto/crc32c.h"

#define AUTHINFO_MAX 4096 /* bytes of a packet that are not its data */
#define CHUNK_HEADER 8
#define CRC_SCHEME "crc32c"
#define CRC_DIGITS 8

static const char snap_signature[] = "BenWasHere";
#define SNAP_SIGNATURE_LEN ((int32_t)(sizeof snap_signature - 1))
#define SNAP_END_LEN (4 + 4 + SNAP_SIGNATURE_LEN)

/* ---- writing ---- */

static void write_crc_id(struct writer *w, uint32_t crc) {
  char hex[CRC_DIGITS];
  for (int i = 0; i < CRC_DIGITS; i++) hex[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15u];
  writer_i32(w, 1);
  writer_buf(w, CRC_SCHEME, (int32_t)(sizeof CRC_SCHEME - 1));
  writer_buf(w, hex, CRC_DIGITS);
}

size_t packet_write(void *dst, size_t cap, const struct packet *p) {
  struct writer w;
  writer_init(&w, dst, cap);
  writer_i32(&w, p->type);
  writer_i64(&w, (int64_t)p->zxid);
  writer_buf(&w, p->data.data, p->data.len);
  if (p->has_crc) {
    write_crc_id(&w, p->crc);
  } else {
    writer_i32(&w, -1);
  }
  return w.bad ? 0 : (size_t)(w.next - (uint8_t *)dst);
}

size_t packet_snap_chunk_write(void *dst, size_t cap, const void *data, uint32_t len) {
  struct writer w;
  assert(len >= 1 && len <= LIMIT_SNAP_CHUNK);
  writer_init(&w, dst, cap);
  writer_i32(&w, (int32_t)len);
  writer_i32(&w, (int32_t)crc32c(data, len));
  writer_bytes(&w, data, len);
  return w.bad ? 0 : (size_t)(w.next - (uint8_t *)dst);
}

size_t packet_snap_end_write(void *dst, size_t cap) {
  struct writer w;
  writer_init(&w, dst, cap);
  writer_i32(&w, 0);
  writer_buf(&w, snap_signature, SNAP_SIGNATURE_LEN);
  return w.bad ? 0 : (size_t)(w.next - (uint8_t *)dst);
}

/* ---- reading: what is malformed is said as soon as it is seen, not when all has come (C14) ----
 */

enum parse { PARSE_OK, PARSE_MORE, PARSE_MALFORMED };

/* One buf or str of at most max bytes. */
static enum parse parse_buf(struct cursor *c, struct span *s, int32_t max) {
  *s = (struct span){NULL, cursor_i32(c)};
  if (c->bad) return PARSE_MORE;
  if (s->len < -1 || s->len > max) return PARSE_MALFORMED;
  if (s->len > 0) s->data = cursor_bytes(c, (size_t)s->len);
  return c->bad ? PARSE_MORE : PARSE_OK;
}

static bool span_is(struct span s, const char *text) {
  return s.len == (int32_t)strlen(text) && memcmp(s.data, text, (size_t)s.len) == 0;
}

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum parse take_crc(struct packet *p, struct span id) {
  if (p->has_crc || id.len != CRC_DIGITS) return PARSE_MALFORMED;
  for (int i = 0; i < CRC_DIGITS; i++) {
    int digit = hex_digit(id.data[i]);
    if (digit < 0) return PARSE_MALFORMED;
    p->crc = p->crc << 4 | (uint32_t)digit;
  }
  p->has_crc = true;
  return PARSE_OK;
}

/* Id{scheme, id}*: ours is taken, others (a ZooKeeper client's) are passed over. */
static enum parse parse_authinfo(struct cursor *c, struct packet *p) {
  int32_t room = AUTHINFO_MAX - 20;
  int32_t cnt = cursor_i32(c);
  if (c->bad) return PARSE_MORE;
  if (cnt < -1 || cnt > room / 8) return PARSE_MALFORMED;
  for (int32_t i = 0; i < cnt; i++) {
    struct span scheme, id;
    if (room < 8) return PARSE_MALFORMED;
    enum parse status = parse_buf(c, &scheme, room - 8);
    if (status != PARSE_OK) return status;
    room -= 4 + (scheme.len > 0 ? scheme.len : 0);
    status = parse_buf(c, &id, room - 4);
    if (status != PARSE_OK) return status;
    room -= 4 + (id.len > 0 ? id.len : 0);
    if (span_is(scheme, CRC_SCHEME) && take_crc(p, id) != PARSE_OK) return PARSE_MALFORMED;
  }
  return PARSE_OK;
}

static enum parse parse_packet(struct cursor *c, struct packet *p) {
  p->type = cursor_i32(c);
  if (c->bad) return PARSE_MORE;
  bool zookeeper = p->type >= PACKET_REQUEST && p->type <= PACKET_INFORMANDACTIVATE;
  bool ours = p->type >= PACKET_FRAME && p->type <= PACKET_ANSWER;
  if (!zookeeper && !ours) return PARSE_MALFORMED;
  p->zxid = (zxid_t)cursor_i64(c);
  enum parse status =
      parse_buf(c, &p->data, p->type == PACKET_FRAME ? LIMIT_MTU_MAX : LIMIT_PACKET_DATA);
  return status == PARSE_OK ? parse_authinfo(c, p) : status;
}

static enum parse parse_snap_end(struct cursor *c, struct packet *p) {
  struct span signature;
  enum parse status = parse_buf(c, &signature, SNAP_SIGNATURE_LEN);
  if (status != PARSE_OK) return status;
  if (!span_is(signature, snap_signature)) return PARSE_MALFORMED;
  p->type = PACKET_SNAP_END;
  return PARSE_OK;
}

static enum parse parse_snap(struct cursor *c, struct packet *p) {
  int32_t len = cursor_i32(c);
  if (c->bad) return PARSE_MORE;
  if (len == 0) return parse_snap_end(c, p);
  if (len < 0 || len > LIMIT_SNAP_CHUNK) return PARSE_MALFORMED;
  uint32_t crc = (uint32_t)cursor_i32(c);
  const uint8_t *data = cursor_bytes(c, (size_t)len);
  if (!data) return PARSE_MORE;
  if (crc32c(data, (size_t)len) != crc) return PARSE_MALFORMED;
  p->type = PACKET_SNAP_CHUNK;
  p->data = (struct span){data, len};
  return PARSE_OK;
}

long packet_read(struct packet_reader *r, struct packet *p, const void *buf, size_t len) {
  struct cursor c;
  *p = (struct packet){.data = {NULL, -1}};
  cursor_init(&c, buf, len);
  enum parse status = r->in_snap ? parse_snap(&c, p) : parse_packet(&c, p);
  if (status == PARSE_MORE) return 0;
  if (status == PARSE_MALFORMED) return -1;
  if (p->type == PACKET_SNAP) r->in_snap = true;
  if (p->type == PACKET_SNAP_END) r->in_snap = false;
  return (long)(c.next - (const uint8_t *)buf);
}

/* ---- LearnerInfo ---- */

void learner_info_write(void *dst, const struct learner_info *i) {
  struct writer w;
  writer_init(&w, dst, LEARNER_INFO_LEN);
  writer_i64(&w, i->sid);
  writer_i32(&w, i->protocol);
  writer_i64(&w, i->config_version);
  assert(!w.bad);
}

enum reason learner_info_read(struct learner_info *i, struct span data) {
  struct cursor c;
  *i = (struct learner_info){0};
  if (data.len != 8 && data.len != 12 && data.len < LEARNER_INFO_LEN) return REASON_PACKET_BAD;
  cursor_init(&c, data.data, (size_t)data.len);
  i->sid = cursor_i64(&c);
  if (data.len >= 12) i->protocol = cursor_i32(&c);
  if (data.len >= LEARNER_INFO_LEN) i->config_version = cursor_i64(&c);
  return REASON_NONE;
}

const char *packet_name(int32_t type) {
  static const char *const names[] = {
      [PACKET_REQUEST] = "REQUEST",
      [PACKET_PROPOSAL] = "PROPOSAL",
      [PACKET_ACK] = "ACK",
      [PACKET_COMMIT] = "COMMIT",
      [PACKET_PING] = "PING",
      [PACKET_REVALIDATE] = "REVALIDATE",
      [PACKET_SYNC] = "SYNC",
      [PACKET_INFORM] = "INFORM",
      [PACKET_COMMITANDACTIVATE] = "COMMITANDACTIVATE",
      [PACKET_NEWLEADER] = "NEWLEADER",
      [PACKET_FOLLOWERINFO] = "FOLLOWERINFO",
      [PACKET_UPTODATE] = "UPTODATE",
      [PACKET_DIFF] = "DIFF",
      [PACKET_TRUNC] = "TRUNC",
      [PACKET_SNAP] = "SNAP",
      [PACKET_OBSERVERINFO] = "OBSERVERINFO",
      [PACKET_LEADERINFO] = "LEADERINFO",
      [PACKET_ACKEPOCH] = "ACKEPOCH",
      [PACKET_INFORMANDACTIVATE] = "INFORMANDACTIVATE",
  };
  if (type == PACKET_FRAME) return "FRAME";
  if (type == PACKET_ASK) return "ASK";
  if (type == PACKET_ANSWER) return "ANSWER";
  if (type == PACKET_SNAP_CHUNK) return "SNAP_CHUNK";
  if (type == PACKET_SNAP_END) return "SNAP_END";
  if (type < PACKET_REQUEST || type > PACKET_INFORMANDACTIVATE) return "unknown";
  return names[type];
}
