/* What the running node knows of its peers: the fast path, and whether their configs agree. */
#include <stdlib.h>
#include <string.h>

#include "proto/path_id.h"
#include "service/answer.h"
#include "service/doctor/doctor.h"

static bool on_fast_path(const cJSON *peer) {
  return strncmp(answer_text(peer, "path"), "fast", 4) == 0;
}

static const cJSON *status_of(const struct doctor *d, int id) {
  const cJSON *p;
  cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(
                            d->status, "peers")) if ((int)answer_number(p, "id") == id) return p;
  return NULL;
}

/* A follower has a path to its leader only; a node that looks for one has none. */
static void judge_path(struct doctor *d, struct doctor_row *row, int id) {
  const cJSON *p = status_of(d, id);
  const char *own = answer_text(d->status, "state"), *state = p ? answer_text(p, "state") : "?";
  int leader = (int)answer_number(d->status, "leader");
  if (!p)
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the running node does not know it"),
             "restart the node: its config has changed since");
  else if (on_fast_path(p))
    row_says(row, DOCTOR_OK, "%s, path %s", state, answer_text(p, "path"));
  else if (strcmp(answer_text(p, "path"), "tcp") == 0)
    row_mend(
        row_says(row, DOCTOR_FAIL, "%s, but over TCP: the fast path does not answer", state),
        "zabctl status shows counters; check cable, VLAN and MTU on both sides and the switch");
  else if (strcmp(own, "following") == 0 && leader != id)
    row_says(row, DOCTOR_NOT_APPLICABLE, "a follower has a path to its leader only (node %d)",
             leader);
  else
    row_mend(row_says(row, DOCTOR_WARN, "not attached (this node is %s, the peer %s)", own, state),
             "zabctl doctor on that node; journalctl -u 'zabd@*' on both");
}

/* The names of p's paths of a state, "fast, fast2"; returns how many. */
static int paths_that(const cJSON *p, enum path_state state, char *names, size_t cap) {
  const cJSON *v;
  int cnt = 0;
  size_t at = 0;
  *names = '\0';
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(p, "paths")) {
    if (!cJSON_IsString(v) || strcmp(v->valuestring, path_state_name(state)) != 0) continue;
    if (at < cap) at += (size_t)snprintf(names + at, cap - at, "%s%s", cnt ? ", " : "", v->string);
    cnt++;
  }
  return cnt;
}

/* Two addresses are worth their cables only while both answer. */
static void judge_spare(struct doctor *d, struct doctor_row *row, int id) {
  char silent[32], answer[32];
  const cJSON *p = status_of(d, id);
  int silent_cnt = paths_that(p, PATH_SILENT, silent, sizeof silent);
  int answer_cnt = paths_that(p, PATH_ANSWERS, answer, sizeof answer);
  if (silent_cnt)
    row_mend(
        row_says(row, DOCTOR_WARN, "%s silent, frames go by %s", silent, answer_text(p, "path")),
        "check cable, VLAN and MTU of that port on both sides and its switch");
  else if (answer_cnt >= LIMIT_FAST_PATHS)
    row_says(row, DOCTOR_OK, "%s answer", answer);
  else if (p && strcmp(answer_text(p, "path"), "none") == 0)
    row_says(row, DOCTOR_NOT_APPLICABLE, "not attached to this node");
  else
    row_mend(row_says(row, DOCTOR_UNKNOWN, "not asked yet"), "zabctl doctor again");
}

static void check_fast(struct doctor *d) {
  for (int i = 0; i < d->config->peer_cnt; i++) {
    int id = d->config->peers[i].id;
    char name[16];
    if (i == d->config->self_idx) continue;
    snprintf(name, sizeof name, "%d fast", id);
    struct doctor_row *row = row_add(d, "peer", name);
    if (d->status)
      judge_path(d, row, id);
    else
      row_mend(row_says(row, DOCTOR_UNKNOWN, "only the running node knows"),
               "start the nodes, then zabctl doctor again");
    if (!d->status || d->config->peers[i].fast_cnt < LIMIT_FAST_PATHS) continue;
    snprintf(name, sizeof name, "%d paths", id);
    judge_spare(d, row_add(d, "peer", name), id);
  }
}

/* Counters like class_differs: a peer was refused for it since the node's start. */
static const char *first_difference(const struct doctor *d) {
  const cJSON *v;
  cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(d->status, "counters")) {
    const char *end = strstr(v->string, "_differs");
    if (end && !end[8] && strcmp(v->string, "digest_differs") != 0 && v->valuedouble > 0)
      return v->string;
  }
  return NULL;
}

static int attached(const struct doctor *d) {
  const cJSON *p;
  int cnt = 0;
  cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(d->status, "peers")) cnt +=
      on_fast_path(p);
  return cnt;
}

static void check_agreement(struct doctor *d) {
  struct doctor_row *row = row_add(d, "config", "of peers");
  const char *difference = d->status ? first_difference(d) : NULL;
  const char *mend = "zabctl --config %s doctor --peer-config FILE (of each peer)";
  if (!d->status)
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the node does not run"), mend, d->config->file);
  else if (difference)
    row_mend(
        row_says(row, DOCTOR_FAIL, "a peer's differs: counter %s of zabctl status", difference),
        "journalctl -u 'zabd@*' names both values");
  else if (attached(d))
    row_says(row, DOCTOR_OK, "attached to %d, which agreed on cluster, class, records and peers",
             attached(d));
  else
    row_mend(row_says(row, DOCTOR_UNKNOWN, "no peer is attached"), mend, d->config->file);
}

static bool has_nic(const struct config *c) {
  for (int i = 0; i < c->port_cnt; i++)
    if (c->ports[i].ethernet) return true;
  return false;
}

/* zabd sends nothing to a peer before a ping of the full MTU has come back, so an attached one
 * proves it; the switch itself tells nobody. */
static void check_mtu(struct doctor *d) {
  struct doctor_row *row = row_add(d, "mtu", "end to end");
  const cJSON *counters = cJSON_GetObjectItemCaseSensitive(d->status, "counters");
  int mtu = d->config->mtu, frame = mtu + 18; /* Ethernet's header and checksum */
  if (!has_nic(d->config))
    row_says(row, DOCTOR_NOT_APPLICABLE, "shared memory, no NIC");
  else if (d->status && attached(d))
    row_says(row, DOCTOR_OK, "packets of %d bytes pass to %d peers", mtu, attached(d));
  else if (d->status && answer_number(counters, "path_mtu") > 0)
    row_mend(row_says(row, DOCTOR_FAIL, "no packet of %d bytes has come back from a peer", mtu),
             "let the switch pass frames of %d bytes (%d with a VLAN tag), or a smaller \"mtu\" on "
             "all nodes",
             frame, frame + 4);
  else
    row_mend(row_says(row, DOCTOR_UNKNOWN, "only a running node with an attached peer knows"),
             "start the nodes, then zabctl doctor again");
}

void doctor_check_peers(struct doctor *d) {
  if (d->config->peer_cnt == 1) {
    row_says(row_add(d, "peer", NULL), DOCTOR_NOT_APPLICABLE, "one node alone");
    return;
  }
  doctor_check_control(d);
  check_fast(d);
  check_mtu(d);
  if (!d->peer_file_cnt) check_agreement(d);
}
