/* loop_slow.c - the slow thread: slow_uv on this node's rings. */
#include <stdint.h>
#include <unistd.h>

#include "dpdk_app/rings.h"

void *loop_slow(void *node) {
  struct node *n = node;
  struct slow_uv_config c = slow_config_of(n);
  atomic_store(&n->exit_code, slow_uv_run(&c));
  struct app_msg end = {.type = APP_EXIT}; /* for one that ended before its machine could say so */
  c.rings.to_app(n, &end);
  uint64_t one = 1;
  ssize_t ignored = write(n->done_fd, &one, sizeof one);
  (void)ignored;
  return NULL;
}
