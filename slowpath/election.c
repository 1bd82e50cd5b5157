#include "slowpath/election.h"

#include <assert.h>
#include <string.h>

#include "slowpath/election_count.h"

#define BACKOFF_MAX_US 1000000u
/* Above it rounds advance in small steps only: no overflow. */
#define ROUND_MAX ((int64_t)1 << 62)
#define ROUND_STEP ((int64_t)1 << 20)

static const struct election_result undecided = {.leader_idx = -1};

void election_init(struct election *e, const struct config *c) {
  nodeset_t voters = 0;
  memset(e, 0, sizeof *e);
  for (int i = 0; i < c->peer_cnt; i++)
    if (c->peers[i].role == ROLE_VOTER) voters |= election_bit(i);
  e->config = c;
  quorum_init(&e->quorum, voters);
  e->state = PEER_LOOKING;
  e->deadline_us = UINT64_MAX;
}

/* ---- what is said ---- */

static struct replica_action *emit(struct replica_actions *a, enum replica_action_type type) {
  assert(a->cnt < LIMIT_SLOW_ACTIONS);
  struct replica_action *action = &a->at[a->cnt++];
  *action = (struct replica_action){.type = type};
  return action;
}

static void say(struct replica_actions *a, struct log_event line) { emit(a, ACT_LOG)->log = line; }

static void notify(const struct election *e, int idx, struct replica_actions *a) {
  struct replica_action *action = emit(a, ACT_NOTIFY);
  action->peer_idx = idx;
  action->state = e->state;
  action->vote = e->looking ? e->proposal : e->current;
}

static void notify_all(const struct election *e, struct replica_actions *a) {
  for (int i = 0; i < e->config->peer_cnt; i++)
    if (i != e->config->self_idx && quorum_is_voter(&e->quorum, i)) notify(e, i, a);
}

/* ---- timers ---- */

static uint64_t finalize_time(const struct election *e) {
  return 1000u * (uint64_t)(e->config->finalize_ms ? e->config->finalize_ms : 1);
}

static void set_deadline(struct election *e) {
  e->deadline_us = UINT64_MAX;
  if (!e->looking) return;
  e->deadline_us = e->resend_us;
  if (e->finalize_us && e->finalize_us < e->deadline_us) e->deadline_us = e->finalize_us;
}

static void reset_backoff(struct election *e, uint64_t now_us) {
  e->backoff_us = finalize_time(e);
  e->resend_us = now_us + e->backoff_us;
}

static void repeat(struct election *e, uint64_t now_us, struct replica_actions *a) {
  notify_all(e, a);
  e->backoff_us = 2 * e->backoff_us < BACKOFF_MAX_US ? 2 * e->backoff_us : BACKOFF_MAX_US;
  e->resend_us = now_us + e->backoff_us;
}

/* ---- rounds ---- */

/* A changed proposal is news for everybody, and the wait for a better one starts again. */
static void propose(struct election *e, uint64_t now_us, struct vote v, struct replica_actions *a) {
  e->proposal = v;
  e->proposal.election_epoch = e->round;
  e->finalize_us = 0;
  notify_all(e, a);
  reset_backoff(e, now_us);
}

static void new_round(struct election *e, uint64_t now_us, struct replica_actions *a) {
  e->round++;
  memset(e->votes, 0, sizeof e->votes);
  say(a, (struct log_event){.id = LOG_LOOKING, .a = (uint64_t)e->round});
  propose(e, now_us, e->initial, a);
}

static enum peer_state settled_state(const struct election *e, int leader_idx) {
  if (leader_idx == e->config->self_idx) return PEER_LEADING;
  return quorum_is_voter(&e->quorum, e->config->self_idx) ? PEER_FOLLOWING : PEER_OBSERVING;
}

static struct election_result settle(struct election *e, struct vote v, struct replica_actions *a) {
  int leader_idx = election_voter_idx(e, v.leader);
  assert(e->looking && leader_idx >= 0);
  e->looking = false;
  e->current = v;
  e->round = v.election_epoch;
  e->state = settled_state(e, leader_idx);
  e->finalize_us = 0;
  set_deadline(e);
  say(a, (struct log_event){.id = LOG_ELECTED, .peer = (int)v.leader, .a = (uint64_t)e->round});
  return (struct election_result){.decided = true, .leader_idx = leader_idx};
}

