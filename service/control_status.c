/* STATUS: the slow thread's view (one ring hop), positions, counters and latency as one JSON
 * object. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/phase.h"
#include "config/memory.h"
#include "proto/record.h"
#include "service/control.h"

#define COUNTER_SETS 4

enum control_taken control_on_status(struct control_conn *n, const struct control_frame *f) {
  struct control *c = n->control;
  (void)f;
  if (n->job != JOB_NONE) {
    control_fail(n, REASON_CONTROL_BAD, "one command at a time");
    return CONTROL_TAKEN;
  }
  n->job = JOB_STATUS;
  if (c->status_asked) return CONTROL_TAKEN;
  const struct app_rings *r = &c->thread->c->rings;
  c->status_asked = true;
  memset(&c->status, 0, sizeof c->status);
  r->to_slow(r->self, &(struct app_msg){.type = APP_STATUS, .status = &c->status});
  return CONTROL_TAKEN;
}

static void add_zxid(cJSON *o, const char *name, zxid_t z) {
  char text[ZXID_TEXT_LEN];
  cJSON_AddStringToObject(o, name, zxid_text(text, z));
}

static void add_number(cJSON *o, const char *name, uint64_t v) {
  cJSON_AddNumberToObject(o, name, (double)v);
}

static void add_latency(cJSON *o, const struct latency *l) {
  cJSON *j = cJSON_AddObjectToObject(o, "commit_latency_us");
  add_number(j, "samples", l ? latency_total(l) : 0);
  cJSON_AddNumberToObject(j, "p50", l ? latency_us(l, 50000) : 0);
  cJSON_AddNumberToObject(j, "p99", l ? latency_us(l, 99000) : 0);
}

/* "fast": "answers", ...: of each path that there is to an attached peer. */
static void add_paths(cJSON *o, const struct status_peer *p) {
  cJSON *j = cJSON_AddObjectToObject(o, "paths");
  for (int i = 0; i < LIMIT_PATHS; i++)
    if (p->paths[i] != PATH_NONE)
      cJSON_AddStringToObject(j, path_name(i), path_state_name((enum path_state)p->paths[i]));
}

static void add_peers(cJSON *o, const struct status *s) {
  cJSON *list = cJSON_AddArrayToObject(o, "peers");
  for (int i = 0; i < s->peer_cnt && i < LIMIT_PEERS; i++) {
    const struct status_peer *p = &s->peers[i];
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "id", p->id);
    cJSON_AddStringToObject(j, "state", p->state ? p->state : "unknown");
    add_number(j, "lag_bytes", p->lag_bytes);
    cJSON_AddStringToObject(j, "path", p->path ? p->path : "none");
    add_paths(j, p);
    cJSON_AddStringToObject(j, "build", p->build);
    cJSON_AddItemToArray(list, j);
  }
}

static void add_counters(cJSON *o, const struct app_uv_config *uv) {
  cJSON *j = cJSON_AddObjectToObject(o, "counters");
  for (int r = 1; r < REASON_CNT; r++) {
    uint64_t sum = 0;
    for (int i = 0; i < COUNTER_SETS; i++)
      if (uv->counters[i]) sum += counters_get(uv->counters[i], (enum reason)r);
    add_number(j, reason_name((enum reason)r), sum);
  }
}

/* "02:5a:42:00:00:07 10.0.0.7:5000", or the MAC alone. */
static void sender_text(char *text, size_t cap, uint64_t mac, uint64_t udp) {
  size_t at = 0;
  for (int shift = 40; shift >= 0; shift -= 8)
    at += (size_t)snprintf(text + at, cap - at, "%02x%s", (unsigned)(mac >> shift & 0xff),
                           shift ? ":" : "");
  if (udp)
    snprintf(text + at, cap - at, " %u.%u.%u.%u:%u", (unsigned)(udp >> 40 & 0xff),
             (unsigned)(udp >> 32 & 0xff), (unsigned)(udp >> 24 & 0xff),
             (unsigned)(udp >> 16 & 0xff), (unsigned)(udp & 0xffff));
}

static void add_sender(cJSON *o, const struct app_uv_config *uv, int port, int peer) {
  if (peer != DROPS_STRANGER) {
    cJSON_AddNumberToObject(o, "peer", uv->config->peers[peer].id);
    return;
  }
  char text[LIMIT_NAME_LEN];
  sender_text(text, sizeof text,
              atomic_load_explicit(&uv->drops->stranger[port].mac, memory_order_relaxed),
              atomic_load_explicit(&uv->drops->stranger[port].udp, memory_order_relaxed));
  cJSON_AddStringToObject(o, "stranger", text);
}

