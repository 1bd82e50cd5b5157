/* loop_disk.c - the disk thread: one turn (turn_disk.h) after the other.
 *
 * Any failed write ends the process at once (R15): the kernel closes our connections, so that the
 * others need no timeout. */
#include <unistd.h>

#include "config/log.h"
#include "dpdk_app/turn_disk.h"
#include "proto/exit_code.h"

static _Noreturn void end(const struct diskd *d) {
  const char *why = store_error(d->node->store);
  log_line(LEVEL_ERROR, d->node->config.id, "%s; stopping", *why ? why : reason_text(d->failed));
  _exit(EXIT_CODE_STORAGE);
}

void *loop_disk(void *node) {
  struct diskd d;
  struct node *n = node;
  disk_init(&d, n);
  while (!atomic_load_explicit(&n->halt, memory_order_relaxed)) {
    if (!disk_turn(&d)) disk_idle(&d);
    if (d.failed) end(&d);
  }
  return NULL;
}
