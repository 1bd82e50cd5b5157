#include "config/log.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "config/limits.h"

#define LINE_LEN (4 * LIMIT_TEXT_LEN)
static_assert(LINE_LEN <= PIPE_BUF, "a pipe that is writable takes a whole line");

/* Whoever reads our lines may hang: a thread that waited for it could neither work nor end (C3).  A
 * line that cannot be taken now is left out; there is nowhere left to say so. */
static void put(const char *line, size_t len) {
  struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)) return;
  ssize_t ignored = write(STDERR_FILENO, line, len);
  (void)ignored;
}

void log_line(enum log_level level, int node_id, const char *format, ...) {
  static const char *const names[] = {"ERROR", "WARN ", "INFO "};
  char line[LINE_LEN];
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
  char id[12] = "-"; /* nobody yet: the config cannot be read */
  if (node_id) snprintf(id, sizeof id, "%d", node_id);
  int n = snprintf(line + len, sizeof line - len, ".%06ldZ %s %s ", now.tv_nsec / 1000,
                   names[level], id);
  len += (size_t)n;
  va_list args;
  va_start(args, format);
  n = vsnprintf(line + len, sizeof line - len - 1, format, args);
  va_end(args);
  len += n < 0 ? 0 : (size_t)n;
  if (len > sizeof line - 2) len = sizeof line - 2;
  line[len++] = '\n';
  put(line, len);
}
