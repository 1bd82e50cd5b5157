#include "config/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "config/limits.h"

void log_line(enum log_level level, int node_id, const char *format, ...) {
  static const char *const names[] = {"ERROR", "WARN ", "INFO "};
  char line[4 * LIMIT_TEXT_LEN];
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
  ssize_t ignored = write(STDERR_FILENO, line, len); /* nowhere left to report a failure to */
  (void)ignored;
}
