#include "service/tree/acl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "service/tree/path.h"

#define TEXT_MAX INT32_MAX /* the packet bounds it */

static const uint8_t open_list[] = "\0\0\0\1\0\0\0\37\0\0\0\5world\0\0\0\6anyone";

static struct span open_span(void) {
  return (struct span){open_list, (int32_t)sizeof open_list - 1};
}

struct entry {
  int32_t perms;
  struct span scheme, id;
};

static struct entry entry_read(struct cursor *c) {
  struct entry e = {.perms = cursor_i32(c)};
  e.scheme = cursor_buf(c, TEXT_MAX);
  e.id = cursor_buf(c, TEXT_MAX);
  return e;
}

struct span acl_read(struct cursor *c) {
  const uint8_t *begin = c->next;
  int32_t cnt = cursor_i32(c); /* below -1: empty, to Java */
  if (cnt == -1) return (struct span){NULL, c->bad ? 0 : -1};
  for (int32_t i = 0; i < cnt && !c->bad; i++) entry_read(c);
  if (c->bad) return (struct span){NULL, 0};
  return (struct span){begin, (int32_t)(c->next - begin)};
}

/* ---- the table ---- */

static struct acl_item *find_key(const struct acls *a, int32_t key) {
  struct acl_item *i;
  HASH_FIND(by_key, a->by_key, &key, sizeof key, i);
  return i;
}

static struct acl_item *find_bytes(const struct acls *a, struct span list) {
  struct acl_item *i;
  HASH_FIND(by_bytes, a->by_bytes, list.data, (unsigned)list.len, i);
  return i;
}

static struct acl_item *add(struct acls *a, int32_t key, struct span list) {
  size_t size = sizeof(struct acl_item) + (size_t)list.len;
  struct acl_item *i = memory_or_end(calloc(1, size), size);
  i->key = key;
  i->len = (uint32_t)list.len;
  memcpy(i->bytes, list.data, (size_t)list.len);
  HASH_ADD(by_key, a->by_key, key, sizeof i->key, i);
  HASH_ADD_KEYPTR(by_bytes, a->by_bytes, i->bytes, i->len, i);
  return i;
}

static void forget(struct acls *a, struct acl_item *i) {
  HASH_DELETE(by_key, a->by_key, i);
  HASH_DELETE(by_bytes, a->by_bytes, i);
  free(i);
}

/* Keys are used up by lists that come and go: from INT32_MAX on those that are free are used again.
 */
static int32_t free_key(struct acls *a) {
  do a->last_key = a->last_key == INT32_MAX ? 1 : a->last_key + 1;
  while (find_key(a, a->last_key));
  return a->last_key;
}

int32_t acls_take(struct acls *a, struct span list) {
  if (list.len <= 4 || span_equal(list, open_span())) return ACL_OPEN;
  struct acl_item *i = find_bytes(a, list);
  if (!i) i = add(a, free_key(a), list);
  i->refs++;
  return i->key;
}

void acls_hold(struct acls *a, int32_t key) {
  struct acl_item *i = find_key(a, key);
  if (i) i->refs++;
}

void acls_drop(struct acls *a, int32_t key) {
  struct acl_item *i = find_key(a, key);
  if (i && --i->refs == 0) forget(a, i);
}

bool acls_put(struct acls *a, int32_t key, struct span list) {
  if (key == ACL_OPEN || find_key(a, key) || list.len < 4) return false;
  if (find_bytes(a, list)) return true;
  add(a, key, list);
  if (key > a->last_key) a->last_key = key;
  return true;
}

struct span acls_list(const struct acls *a, int32_t key) {
  if (key == ACL_OPEN) return open_span();
  const struct acl_item *i = find_key(a, key);
  return i ? (struct span){i->bytes, (int32_t)i->len} : (struct span){NULL, 0};
}

void acls_clear(struct acls *a) {
  struct acl_item *i, *next;
  HASH_ITER(by_key, a->by_key, i, next) forget(a, i);
  a->last_key = 0;
}

