/* What the lines of a scenario are made of. */
#include <stdlib.h>
#include <string.h>

#include "test/sim/scene_parts.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* A word ends at a blank, and before a comma or semicolon, which is a word; "..." is one word. */
bool words_cut(struct words *w, const char *line, int number) {
  char *to = w->text, *end = w->text + sizeof w->text - 2;
  *w = (struct words){.line = number};
  while (*line && to < end) {
    while (is_blank(*line)) line++;
    if (!*line || *line == '#') break;
    if (w->cnt == SCENE_WORDS) scene_fail("too many words", line);
    w->at[w->cnt++] = to;
    if (*line == '"') {
      for (line++; *line && *line != '"' && to < end;) *to++ = *line++;
      if (*line) line++;
    } else if (*line == ';') {
      *to++ = *line++;
    } else {
      while (*line && !is_blank(*line) && *line != ';' && to < end) *to++ = *line++;
    }
    *to++ = '\0';
  }
  if (to >= end) scene_fail("the line is too long", line);
  return w->cnt > 0;
}

const char *words_peek(const struct words *w) { return w->next < w->cnt ? w->at[w->next] : NULL; }

const char *words_next(struct words *w) {
  if (w->next >= w->cnt) scene_fail("something is missing at the end", "");
  return w->at[w->next++];
}

bool words_take(struct words *w, const char *word) {
  const char *next = words_peek(w);
  if (!next || strcmp(next, word)) return false;
  w->next++;
  return true;
}

void words_end(const struct words *w) {
  if (w->next < w->cnt) scene_fail("unexpected", w->at[w->next]);
}

static int node_of(const char *s) {
  char *end;
  if (s[0] != 'n') return -1;
  long n = strtol(s + 1, &end, 10);
  return end == s + 1 || *end || n < 1 || n > world->plan.nodes ? -1 : (int)n - 1;
}

int words_node(struct words *w) {
  const char *s = words_next(w);
  int node = node_of(s);
  if (node < 0) scene_fail("no node of this cluster", s);
  return node;
}

bool words_take_node(struct words *w, int *node) {
  const char *s = words_peek(w);
  if (!s || node_of(s) < 0) return false;
  *node = words_node(w);
  return true;
}

nodeset_t words_nodes(struct words *w) {
  nodeset_t nodes = 0;
  int node;
  if (words_take(w, "all")) return (nodeset_t)((1u << world->plan.nodes) - 1);
  while (words_take_node(w, &node)) nodes |= (nodeset_t)(1u << node);
  if (!nodes) scene_fail("a node of this cluster is missing", words_peek(w) ? words_peek(w) : "");
  return nodes;
}

uint64_t words_time(struct words *w) {
  const char *s = words_next(w);
  char *unit;
  uint64_t n = strtoull(s, &unit, 10);
  if (unit != s && !strcmp(unit, "us")) return n * US;
  if (unit != s && !strcmp(unit, "ms")) return n * MS;
  if (unit != s && !strcmp(unit, "s")) return n * SECOND;
  scene_fail("no time (20us, 5ms, 1s)", s);
}

uint64_t words_number(struct words *w) {
  const char *s = words_next(w);
  char *end;
  uint64_t n = strtoull(s, &end, 0);
  if (end == s || *end) scene_fail("no number", s);
  return n;
}

bool words_take_number(struct words *w, uint64_t *number) {
  const char *s = words_peek(w);
  if (!s || s[strspn(s, "0123456789")]) return false;
  *number = words_number(w);
  return true;
}

static bool zxid_of(const char *s, zxid_t *zxid) {
  char *colon, *end;
  unsigned long epoch = strtoul(s, &colon, 10);
  if (colon == s || *colon != ':') return false;
  unsigned long counter = strtoul(colon + 1, &end, 10);
  *zxid = zxid_make((uint32_t)epoch, (uint32_t)counter);
  return end != colon + 1 && !*end;
}

zxid_t words_zxid(struct words *w) {
  const char *s = words_next(w);
  zxid_t z;
  if (!zxid_of(s, &z)) scene_fail("no zxid (2:17)", s);
  return z;
}

bool words_take_zxid(struct words *w, zxid_t *zxid) {
  const char *s = words_peek(w);
  if (!s || !zxid_of(s, zxid)) return false;
  w->next++;
  return true;
}

const char *words_rest(struct words *w, char *dst, size_t len) {
  *dst = '\0';
  while (words_peek(w) && strcmp(words_peek(w), "within") && strcmp(words_peek(w), "for")) {
    if (*dst) strncat(dst, " ", len - strlen(dst) - 1);
    strncat(dst, words_next(w), len - strlen(dst) - 1);
  }
  return dst;
}

static nodeset_t side_of(const char *s) {
  if (!strcmp(s, "*")) return (nodeset_t)((1u << world->plan.nodes) - 1);
  int node = node_of(s);
  if (node < 0) scene_fail("no node of this cluster", s);
  return (nodeset_t)(1u << node);
}

static void add_links(struct scene_links *l, nodeset_t from, nodeset_t to) {
  for (int a = 0; a < world->plan.nodes; a++)
    if (from >> a & 1u) l->to[a] |= (uint32_t)to & ~(1u << a);
}

struct scene_links words_links(struct words *w) {
  struct scene_links l = {{0}};
  while (words_peek(w) && strpbrk(words_peek(w), "->")) {
    char text[SCENE_TEXT];
    snprintf(text, sizeof text, "%s", words_next(w));
    char *sign = strpbrk(text, "->"), way = *sign;
    *sign = '\0';
    nodeset_t a = side_of(text), b = side_of(sign + 1);
    add_links(&l, a, b);
    if (way == '-') add_links(&l, b, a);
  }
  return l;
}

bool scene_matches(const char *pattern, const char *name) {
  size_t len = strlen(pattern);
  if (len && pattern[len - 1] == '*') return !strncmp(pattern, name, len - 1);
  return !strcmp(pattern, name);
}
