/* trace.h - what happened, in the order it happened: the protocol's action names, one line each.
 *
 * A row is five words; it is only made text when somebody reads it.  The last TRACE_ROWS are kept
 * for the tail of a failure; all of them go into a running hash, which two runs of one seed must
 * share (law 7). */
#ifndef ZABLINE_TEST_SIM_TRACE_H
#define ZABLINE_TEST_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_ROWS (1u << 14)
#define TRACE_TEXT 160

struct trace_row {
  uint64_t at;        /* ns */
  const char *action; /* static text */
  const char *names;  /* static: names of v, separated by blanks; NULL: text */
  int16_t node, peer; /* -1: none */
  uint64_t v[3];
  char text[TRACE_TEXT];
};

struct trace {
  bool live; /* print each row at once */
  uint64_t cnt, hash;
  struct trace_row *rows; /* TRACE_ROWS */
};

void trace_init(struct trace *t, bool live);
void trace_add(struct trace *t, const struct trace_row *r);
/* trace_tail prints the last cnt rows. */
void trace_tail(const struct trace *t, FILE *out, uint64_t cnt);

#endif
