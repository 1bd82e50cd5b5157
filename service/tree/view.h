/* view.h - the leader's view: the tree as it will be when all that is outstanding is applied.
 *
 * Each prepared change of a znode is one struct change; the newest of a path is what prepare sees,
 * older ones wait behind it until they are applied, or come back when a multi fails.
 *
 * Owner: app thread.  Blocks: no.  Allocates: per outstanding change.
 * Source: zookeeper/client.md 4; design 7. */
#ifndef ZABLINE_SERVICE_TREE_VIEW_H
#define ZABLINE_SERVICE_TREE_VIEW_H

#include "service/tree/tree.h"

/* A znode as prepare sees it; what it refers to is not held. */
struct seen {
  bool exists;
  struct znode_stat stat;
  uint32_t child_cnt;
  int32_t acl;
  struct blob *data;
  uint32_t crc, digest; /* digest: by view_put */
};

struct change {
  zxid_t zxid;
  struct seen seen;             /* holds ACL and data */
  struct change *next, *prev;   /* in the order of prepare */
  struct change *newer, *older; /* of the same path */
  UT_hash_handle hh;            /* the newest of a path */
  uint32_t path_len;
  uint8_t path[];
};

struct view {
  struct tree *tree;
  struct change *first, *last, *index;
  uint64_t digest; /* valid while there are changes */
};

void view_init(struct view *v, struct tree *t);
/* view_clear drops all that is outstanding. */
void view_clear(struct view *v);
struct seen view_get(const struct view *v, struct span path);
/* view_put: path will be as s says from zxid on; ACL and data of s are held once more. */
void view_put(struct view *v, zxid_t zxid, struct span path, const struct seen *s);
/* view_digest is that of the tree behind the last outstanding change. */
uint64_t view_digest(const struct view *v);
/* view_applied forgets what was prepared up to zxid; view_rollback what zxid has prepared; digest:
 * what it was before. */
void view_applied(struct view *v, zxid_t zxid);
void view_rollback(struct view *v, zxid_t zxid, uint64_t digest);

#endif
