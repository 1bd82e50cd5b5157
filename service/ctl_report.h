/* ctl_report.h - what submit tells: progress bar, --acks file, the line or JSON object at the end.
 * Owner: zabctl's thread. */
#ifndef ZABLINE_SERVICE_CTL_REPORT_H
#define ZABLINE_SERVICE_CTL_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/latency.h"
#include "service/ctl.h"

struct ctl_ack {
  uint64_t sequence;
  zxid_t zxid; /* 0: unknown */
  uint64_t now_ns, sent_ns;
};

struct ctl_report {
  struct ctl *c;
  FILE *acks; /* one line per acknowledgement: monotonic ns, sequence, zxid */
  bool terminal;
  uint64_t total_bytes; /* of a regular file on standard input; 0: unknown */
  uint64_t input_bytes;
  uint64_t submitted, acknowledged;
  uint64_t reconnects, resends;
  uint64_t begin_ns, last_ack_ns, longest_gap_ns, shown_ns;
  struct latency latency;
};

/* ctl_report_open: 0, or -1 with the line printed. */
int ctl_report_open(struct ctl_report *r, struct ctl *c);
void ctl_report_ack(struct ctl_report *r, const struct ctl_ack *a);
void ctl_report_progress(struct ctl_report *r, uint64_t now_ns);
/* ctl_report_close prints the result and returns code, or an error of the acks file. */
int ctl_report_close(struct ctl_report *r, uint64_t client, int code);

#endif
