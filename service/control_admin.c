/* DIGEST, STEP_DOWN, RECOVER. */
#include <stdio.h>
#include <string.h>

#include "service/control.h"

enum control_taken control_on_digest(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  char text[LIMIT_TEXT_LEN], zxid[ZXID_TEXT_LEN];
  (void)f;
  snprintf(text, sizeof text, "{\"id\":%d,\"applied\":\"%s\",\"digest\":\"%016llx\"}",
           t->c->config->id, zxid_text(zxid, t->app.ops->applied(&t->app)),
           (unsigned long long)t->app.ops->digest(&t->app));
  control_send_json(n, text);
  return CONTROL_TAKEN;
}

enum control_taken control_not_leading(struct control_conn *n) {
  const struct app_thread *t = n->control->thread;
  const struct config *c = t->c->config;
  char line[LIMIT_TEXT_LEN];
  if (t->state == APP_SERVING && !t->leading)
    snprintf(line, sizeof line, "this node does not lead: node %d does",
             c->peers[t->leader_idx].id);
  else
    snprintf(line, sizeof line, "this node does not lead, and knows no established leader");
  control_fail(n, REASON_NOT_LEADER, line);
  return CONTROL_TAKEN;
}

enum control_taken control_on_step_down(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  const struct app_rings *r = &t->c->rings;
  (void)f;
  if (n->job != JOB_NONE || t->state != APP_SERVING || !t->leading) return control_not_leading(n);
  n->job = JOB_STEP_DOWN; /* answered when the role has ended */
  r->to_slow(r->self, &(struct app_msg){.type = APP_STEP_DOWN, .reason = REASON_STEP_DOWN});
  return CONTROL_TAKEN;
}

void control_admin_stopped(struct control *c) {
  for (int i = 0; i < c->conn_cnt; i++) {
    if (c->conns[i]->job != JOB_STEP_DOWN) continue;
    c->conns[i]->job = JOB_NONE;
    control_send_json(c->conns[i], "{\"stepped_down\":true}");
  }
}

enum control_taken control_on_recover(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  const struct app_rings *r = &t->c->rings;
  const char *cluster = t->c->config->cluster;
  if (f->len != strlen(cluster) || memcmp(f->body, cluster, f->len) != 0) {
    control_fail(n, REASON_CLUSTER_DIFFERS, "this is not the name of the cluster");
    return CONTROL_TAKEN;
  }
  r->to_slow(r->self, &(struct app_msg){.type = APP_RECOVER});
  control_send_json(n, "{\"recovering\":true}");
  n->last_words = true; /* one a connection, or a flood of them would fill app_slow */
  return CONTROL_TAKEN;
}
