/* Clients of app_log, as zabctl submit behaves: one window of requests in order, at one node; when
 * its order is broken (the role ended, refused, the node is gone) it starts again, perhaps at
 * another node, from the last one that was applied there. */
#include "test/sim/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "test/sim/oracle.h"

#define RETRY (5 * MS)
#define PACE (4 * MS)       /* between two looks whether it is time for the next request */
#define PATIENCE (150 * MS) /* without progress it goes to another node */

static struct submitters_state state;

static struct made { /* a client's request that is still to be taken */
  uint64_t sequence; /* 0: none */
  uint32_t len;
  uint8_t bytes[LIMIT_TEXT_LEN + (64 << 10)];
} made[CLIENTS];

static struct submitter *client_at(int i) { return &state.at[i]; }

static void later(int i, uint64_t delay) {
  heap_push(
      &world->heap,
      (struct sim_event){
          .at = world->now + delay, .kind = EVENT_CLIENT, .who = i, .number = ++state.at[i].timer});
}

void submitters_init(void) {
  state = (struct submitters_state){.cnt = world->plan.tree ? 0 : world->plan.clients};
  world->submitters = &state;
  for (int i = 0; i < CLIENTS; i++) made[i].sequence = 0;
  for (int i = 0; i < state.cnt; i++) {
    state.at[i].id = 1000 + (uint64_t)i;
    state.at[i].node = (int)random_below(&world->random_client, (uint64_t)world->plan.nodes);
    later(i, random_below(&world->random_client, RETRY));
  }
}

void submitters_free(void) { world->submitters = NULL; }

static void wake_app(int node) {
  struct machine *m = &world->machines[node];
  if (m->app_runs) actor_wake(&m->actor[THREAD_APP], random_below(&world->random_client, 50 * US));
}

static void break_off(struct submitter *c) {
  c->step = CLIENT_BROKEN;
  later((int)(c - state.at), random_between(&world->random_client, RETRY / 4, RETRY));
}

void submitters_event(int who, uint64_t number) {
  struct submitter *c = client_at(who);
  if (number != c->timer) return;
  bool stuck = world->now - c->progress > PATIENCE;
  if (c->step == CLIENT_BROKEN || c->step == CLIENT_IDLE || stuck) {
    if (!state.pinned && (stuck || random_below(&world->random_client, 3) == 0)) {
      c->node = (int)random_below(&world->random_client, (uint64_t)world->plan.nodes);
      c->progress = world->now;
    }
    c->step = CLIENT_STARTING;
  }
  wake_app(c->node);
  later(who, random_between(&world->random_client, PACE / 2, PACE));
}

void submitters_pin(const int *nodes, int cnt) {
  state.pinned = true;
  for (int i = 0; i < state.cnt; i++) {
    state.at[i].node = nodes[i % cnt];
    state.at[i].wanted = state.at[i].acked + 1;
    state.at[i].step = CLIENT_STARTING;
    state.at[i].every = 0;
    later(i, 0);
  }
}

void submitters_settle(void) {
  state.pinned = true;
  for (int i = 0; i < state.cnt; i++) state.at[i].node = i;
}

void submitters_want(int who, uint64_t more, uint64_t every) {
  struct submitter *c = client_at(who);
  c->wanted += more;
  c->every = every;
  if (c->step != CLIENT_SUBMITTING) c->step = CLIENT_STARTING;
  later(who, 0);
}

void submitters_no_more(int who) {
  struct submitter *c = client_at(who);
  uint64_t asked = c->next ? c->next - 1 : 0;
  c->wanted = c->acked > asked ? c->acked : asked;
  c->every = 0;
}

static uint32_t write_request(const struct submitter *c, uint64_t sequence, uint8_t *dst) {
  uint64_t salt = c->id * 1000003 + sequence * 7919;
  struct random r = {salt};
  uint32_t min = world->plan.record_min ? world->plan.record_min : 1;
  uint32_t len = min + (uint32_t)random_tail(&r, 0, world->plan.record_max - min);
  app_log_request_write(dst, c->id, sequence);
  uint64_t v = random_next(&r);
  for (uint32_t i = 0; i < len; i += 8) {
    v = v * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    memcpy(dst + APP_LOG_REQUEST_HEADER + i, &v, len - i < 8 ? len - i : 8);
  }
  return APP_LOG_REQUEST_HEADER + len;
}