/* Decides at once when nobody is left to wait for, else finalize_ms after the quorum came about. */
static struct election_result evaluate(struct election *e, uint64_t now_us,
                                       struct replica_actions *a) {
  if (!election_has_quorum(e)) {
    e->finalize_us = 0;
  } else if (election_all_heard(e)) {
    return settle(e, e->proposal, a);
  } else if (!e->finalize_us) {
    e->finalize_us = now_us + finalize_time(e);
  }
  set_deadline(e);
  return undecided;
}

struct election_result election_start(struct election *e, uint64_t now_us, struct vote initial,
                                      int lost_idx, struct replica_actions *a) {
  assert(initial.leader == e->config->peers[e->config->self_idx].id);
  e->looking = true;
  e->state = PEER_LOOKING;
  e->initial = initial;
  e->abstaining = 0;
  memset(e->others, 0, sizeof e->others);
  if (lost_idx >= 0) e->lost |= election_bit(lost_idx);
  new_round(e, now_us, a);
  return evaluate(e, now_us, a);
}

/* ---- notifications ---- */

static struct election_ballot ballot_of(const struct notification *n) {
  return (struct election_ballot){
      .present = true, .state = n->state, .vote = n->vote, .version = n->version};
}

/* One forged round must not bring the clock of everybody to its end. */
static bool round_is_credible(const struct election *e, int64_t round) {
  return round <= ROUND_MAX || round - e->round <= ROUND_STEP;
}

/* Only the newest of a peer counts: within a round its vote can but become better, so an older one
 * that comes late or twice changes nothing (F5). */
static void keep_ballot(struct election *e, int from, const struct notification *n) {
  struct election_ballot *kept = &e->votes[from];
  bool same_round = kept->present && kept->vote.election_epoch == n->vote.election_epoch;
  if (!same_round || !vote_beats(&kept->vote, &n->vote)) *kept = ballot_of(n);
}

/* Returns true if our proposal changed, and so was sent to everybody.  A later round takes us
 * along, with the better of its vote and our own first one: never with a vote of the old round
 * (F3). */
static bool follow_vote(struct election *e, uint64_t now_us, const struct vote *v,
                        struct replica_actions *a) {
  if (v->election_epoch > e->round) {
    e->round = v->election_epoch;
    memset(e->votes, 0, sizeof e->votes);
    propose(e, now_us, vote_beats(v, &e->initial) ? *v : e->initial, a);
    return true;
  }
  if (!vote_beats(v, &e->proposal)) return false;
  propose(e, now_us, *v, a);
  return true;
}

/* A vote for us with more than we have is one that we gave before we were truncated, kept by who
 * was cut off since: to take it over would be to promise what we do not have (F2).  Whoever holds
 * it would never take less in this round: in a new one it is forgotten. */
static bool is_more_than_we_are(const struct election *e, const struct vote *v) {
  return v->leader == e->initial.leader && vote_beats(v, &e->initial);
}

/* The sender may have missed our vote, as it was not looking yet when we sent it: its first ballot
 * of a round is answered, so that nobody waits for a repetition. */
static bool is_first_ballot(const struct election *e, int from, const struct notification *n) {
  const struct election_ballot *b = &e->votes[from];
  return !b->present || b->vote.election_epoch != n->vote.election_epoch;
}

static struct election_result on_looking(struct election *e, uint64_t now_us, int from,
                                         const struct notification *n, struct replica_actions *a) {
  struct election_ballot *settled = &e->others[from];
  if (settled->present && n->vote.election_epoch <= settled->vote.election_epoch)
    return undecided; /* sent before it settled */
  settled->present = false;
  if (n->vote.zxid == ZXID_NONE) {
    e->abstaining |= election_bit(from);
    e->votes[from].present = false;
    return evaluate(e, now_us, a);
  }
  e->abstaining &= ~election_bit(from);
  bool first = is_first_ballot(e, from, n);
  if (!election_may_vote(e)) {
    keep_ballot(e, from, n);
    if (first) notify(e, from, a); /* says that we abstain */
    return undecided;
  }
  if (n->vote.election_epoch < e->round) {
    notify(e, from, a);
    return undecided;
  }
  if (is_more_than_we_are(e, &n->vote)) {
    e->round = n->vote.election_epoch;
    new_round(e, now_us, a);
    return evaluate(e, now_us, a);
  }
  bool announced = follow_vote(e, now_us, &n->vote, a);
  keep_ballot(e, from, n);
  if (first && !announced) notify(e, from, a);
  return evaluate(e, now_us, a);
}

