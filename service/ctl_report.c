#include "service/ctl_report.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOW_NS (100u * 1000u * 1000u)
#define BAR 30

int ctl_report_open(struct ctl_report *r, struct ctl *c) {
  struct stat st;
  r->c = c;
  r->begin_ns = ctl_now_ns();
  int fd = fileno(c->io.err);
  r->terminal = fd >= 0 && isatty(fd);
  if (!fstat(c->io.in, &st) && S_ISREG(st.st_mode)) r->total_bytes = (uint64_t)st.st_size;
  if (!c->options.acks) return 0;
  r->acks = fopen(c->options.acks, "w");
  if (!r->acks) ctl_fail(c, EXIT_CODE_CONFIG, "%s: %s", c->options.acks, strerror(errno));
  return r->acks ? 0 : -1;
}

void ctl_report_ack(struct ctl_report *r, const struct ctl_ack *a) {
  uint64_t gap = a->now_ns - (r->last_ack_ns ? r->last_ack_ns : r->begin_ns);
  if (r->acknowledged && gap > r->longest_gap_ns) r->longest_gap_ns = gap;
  r->last_ack_ns = a->now_ns;
  r->acknowledged++;
  latency_add(&r->latency, a->now_ns - a->sent_ns);
  if (r->acks)
    fprintf(r->acks, "%llu %llu 0x%llx\n", (unsigned long long)a->now_ns,
            (unsigned long long)a->sequence, (unsigned long long)a->zxid);
}

static void show(const struct ctl_report *r, uint64_t now_ns) {
  double seconds = (double)(now_ns - r->begin_ns) / 1e9;
  char bar[BAR + 1];
  /* The share of the input read, less what is read and not acknowledged. */
  double done = r->total_bytes && r->submitted ? (double)r->input_bytes / (double)r->total_bytes *
                                                     (double)r->acknowledged / (double)r->submitted
                                               : 0;
  int full = done >= 1 ? BAR : (int)(done * BAR);
  memset(bar, '.', BAR);
  memset(bar, '#', (size_t)full);
  bar[BAR] = 0;
  fprintf(r->c->io.err, "\r[%s] %3.0f%% %llu acknowledged, %.0f/s ", r->total_bytes ? bar : "...",
          done * 100, (unsigned long long)r->acknowledged,
          (double)r->acknowledged / (seconds > 0 ? seconds : 1));
  fflush(r->c->io.err);
}

void ctl_report_progress(struct ctl_report *r, uint64_t now_ns) {
  if (now_ns - r->shown_ns < SHOW_NS) return;
  r->shown_ns = now_ns;
  if (r->acks) fflush(r->acks); /* whoever watches the file sees it move */
  if (r->terminal) show(r, now_ns);
}

static void print_json(const struct ctl_report *r, uint64_t client, double seconds) {
  fprintf(r->c->io.out,
          "{\"client\":\"%016llx\",\"submitted\":%llu,\"acknowledged\":%llu,\"seconds\":%.6f,"
          "\"throughput_per_s\":%.0f,\"ack_p50_us\":%.1f,\"ack_p99_us\":%.1f,"
          "\"longest_gap_ms\":%.3f,\"resends\":%llu,\"reconnects\":%llu}\n",
          (unsigned long long)client, (unsigned long long)r->submitted,
          (unsigned long long)r->acknowledged, seconds,
          (double)r->acknowledged / (seconds > 0 ? seconds : 1), latency_us(&r->latency, 50000),
          latency_us(&r->latency, 99000), (double)r->longest_gap_ns / 1e6,
          (unsigned long long)r->resends, (unsigned long long)r->reconnects);
}

static void print_line(const struct ctl_report *r, double seconds) {
  fprintf(
      r->c->io.out,
      "%llu lines submitted, %llu acknowledged in %.2f s: %.0f/s, latency p50 %.0f us, p99 %.0f "
      "us, longest gap %.1f ms\n",
      (unsigned long long)r->submitted, (unsigned long long)r->acknowledged, seconds,
      (double)r->acknowledged / (seconds > 0 ? seconds : 1), latency_us(&r->latency, 50000),
      latency_us(&r->latency, 99000), (double)r->longest_gap_ns / 1e6);
}

int ctl_report_close(struct ctl_report *r, uint64_t client, int code) {
  uint64_t now = r->last_ack_ns ? r->last_ack_ns : ctl_now_ns();
  double seconds = (double)(now - r->begin_ns) / 1e9;
  if (r->terminal) {
    show(r, now);
    fputc('\n', r->c->io.err);
  }
  if (r->c->options.json)
    print_json(r, client, seconds);
  else
    print_line(r, seconds);
  if (r->acks && fclose(r->acks) && !code)
    code = ctl_fail(r->c, EXIT_CODE_UNEXPECTED, "%s: %s", r->c->options.acks, strerror(errno));
  return code;
}
