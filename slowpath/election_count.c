#include "slowpath/election_count.h"

int election_voter_idx(const struct election *e, int64_t id) {
  for (int i = 0; i < e->config->peer_cnt; i++)
    if (e->config->peers[i].id == id) return quorum_is_voter(&e->quorum, i) ? i : -1;
  return -1;
}

bool election_may_vote(const struct election *e) {
  return quorum_is_voter(&e->quorum, e->config->self_idx) && e->initial.zxid != ZXID_NONE;
}

/* zxids as everywhere, unsigned; ZooKeeper's signed order is the same below epoch 2^31. */
bool vote_beats(const struct vote *a, const struct vote *b) {
  if (a->peer_epoch != b->peer_epoch) return a->peer_epoch > b->peer_epoch;
  if (a->zxid != b->zxid) return a->zxid > b->zxid;
  return a->leader > b->leader;
}

/* While one of the two is still looking, the votes must be of one round and one history. */
static bool same_vote(const struct vote *a, const struct vote *b) {
  return a->leader == b->leader && a->zxid == b->zxid && a->election_epoch == b->election_epoch &&
         a->peer_epoch == b->peer_epoch;
}

static bool same_settled(const struct election_ballot *a, const struct election_ballot *b) {
  if (a->state == PEER_LOOKING || b->state == PEER_LOOKING) return same_vote(&a->vote, &b->vote);
  if (a->vote.leader != b->vote.leader) return false;
  bool one_is_old = (a->version == 0) != (b->version == 0); /* 3.4.6 has no peerEpoch to compare */
  return one_is_old || a->vote.peer_epoch == b->vote.peer_epoch;
}

/* Own vote, as if it had come back to us. */
static nodeset_t own_bit(const struct election *e, const struct vote *v) {
  bool ours = election_may_vote(e) && same_vote(&e->proposal, v);
  return ours ? election_bit(e->config->self_idx) : 0;
}

/* Who in set voted like b. */
static nodeset_t backers(const struct election_ballot *set, const struct election_ballot *b) {
  nodeset_t who = 0;
  for (int i = 0; i < LIMIT_PEERS; i++)
    if (set[i].present && same_settled(&set[i], b)) who |= election_bit(i);
  return who;
}

static nodeset_t agreed(const struct election *e) {
  struct election_ballot own = {.state = PEER_LOOKING, .vote = e->proposal};
  return backers(e->votes, &own) | own_bit(e, &e->proposal);
}

bool election_has_quorum(const struct election *e) {
  return election_may_vote(e) && quorum_has(&e->quorum, agreed(e));
}

bool election_all_heard(const struct election *e) {
  nodeset_t heard = election_bit(e->config->self_idx);
  for (int i = 0; i < LIMIT_PEERS; i++)
    if (e->votes[i].present) heard |= election_bit(i);
  int leader_idx = election_voter_idx(e, e->proposal.leader);
  if (leader_idx < 0 || !(heard & election_bit(leader_idx))) return false;
  heard |= e->abstaining | e->unreachable | e->lost;
  return (e->quorum.voters & ~heard) == 0;
}

static bool leads(const struct election_ballot *b, int64_t id) {
  return b->present && b->state == PEER_LEADING && b->vote.leader == id;
}

bool election_may_join(const struct election *e, const struct election_ballot *b) {
  int leader_idx = election_voter_idx(e, b->vote.leader);
  nodeset_t this_round = backers(e->votes, b) | own_bit(e, &b->vote);
  /* F2: what others still say of an earlier leadership of ours does not make us a leader */
  if (leader_idx == e->config->self_idx)
    return own_bit(e, &b->vote) && quorum_has(&e->quorum, this_round);
  if (leads(&e->votes[leader_idx], b->vote.leader) && b->vote.election_epoch == e->round &&
      quorum_has(&e->quorum, this_round))
    return true;
  return leads(&e->others[leader_idx], b->vote.leader) &&
         quorum_has(&e->quorum, backers(e->others, b));
}
