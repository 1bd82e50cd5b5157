/* loop_app.c - the app thread: app_uv on this node's rings. */
#include <unistd.h>

#include "config/log.h"
#include "dpdk_app/rings.h"

void *loop_app(void *node) {
  struct node *n = node;
  struct app_uv_config c = app_config_of(n);
  int code = app_uv_run(&c);
  if (code) { /* an app that cannot go on must not leave a node behind that still answers (C13) */
    log_line(LEVEL_INFO, n->config.id, "the application has ended; stopping"); /* it said why */
    _exit(code);
  }
  return NULL;
}
