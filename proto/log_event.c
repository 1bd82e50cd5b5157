#include "proto/log_event.h"

#include <stdbool.h>
#include <string.h>

struct text { /* grows until full; a NUL always fits */
  char *next, *end;
};

static void put_bytes(struct text *t, const char *s, size_t len) {
  size_t room = (size_t)(t->end - t->next);
  if (len > room) len = room;
  memcpy(t->next, s, len);
  t->next += len;
}

static void put_string(struct text *t, const char *s) { put_bytes(t, s, strlen(s)); }

static void put_number(struct text *t, uint64_t v) {
  char digits[20];
  size_t start = sizeof digits;
  do digits[--start] = (char)('0' + v % 10);
  while (v /= 10);
  put_bytes(t, digits + start, sizeof digits - start);
}

static void put_zxid(struct text *t, zxid_t z) {
  char zxid[ZXID_TEXT_LEN];
  put_string(t, zxid_text(zxid, z));
}

static bool name_is(const char *name, size_t len, const char *expected) {
  return strlen(expected) == len && memcmp(name, expected, len) == 0;
}

/* Returns false for a name that no argument has: the text stays as it stands in the row. */
static bool put_argument(struct text *t, const char *name, size_t len, const struct log_event *e) {
  if (name_is(name, len, "peer")) {
    if (e->peer < 0) put_string(t, "-");
    put_number(t, (uint64_t)(e->peer < 0 ? -(int64_t)e->peer : e->peer));
  } else if (name_is(name, len, "epoch")) {
    put_number(t, e->epoch);
  } else if (name_is(name, len, "zxid")) {
    put_zxid(t, e->zxid);
  } else if (name_is(name, len, "pos")) {
    put_number(t, e->pos);
  } else if (name_is(name, len, "reason")) {
    put_string(t, reason_text(e->reason));
  } else if (name_is(name, len, "a")) {
    put_number(t, e->a);
  } else if (name_is(name, len, "b")) {
    put_number(t, e->b);
  } else if (name_is(name, len, "own")) {
    put_string(t, e->own ? e->own : "");
  } else if (name_is(name, len, "other")) {
    put_string(t, e->other ? e->other : "");
  } else {
    return false;
  }
  return true;
}

static const char *const formats[LOG_ID_CNT] = {
#define LOG_EVENT(id, level, format) [LOG_##id] = format,
#include "proto/log_event.def"
#undef LOG_EVENT
};

static const enum log_level levels[LOG_ID_CNT] = {
#define LOG_EVENT(id, level, format) [LOG_##id] = level,
#include "proto/log_event.def"
#undef LOG_EVENT
};

enum log_level log_event_level(enum log_id id) {
  return (unsigned)id < LOG_ID_CNT ? levels[id] : LEVEL_ERROR;
}

int log_event_text(char *dst, size_t cap, const struct log_event *e) {
  if (cap == 0) return 0;
  struct text t = {dst, dst + cap - 1};
  const char *p = (unsigned)e->id < LOG_ID_CNT ? formats[e->id] : "unknown log event {a}";
  while (*p) {
    const char *close = *p == '{' ? strchr(p, '}') : NULL;
    if (close && put_argument(&t, p + 1, (size_t)(close - p - 1), e)) {
      p = close + 1;
    } else {
      put_bytes(&t, p++, 1);
    }
  }
  *t.next = 0;
  return (int)(t.next - dst);
}
