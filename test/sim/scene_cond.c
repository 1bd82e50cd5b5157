/* What a scenario can wait for, expect and watch: states of nodes, and rows of the trace.
 *
 * The words are read again each time: a scenario has few lines and a run few events. */
#include <stdlib.h>
#include <string.h>

#include "storage/store_impl.h"
#include "test/sim/scene_parts.h"

/* ---- rows ---- */

const char *scene_packet(const char *name) {
  static const char *const names[][2] = {{"FOLLOWERINFO", "ConnectAndFollowerSendFOLLOWERINFO"},
                                         {"LEADERINFO", "LeaderSendLEADERINFO"},
                                         {"ACKEPOCH", "FollowerProcessLEADERINFO"},
                                         {"DIFF", "LeaderSyncFollower_DIFF"},
                                         {"TRUNC", "LeaderSyncFollower_TRUNC"},
                                         {"SNAP", "LeaderSyncFollower_SNAP"},
                                         {"NEWLEADER", "LeaderSendNEWLEADER"},
                                         {"ACKLD", "FollowerProcessNEWLEADER"},
                                         {"UPTODATE", "LeaderProcessACKLD_UPTODATE"},
                                         {"VOTE", "FLENotification"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!strcmp(name, names[i][0])) return names[i][1];
  return name;
}

static bool has_value(const struct trace_row *r, bool of_zxid, uint64_t value) {
  const char *name = r->names ? r->names : "";
  for (int i = 0; i < 3 && *name; i++) {
    bool is_zxid = !strncmp(name, "zxid", 4);
    if (is_zxid && (of_zxid ? r->v[i] == value : zxid_epoch(r->v[i]) == value)) return true;
    if (!is_zxid && !of_zxid && r->v[i] == value) return true;
    name += strcspn(name, " ");
    name += *name == ' ';
  }
  return false;
}

/* The words behind the action: to n2, 3:4, 3. */
static bool row_values(struct words *w, const struct trace_row *r) {
  zxid_t zxid;
  uint64_t number;
  bool is = !words_take(w, "to") || words_node(w) == r->peer;
  if (words_take_zxid(w, &zxid))
    is &= has_value(r, true, zxid);
  else if (words_take_number(w, &number))
    is &= has_value(r, false, number);
  return is;
}

bool scene_row(struct words *w, const struct trace_row *r) {
  char text[SCENE_TEXT];
  bool is = words_take(w, "any") || words_node(w) == r->node;
  if (words_take(w, "says") || words_take(w, "said")) {
    words_rest(w, text, sizeof text);
    return is && !r->names && strstr(r->text, text);
  }
  bool sends = words_take(w, "sends") || words_take(w, "sent");
  const char *action = sends ? scene_packet(words_next(w)) : words_next(w);
  return row_values(w, r) && is && r->names && !strcmp(action, r->action);
}

static bool is_row(struct words *w, uint32_t from) {
  struct words at = *w;
  struct trace_row none = {.node = -1, .peer = -1};
  bool found = false;
  scene_row(w, &none); /* reads the words */
  for (uint32_t i = from; i < scene->log.cnt && !found; i++) {
    struct words again = at;
    found = scene_row(&again, &scene->log.at[i]);
  }
  return found;
}

/* ---- states of a node ---- */

static bool serves(const struct machine *m) {
  return m->state == MACHINE_UP && m->app_runs && m->app.state == APP_SERVING;
}

static bool is_up(const struct machine *m, struct words *w) {
  (void)w;
  return m->state == MACHINE_UP;
}

static bool is_down(const struct machine *m, struct words *w) {
  uint64_t code;
  bool down = !m->node;
  if (words_take_number(w, &code)) down &= m->exit_code == (int)code;
  return down;
}

static bool does_serve(const struct machine *m, struct words *w) {
  (void)w;
  return serves(m);
}

static bool leads(const struct machine *m, struct words *w) {
  (void)w;
  return serves(m) && m->slow->replica.role == ROLE_LEADING && m->app.leading;
}

static bool follows(const struct machine *m, struct words *w) {
  (void)w;
  return serves(m) && m->slow->replica.role == ROLE_FOLLOWING;
}

static bool looks(const struct machine *m, struct words *w) {
  (void)w;
  return m->state == MACHINE_UP && m->slow_runs && m->slow->replica.role == ROLE_LOOKING;
}

static zxid_t tip(const struct machine *m) {
  bool is_open = m->node && m->node->store;
  return is_open ? m->node->store->log.last_zxid : oracle_state()->node[m->idx].tip;
}

static bool holds(const struct machine *m, struct words *w) {
  zxid_t zxid = words_zxid(w);
  return history_has(&oracle_state()->history, tip(m), zxid);
}

static bool ends_at(const struct machine *m, struct words *w) {
  words_take(w, "at");
  return tip(m) == words_zxid(w);
}

static bool has_applied(const struct machine *m, struct words *w) {
  zxid_t zxid = words_zxid(w);
  struct app app;
  if (m->state != MACHINE_UP || !m->app_runs) return false;
  app = m->node->app;
  return history_has(&oracle_state()->history, app.ops->applied(&app), zxid);
}

static bool has_accepted(const struct machine *m, struct words *w) {
  uint64_t epoch = words_number(w);
  return m->state == MACHINE_UP && m->node->store->epochs.now.accepted == epoch;
}

static bool has_current(const struct machine *m, struct words *w) {
  uint64_t epoch = words_number(w);
  return m->state == MACHINE_UP && m->node->store->epochs.now.current == epoch;
}

static bool may_vote(const struct machine *m, struct words *w) {
  (void)w;
  return m->state == MACHINE_UP && m->node->store->epochs.now.may_vote;
}

/* A reason's counter, of all threads, since the process started. */
static bool counts(const struct machine *m, struct words *w) {
  const char *name = words_next(w);
  uint64_t least = 1, sum = 0;
  int reason = 0;
  words_take_number(w, &least);
  while (reason < REASON_CNT && strcmp(reason_name((enum reason)reason), name)) reason++;
  if (reason == REASON_CNT) scene_fail("no reason of reason.def", name);
  for (int t = 0; t < THREAD_CNT && m->node; t++)
    sum += counters_get(&m->node->counters[t], (enum reason)reason);
  return sum >= least;
}

/* Its client: all that it wants, or so many. */
static bool acked(const struct machine *m, struct words *w) {
  const struct submitter *c = &world->submitters->at[m->idx];
  uint64_t least = c->wanted;
  words_take_number(w, &least);
  return c->acked >= least;
}

static const struct {
  const char *name;
  bool (*is)(const struct machine *m, struct words *w);
} states[] = {{"up", is_up},
              {"down", is_down},
              {"serves", does_serve},
              {"leads", leads},
              {"follows", follows},
              {"looks", looks},
              {"holds", holds},
              {"ends", ends_at},
              {"applied", has_applied},
              {"accepted", has_accepted},
              {"current", has_current},
              {"votes", may_vote},
              {"counts", counts},
              {"acked", acked}};

/* ---- states of all ---- */

static struct machine *leader(void) {
  struct words none = {0};
  for (int i = 0; i < world->plan.nodes; i++)
    if (leads(&world->machines[i], &none)) return &world->machines[i];
  return NULL;
}

static bool is_leader(struct words *w) {
  int node = -1;
  const struct machine *m = leader();
  words_take_node(w, &node);
  return m && (node < 0 || m->idx == node);
}

static bool all_acked(struct words *w) {
  (void)w;
  for (int i = 0; i < world->plan.nodes; i++) {
    struct words none = {0};
    if (!acked(&world->machines[i], &none)) return false;
  }
  return true;
}

/* All that serve hold and have applied what is committed. */
static bool all_equal(struct words *w) {
  (void)w;
  for (int i = 0; i < world->plan.nodes; i++) {
    const struct machine *m = &world->machines[i];
    struct app app;
    if (!serves(m)) continue;
    app = m->node->app;
    if (app.ops->applied(&app) != oracle_committed() || tip(m) != oracle_committed()) return false;
  }
  return true;
}

static bool all_serve(struct words *w) {
  (void)w;
  for (int i = 0; i < world->plan.nodes; i++)
    if (world->machines[i].node && !serves(&world->machines[i])) return false;
  return true;
}

static bool is_committed(struct words *w) {
  zxid_t zxid = words_zxid(w);
  return history_has(&oracle_state()->history, oracle_committed(), zxid);
}

static bool is_established(struct words *w) {
  uint64_t epoch = words_number(w);
  return epoch < HISTORY_EPOCHS && oracle_state()->history.epoch[epoch].established;
}

static bool elections(struct words *w) { return oracle_state()->elections == words_number(w); }

static const struct {
  const char *name;
  bool (*is)(struct words *w);
} globals[] = {{"leader", is_leader},       {"acked", all_acked},
               {"equal", all_equal},        {"served", all_serve},
               {"committed", is_committed}, {"established", is_established},
               {"elections", elections}};

static bool is_state(struct words *w, bool *is) {
  struct words at = *w;
  const char *first = words_next(&at), *second = words_peek(&at);
  for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
    if (!strcmp(first, globals[i].name)) {
      *w = at;
      *is = globals[i].is(w);
      return true;
    }
  if (!strcmp(first, "any") || !second) return false;
  const struct machine *m = &world->machines[words_node(w)];
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
    if (!strcmp(second, states[i].name)) {
      words_next(w);
      *is = states[i].is(m, w);
      return true;
    }
  w->next--;
  return false;
}

bool scene_holds(struct words *w, uint32_t from) {
  bool negated = words_take(w, "not") || words_take(w, "no"), is;
  if (!is_state(w, &is)) is = is_row(w, from);
  return is != negated;
}
