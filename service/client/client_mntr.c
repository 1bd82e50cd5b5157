/* mntr: ZooKeeper's metrics that exist here, under its names.  What is not here is left out. */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>

#include "service/client/client.h"

static void say_number(struct client *c, const char *name, uint64_t value) {
  client_say(c, "zk_%s\t%llu\n", name, (unsigned long long)value);
}

static void say_decimal(struct client *c, const char *name, double value) {
  client_say(c, "zk_%s\t%s\n", name, client_decimal(value).text);
}

static void say_summary(struct client *c, const char *name, const struct summary *s) {
  client_say(c,
             "zk_avg_%s\t%s\nzk_min_%s\t%llu\nzk_max_%s\t%llu\nzk_cnt_%s\t%llu\nzk_sum_%s\t%llu\n",
             name, client_decimal(client_average(s)).text, name, (unsigned long long)s->min, name,
             (unsigned long long)s->max, name, (unsigned long long)s->cnt, name,
             (unsigned long long)s->sum);
}

static uint64_t open_files(void) {
  uint64_t cnt = 0;
  DIR *d = opendir("/proc/self/fd");
  if (!d) return 0;
  while (readdir(d)) cnt++;
  closedir(d);
  return cnt > 3 ? cnt - 3 : 0; /* ".", ".." and d's own */
}

static void say_process(struct client *c) {
  struct rlimit files = {0, 0};
  getrlimit(RLIMIT_NOFILE, &files);
  say_number(c, "open_file_descriptor_count", open_files());
  say_number(c, "max_file_descriptor_count", files.rlim_cur);
  say_number(c, "uptime", (uint64_t)(c->port->thread->now_ms - c->port->start_ms));
}

static void say_clients(struct client *c) {
  const struct client_port *p = c->port;
  const struct client_stats *s = &p->stats;
  say_decimal(c, "avg_latency", client_average(&s->latency));
  say_number(c, "min_latency", s->latency.min);
  say_number(c, "max_latency", s->latency.max);
  say_summary(c, "readlatency", &s->reads);
  say_summary(c, "updatelatency", &s->updates);
  say_number(c, "packets_received", s->received);
  say_number(c, "packets_sent", s->sent);
  say_number(c, "bytes_received_count", s->bytes_in);
  say_number(c, "response_bytes", s->bytes_out);
  say_number(c, "last_client_response_size", s->answer_last);
  say_number(c, "max_client_response_size", s->answer_max);
  say_number(c, "min_client_response_size", s->answer_min);
  say_number(c, "num_alive_connections", (uint64_t)p->client_cnt);
  say_number(c, "outstanding_requests", p->ask_cnt);
  say_number(c, "connection_request_count", s->accepted);
  say_number(c, "connection_rejected", counters_get(p->thread->c->own_counters, REASON_CONN_LIMIT));
  say_decimal(c, "connection_drop_probability", 0);
  say_number(c, "connection_revalidate_count", p->joined);
  say_number(c, "sessionless_connections_expired", s->sessionless);
  say_number(c, "cnxn_closed_without_zk_server_running", s->not_running);
  say_number(c, "auth_failed_count", s->auth_failed);
  say_number(c, "request_throttle_wait_count", s->throttled);
  say_number(c, "large_requests_rejected", s->too_long);
  say_number(c, "node_created_watch_count", s->events[EVENT_CREATED]);
  say_number(c, "node_deleted_watch_count", s->events[EVENT_DELETED]);
  say_number(c, "node_changed_watch_count", s->events[EVENT_DATA_CHANGED]);
  say_number(c, "node_children_watch_count", s->events[EVENT_CHILDREN_CHANGED]);
}

static void say_tree(struct client *c) {
  const struct tree *t = &c->port->app->tree;
  say_number(c, "znode_count", t->node_cnt + 1);
  say_number(c, "watch_count", c->port->watch_cnt);
  say_number(c, "ephemerals_count", t->ephemeral_cnt);
  say_number(c, "approximate_data_size", t->data_bytes);
  say_number(c, "global_sessions", HASH_COUNT(t->sessions));
  say_number(c, "local_sessions", 0);
  say_number(c, "digest_mismatches_count", t->digest_mismatches);
}

/* A learner that is attached is synced: it has all of the history and takes what is proposed. */
static void say_learners(struct client *c) {
  const struct client_port *p = c->port;
  const struct config *config = p->thread->c->config;
  uint64_t followers = 0, observers = 0, learners = 0;
  for (int i = 0; i < p->status.peer_cnt && i < LIMIT_PEERS; i++) {
    const struct status_peer *s = &p->status.peers[i];
    int idx = config_peer_idx(config, (uint8_t)s->id);
    bool synced = s->state && !strcmp(s->state, "following");
    learners += synced || (s->state && !strcmp(s->state, "syncing"));
    if (synced && idx >= 0 && config->peers[idx].role == ROLE_OBSERVER) observers++;
    if (synced && idx >= 0 && config->peers[idx].role == ROLE_VOTER) followers++;
  }
  say_number(c, "learners", learners);
  say_number(c, "synced_followers", followers);
  say_number(c, "synced_non_voting_followers", 0);
  say_number(c, "synced_observers", observers);
  say_number(c, "leader_uptime", (uint64_t)(p->lead_ms ? p->thread->now_ms - p->lead_ms : 0));
  say_number(c, "stale_sessions_expired", p->app->tracker.expired);
  const struct app_proposals *sizes = &p->thread->proposals;
  client_say(c, "zk_last_proposal_size\t%lld\n", (long long)sizes->last_len);
  client_say(c, "zk_min_proposal_size\t%lld\n", (long long)sizes->min_len);
  client_say(c, "zk_max_proposal_size\t%lld\n", (long long)sizes->max_len);
}

static void say_ensemble(struct client *c) {
  const struct client_port *p = c->port;
  const struct config *config = p->thread->c->config;
  if (config->peer_cnt == 1) return;
  const char *mode = client_mode(c);
  client_say(c, "zk_peer_state\t%s - broadcast\n",
             !strcmp(mode, "leader")     ? "leading"
             : !strcmp(mode, "observer") ? "observing"
                                         : "following");
  say_number(c, "quorum_size", (uint64_t)config_voter_cnt(config));
  say_number(c, "looking_count", p->status.elections);
  say_number(c, "diff_count", p->status.diffs);
  say_number(c, "snap_count", p->status.snaps);
  say_number(c, "proposal_count", p->thread->proposals.proposed);
  say_number(c, "commit_count", p->thread->proposals.committed);
  if (p->thread->leading) say_learners(c);
}

static void answer(struct client *c) {
  client_say(c, "zk_server_state\t%s\n", client_mode(c));
  say_clients(c);
  say_tree(c);
  say_process(c);
  say_ensemble(c);
}

void client_mntr(struct client *c) {
  struct client_port *p = c->port;
  const struct app_rings *r = &p->thread->c->rings;
  c->waits_status = true;
  if (p->status_asked) return;
  p->status_asked = true;
  memset(&p->status, 0, sizeof p->status);
  r->to_slow(r->self, &(struct app_msg){.type = APP_STATUS, .status = &p->status});
}

void client_heard_status(void *port) {
  struct client_port *p = port;
  p->status_asked = false;
  for (int i = 0; i < p->client_cnt; i++) {
    struct client *c = p->clients[i];
    if (!c->waits_status) continue;
    c->waits_status = false;
    answer(c);
    c->last_words = true;
    client_ready(c);
  }
}