void acls_sweep(struct acls *a) {
  struct acl_item *i, *next;
  HASH_ITER(by_key, a->by_key, i, next) {
    if (!i->refs) forget(a, i);
  }
}

/* ---- who may ---- */

static bool is_digits(struct span s) {
  for (int32_t i = 0; i < s.len; i++)
    if (s.data[i] < '0' || s.data[i] > '9') return false;
  return s.len > 0 && s.len < 4;
}

struct network {
  int family; /* 0: no address */
  uint8_t at[16];
  int bits;
};

/* "10.0.0.0/8", "10.1.2.3", "fe80::1"; bits -1: not given, of the whole address then. */
static struct network network_read(struct span text) {
  struct network n = {.bits = -1};
  char address[INET6_ADDRSTRLEN];
  int32_t slash = 0;
  while (slash < text.len && text.data[slash] != '/') slash++;
  if (slash >= INET6_ADDRSTRLEN || text.len < 1) return n;
  memcpy(address, text.data, (size_t)slash);
  address[slash] = 0;
  if (inet_pton(AF_INET, address, n.at) == 1) n.family = AF_INET;
  if (!n.family && inet_pton(AF_INET6, address, n.at) == 1) n.family = AF_INET6;
  int whole = n.family == AF_INET ? 32 : 128;
  n.bits = whole;
  if (slash == text.len) return n;
  struct span digits = {text.data + slash + 1, text.len - slash - 1};
  n.bits = 0;
  for (int32_t i = 0; is_digits(digits) && i < digits.len; i++)
    n.bits = 10 * n.bits + digits.data[i] - '0';
  if (!is_digits(digits) || n.bits > whole) n.family = 0;
  return n;
}

static bool network_has(struct span rule, struct span address) {
  struct network r = network_read(rule), a = network_read(address);
  if (!r.family || r.family != a.family) return false;
  for (int i = 0; i < r.bits; i++)
    if ((r.at[i / 8] ^ a.at[i / 8]) >> (7 - i % 8) & 1) return false;
  return true;
}

/* As DigestAuthenticationProvider.isValid: "user:hash", of two parts as Java splits, which does not
 * count empty ones at the end. */
static bool digest_valid(struct span id) {
  int colons = 0;
  while (id.len > 0 && id.data[id.len - 1] == ':') id.len--;
  for (int32_t i = 0; i < id.len; i++) colons += id.data[i] == ':';
  return colons == 1;
}

static bool entry_valid(const struct entry *e) {
  if (path_is(e->scheme, "world")) return path_is(e->id, "anyone");
  if (path_is(e->scheme, "ip")) return network_read(e->id).family != 0;
  if (path_is(e->scheme, "digest")) return digest_valid(e->id);
  return false;
}

/* An id that is null: Java stumbles over it. */
static int32_t entry_error(const struct entry *e) {
  bool looked_at =
      path_is(e->scheme, "world") || path_is(e->scheme, "ip") || path_is(e->scheme, "digest");
  if (e->id.len < 0 && looked_at) return ZK_MARSHALLINGERROR;
  return entry_valid(e) ? ZK_OK : ZK_INVALIDACL;
}

static bool entry_matches(const struct entry *e, struct span scheme, struct span id) {
  if (!span_equal(e->scheme, scheme)) return false;
  return path_is(scheme, "ip") ? network_has(e->id, id) : span_equal(e->id, id);
}

struct ids_cursor {
  struct cursor c;
  int32_t left;
  struct span scheme, id;
};

static struct ids_cursor ids_begin(struct span ids) {
  struct ids_cursor i = {.left = 0};
  cursor_init(&i.c, ids.data, ids.len > 0 ? (size_t)ids.len : 0);
  i.left = cursor_i32(&i.c);
  return i;
}

static bool ids_next(struct ids_cursor *i) {
  if (i->left <= 0) return false;
  i->left--;
  i->scheme = cursor_buf(&i->c, TEXT_MAX);
  i->id = cursor_buf(&i->c, TEXT_MAX);
  return !i->c.bad;
}

