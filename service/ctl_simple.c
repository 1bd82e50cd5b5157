/* digest, step-down, recover, bench: one question, one JSON object. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/cursor.h"
#include "service/answer.h"
#include "service/ctl.h"

int ctl_ask(struct ctl *c, struct ctl_frame *f, cJSON **o) {
  int code = ctl_wait(c, f);
  if (code) return code;
  *o = f->type == CONTROL_JSON ? cJSON_ParseWithLength((const char *)f->body, f->len) : NULL;
  if (!*o) return ctl_refusal(c, NULL);
  if (c->options.json) fprintf(c->io.out, "%.*s\n", (int)f->len, (const char *)f->body);
  return 0;
}

int ctl_digest(struct ctl *c) {
  struct ctl_frame f;
  cJSON *o;
  ctl_put(c, CONTROL_DIGEST, NULL, 0);
  int code = ctl_ask(c, &f, &o);
  if (code) return code;
  if (!c->options.json)
    fprintf(c->io.out, "%s %s\n", answer_text(o, "applied"), answer_text(o, "digest"));
  cJSON_Delete(o);
  return 0;
}

int ctl_step_down(struct ctl *c) {
  struct ctl_frame f;
  cJSON *o;
  ctl_put(c, CONTROL_STEP_DOWN, NULL, 0);
  int code = ctl_ask(c, &f, &o);
  if (code) return code;
  if (!c->options.json) fprintf(c->io.out, "stepped down\n");
  cJSON_Delete(o);
  return 0;
}

int ctl_bench(struct ctl *c) {
  struct ctl_frame f;
  cJSON *o;
  uint8_t body[16];
  struct writer w;
  writer_init(&w, body, sizeof body);
  writer_i64(&w, (int64_t)c->options.count);
  writer_i32(&w, (int32_t)c->options.size);
  writer_i32(&w, (int32_t)(c->options.outstanding ? c->options.outstanding : 1));
  ctl_put(c, CONTROL_BENCH, body, sizeof body);
  int code = ctl_ask(c, &f, &o);
  if (code) return code;
  if (!c->options.json)
    fprintf(
        c->io.out,
        "%.0f records of %.0f bytes, %.0f outstanding, %.3f s: %.0f/s; commit latency p50 %.1f, "
        "p99 %.1f, p99.9 %.1f, max %.1f us (%.0f samples)\n",
        answer_number(o, "count"), answer_number(o, "size"), answer_number(o, "outstanding"),
        answer_number(o, "seconds"), answer_number(o, "throughput_per_s"),
        answer_number(o, "p50_us"), answer_number(o, "p99_us"), answer_number(o, "p999_us"),
        answer_number(o, "max_us"), answer_number(o, "samples"));
  cJSON_Delete(o);
  return 0;
}

/* One line of standard input, without its end. */
static size_t read_answer(struct ctl *c, char *line, size_t cap) {
  size_t len = 0;
  while (len < cap && read(c->io.in, line + len, 1) == 1 && line[len] != '\n') len++;
  return len;
}

int ctl_recover(struct ctl *c) {
  struct ctl_frame f;
  cJSON *o;
  char line[LIMIT_NAME_LEN];
  if (!c->options.accept_loss)
    return ctl_fail(c, EXIT_CODE_CONFIG,
                    "recover needs --accept-loss: acknowledged transactions "
                    "that no disk holds will be gone");
  const char *cluster = c->options.cluster ? c->options.cluster : line;
  size_t len = c->options.cluster ? strlen(cluster) : 0;
  if (!c->options.cluster) {
    fprintf(c->io.err, "Transactions that no disk holds will be gone. Name of the cluster: ");
    fflush(c->io.err);
    len = read_answer(c, line, sizeof line);
  }
  ctl_put(c, CONTROL_RECOVER, cluster, len);
  int code = ctl_ask(c, &f, &o);
  if (code) return code;
  if (!c->options.json) fprintf(c->io.out, "this node may vote with what its disk holds\n");
  cJSON_Delete(o);
  return 0;
}
