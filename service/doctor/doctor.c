#include "service/doctor/doctor.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

static void (*const checks[])(struct doctor *d) = {
    doctor_check_config, doctor_check_ports,  doctor_check_numa, doctor_check_hugepages,
    doctor_check_cpu,    doctor_check_disk,   doctor_check_user, doctor_check_listen,
    doctor_check_peers,  doctor_check_limits,
};

static const char *const verdicts[DOCTOR_VERDICT_CNT] = {"ok", "warn", "FAIL", "unknown", "n/a"};

void doctor_run(struct doctor *d) {
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) checks[i](d);
}

struct doctor_row *row_add(struct doctor *d, const char *check, const char *subject) {
  assert(d->row_cnt < LIMIT_DOCTOR_ROWS);
  struct doctor_row *row = &d->rows[d->row_cnt++];
  *row = (struct doctor_row){.check = check, .verdict = DOCTOR_UNKNOWN};
  snprintf(row->subject, sizeof row->subject, "%s", subject ? subject : "");
  return row;
}

/* File names and link targets may hold anything; a row is one line. */
static void only_printable(char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
}

struct doctor_row *row_says(struct doctor_row *row, enum doctor_verdict verdict, const char *format,
                            ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(row->found, sizeof row->found, format, args);
  va_end(args);
  row->verdict = verdict;
  only_printable(row->found);
  return row;
}

void row_mend(struct doctor_row *row, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(row->mend, sizeof row->mend, format, args);
  va_end(args);
  only_printable(row->mend);
}

static int count(const struct doctor *d, enum doctor_verdict verdict) {
  int cnt = 0;
  for (int i = 0; i < d->row_cnt; i++) cnt += d->rows[i].verdict == verdict;
  return cnt;
}

bool doctor_failed(const struct doctor *d) { return count(d, DOCTOR_FAIL) > 0; }

static int name_len(const struct doctor_row *row) {
  return (int)(strlen(row->check) + (*row->subject ? 1 + strlen(row->subject) : 0));
}

void doctor_print(const struct doctor *d, FILE *out) {
  int width = 0;
  for (int i = 0; i < d->row_cnt; i++)
    if (name_len(&d->rows[i]) > width) width = name_len(&d->rows[i]);
  for (int i = 0; i < d->row_cnt; i++) {
    const struct doctor_row *row = &d->rows[i];
    fprintf(out, "%-8s %s%s%s%*s  %s\n", verdicts[row->verdict], row->check,
            *row->subject ? " " : "", row->subject, width - name_len(row), "", row->found);
    if (*row->mend) fprintf(out, "%-8s %*s  mend: %s\n", "", width, "", row->mend);
  }
  for (int v = 0; v < DOCTOR_VERDICT_CNT; v++)
    fprintf(out, "%s%d %s", v ? ", " : "", count(d, (enum doctor_verdict)v), verdicts[v]);
  fputc('\n', out);
}

void doctor_print_json(const struct doctor *d, FILE *out) {
  cJSON *o = cJSON_CreateObject();
  for (int v = 0; v < DOCTOR_VERDICT_CNT; v++)
    cJSON_AddNumberToObject(o, verdicts[v], count(d, (enum doctor_verdict)v));
  cJSON *list = cJSON_AddArrayToObject(o, "checks");
  for (int i = 0; i < d->row_cnt; i++) {
    const struct doctor_row *row = &d->rows[i];
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "check", row->check);
    cJSON_AddStringToObject(j, "subject", row->subject);
    cJSON_AddStringToObject(j, "verdict", verdicts[row->verdict]);
    cJSON_AddStringToObject(j, "found", row->found);
    cJSON_AddStringToObject(j, "mend", row->mend);
    cJSON_AddItemToArray(list, j);
  }
  char *text = cJSON_PrintUnformatted(o);
  assert(text);
  fprintf(out, "%s\n", text);
  cJSON_free(text);
  cJSON_Delete(o);
}
