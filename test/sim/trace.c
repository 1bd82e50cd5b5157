#include "test/sim/trace.h"

#include <stddef.h>

#include <stdlib.h>
#include <string.h>

void trace_init(struct trace *t, bool live) {
  t->live = live;
  t->cnt = t->hash = 0;
  if (!t->rows) t->rows = calloc(TRACE_ROWS, sizeof *t->rows);
  if (!t->rows) abort();
}

static void print_values(FILE *out, const struct trace_row *r) {
  const char *name = r->names;
  for (int i = 0; i < 3 && *name; i++) {
    int len = (int)strcspn(name, " ");
    bool hex = !strncmp(name, "zxid", 4) || !strncmp(name, "iter", 4);
    fprintf(out, hex ? " %.*s=0x%llx" : " %.*s=%llu", len, name, (unsigned long long)r->v[i]);
    name += len;
    name += *name == ' ';
  }
}

static void print(FILE *out, const struct trace_row *r) {
  fprintf(out, "%10llu.%03llu ", (unsigned long long)(r->at / 1000),
          (unsigned long long)(r->at % 1000));
  if (r->node >= 0) fprintf(out, "n%d", r->node + 1);
  if (r->peer >= 0) fprintf(out, ">n%d", r->peer + 1);
  fprintf(out, " %s", r->action);
  if (r->names)
    print_values(out, r);
  else if (r->text[0])
    fprintf(out, " %s", r->text);
  fputc('\n', out);
}

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 29);
}

static uint64_t mix_text(uint64_t h, const char *s) {
  for (; *s; s++) h = mix(h, (uint8_t)*s);
  return h;
}

void trace_add(struct trace *t, const struct trace_row *r) {
  struct trace_row *to = &t->rows[t->cnt++ % TRACE_ROWS];
  memcpy(to, r, r->names ? offsetof(struct trace_row, text) : sizeof *r);
  uint64_t h = mix(t->hash, r->at);
  h = mix(h, (uint64_t)(uint16_t)r->node << 16 | (uint16_t)r->peer);
  h = mix_text(h, r->action);
  if (r->names)
    for (int i = 0; i < 3; i++) h = mix(h, r->v[i]);
  else
    h = mix_text(h, r->text);
  t->hash = h;
  if (t->live) print(stdout, r);
}

void trace_tail(const struct trace *t, FILE *out, uint64_t cnt) {
  uint64_t kept = t->cnt < TRACE_ROWS ? t->cnt : TRACE_ROWS;
  if (cnt > kept) cnt = kept;
  for (uint64_t i = t->cnt - cnt; i < t->cnt; i++) print(out, &t->rows[i % TRACE_ROWS]);
}
