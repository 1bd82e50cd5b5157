/* acl.h - access control lists: checked and fixed up in jute's form, and each kept once.
 *
 * A list is its bytes, vec<ACL{i4 perms, str scheme, str id}>, as in requests, transactions and
 * snapshots.  Who asks is vec<{str scheme, str id}> (`ids`), of all that its connection has proven.
 *
 * Keys are local to a node, and told to nobody but its own snapshot.
 *
 * Owner: app thread.  Blocks: no.  Allocates: one item for each distinct list.
 * Source: zookeeper/client.md 4, 7; storage.md 4.3. */
#ifndef ZABLINE_SERVICE_TREE_ACL_H
#define ZABLINE_SERVICE_TREE_ACL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/cursor.h"
#include "service/hash.h"
#include "service/tree/zk.h"

#define ACL_OPEN (-1) /* world:anyone may all; never in the table */

struct acl_item {
  int32_t key;
  uint32_t refs, len;
  UT_hash_handle by_bytes, by_key;
  uint8_t bytes[];
};

struct acls {
  int32_t last_key;
  struct acl_item *by_bytes, *by_key;
};

/* acl_read takes a list; its bytes, or len -1 if it is null.  c->bad if it is malformed. */
struct span acl_read(struct cursor *c);

/* acls_take returns the key of list and holds it once more; ids are given from 1 on. */
int32_t acls_take(struct acls *a, struct span list);
void acls_hold(struct acls *a, int32_t key);
void acls_drop(struct acls *a, int32_t key);
/* acls_put is for a snapshot's table: false if the key is in use.  Nobody holds it yet. */
bool acls_put(struct acls *a, int32_t key, struct span list);
/* acls_list returns the bytes of key; len 0: there is no such key. */
struct span acls_list(const struct acls *a, int32_t key);
void acls_clear(struct acls *a);
/* acls_sweep forgets what nobody holds (after a restore). */
void acls_sweep(struct acls *a);

/* acl_allows: may one with ids do perm?  An empty list allows all. */
bool acl_allows(struct span list, struct span ids, int32_t perm);
/* acl_fix writes the list as it is stored to w: duplicates gone, "auth" replaced by who asks.
 * Returns 0 or ZK_INVALIDACL. */
int32_t acl_fix(struct span list, struct span ids, struct writer *w);
/* acl_has_id: is scheme:id among ids? */
bool acl_has_id(struct span ids, struct span scheme, struct span id);

#endif
