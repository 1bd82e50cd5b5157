#include "service/tree/path.h"

#include <stdint.h>
#include <string.h>

struct span span_of(const char *text) {
  return (struct span){(const uint8_t *)text, (int32_t)strlen(text)};
}

bool span_equal(struct span a, struct span b) {
  return a.len == b.len && (a.len <= 0 || memcmp(a.data, b.data, (size_t)a.len) == 0);
}

bool path_is(struct span path, const char *text) { return span_equal(path, span_of(text)); }

static bool is_continuation(uint8_t c) { return (c & 0xc0) == 0x80; }

/* The character at *p, which moves behind it; 0xfffd if it is no UTF-8.  Supplementary ones are
 * surrogates to Java, and as such forbidden, so their value does not matter. */
static uint32_t next_char(const uint8_t **p, const uint8_t *end) {
  const uint8_t *c = *p;
  *p += 1;
  if (c[0] < 0x80) return c[0];
  if (c[0] >= 0xc2 && c[0] < 0xe0 && end - c >= 2 && is_continuation(c[1])) {
    *p += 1;
    return (uint32_t)(c[0] & 0x1f) << 6 | (c[1] & 0x3f);
  }
  if ((c[0] & 0xf0) == 0xe0 && end - c >= 3 && is_continuation(c[1]) && is_continuation(c[2])) {
    *p += 2;
    uint32_t v = (uint32_t)(c[0] & 0xf) << 12 | (uint32_t)(c[1] & 0x3f) << 6 | (c[2] & 0x3f);
    return v < 0x800 ? 0xfffd : v;
  }
  return 0xfffd;
}

static bool is_forbidden(uint32_t c) {
  return c <= 0x1f || (c >= 0x7f && c <= 0x9f) || (c >= 0xd800 && c <= 0xf8ff) || c >= 0xfff0;
}

static bool component_valid(const uint8_t *at, ptrdiff_t len) {
  if (len == 0) return false;
  return !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.');
}

bool path_valid(struct span path) {
  if (path.len < 1 || path.data[0] != '/') return false;
  if (path.len == 1) return true;
  const uint8_t *end = path.data + path.len, *begin = path.data + 1;
  for (const uint8_t *p = begin; p < end;) {
    if (*p == '/') {
      if (!component_valid(begin, p - begin)) return false;
      begin = ++p;
    } else if (is_forbidden(next_char(&p, end))) {
      return false;
    }
  }
  return component_valid(begin, end - begin);
}

static int32_t last_slash(struct span path) {
  for (int32_t i = path.len - 1; i >= 0; i--)
    if (path.data[i] == '/') return i;
  return -1;
}

bool path_has_parent(struct span path) {
  return path.len > 0 && last_slash(path) >= 0 && !memchr(path.data, 0, (size_t)path.len);
}

struct span path_parent(struct span path) {
  int32_t slash = last_slash(path);
  return (struct span){path.data, slash < 0 ? 0 : slash};
}

struct span path_last(struct span path) {
  int32_t slash = last_slash(path);
  return (struct span){path.data + slash + 1, path.len - slash - 1};
}

bool path_special(struct span path) {
  return path_is(path, "/") || path_is(path, "/zookeeper") || path_is(path, "/zookeeper/quota") ||
         path_is(path, "/zookeeper/config");
}

bool path_below(struct span path, struct span root) {
  if (root.len <= 1) return true;
  if (path.len < root.len || memcmp(path.data, root.data, (size_t)root.len) != 0) return false;
  return path.len == root.len || path.data[root.len] == '/';
}

bool path_in_zookeeper(struct span path) {
  struct span root = span_of("/zookeeper");
  return path.len > root.len && path_below(path, root);
}
