/* Objects, lists and error lines: the walk over file and rows together. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config_key.h"

int reader_fail(struct reader *r, const char *format, ...) {
  int len = snprintf(r->e->text, sizeof r->e->text, "%.*s: ", LIMIT_TEXT_LEN, r->file);
  va_list args;
  va_start(args, format);
  vsnprintf(r->e->text + len, sizeof r->e->text - (size_t)len, format, args);
  va_end(args);
  for (char *p = r->e->text; *p; p++) /* one line, whatever the file contains */
    if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
  return -1;
}

/* The value as the user wrote it, if it is short. */
static void describe(char *buf, size_t len, const cJSON *found) {
  if (cJSON_IsInvalid(found))
    snprintf(buf, len, "nothing");
  else if (cJSON_IsNumber(found) && !isfinite(found->valuedouble))
    snprintf(buf, len, "a number too large to read");
  else if (cJSON_IsObject(found))
    snprintf(buf, len, "an object");
  else if (cJSON_IsArray(found))
    snprintf(buf, len, "a list of %d", cJSON_GetArraySize(found));
  else if (!cJSON_PrintPreallocated((cJSON *)(uintptr_t)found, buf, (int)len, 0))
    snprintf(buf, len, "a text of %zu bytes", strlen(found->valuestring));
}

int reader_found(struct reader *r, const cJSON *found, const char *allowed, ...) {
  char value[LIMIT_NAME_LEN * 2], rule[LIMIT_TEXT_LEN];
  describe(value, sizeof value, found);
  va_list args;
  va_start(args, allowed);
  vsnprintf(rule, sizeof rule, allowed, args);
  va_end(args);
  return reader_fail(r, "%s: found %s, allowed: %s", *r->path ? r->path : "(whole file)", value,
                     rule);
}

/* path_push adds a key or [idx] to the path and returns the length to give back to path_pop. */
static size_t path_push(struct reader *r, const char *name, int idx) {
  size_t mark = strlen(r->path), left = sizeof r->path - mark;
  if (name)
    snprintf(r->path + mark, left, "%s%.*s", mark ? "." : "", LIMIT_NAME_LEN, name);
  else
    snprintf(r->path + mark, left, "[%d]", idx);
  return mark;
}

static void path_pop(struct reader *r, size_t mark) { r->path[mark] = '\0'; }

static int reject_unknown(struct reader *r, const char *name, const struct key_table *table) {
  char names[LIMIT_TEXT_LEN] = "";
  for (int i = 0; i < table->cnt; i++) {
    size_t len = strlen(names);
    snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", table->keys[i].name);
  }
  path_push(r, name, 0);
  return reader_fail(r, "%s: found an unknown key, allowed: %s", r->path, names);
}

/* A second value for a key would silently lose one of them. */
static int reject_twice(struct reader *r, const char *name) {
  path_push(r, name, 0);
  return reader_fail(r, "%s: found twice, allowed: once", r->path);
}

static int check_names(struct reader *r, const cJSON *object, const struct key_table *table) {
  const cJSON *item, *other;
  cJSON_ArrayForEach(item, object) {
    int known = 0;
    for (int i = 0; i < table->cnt; i++) known |= !strcmp(table->keys[i].name, item->string);
    if (!known) return reject_unknown(r, item->string, table);
    for (other = item->next; other; other = other->next)
      if (!strcmp(other->string, item->string)) return reject_twice(r, item->string);
  }
  return 0;
}

static int read_element(struct reader *r, const struct key *key, const cJSON *item, char *element) {
  if (key->sub) return reader_object(r, item, key->sub, element);
  struct key text = {.kind = KEY_TEXT, .size = key->element, .fallback = KEY_REQUIRED};
  return reader_scalar(r, &text, item, element);
}

static int read_list(struct reader *r, const struct key *key, const cJSON *list, char *out) {
  int cnt = cJSON_GetArraySize(list), idx = 0;
  const cJSON *item;
  if (!cJSON_IsArray(list) || cnt < key->min || cnt > key->max)
    return reader_found(r, list, "a list of %d to %d %s", (int)key->min, (int)key->max,
                        key->sub ? "objects" : "texts");
  cJSON_ArrayForEach(item, list) {
    size_t mark = path_push(r, NULL, idx);
    if (read_element(r, key, item, out + key->offset + (size_t)idx * key->element)) return -1;
    path_pop(r, mark);
    idx++;
  }
  memcpy(out + key->cnt_offset, &idx, sizeof idx);
  return 0;
}

static int read_object_or_list(struct reader *r, const struct key *key, const cJSON *item,
                               char *out) {
  static const int one = 1;
  if (cJSON_IsArray(item)) return read_list(r, key, item, out);
  if (item && !cJSON_IsObject(item))
    return reader_found(r, item, "an object or a list of %d to %d objects", (int)key->min,
                        (int)key->max);
  memcpy(out + key->cnt_offset, &one, sizeof one);
  return reader_object(r, item, key->sub, out + key->offset);
}

static int read_present(struct reader *r, const struct key *key, const cJSON *item, char *out) {
  switch (key->kind) {
    case KEY_OBJECT:
      return reader_object(r, item, key->sub, out + key->offset);
    case KEY_OBJECTS:
    case KEY_TEXTS:
      return read_list(r, key, item, out);
    case KEY_OBJECT_OR_LIST:
      return read_object_or_list(r, key, item, out);
    default:
      return reader_scalar(r, key, item, out + key->offset);
  }
}

static void default_list(const struct key *key, char *out) {
  int cnt = 0;
  for (; key->choices && key->choices[cnt]; cnt++)
    memcpy(out + key->offset + (size_t)cnt * key->element, key->choices[cnt],
           strlen(key->choices[cnt]) + 1);
  memcpy(out + key->cnt_offset, &cnt, sizeof cnt);
}

/* What is allowed where nothing was found: the reading of "nothing" by the same function says it.
 */
static int read_missing(struct reader *r, const struct key *key, char *out) {
  static const cJSON nothing = {.type = cJSON_Invalid};
  if (key->fallback == KEY_REQUIRED) {
    int failed = read_present(r, key, &nothing, out);
    assert(failed);
    return failed;
  }
  switch (key->kind) {
    case KEY_OBJECT:
      return reader_object(r, NULL, key->sub, out + key->offset);
    case KEY_OBJECTS:
    case KEY_TEXTS:
      default_list(key, out);
      return 0;
    case KEY_OBJECT_OR_LIST:
      return read_object_or_list(r, key, NULL, out);
    default:
      reader_default(key, out + key->offset);
      return 0;
  }
}

int reader_object(struct reader *r, const cJSON *object, const struct key_table *table, void *out) {
  if (object && !cJSON_IsObject(object)) return reader_found(r, object, "an object");
  if (object && check_names(r, object, table)) return -1;
  for (int i = 0; i < table->cnt; i++) {
    const struct key *key = &table->keys[i];
    const cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, key->name) : NULL;
    size_t mark = path_push(r, key->name, 0);
    if (item ? read_present(r, key, item, out) : read_missing(r, key, out)) return -1;
    path_pop(r, mark);
  }
  return 0;
}
