#include "dpdk_app/open_error.h"

#include <stdarg.h>
#include <stdio.h>

int open_error_set(struct open_error *e, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(e->text, sizeof e->text, format, args);
  va_end(args);
  return -1;
}
