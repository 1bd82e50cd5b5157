/* tree.h - ZooKeeper's data tree: znodes, who owns ephemerals, sessions, and the digest.
 *
 *   /                    a znode knows its parent, first child and siblings, and is found by
 *   +-- zookeeper        (parent, name) in one hash table, so each component is stored once and a
 *   |   +-- config       path costs one look-up for each component
 *   |   +-- quota
 *   +-- ...
 *
 * The table is our own and not uthash: uthash's handle is 56 bytes, and needs the whole path as the
 * key; here it is 12 bytes, and a znode is 152 bytes, its name and its data.
 *
 * The digest is the wrapping sum over all znodes outside /zookeeper/ (storage.md 8).  A znode keeps
 * the CRC of its path and data, so a change of its Stat alone costs 60 bytes of CRC-32, and its own
 * part, so that what it was before costs nothing.
 *
 * A change to a znode is made between tree_change and tree_changed, which keep digest and a running
 * snapshot (tree_snapshot.c) right.
 *
 * Owner: app thread.  Blocks: no.  Allocates: per znode, session and ACL; no memory ends the
 * process.  Source: zookeeper/client.md 5, 7, 9; storage.md 4, 7, 8; design 7. */
#ifndef ZABLINE_SERVICE_TREE_TREE_H
#define ZABLINE_SERVICE_TREE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/cursor.h"
#include "proto/zxid.h"
#include "service/buffer.h"
#include "service/tree/acl.h"
#include "service/tree/path.h"
#include "service/tree/zk.h"

#define OWNER_CONTAINER INT64_MIN
#define OWNER_TTL_BITS 0xff00000000000000u
#define TTL_MAX 0xffffffffff
#define TREE_DIGEST_VERSION 2

/* Shared by a znode, its outstanding changes and a reply that is under way. */
struct blob {
  uint32_t refs, len;
  uint8_t bytes[];
};
/* blob_of returns NULL for null. */
struct blob *blob_of(struct span data);
struct blob *blob_hold(struct blob *b);
void blob_drop(struct blob *b);
static inline struct span blob_span(const struct blob *b) {
  return b ? (struct span){b->bytes, (int32_t)b->len} : (struct span){NULL, -1};
}

struct znode_stat {
  zxid_t czxid, mzxid, pzxid;
  int64_t ctime_ms, mtime_ms;
  int64_t owner; /* session, OWNER_CONTAINER, OWNER_TTL_BITS | ms, or 0 */
  int32_t version;
  int32_t cversion; /* children ever created: not what clients see */
  int32_t aversion;
};

struct znode {
  struct znode *bucket_next, *parent, *child, *next, *prev;
  struct blob *data;
  struct znode_stat stat;
  int32_t acl;
  uint32_t child_cnt;
  uint32_t below_cnt; /* all below it, at any depth; below_bytes: their data */
  uint32_t hash;      /* of the path */
  uint32_t crc;       /* CRC-32 of path and data */
  uint32_t digest;    /* its part of the tree's; 0 in /zookeeper */
  uint32_t snapshot;  /* the last one that has it, or did not need it */
  uint32_t name_len : 31, in_zookeeper : 1;
  uint64_t below_bytes;
  char name[];
};

struct owned { /* an ephemeral of one session, a container, a TTL node */
  struct znode *node;
  UT_hash_handle hh;
};
struct owner {
  int64_t id; /* of struct znode_stat; all TTL nodes under OWNER_TTL_BITS */
  struct owned *nodes;
  uint32_t cnt;
  UT_hash_handle hh;
};

struct session {
  int64_t id;
  int32_t timeout_ms;
  UT_hash_handle hh;
};

/* Who hears of changes (the client port's watches). path is valid during the call; acl: of the node
 * that the reader must be allowed to read. */
struct tree_listener {
  void *self;
  void (*event)(void *self, enum zk_event type, struct span path, int32_t acl);
};

