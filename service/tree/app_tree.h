/* app_tree.h - ZooKeeper's data tree as the replicated application.
 *
 *   request (request.h) --prepare--> transaction: TxnHeader | record | TxnDigest, ZooKeeper's own
 *
 * prepare checks a request in ZooKeeper's order against the tree and what is outstanding (view.h);
 * one that fails becomes an error transaction, which consumes a zxid as there.  OP_SYNC and
 * OP_REVALIDATE become error transactions too, of error 0: what has been committed since is then
 * applied at the node that asked, and the leader had a quorum.
 *
 * What an applied transaction means for who asked is left in `reply` until the next one: the node
 * that serves the session of the header answers with it, nobody else.
 *
 * Owner: app thread.  Blocks: no.  Allocates: the tree.  Source: design 7; zookeeper/client.md 4,
 * 6, 12; storage.md 5. */
#ifndef ZABLINE_SERVICE_TREE_APP_TREE_H
#define ZABLINE_SERVICE_TREE_APP_TREE_H

#include "service/app.h"
#include "service/tree/jute.h"
#include "service/tree/quota.h"
#include "service/tree/request.h"
#include "service/tree/sweep.h"
#include "service/tree/tracker.h"
#include "service/tree/tree.h"
#include "service/tree/view.h"

struct tree_reply {
  int32_t err;
  struct buffer body; /* behind the ReplyHeader; may be empty */
};

/* The digests at the last zxids that DIGEST_LOG_INTERVAL divides: word "hash" shows them, so that
 * those of several servers can be compared. */
#define DIGEST_LOG_INTERVAL 128
struct digest_log {
  uint32_t cnt; /* ever; number i is in at[i % LIMIT_DIGESTS] */
  struct {
    zxid_t zxid;
    uint64_t digest;
  } at[LIMIT_DIGESTS];
};

struct app_tree {
  struct tree tree;
  struct view view;
  struct tracker tracker;
  struct sweep sweep;
  struct quota_policy quota; /* who creates it sets node_id and warn_only */
  bool leading;
  struct tree_reply reply;
  struct buffer work; /* the last request of tick */
  struct digest_log digests;
  char config_text[LIMIT_CONFIG_TEXT];
};

/* app_tree_create never fails (no memory ends the process); config_text: of /zookeeper/config;
 * container_check_ms: between two looks for containers and TTL nodes whose time is over. */
struct app_tree *app_tree_create(const char *config_text, uint32_t container_check_ms);
void app_tree_destroy(struct app_tree *a);
struct app app_tree_app(struct app_tree *a);
/* app_tree_of returns the app_tree behind a, NULL if a is another application. */
struct app_tree *app_tree_of(const struct app *a);

/* ---- parts ---- */

/* What prepare of one transaction works on. */
struct prep {
  struct app_tree *app;
  zxid_t zxid;
  int64_t time_ms;
  const struct request *q;
  struct writer w; /* the record goes here */
};

/* tree_prepare_op turns one operation (also of a multi) into its record.  ZK_OK, or an error, then
 * p->w is to be put back.  tree_prepare_multi never fails but for a malformed record. */
int32_t tree_prepare_op(struct prep *p, int32_t type, struct cursor *record);
int32_t tree_prepare_create(struct prep *p, int32_t type, const struct create_record *r);
int32_t tree_prepare_multi(struct prep *p, struct cursor *record);
int32_t tree_prepare_session(struct prep *p, struct cursor *record);
int32_t tree_prepare_close(struct prep *p);
/* tree_prepare_check_session: as of each write, in its place. */
int32_t tree_prepare_check_session(struct prep *p);
/* tree_prepare_quota: path will have so much more. */
int32_t tree_prepare_quota(struct prep *p, struct span path, struct quota_use more);
int32_t tree_prepare_may(struct prep *p, int32_t acl, int32_t perm);

/* tree_apply applies txn and leaves the answer in reply. */
void tree_apply(struct tree *t, const void *txn, uint32_t len, struct tree_reply *reply);

#endif
