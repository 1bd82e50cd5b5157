/* zk.h - seeds of the tree: the product's tree and client port on every node, simulated ZooKeeper
 * clients that speak the client protocol to it, and what must hold of what they see.
 *
 *   zk_client.c   a client: connection, session, time, its own faults
 *   zk_draw.c     what it asks          zk_write.c  ... in bytes
 *   zk_reply.c    what it is answered   zk_watch.c  what it is told unasked
 *        |              every answer is held against
 *   zk_history.c  what each path was like behind each transaction, as the first node to apply it
 *                 has it; digests; sessions
 *   zk_model.c    what an operation must do to what is there
 *   zk_session.c  when a leader may end a session
 *   zk_node.c     the client port of a node, on seam_uv.c
 *
 * Without `--tree` nothing here does anything.  Source: issue "clients", "The simulator drives the
 * tree too"; zookeeper/client.md. */
#ifndef ZABLINE_TEST_SIM_ZK_H
#define ZABLINE_TEST_SIM_ZK_H

#include "test/sim/world.h"

#define ZK_PORT 2181
#define ZK_CLIENTS 6
#define ZK_WINDOW 8 /* requests of one client that may be unanswered */

struct zk_client;

void zk_begin(uint64_t seed);
void zk_end(void);

/* ---- zk_node.c: in the app thread ---- */
void zk_node_open(struct machine *m);
void zk_node_tick(struct machine *m);
bool zk_node_turn(struct machine *m);
bool zk_node_waits(const struct machine *m);
bool zk_node_urgent(const struct machine *m);
void zk_node_close(struct machine *m); /* the process has ended */

/* ---- zk_history.c, zk_session.c: what oracle.c shows them ---- */
void zk_watch_app(struct app_ops *ops);
void zk_applied(struct machine *m, zxid_t zxid, const void *txn, uint32_t len);
void zk_restored(struct machine *m, zxid_t zxid);

/* ---- zk_client.c ---- */
void zk_client_event(int who, uint64_t number);
/* zk_client_wake: something has changed for its connection; zk_client_connected: it stands, or
 * not. */
void zk_client_wake(struct zk_client *c);
void zk_client_connected(struct zk_client *c, int error);
bool zk_client_is_cut(int who);
uint64_t zk_acked(void); /* writes, of all */
/* zk_clients_pin: no faults of their own any more; they stay at these nodes, and each wants one
 * more answer to a write.  zk_clients_served: each has it. */
void zk_clients_pin(const int *nodes, int cnt);
bool zk_clients_served(void);
/* zk_sessions_settled: each has lived in its session for longer than its timeout; all others have
 * ended. */
bool zk_sessions_settled(void);

#endif