static struct election_result on_settled(struct election *e, uint64_t now_us, int from,
                                         const struct notification *n, struct replica_actions *a) {
  struct election_ballot ballot = ballot_of(n);
  e->abstaining &= ~election_bit(from);
  e->others[from] = ballot;
  e->votes[from] = ballot; /* what it voted while looking is over */
  e->votes[from].present = n->vote.election_epoch == e->round;
  if (election_may_join(e, &ballot)) return settle(e, n->vote, a);
  return evaluate(e, now_us, a);
}

/* Settled, or asked by somebody who does not vote: say what we know (election.md 4). */
static struct election_result answer(const struct election *e, int from,
                                     const struct notification *n, struct replica_actions *a) {
  if (n->state == PEER_LOOKING && e->round > 0) notify(e, from, a);
  return undecided;
}

struct election_result election_on_notification(struct election *e, uint64_t now_us, int from_idx,
                                                const struct notification *n,
                                                struct replica_actions *a) {
  struct election_result ignored = {.leader_idx = -1, .reason = REASON_NOTIFICATION_UNKNOWN};
  if (from_idx < 0 || from_idx >= e->config->peer_cnt || from_idx == e->config->self_idx)
    return ignored;
  e->unreachable &= ~election_bit(from_idx);
  e->lost &= ~election_bit(from_idx);
  if (!e->looking || !quorum_is_voter(&e->quorum, from_idx)) return answer(e, from_idx, n, a);
  if (n->state == PEER_OBSERVING) return undecided;
  if (election_voter_idx(e, n->vote.leader) < 0) return ignored;
  if (!round_is_credible(e, n->vote.election_epoch)) return ignored;
  if (n->state == PEER_LOOKING) return on_looking(e, now_us, from_idx, n, a);
  return on_settled(e, now_us, from_idx, n, a);
}

/* ---- links and time ---- */

/* A peer whose connection ended or is new may have restarted: what it said before counts no more.
 * If it did not restart, its driver repeats its last message on the new connection
 * (election.md 1.6). */
static void forget(struct election *e, int idx) {
  e->votes[idx].present = false;
  e->others[idx].present = false;
  e->abstaining &= ~election_bit(idx);
}

struct election_result election_on_link(struct election *e, uint64_t now_us, int peer_idx,
                                        enum link_state link, struct replica_actions *a) {
  if (peer_idx < 0 || peer_idx >= e->config->peer_cnt || peer_idx == e->config->self_idx)
    return undecided;
  e->unreachable &= ~election_bit(peer_idx);
  if (link != LINK_UP) e->unreachable |= election_bit(peer_idx);
  if (!e->looking || !quorum_is_voter(&e->quorum, peer_idx)) return undecided;
  forget(e, peer_idx);
  if (link == LINK_UP) {
    notify(e, peer_idx, a);
    reset_backoff(e, now_us);
  }
  return evaluate(e, now_us, a);
}

/* Following a leader that we know to be away would only cost the time to find that out again. */
static bool leader_is_away(const struct election *e) {
  int leader_idx = election_voter_idx(e, e->proposal.leader);
  return ((e->unreachable | e->lost) & election_bit(leader_idx)) != 0;
}

struct election_result election_on_tick(struct election *e, uint64_t now_us,
                                        struct replica_actions *a) {
  if (!e->looking) return undecided;
  if (e->finalize_us && now_us >= e->finalize_us) {
    if (!leader_is_away(e)) return settle(e, e->proposal, a);
    new_round(e, now_us, a);
  } else if (now_us >= e->resend_us) {
    repeat(e, now_us, a);
  }
  return evaluate(e, now_us, a);
}

void election_established(struct election *e, uint32_t epoch) {
  if (!e->looking) e->current.peer_epoch = epoch;
}
