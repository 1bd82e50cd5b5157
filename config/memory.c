#include "config/memory.h"

#include <unistd.h>

#include "config/log.h"

#define STATUS 1 /* proto/exit_code.h, EXIT_CODE_UNEXPECTED */

void *memory_or_end(void *p, size_t bytes) {
  if (p) return p;
  if (bytes)
    log_line(LEVEL_ERROR, 0, "no memory for %zu bytes; stopping", bytes);
  else
    log_line(LEVEL_ERROR, 0, "no memory; stopping");
  _exit(STATUS);
}
