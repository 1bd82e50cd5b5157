/* tree_snapshot.h - the tree in ZooKeeper's snapshot stream, exact at one zxid.
 *
 *   header | sessions | ACL table | nodes, "/" | seal | zxid, digest | seal | zxid | seal
 *
 * ZooKeeper's is fuzzy: it may hold effects of later transactions.  Ours is exact, so that a node
 * may begin to serve from it at once: a znode that changes or goes before its turn is written first
 * (with its ancestors, for a parent comes before its children); a new one is left out.
 *
 * Owner: app thread.  Blocks: no.  Allocates: what is staged, at most what changed since the last
 * slice.  Source: zookeeper/storage.md 4; design 6, 7. */
#ifndef ZABLINE_SERVICE_TREE_TREE_SNAPSHOT_H
#define ZABLINE_SERVICE_TREE_TREE_SNAPSHOT_H

#include "service/tree/tree.h"

#define SNAPSHOT_MAGIC 0x5a4b534e /* "ZKSN" */
#define SNAPSHOT_VERSION 2

void tree_snapshot_begin(struct tree *t);
/* tree_snapshot_next fills at most cap bytes; 0: the end. */
uint32_t tree_snapshot_next(struct tree *t, void *buf, uint32_t cap);
void tree_snapshot_end(struct tree *t);
/* tree_snapshot_keep writes n as it is now, if its turn has not come. */
void tree_snapshot_keep(struct tree *t, struct znode *n);

/* As in app.h.  The tree that restore_end refuses is not to be used. */
void tree_restore_begin(struct tree *t);
bool tree_restore_next(struct tree *t, const void *buf, uint32_t len);
bool tree_restore_end(struct tree *t, zxid_t zxid);

#endif
