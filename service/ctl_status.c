/* status: zabd's JSON object, or the same as aligned text. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "proto/path_id.h"
#include "proto/reason.h"
#include "service/answer.h"
#include "service/ctl.h"

#define COUNTER_ROW "%-20s %10.15g  %s\n"

/* What a reason's name stands for; "" for one that a newer zabd knows and we do not. */
static const char *meaning(const char *name) {
  for (int r = 0; r < REASON_CNT; r++)
    if (strcmp(reason_name((enum reason)r), name) == 0) return reason_text((enum reason)r);
  return "";
}

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
  bool loss = cJSON_IsString(v) && strcmp(name, "last_loss") == 0;
  bool none_is_0 = strcmp(name, "leader") == 0 || strcmp(name, "push_back") == 0;
  bool none = loss ? strcmp(v->valuestring, reason_name(REASON_NONE)) == 0
                   : cJSON_IsNumber(v) && none_is_0 && v->valuedouble == 0;
  fprintf(out, "%-16s ", name);
  if (none)
    fputs("none", out);
  else
    print_value(out, v);
  if (loss && !none) fprintf(out, ": %s", meaning(v->valuestring));
  fputc('\n', out);
}

static void print_latency(FILE *out, const cJSON *o) {
  const cJSON *l = cJSON_GetObjectItemCaseSensitive(o, "commit_latency_us");
  if (!l) return;
  if (answer_number(l, "samples") == 0)
    fprintf(out, "%-16s none measured (only a leader measures)\n", "commit latency");
  else
    fprintf(out, "%-16s p50 %.1f, p99 %.1f us (%.0f samples)\n", "commit latency",
            answer_number(l, "p50"), answer_number(l, "p99"), answer_number(l, "samples"));
}

static const char *text_of(const cJSON *o, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
  return cJSON_IsString(v) && *v->valuestring ? v->valuestring : "-";
}

/* "fast (fast2 silent)": the path in use, and those that should answer and do not. */
static void path_text(char *text, size_t cap, const cJSON *p) {
  const cJSON *v;
  const char *used = text_of(p, "path"), *between = " (";
  size_t at = (size_t)snprintf(text, cap, "%s", used);
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(p, "paths")) {
    if (!cJSON_IsString(v) || strcmp(v->valuestring, path_state_name(PATH_SILENT)) != 0) continue;
    bool in_use = strcmp(v->string, used) == 0;
    if (at < cap)
      at += (size_t)snprintf(text + at, cap - at, "%s%s%ssilent", between, in_use ? "" : v->string,
                             in_use ? "" : " ");
    between = ", ";
  }
  if (at < cap && *between == ',') snprintf(text + at, cap - at, ")");
}

/* Only a leader knows a lag, and only of a peer that is attached. */
static void print_peer(FILE *out, const cJSON *p) {
  char lag[32] = "-", path[64];
  double bytes = answer_number(p, "lag_bytes");
  if (bytes > 0 || strcmp(text_of(p, "state"), "following") == 0)
    snprintf(lag, sizeof lag, "%.0f", bytes);
  path_text(path, sizeof path, p);
  fprintf(out, "%-4.0f %-12s %-12s %-6s %s\n", answer_number(p, "id"), text_of(p, "state"), lag,
          path, text_of(p, "build"));
}

static void print_peers(FILE *out, const cJSON *o) {
  const cJSON *p;
  fprintf(out, "\n%-4s %-12s %-12s %-6s %s\n", "peer", "state", "lag_bytes", "path", "build");
  cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(o, "peers")) print_peer(out, p);
}

static void print_counters(FILE *out, const cJSON *o) {
  const cJSON *v;
  bool any = false;
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(o, "counters")) {
    if (v->valuedouble == 0) continue;
    if (!any) fputs("\ncounters since the start\n", out);
    fprintf(out, COUNTER_ROW, v->string, v->valuedouble, meaning(v->string));
    any = true;
  }
}

static void print_drop(FILE *out, const cJSON *d) {
  const cJSON *v, *stranger = cJSON_GetObjectItemCaseSensitive(d, "stranger");
  char from[LIMIT_NAME_LEN];
  if (stranger)
    snprintf(from, sizeof from, "strangers, the last %s", text_of(d, "stranger"));
  else
    snprintf(from, sizeof from, "node %.0f", answer_number(d, "peer"));
  fprintf(out, "%-20s from %s:", text_of(d, "port"), from);
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(d, "counters"))
      fprintf(out, "%s %s %.15g", v->prev->next ? "," : "", v->string, v->valuedouble);
  fputc('\n', out);
}

/* By the addresses of the packets, which anybody on the wire can write. */
static void print_drops(FILE *out, const cJSON *o) {
  const cJSON *d, *list = cJSON_GetObjectItemCaseSensitive(o, "drops");
  if (cJSON_GetArraySize(list)) fputs("\nframes dropped, by who sent them\n", out);
  cJSON_ArrayForEach(d, list) print_drop(out, d);
}

static void print_text(FILE *out, const cJSON *o) {
  static const char *const members[] = {
      "id",       "cluster",   "state",     "phase",     "leader",     "epoch",   "last_logged",
      "faulty",   "waits_for", "committed", "applied",   "durability", "serving", "application",
      "counting", "elections", "last_loss", "push_back", "free_bytes", "warning", "build"};
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) print_member(out, o, members[i]);
  print_latency(out, o);
  print_peers(out, o);
  print_counters(out, o);
  print_drops(out, o);
}

int ctl_status(struct ctl *c) {
  struct ctl_frame f;
  ctl_put(c, CONTROL_STATUS, NULL, 0);
  int code = ctl_wait(c, &f);
  if (code) return code;
  cJSON *o = cJSON_ParseWithLength((const char *)f.body, f.len);
  if (f.type != CONTROL_JSON || !o) {
    cJSON_Delete(o);
    return ctl_refusal(c, NULL);
  }
  if (c->options.json)
    fprintf(c->io.out, "%.*s\n", (int)f.len, (const char *)f.body);
  else
    print_text(c->io.out, o);
  cJSON_Delete(o);
  return 0;
}