/* One entry for each port and sender of whom anything was dropped. */
static void add_drops(cJSON *o, const struct app_uv_config *uv) {
  cJSON *list = cJSON_AddArrayToObject(o, "drops");
  for (int i = 0; uv->drops && i < uv->config->port_cnt * (uv->config->peer_cnt + 1); i++) {
    int port = i / (uv->config->peer_cnt + 1), peer = i % (uv->config->peer_cnt + 1) - 1;
    cJSON *reasons = cJSON_CreateObject();
    for (int r = 1; r < REASON_CNT; r++) {
      uint64_t n = counters_get(&uv->drops->by[port][peer + 1], (enum reason)r);
      if (n) add_number(reasons, reason_name((enum reason)r), n);
    }
    if (!reasons->child) {
      cJSON_Delete(reasons);
      continue;
    }
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "port", uv->config->ports[port].name);
    add_sender(j, uv, port, peer);
    cJSON_AddItemToObject(j, "counters", reasons);
    cJSON_AddItemToArray(list, j);
  }
}

static enum record_status peek(struct record *r, const struct app_thread *t, pos_t pos, pos_t end) {
  return record_peek(r, t->c->stream_ring + (pos & t->c->stream_mask), end - pos,
                     t->c->config->largest_record);
}

/* The zxid that ends at `to` or before it: the records above the applied ones are counted. */
static zxid_t zxid_up_to(const struct app_thread *t, pos_t to) {
  zxid_t z = t->app.ops->applied(&t->app);
  struct record r;
  for (pos_t pos = t->pos; pos < to; pos += r.size) {
    if (peek(&r, t, pos, to) != RECORD_OK) break;
    z = r.zxid;
  }
  return z;
}

/* As this node may deliver it. */
static zxid_t committed_zxid(const struct app_thread *t) {
  if (t->state != APP_SERVING) return t->app.ops->applied(&t->app);
  return zxid_up_to(t, position_get(&t->c->positions->committed));
}

/* The slow thread knows what was durable before the stream began; then its position tells.  In
 * `memory` that may be below the applied one: the ring still holds all from there on. */
static zxid_t logged_zxid(const struct app_thread *t, const struct status *s) {
  pos_t durable = position_get(&t->c->positions->durable);
  struct record next;
  if (t->state != APP_SERVING) return s->durable.last_zxid;
  if (durable >= t->pos) return zxid_up_to(t, durable);
  if (peek(&next, t, durable, t->pos) != RECORD_OK) return s->durable.last_zxid;
  return zxid_counter(next.zxid) == 1 ? t->target : next.zxid - 1;
}

static void add_application(cJSON *o, const struct app_thread *t) {
  static const char *const states[] = {"idle", "catching_up", "serving", "stopped"};
  cJSON_AddStringToObject(o, "application", states[t->state]);
  cJSON_AddBoolToObject(o, "serving", t->state == APP_SERVING);
  add_zxid(o, "committed", committed_zxid(t));
  add_zxid(o, "applied", t->app.ops->applied(&t->app));
  if (t->free_bytes != UINT64_MAX) add_number(o, "free_bytes", t->free_bytes);
  if (app_space_low(t))
    cJSON_AddStringToObject(o, "warning", "free space below min_free_bytes: proposals are refused");
}

static char *status_text(const struct control *c) {
  const struct app_thread *t = c->thread;
  const struct config *config = t->c->config;
  const struct status *s = &c->status;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddNumberToObject(o, "id", config->id);
  cJSON_AddStringToObject(o, "cluster", config->cluster);
  cJSON_AddStringToObject(o, "build", t->c->build);
  cJSON_AddStringToObject(o, "state", role_name(s->role));
  cJSON_AddStringToObject(o, "phase", phase_name(s->phase));
  add_number(o, "epoch", s->epoch);
  cJSON_AddNumberToObject(o, "leader", s->leader_id);
  add_number(o, "accepted_epoch", s->durable.accepted_epoch);
  add_number(o, "current_epoch", s->durable.current_epoch);
  add_zxid(o, "last_logged", logged_zxid(t, s));
  if (s->durable.faulty) add_zxid(o, "faulty", s->durable.faulty);
  if (s->waits_for) add_zxid(o, "waits_for", s->waits_for);
  add_application(o, t);
  cJSON_AddStringToObject(o, "durability",
                          config->durability == DURABILITY_SYNC ? "sync" : "memory");
  cJSON_AddBoolToObject(o, "counting", s->counting);
  add_number(o, "elections", s->elections);
  cJSON_AddStringToObject(o, "last_loss", reason_name(s->last_loss));
  cJSON_AddNumberToObject(o, "push_back", s->push_back);
  add_latency(o, t->c->latency);
  add_peers(o, s);
  add_counters(o, t->c);
  add_drops(o, t->c);
  char *text = cJSON_PrintUnformatted(o);
  cJSON_Delete(o);
  return text;
}

void control_status_answered(struct control *c) {
  c->status_asked = false;
  char *text = memory_or_end(status_text(c), 0);
  for (int i = 0; i < c->conn_cnt; i++) {
    struct control_conn *n = c->conns[i];
    if (n->job != JOB_STATUS) continue;
    n->job = JOB_NONE;
    control_send_json(n, text);
  }
  cJSON_free(text);
}
