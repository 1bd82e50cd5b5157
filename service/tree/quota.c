#include "service/tree/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/limits.h"
#include "config/log.h"

#define QUOTA "/zookeeper/quota"
#define LIMITS "zookeeper_limits"
#define STATS "zookeeper_stats"
#define LOG_EVERY_MS 1000
#define DIGITS_MAX 18 /* that an int64_t has room for in any case */
#define STATS_LEN 64

struct numbers {
  int64_t cnt, bytes, cnt_hard, bytes_hard; /* -1: none */
};

/* ---- text ---- */

static struct span token(struct span text, int32_t *at, const char *ends) {
  int32_t begin = *at;
  while (*at < text.len && !memchr(ends, text.data[*at], strlen(ends))) *at += 1;
  struct span s = {text.data + begin, *at - begin};
  *at += 1;
  return s;
}

static int64_t number(struct span s) {
  int64_t v = 0;
  if (s.len < 1 || s.len > DIGITS_MAX) return -1;
  for (int32_t i = 0; i < s.len; i++) {
    if (s.data[i] < '0' || s.data[i] > '9') return -1;
    v = 10 * v + s.data[i] - '0';
  }
  return v;
}

static struct numbers numbers_of(const struct znode *n) {
  struct numbers v = {-1, -1, -1, -1};
  struct span text = n ? blob_span(n->data) : (struct span){NULL, 0};
  for (int32_t at = 0; at < text.len;) {
    struct span field = token(text, &at, ",;");
    int32_t in = 0;
    struct span key = token(field, &in, "=");
    int64_t value = in < field.len ? number(token(field, &in, "=")) : -1;
    if (path_is(key, "count")) v.cnt = value;
    if (path_is(key, "bytes")) v.bytes = value;
    if (path_is(key, "countHardLimit")) v.cnt_hard = value;
    if (path_is(key, "byteHardLimit")) v.bytes_hard = value;
  }
  return v;
}

/* ---- where ---- */

/* The znode below /zookeeper/quota with the limits for path, or NULL.  It is found as deep in there
 * as the path goes along, so without quotas it costs one look-up. */
static struct znode *quota_of(const struct tree *t, struct span path) {
  struct znode *at = tree_find(t, span_of(QUOTA)), *found = NULL;
  for (int32_t pos = 1; at && at->child && pos < path.len;) {
    at = tree_child(t, at, token(path, &pos, "/"));
    if (at && tree_child(t, at, span_of(LIMITS))) found = at;
  }
  return found;
}

static void set_stats(struct tree *t, struct znode *stats, struct quota_use u) {
  char text[STATS_LEN];
  snprintf(text, sizeof text, "count=%" PRId64 ",bytes=%" PRId64, u.cnt, u.bytes);
  tree_change(t, stats);
  tree_set_data(t, stats, blob_of(span_of(text)));
  tree_changed(t, stats);
}

void quota_count(struct tree *t, struct span path, struct quota_use more) {
  struct znode *quota = quota_of(t, path);
  struct znode *stats = quota ? tree_child(t, quota, span_of(STATS)) : NULL;
  if (!stats) return;
  struct numbers is = numbers_of(stats);
  set_stats(t, stats, (struct quota_use){is.cnt + more.cnt, is.bytes + more.bytes});
}

void quota_made(struct tree *t, struct span path) {
  struct span root = span_of(QUOTA);
  if (!path_below(path, root) || !path_is(path_last(path), STATS)) return;
  struct span quota = path_parent(path), real = {quota.data + root.len, quota.len - root.len};
  const struct znode *n = real.len >= 0 ? tree_find(t, real) : NULL;
  struct quota_use u = {0, 0};
  if (n) u.cnt = 1 + (int64_t)n->below_cnt;
  if (n) u.bytes = (int64_t)n->below_bytes + (n->data ? n->data->len : 0);
  set_stats(t, tree_find(t, path), u);
}

/* ---- limits ---- */

struct excess {
  const char *what;
  int64_t is, soft, hard;
};

static bool is_over(const struct excess *e) { return e->is > (e->hard >= 0 ? e->hard : e->soft); }

static void say(struct quota_policy *p, const struct znode *quota, const struct excess *e,
                int64_t now_ms) {
  struct buffer path = {0};
  if (p->logged_ms && now_ms - p->logged_ms < LOG_EVERY_MS) return;
  p->logged_ms = now_ms;
  tree_append_path(quota, &path);
  int skip = (int)strlen(QUOTA), len = (int)buffer_len(&path) - skip;
  bool hard = e->hard >= 0;
  log_line(LEVEL_WARN, p->node_id,
           "Quota exceeded: %.*s [current %s=%" PRId64 ", %s limit=%" PRId64 "]%s",
           len < LIMIT_PATH_LEN ? len : LIMIT_PATH_LEN, (const char *)buffer_at(&path) + skip,
           e->what, e->is, hard ? "hard" : "soft", hard ? e->hard : e->soft,
           hard && !p->warn_only ? ": refused" : "");
  buffer_free(&path);
}

int32_t quota_check(struct quota_policy *p, const struct tree *t, struct span path,
                    struct quota_use more, int64_t now_ms) {
  const struct znode *quota = quota_of(t, path);
  if (!quota) return ZK_OK;
  const struct znode *stats = tree_child(t, quota, span_of(STATS));
  struct numbers most = numbers_of(tree_child(t, quota, span_of(LIMITS))), is = numbers_of(stats);
  struct excess all[] = {{"count", is.cnt + more.cnt, most.cnt, most.cnt_hard},
                         {"bytes", is.bytes + more.bytes, most.bytes, most.bytes_hard}};
  bool asked[] = {more.cnt != 0, more.bytes != 0};
  for (int i = 0; i < 2; i++) {
    bool limited = all[i].hard >= 0 || all[i].soft >= 0;
    if (!stats || !asked[i] || !limited || !is_over(&all[i])) continue;
    say(p, quota, &all[i], now_ms);
    if (all[i].hard >= 0 && !p->warn_only) return ZK_QUOTAEXCEEDED;
  }
  return ZK_OK;
}
