/* log.h - one line for people on stderr: "2026-11-22T11:15:22.123456Z INFO  1 text".
 *
 * One write per line, so that threads do not mix.  Never called per packet or per transaction.
 * Any thread.  Blocks: no (C3); a line that stderr cannot take at once is left out. */
#ifndef ZABLINE_CONFIG_LOG_H
#define ZABLINE_CONFIG_LOG_H

enum log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO };

/* log_line prints one line; node_id 0: not a node (tools, before the config is read). */
void log_line(enum log_level level, int node_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
