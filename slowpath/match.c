/* match.c - can this peer and we work together?  (design 5.1) */
#include <string.h>

#include "slowpath/replica_parts.h"

static bool first_time(struct replica *r, int peer_idx, enum reason why) {
  if (peer_idx < 0) return true;
  bool first = r->refused[peer_idx] != why;
  r->refused[peer_idx] = why;
  return first;
}

void log_refusal(struct replica *r, int peer_idx, int64_t id, enum reason why,
                 struct replica_actions *a) {
  if (first_time(r, peer_idx, why))
    act_log(a, (struct log_event){.id = LOG_PEER_REFUSED, .peer = (int)id, .reason = why});
}

void log_no_fast_path(struct replica *r, int conn, struct replica_actions *a) {
  const struct learner_conn *c = &r->conns[conn];
  if (c->step != CONN_ACKED || c->heard) return;
  if (first_time(r, c->peer_idx, REASON_NO_FAST_PATH))
    act_log(a,
            (struct log_event){.id = LOG_NO_FAST_PATH, .peer = r->config->peers[c->peer_idx].id});
}

static void log_texts(struct replica *r, int peer_idx, enum reason why, struct replica_actions *a) {
  if (!first_time(r, peer_idx, why)) return;
  act_log(a, (struct log_event){.id = LOG_TEXT_DIFFERS,
                                .peer = r->config->peers[peer_idx].id,
                                .reason = why,
                                .own = r->differs[0],
                                .other = r->differs[1]});
}

struct numbers {
  uint32_t ours, theirs;
};

static enum reason refuse_numbers(struct replica *r, int peer_idx, enum reason why,
                                  struct numbers n, struct replica_actions *a) {
  if (first_time(r, peer_idx, why))
    act_log(a, (struct log_event){.id = LOG_NUMBER_DIFFERS,
                                  .peer = r->config->peers[peer_idx].id,
                                  .reason = why,
                                  .a = n.ours,
                                  .b = n.theirs});
  return why;
}

enum reason match_extension(struct replica *r, int peer_idx, const struct extension *e,
                            struct replica_actions *a) {
  const struct config *c = r->config;
  if (strcmp(e->cluster, c->cluster) != 0) {
    memcpy(r->differs[0], c->cluster, sizeof c->cluster);
    memcpy(r->differs[1], e->cluster, sizeof e->cluster);
    log_texts(r, peer_idx, REASON_CLUSTER_DIFFERS, a);
    return REASON_CLUSTER_DIFFERS;
  }
  if (e->durability != c->durability) {
    static const char *const names[] = {[DURABILITY_SYNC] = "sync", [DURABILITY_MEMORY] = "memory"};
    strcpy(r->differs[0], names[c->durability]);
    strcpy(r->differs[1], e->durability <= DURABILITY_MEMORY ? names[e->durability] : "unknown");
    log_texts(r, peer_idx, REASON_CLASS_DIFFERS, a);
    return REASON_CLASS_DIFFERS;
  }
  if (e->largest_record != c->largest_record)
    return refuse_numbers(r, peer_idx, REASON_RECORD_LIMIT_DIFFERS,
                          (struct numbers){c->largest_record, e->largest_record}, a);
  if (e->mtu != c->mtu)
    return refuse_numbers(r, peer_idx, REASON_MTU_DIFFERS, (struct numbers){c->mtu, e->mtu}, a);
  memcpy(r->builds[peer_idx], e->build, sizeof e->build);
  return REASON_NONE;
}

/* A list on one line: the line breaks of the config text become blanks. */
static void one_line(char *dst, const char *src, size_t len) {
  if (len > LIMIT_CONFIG_TEXT - 1) len = LIMIT_CONFIG_TEXT - 1;
  for (size_t i = 0; i < len; i++) dst[i] = src[i] >= ' ' && src[i] < 127 ? src[i] : ' ';
  dst[len] = 0;
}

enum reason match_config(struct replica *r, int peer_idx, struct span text,
                         struct replica_actions *a) {
  if (text.len == r->config_text_len && memcmp(text.data, r->config_text, (size_t)text.len) == 0)
    return REASON_NONE;
  one_line(r->differs[0], r->config_text, (size_t)r->config_text_len);
  one_line(r->differs[1], (const char *)text.data, (size_t)text.len);
  log_texts(r, peer_idx, REASON_CONFIG_DIFFERS, a);
  return REASON_CONFIG_DIFFERS;
}