uint32_t client_data(uint64_t id, uint64_t sequence, uint8_t *dst) {
  struct submitter c = {.id = id};
  return write_request(&c, sequence, dst);
}

/* As it was made, until it is taken. */
static struct span request_of(const struct submitter *c) {
  struct made *m = &made[c - state.at];
  if (m->sequence != c->next) m->len = write_request(c, c->next, m->bytes);
  m->sequence = c->next;
  return (struct span){m->bytes, (int32_t)m->len};
}

static void acknowledge(struct submitter *c, uint64_t sequence) {
  for (; c->acked < sequence; c->acked++) {
    oracle_acked(c->node, c->id, c->acked + 1);
    state.acked++;
  }
  c->progress = world->now;
}

static void start(struct machine *m, struct submitter *c) {
  struct app_log_id last = app_log_last(m->node->app_log, c->id);
  c->step = CLIENT_SUBMITTING;
  c->progress = world->now;
  acknowledge(c, last.sequence > c->acked ? last.sequence : c->acked);
  c->next = last.sequence + 1; /* below acked + 1 if this node is behind: sent again, a duplicate */
}

static bool submit(struct machine *m, struct submitter *c) {
  if (c->next > c->acked + (uint64_t)world->plan.window) return false;
  if (state.pinned && c->next > c->wanted) return false;
  if (!state.pinned && world->now < c->next * world->plan.pace) return false;
  if (c->every && world->now < c->not_before) return false;
  struct span request = request_of(c);
  oracle_submitted(c->id, c->next); /* before: it may be committed when app_submit returns */
  enum reason r = app_submit(&m->app, request.data, (uint32_t)request.len);
  if (r == REASON_BUSY) {
    c->waits = true;
    return false;
  }
  if (r == REASON_NONE || r == REASON_SEQ_DUPLICATE) {
    c->next++;
    c->not_before = world->now + c->every;
    return true;
  }
  note("ClientRefused", "client reason", (struct noted){m->idx, -1, {c->id, r}});
  break_off(c);
  return false;
}

bool submitters_turn(struct machine *m) {
  bool worked = false;
  for (int i = 0; i < state.cnt; i++) {
    struct submitter *c = client_at(i);
    c->waits = false;
    if (c->node != m->idx) continue;
    if (c->step == CLIENT_STARTING && m->app.state == APP_SERVING) start(m, c);
    while (c->step == CLIENT_SUBMITTING && submit(m, c)) worked = true;
  }
  return worked;
}

bool submitters_wait(const struct machine *m) {
  for (int i = 0; i < state.cnt; i++)
    if (state.at[i].node == m->idx && state.at[i].waits) return true;
  return false;
}

bool submitters_urgent(const struct machine *m) {
  for (int i = 0; i < state.cnt; i++) {
    const struct submitter *c = &state.at[i];
    if (c->node == m->idx && c->step == CLIENT_SUBMITTING && c->next > c->acked + 1) return true;
  }
  return false;
}

/* RESEND: the node's role has ended, or the node. */
void submitters_role_changed(struct machine *m) {
  for (int i = 0; i < state.cnt; i++)
    if (state.at[i].node == m->idx && state.at[i].step == CLIENT_SUBMITTING)
      break_off(&state.at[i]);
}

void submitters_applied(struct machine *m, zxid_t zxid, const void *txn, uint32_t len) {
  struct app_log_txn t = app_log_txn_read(txn, len);
  (void)zxid;
  for (int i = 0; i < state.cnt; i++) {
    struct submitter *c = client_at(i);
    if (c->id != t.client || c->node != m->idx || c->step != CLIENT_SUBMITTING) continue;
    if (t.type == APP_LOG_RECORD)
      acknowledge(c, t.sequence > c->acked ? t.sequence : c->acked);
    else if (t.sequence < c->next && t.sequence > c->acked)
      break_off(c);
  }
}