bool acl_has_id(struct span ids, struct span scheme, struct span id) {
  struct ids_cursor i = ids_begin(ids);
  while (ids_next(&i))
    if (span_equal(i.scheme, scheme) && span_equal(i.id, id)) return true;
  return false;
}

static bool is_super(struct span ids) {
  struct ids_cursor i = ids_begin(ids);
  while (ids_next(&i))
    if (path_is(i.scheme, "super")) return true;
  return false;
}

static bool entry_allows(const struct entry *e, struct span ids) {
  if (path_is(e->scheme, "world") && path_is(e->id, "anyone")) return true;
  struct ids_cursor i = ids_begin(ids);
  while (ids_next(&i))
    if (entry_matches(e, i.scheme, i.id)) return true;
  return false;
}

bool acl_allows(struct span list, struct span ids, int32_t perm) {
  struct cursor c;
  cursor_init(&c, list.data, list.len > 0 ? (size_t)list.len : 0);
  int32_t cnt = list.len > 0 ? cursor_i32(&c) : 0;
  if (cnt <= 0 || is_super(ids)) return true;
  for (int32_t i = 0; i < cnt; i++) {
    struct entry e = entry_read(&c);
    if (c.bad) return false;
    if ((e.perms & perm) && entry_allows(&e, ids)) return true;
  }
  return false;
}

/* ---- fix-up ---- */

struct fix {
  struct writer *w;
  uint8_t *begin; /* of the list: its count */
  int32_t cnt;
  bool full;
};

/* Whether one of the first cnt of the list is e.  Only what is given is looked through, as there:
 * an id that "auth" stands for may come twice. */
static bool has_entry(struct span list, int32_t cnt, const struct entry *e) {
  struct cursor c;
  cursor_init(&c, list.data + 4, (size_t)list.len - 4);
  for (int32_t i = 0; i < cnt; i++) {
    struct entry o = entry_read(&c);
    if (o.perms == e->perms && span_equal(o.scheme, e->scheme) && span_equal(o.id, e->id))
      return true;
  }
  return false;
}

static void put_entry(struct fix *f, const struct entry *e) {
  if (f->w->bad) return;
  f->full = f->cnt == LIMIT_ACL_ENTRIES;
  if (f->full) return;
  writer_i32(f->w, e->perms);
  writer_buf(f->w, e->scheme.data, e->scheme.len);
  writer_buf(f->w, e->id.data, e->id.len);
  f->cnt++;
}

/* "auth": one entry for each id that was proven; an address is not, super is no scheme of ACLs. */
static bool put_auth(struct fix *f, int32_t perms, struct span ids) {
  struct ids_cursor i = ids_begin(ids);
  bool any = false;
  while (ids_next(&i)) {
    if (!path_is(i.scheme, "digest")) continue;
    put_entry(f, &(struct entry){perms, i.scheme, i.id});
    any = true;
  }
  return any;
}

int32_t acl_fix(struct span list, struct span ids, struct writer *w) {
  struct cursor c;
  struct fix f = {.w = w, .begin = w->next};
  cursor_init(&c, list.data, list.len > 0 ? (size_t)list.len : 0);
  int32_t cnt = list.len > 0 ? cursor_i32(&c) : 0;
  if (cnt <= 0 || cnt > LIMIT_ACL_ENTRIES) return ZK_INVALIDACL;
  writer_i32(w, 0);
  for (int32_t i = 0; i < cnt; i++) {
    struct entry e = entry_read(&c);
    if (has_entry(list, i, &e)) continue;
    if (path_is(e.scheme, "auth")) {
      if (!put_auth(&f, e.perms, ids)) return ZK_INVALIDACL;
    } else {
      int32_t err = entry_error(&e);
      if (err) return err;
      put_entry(&f, &e);
    }
    if (f.full) return ZK_INVALIDACL;
  }
  struct writer count;
  writer_init(&count, f.begin, w->bad ? 0 : 4);
  writer_i32(&count, f.cnt);
  return 0;
}
