/* open_error.h - the one line that says why DPDK or a port could not be opened (exit code 4). */
#ifndef ZABLINE_DPDK_APP_OPEN_ERROR_H
#define ZABLINE_DPDK_APP_OPEN_ERROR_H

#include "config/limits.h"

struct open_error {
  char text[LIMIT_PATH_LEN + 2 * LIMIT_TEXT_LEN];
};

/* open_error_set writes the line and returns -1. */
int open_error_set(struct open_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