struct tree_snapshot {
  bool active;
  uint32_t number;
  zxid_t zxid;
  uint64_t digest;
  struct znode *next;
  uint32_t adler;
  enum { TREE_SNAPSHOT_NODES, TREE_SNAPSHOT_ENDED } step;
  struct buffer stage;
};

struct tree_restore {
  bool bad, begun;
  enum {
    RESTORE_HEADER,
    RESTORE_SESSIONS,
    RESTORE_ACL_COUNT,
    RESTORE_ACLS,
    RESTORE_NODES,
    RESTORE_SEAL,
    RESTORE_DIGEST,
    RESTORE_SEAL2,
    RESTORE_ZXID,
    RESTORE_SEAL3,
    RESTORE_ENDED
  } step;
  int32_t left;
  uint32_t adler;
  zxid_t zxid, digest_zxid;
  uint64_t digest;
  struct buffer stage;
};

struct tree {
  struct znode *root;
  struct znode **buckets;
  uint32_t bucket_mask;
  uint64_t node_cnt;
  uint64_t data_bytes; /* of paths and data, approximately */
  uint64_t digest;
  uint64_t session_digest; /* of all sessions, whatever their order */
  zxid_t applied;
  struct acls acls;
  struct owner *owners;
  struct owned *swept; /* that the sweep looks at next (sweep.c) */
  uint64_t ephemeral_cnt;
  struct session *sessions;
  struct tree_listener listener;
  struct tree_snapshot snapshot;
  struct tree_restore restore;
  struct span config_text; /* data of /zookeeper/config; the caller keeps it */
  uint64_t digest_mismatches;
};

/* tree_init makes the initial tree (storage.md 7). */
void tree_init(struct tree *t, struct span config_text);
void tree_free(struct tree *t);
/* tree_reset makes it initial again; the listener stays. */
void tree_reset(struct tree *t);
/* tree_clear leaves only the root and the config text (a restore begins). */
void tree_clear(struct tree *t);
/* tree_own_nodes puts those of /zookeeper that are missing, and the config text. */
void tree_own_nodes(struct tree *t);

/* tree_find returns the znode, or NULL; "" is the root too. */
struct znode *tree_find(const struct tree *t, struct span path);
struct znode *tree_child(const struct tree *t, const struct znode *parent, struct span name);

struct tree_new {
  struct znode *parent;
  struct span name;
  struct blob *data; /* its reference is taken over */
  int32_t acl;       /* the same */
  const struct znode_stat *stat;
};
struct znode *tree_add(struct tree *t, const struct tree_new *n);
/* tree_remove takes a znode without children out and frees it. */
void tree_remove(struct tree *t, struct znode *n);
/* tree_change comes before a change of n's data, ACL or Stat, tree_changed behind it. */
void tree_change(struct tree *t, struct znode *n);
void tree_changed(struct tree *t, struct znode *n);
/* tree_set_data replaces the data; between the two. */
void tree_set_data(struct tree *t, struct znode *n, struct blob *data);

/* tree_append_path appends n's path to b ("/" of the root). */
void tree_append_path(const struct znode *n, struct buffer *b);
/* tree_next returns the node behind n, parents first; NULL at the end. */
struct znode *tree_next(const struct znode *n);

/* znode_crc, znode_digest: storage.md 8: CRC-32 of path and data, continued by the Stat. */
uint32_t znode_crc(struct span path, struct span data);
uint32_t znode_digest(uint32_t crc, const struct znode_stat *s);

struct owner *tree_owner(const struct tree *t, int64_t id);
/* owner_is_session: an ordinary ephemeral's. */
bool owner_is_session(int64_t owner);

struct session *tree_session(const struct tree *t, int64_t id);
void tree_session_add(struct tree *t, int64_t id, int32_t timeout_ms);
void tree_session_remove(struct tree *t, int64_t id);

#endif
