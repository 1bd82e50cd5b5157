/* status: zabd's JSON object, or the same as aligned text. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "service/ctl.h"

static void print_value(FILE *out, const cJSON *v) {
  if (cJSON_IsString(v))
    fprintf(out, "%s", v->valuestring);
  else if (cJSON_IsBool(v))
    fprintf(out, "%s", cJSON_IsTrue(v) ? "yes" : "no");
  else if (cJSON_IsNumber(v))
    fprintf(out, "%.15g", v->valuedouble);
}

static void print_member(FILE *out, const cJSON *o, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
  if (!v) return;
  fprintf(out, "%-16s ", name);
  print_value(out, v);
  fputc('\n', out);
}

static void print_latency(FILE *out, const cJSON *o) {
  const cJSON *l = cJSON_GetObjectItemCaseSensitive(o, "commit_latency_us");
  if (!l) return;
  fprintf(out, "%-16s p50 ", "commit latency");
  print_value(out, cJSON_GetObjectItemCaseSensitive(l, "p50"));
  fprintf(out, ", p99 ");
  print_value(out, cJSON_GetObjectItemCaseSensitive(l, "p99"));
  fprintf(out, " us (");
  print_value(out, cJSON_GetObjectItemCaseSensitive(l, "samples"));
  fprintf(out, " samples)\n");
}

static void print_peers(FILE *out, const cJSON *o) {
  static const char *const columns[] = {"id", "state", "lag_bytes", "path", "build"};
  static const int widths[] = {4, 12, 12, 6, 0};
  const cJSON *p;
  fprintf(out, "\n%-4s %-12s %-12s %-6s %s\n", "peer", "state", "lag_bytes", "path", "build");
  cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(o, "peers")) {
    for (int i = 0; i < 5; i++) {
      const cJSON *v = cJSON_GetObjectItemCaseSensitive(p, columns[i]);
      if (cJSON_IsNumber(v))
        fprintf(out, "%-*.15g%s", widths[i], v->valuedouble, i < 4 ? " " : "\n");
      else
        fprintf(out, "%-*s%s", widths[i], cJSON_IsString(v) ? v->valuestring : "",
                i < 4 ? " " : "\n");
    }
  }
}

static void print_counters(FILE *out, const cJSON *o) {
  const cJSON *v;
  bool any = false;
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(o, "counters")) {
    if (v->valuedouble == 0) continue;
    fprintf(out, "%s%-24s %.15g\n", any ? "" : "\ncounters\n", v->string, v->valuedouble);
    any = true;
  }
}

int ctl_status(struct ctl *c) {
  static const char *const members[] = {
      "id",          "cluster",   "state",     "phase",      "leader",  "epoch",
      "last_logged", "committed", "applied",   "durability", "serving", "application",
      "counting",    "elections", "last_loss", "free_bytes", "warning", "build"};
  struct ctl_frame f;
  ctl_put(c, CONTROL_STATUS, NULL, 0);
  int code = ctl_wait(c, &f);
  if (code) return code;
  cJSON *o = cJSON_ParseWithLength((const char *)f.body, f.len);
  if (f.type != CONTROL_JSON || !o) {
    cJSON_Delete(o);
    return ctl_refusal(c, NULL);
  }
  if (c->options.json) {
    fprintf(c->io.out, "%.*s\n", (int)f.len, (const char *)f.body);
  } else {
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
      print_member(c->io.out, o, members[i]);
    print_latency(c->io.out, o);
    print_peers(c->io.out, o);
    print_counters(c->io.out, o);
  }
  cJSON_Delete(o);
  return 0;
}
