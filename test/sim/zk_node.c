/* The client port of a node: the product's, with seam_uv.c below it. */
#include <assert.h>
#include <stdlib.h>

#include "service/client/client.h"
#include "test/sim/zk.h"

/* The port knows the tree by its functions, which app_thread has as the judge watches them. */
void zk_node_open(struct machine *m) {
  if (!m->node->app_tree) return;
  m->clients = calloc(1, sizeof *m->clients);
  assert(m->clients);
  struct app watched = m->app.app;
  m->app.app = m->node->app;
  int code = client_port_open(m->clients, &m->app, &m->app_loop);
  m->app.app = watched;
  assert(code == 0 && m->clients->app);
}

void zk_node_tick(struct machine *m) {
  if (m->clients) client_port_tick(m->clients);
}

bool zk_node_turn(struct machine *m) { return m->clients && client_port_turn(m->clients); }

bool zk_node_waits(const struct machine *m) { return m->clients && client_port_waits(m->clients); }

bool zk_node_urgent(const struct machine *m) {
  return m->clients && client_port_urgent(m->clients);
}

/* The kernel closes its sockets; its memory is given back. */
void zk_node_close(struct machine *m) {
  if (!m->clients) return;
  client_port_close(m->clients);
  uv_seam_end(m, THREAD_APP);
  free(m->clients);
  m->clients = NULL;
}
