#include "proto/notification.h"

#include <assert.h>
#include <string.h>

#include "proto/cursor.h"

#define BODY_LEN 44           /* version 2, without the config text */
#define OLDEST_LEN 28         /* no peerEpoch */
#define BEFORE_VERSION_LEN 40 /* peerEpoch, no version */
#define MESSAGE_VERSION 2

#define HELLO_V1 (-65536)
#define HELLO_V2 (-65535)
#define HELLO_HEADER 20

size_t notification_write(void *dst, size_t cap, const struct notification *n) {
  struct writer w;
  int32_t config_len = (int32_t)strnlen(n->config, sizeof n->config);
  writer_init(&w, dst, cap);
  writer_i32(&w, BODY_LEN + config_len);
  writer_i32(&w, (int32_t)n->state);
  writer_i64(&w, n->vote.leader);
  writer_i64(&w, (int64_t)n->vote.zxid);
  writer_i64(&w, n->vote.election_epoch);
  writer_i64(&w, n->vote.peer_epoch);
  writer_i32(&w, MESSAGE_VERSION);
  writer_buf(&w, n->config, config_len);
  return w.bad ? 0 : (size_t)(w.next - (uint8_t *)dst);
}

/* The text of the sender's server list; a longer one than ours can be is cut, as it differs anyway.
 */
static void read_config(struct cursor *c, struct notification *n) {
  struct span text = cursor_buf(c, LIMIT_NOTIFICATION);
  if (text.len < 0) c->bad = true; /* unlike a jute buffer, it may not be null */
  if (c->bad || text.len == 0) return;
  size_t len = (size_t)text.len;
  if (len >= sizeof n->config) len = sizeof n->config - 1;
  memcpy(n->config, text.data, len);
  n->config[len] = 0;
}

enum reason notification_read(struct notification *n, const void *body, size_t len) {
  struct cursor c;
  *n = (struct notification){.state = PEER_LOOKING};
  if (len < OLDEST_LEN || len > LIMIT_NOTIFICATION) return REASON_NOTIFICATION_BAD;
  cursor_init(&c, body, len);
  int32_t state = cursor_i32(&c);
  n->vote.leader = cursor_i64(&c);
  n->vote.zxid = (zxid_t)cursor_i64(&c);
  n->vote.election_epoch = cursor_i64(&c);
  /* the epoch of zxid -1 (no vote) stays -1 */
  n->vote.peer_epoch = len == OLDEST_LEN ? (int64_t)n->vote.zxid >> 32 : cursor_i64(&c);
  if (len != OLDEST_LEN && len != BEFORE_VERSION_LEN) n->version = cursor_i32(&c);
  if (n->version >= MESSAGE_VERSION) read_config(&c, n);
  if (c.bad || state < PEER_LOOKING || state > PEER_OBSERVING) return REASON_NOTIFICATION_BAD;
  n->state = (enum peer_state)state;
  return REASON_NONE;
}

/* ---- hello ---- */

static size_t decimal(char *dst, uint16_t v) {
  char digits[5];
  size_t len = 0;
  do digits[len++] = (char)('0' + v % 10);
  while (v /= 10);
  for (size_t i = 0; i < len; i++) dst[i] = digits[len - 1 - i];
  return len;
}

size_t hello_write(void *dst, size_t cap, int64_t sid, const char *host, uint16_t port) {
  char address[LIMIT_HOST_LEN + 8];
  size_t host_len = strnlen(host, LIMIT_HOST_LEN), len = 0;
  bool bare_ipv6 = memchr(host, ':', host_len) != NULL && host[0] != '[';
  if (host_len == 0 || host_len >= LIMIT_HOST_LEN) return 0;
  if (bare_ipv6) address[len++] = '[';
  memcpy(address + len, host, host_len);
  len += host_len;
  if (bare_ipv6) address[len++] = ']';
  address[len++] = ':';
  len += decimal(address + len, port);
  assert(len < sizeof address);

  struct writer w;
  writer_init(&w, dst, cap);
  writer_i64(&w, HELLO_V1);
  writer_i64(&w, sid);
  writer_buf(&w, address, (int32_t)len);
  return w.bad ? 0 : (size_t)(w.next - (uint8_t *)dst);
}

/* "host:port" with printable bytes and a port of 1..65535. */
static bool address_is_good(const uint8_t *a, size_t len) {
  size_t digits = 0;
  uint32_t port = 0, scale = 1;
  while (digits < len && digits <= 5 && a[len - 1 - digits] >= '0' && a[len - 1 - digits] <= '9') {
    port += (uint32_t)(a[len - 1 - digits] - '0') * scale;
    scale *= 10;
    digits++;
  }
  if (digits < 1 || digits > 5 || port < 1 || port > 65535) return false;
  if (len < digits + 2 || a[len - 1 - digits] != ':') return false;
  for (size_t i = 0; i < len; i++)
    if (a[i] <= ' ' || a[i] == 0x7f) return false;
  return true;
}

int hello_read(struct hello *h, const void *buf, size_t len) {
  struct cursor c;
  memset(h, 0, sizeof *h);
  cursor_init(&c, buf, len);
  int64_t version = cursor_i64(&c);
  if (c.bad) return 0;
  if (version >= 0) { /* legacy: it is the id itself */
    h->sid = version;
    return 8;
  }
  if (version != HELLO_V1 && version != HELLO_V2) return -1;
  h->sid = cursor_i64(&c);
  int32_t address_len = cursor_i32(&c);
  if (c.bad) return 0;
  if (address_len < 1 || address_len > LIMIT_HELLO_ADDR) return -1;
  const uint8_t *address = cursor_bytes(&c, (size_t)address_len);
  if (!address) return 0;
  const uint8_t *bar = version == HELLO_V2 ? memchr(address, '|', (size_t)address_len) : NULL;
  size_t first_len = bar ? (size_t)(bar - address) : (size_t)address_len;
  if (first_len >= sizeof h->address || !address_is_good(address, first_len)) return -1;
  memcpy(h->address, address, first_len);
  return HELLO_HEADER + address_len;
}
