/* loop_app.c - the app thread: app_uv on this node's rings. */
#include <unistd.h>

#include "dpdk_app/rings.h"

/* An app that never began (a port is taken) must leave no node behind that still answers (C13):
 * main ends it.  Its machine has said nothing, since it waits for the app before all else. */
void *loop_app(void *node) {
  struct node *n = node;
  struct app_uv_config c = app_config_of(n);
  int code = app_uv_run(&c);
  if (code) {
    atomic_store(&n->app_code, code);
    uint64_t one = 1;
    ssize_t ignored = write(n->done_fd, &one, sizeof one);
    (void)ignored;
  }
  return NULL;
}
