/* learner_epoch.c - LEADERINFO while we follow: the next epoch begins in place (design 3).
 *
 * We fence ourselves, promise, answer ACKEPOCH on the same connection, and learn as always; what
 * our clients have submitted waits meanwhile and goes on from where the leader holds it. */
#include <assert.h>

#include "slowpath/replica_parts.h"

void learner_on_next_epoch(struct replica *r, const struct packet *p, struct replica_actions *a) {
  struct learning *l = &r->learn;
  enum reason bad = learner_read_leaderinfo(r, p, a);
  if (!bad && l->epoch == r->durable.accepted_epoch) bad = REASON_EPOCH_OLD;
  if (!bad && !l->zabline) bad = REASON_EXTENSION_BAD;
  if (bad) {
    learner_abandon(r, bad, false, a);
    return;
  }
  act_log(a, (struct log_event){.id = LOG_EPOCH_FOLLOWED,
                                .peer = r->config->peers[l->leader_idx].id,
                                .epoch = l->epoch});
  act(a, ACT_WATCH_CONN)->conn = 0;
  l->step = LEARNING_FENCE;
  l->in_place = true;
  l->established = false;
  l->resumes = l->iteration;
  fence_in_place(r, a);
}

void learner_fenced(struct replica *r, struct replica_actions *a) {
  assert(r->learn.step == LEARNING_FENCE && !r->fast_open && r->learn.len == 0);
  replica_set_phase(r, PHASE_DISCOVERY);
  learner_promise(r, a);
}
