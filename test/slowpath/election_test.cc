/* One election machine, fed by hand: the rules of zookeeper/election.md 3-5 and design 5.3. */
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

extern "C" {
#include "slowpath/election.h"
}

namespace {

const uint64_t T0 = 1000000, FINALIZE = 20000;

/* Node `self` of `cnt` voters with ids 1..cnt (index = id - 1), and behind them `observers`. */
struct Node {
  Node(int cnt, int self, int observers = 0)
      : config(new struct config()), actions(new struct replica_actions()) {
    config->peer_cnt = cnt + observers;
    config->self_idx = self;
    config->finalize_ms = 20;
    for (int i = 0; i < cnt + observers; i++) {
      config->peers[i].id = static_cast<uint8_t>(i + 1);
      config->peers[i].role = i < cnt ? ROLE_VOTER : ROLE_OBSERVER;
    }
    config->id = config->peers[self].id;
    election_init(&e, config.get());
  }

  struct election_result start(zxid_t zxid = 0, int64_t peer_epoch = 0, int lost = -1) {
    actions->cnt = 0;
    struct vote v = {config->id, zxid, 0, peer_epoch};
    return election_start(&e, now, v, lost, actions.get());
  }
  struct election_result hear(int from, enum peer_state state, struct vote v, int version = 2) {
    static struct notification n;
    n.state = state;
    n.vote = v;
    n.version = version;
    actions->cnt = 0;
    return election_on_notification(&e, now, from, &n, actions.get());
  }
  struct election_result link(int peer, enum link_state l) {
    actions->cnt = 0;
    return election_on_link(&e, now, peer, l, actions.get());
  }
  struct election_result tick(uint64_t at) {
    actions->cnt = 0;
    now = at;
    return election_on_tick(&e, now, actions.get());
  }
  /* Who was told, and the vote he was told last. */
  std::vector<int> told() {
    std::vector<int> who;
    for (uint32_t i = 0; i < actions->cnt; i++)
      if (actions->at[i].type == ACT_NOTIFY) {
        who.push_back(actions->at[i].peer_idx);
        said = actions->at[i].vote;
        said_state = actions->at[i].state;
      }
    return who;
  }

  std::unique_ptr<struct config> config;
  std::unique_ptr<struct replica_actions> actions;
  struct election e;
  uint64_t now = T0;
  struct vote said = {0, 0, 0, 0};
  enum peer_state said_state = PEER_OBSERVING;
};

using Who = std::vector<int>;

/* A vote for id, with history zxid, in round, of peer epoch pe. */
struct vote vote_for(int64_t id, int64_t round = 1, zxid_t zxid = 0, int64_t pe = 0) {
  return {id, zxid, round, pe};
}

/* ---- F1: the order ---- */

TEST(VoteOrder, IsStrictTotalAndLexicographicInAllCases) {
  std::vector<struct vote> all;
  for (int64_t pe = 0; pe < 3; pe++)
    for (zxid_t zxid = 0; zxid < 3; zxid++)
      for (int64_t id = 0; id < 3; id++) all.push_back({id, zxid, 0, pe});
  for (const struct vote &a : all)
    for (const struct vote &b : all) { /* 3^6 pairs */
      bool beats =
          std::tie(a.peer_epoch, a.zxid, a.leader) > std::tie(b.peer_epoch, b.zxid, b.leader);
      EXPECT_EQ(vote_beats(&a, &b), beats);
      EXPECT_EQ(vote_beats(&a, &b) + vote_beats(&b, &a), &a == &b ? 0 : 1);
      for (const struct vote &c : all) {
        EXPECT_TRUE(!vote_beats(&a, &b) || !vote_beats(&b, &c) || vote_beats(&a, &c));
      }
    }
}

TEST(VoteOrder, DoesNotLookAtTheRound) {
  struct vote a = {1, 5, 9, 1}, b = {1, 5, 2, 1};
  EXPECT_FALSE(vote_beats(&a, &b));
  EXPECT_FALSE(vote_beats(&b, &a));
}

/* ---- looking ---- */

TEST(Election, StartTellsItsOwnVoteToAllOtherVoters) {
  Node n(3, 1, 1);
  EXPECT_FALSE(n.start(7, 2).decided);
  EXPECT_EQ(n.told(), (Who{0, 2}));
  EXPECT_EQ(n.said.leader, 2);
  EXPECT_EQ(n.said.zxid, 7u);
  EXPECT_EQ(n.said.election_epoch, 1);
  EXPECT_EQ(n.said.peer_epoch, 2);
  EXPECT_EQ(n.said_state, PEER_LOOKING);
  n.start();
  EXPECT_EQ(n.said.election_epoch, 1);
  n.told();
  EXPECT_EQ(n.said.election_epoch, 2) << "a round of its own each time";
}

TEST(Election, ALoneVoterLeadsAtOnce) {
  Node n(1, 0, 1);
  struct election_result r = n.start();
  EXPECT_TRUE(r.decided);
  EXPECT_EQ(r.leader_idx, 0);
  EXPECT_EQ(n.e.state, PEER_LEADING);
  EXPECT_EQ(n.e.deadline_us, UINT64_MAX);
}

TEST(Election, ABetterVoteIsAdoptedAndToldAWorseOneIsNot) {
  Node n(5, 1);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(1));
  EXPECT_EQ(n.told(), (Who{0})) << "its first ballot is answered, nobody else is told";
  EXPECT_EQ(n.said.leader, 2);
  n.hear(3, PEER_LOOKING, vote_for(4));
  EXPECT_EQ(n.told(), (Who{0, 2, 3, 4}));
  EXPECT_EQ(n.said.leader, 4);
}

TEST(Election, ADuplicateIsNotAnsweredAgain) {
  Node n(3, 1);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(1));
  n.hear(0, PEER_LOOKING, vote_for(1));
  EXPECT_EQ(n.told(), Who{});
}

/* F3: with a later round, all of the old round is dropped, even a better vote. */
TEST(Election, ALaterRoundIsComparedWithTheInitialVoteOnly) {
  Node n(5, 1);
  n.start();
  n.hear(4, PEER_LOOKING, vote_for(5));
  ASSERT_EQ(n.e.proposal.leader, 5);
  n.hear(3, PEER_LOOKING, vote_for(3, 6));
  EXPECT_EQ(n.e.round, 6);
  EXPECT_EQ(n.e.proposal.leader, 3);
  EXPECT_FALSE(n.e.votes[4].present);
  EXPECT_EQ(n.told(), (Who{0, 2, 3, 4}));
  n.hear(0, PEER_LOOKING, vote_for(1, 8));
  EXPECT_EQ(n.e.proposal.leader, 2) << "our own is better than the later one";
  EXPECT_EQ(n.e.proposal.election_epoch, 8);
}

// It was truncated since it gave that vote, and who holds it was cut off from then on (F2): to take
// it over would promise what is no more, and in its round its holder would never take less.
TEST(Election, AVoteForUsWithMoreThanWeHaveBeginsANewRound) {
  for (int64_t round : {1, 7}) {
    Node n(5, 2);
    n.start(50, 1);
    n.hear(1, PEER_LOOKING, vote_for(3, round, 59, 1));
    EXPECT_EQ(n.told(), (Who{0, 1, 3, 4}));
    EXPECT_EQ(n.said.leader, 3);
    EXPECT_EQ(n.said.zxid, 50u);
    EXPECT_EQ(n.said.election_epoch, round + 1);
    n.hear(1, PEER_LOOKING, vote_for(2, round + 1, 59, 1));
    n.told();
    EXPECT_EQ(n.said.leader, 2);
    EXPECT_EQ(n.said.election_epoch, round + 1);
  }
}

TEST(Election, AVoteForUsWithWhatWeHaveSupportsUs) {
  Node n(3, 2);
  n.start(50, 1);
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(3, 1, 50, 1)).decided);
  EXPECT_TRUE(n.hear(1, PEER_LOOKING, vote_for(3, 1, 50, 1)).decided);
  EXPECT_EQ(n.e.round, 1);
}

TEST(Election, AnEarlierRoundIsAnsweredAndDoesNotCount) {
  Node n(3, 2);
  n.start();
  n.start(); /* round 2 */
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(3, 1)).decided);
  EXPECT_EQ(n.told(), (Who{0}));
  EXPECT_EQ(n.said.election_epoch, 2);
  EXPECT_EQ(n.e.finalize_us, 0u);
  EXPECT_EQ(n.e.round, 2);
  n.hear(1, PEER_LOOKING, vote_for(2, 1, 99, 9));
  EXPECT_EQ(n.e.proposal.leader, 3) << "however good it is";
}

/* ---- deciding: design 5.3 ---- */

TEST(Election, DecidesAtOnceWhenEverybodyHasAnswered) {
  Node n(3, 2);
  n.start();
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(3)).decided);
  struct election_result r = n.hear(1, PEER_LOOKING, vote_for(2));
  EXPECT_TRUE(r.decided);
  EXPECT_EQ(r.leader_idx, 2);
  EXPECT_EQ(n.e.state, PEER_LEADING);
}

TEST(Election, WaitsFinalizeTimeForAVoterWhoMayBeThere) {
  Node n(3, 1);
  n.start();
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(2)).decided);
  EXPECT_EQ(n.e.finalize_us, T0 + FINALIZE);
  EXPECT_EQ(n.e.deadline_us, T0 + FINALIZE);
  EXPECT_FALSE(n.tick(T0 + FINALIZE - 1).decided);
  EXPECT_TRUE(n.tick(T0 + FINALIZE).decided);
}

TEST(Election, ABetterVoteDuringTheWaitEndsIt) {
  Node n(5, 2);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(3));
  n.hear(1, PEER_LOOKING, vote_for(3));
  ASSERT_EQ(n.e.finalize_us, T0 + FINALIZE);
  n.now += FINALIZE / 2;
  n.hear(4, PEER_LOOKING, vote_for(5));
  EXPECT_EQ(n.e.finalize_us, 0u);
  EXPECT_FALSE(n.tick(T0 + FINALIZE).decided) << "for 3 there is no quorum any more";
  n.hear(0, PEER_LOOKING, vote_for(5));
  EXPECT_EQ(n.e.finalize_us, T0 + 2 * FINALIZE) << "a wait of its own";
}

TEST(Election, ABetterVoteWithAQuorumOfItsOwnIsWaitedForFromItsOwnTime) {
  Node n(3, 1);
  n.start(5);
  n.hear(2, PEER_LOOKING, vote_for(2, 1, 5));
  ASSERT_EQ(n.e.finalize_us, T0 + FINALIZE);
  n.now += FINALIZE / 2;
  n.hear(2, PEER_LOOKING, vote_for(1, 1, 9)); /* node 1, relayed */
  EXPECT_EQ(n.e.finalize_us, T0 + FINALIZE / 2 + FINALIZE);
}

TEST(Election, DoesNotWaitForAPeerThatRefusedOrClosed) {
  for (enum link_state l : {LINK_REFUSED, LINK_DOWN}) {
    Node n(3, 1);
    n.link(2, l);
    n.start();
    EXPECT_TRUE(n.hear(0, PEER_LOOKING, vote_for(2)).decided);
  }
}

TEST(Election, ARefusalDuringTheWaitEndsIt) {
  Node n(3, 1);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(2));
  EXPECT_TRUE(n.link(2, LINK_REFUSED).decided);
}

TEST(Election, WaitsAgainForAPeerWhoseConnectionStands) {
  Node n(3, 1);
  n.link(2, LINK_REFUSED);
  n.start();
  n.link(2, LINK_UP);
  EXPECT_EQ(n.told(), (Who{2})) << "it must learn our vote";
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(2)).decided);
}

TEST(Election, DoesNotWaitForTheLeaderJustLostUntilItIsHeardOf) {
  Node n(3, 1);
  n.start(0, 0, 2);
  EXPECT_TRUE(n.hear(0, PEER_LOOKING, vote_for(2)).decided);
  Node m(3, 1);
  m.start(0, 0, 2);
  m.link(2, LINK_UP); /* a hung process still has connections */
  m.hear(2, PEER_LOOKING, vote_for(2));
  EXPECT_EQ(m.e.lost, 0u);
}

TEST(Election, DoesNotDecideEarlyForALeaderItHasNotHeard) {
  Node n(3, 1);
  n.link(2, LINK_REFUSED);
  n.start();
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(3)).decided) << "node 1 may hear 3, we do not";
  EXPECT_EQ(n.e.proposal.leader, 3);
  n.tick(T0 + FINALIZE);
  EXPECT_TRUE(n.e.looking) << "following a leader who is away helps nobody";
  EXPECT_EQ(n.e.round, 2);
  EXPECT_EQ(n.e.proposal.leader, 2);
}

TEST(Election, AVoteOfAClosedConnectionNoLongerCounts) {
  Node n(3, 1);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(2));
  EXPECT_FALSE(n.link(0, LINK_DOWN).decided);
  EXPECT_EQ(n.e.finalize_us, 0u);
  EXPECT_FALSE(n.tick(T0 + 10 * FINALIZE).decided);
}

/* ---- time ---- */

TEST(Election, RepeatsAtDoublingTimesUpToASecondAndStartsAgainOnNews) {
  Node n(3, 1);
  n.start();
  uint64_t expected = FINALIZE;
  for (int i = 0; i < 10; i++) {
    ASSERT_EQ(n.e.deadline_us, n.now + expected);
    n.tick(n.e.deadline_us);
    EXPECT_EQ(n.told(), (Who{0, 2}));
    expected = expected * 2 < 1000000 ? expected * 2 : 1000000;
  }
  n.hear(2, PEER_LOOKING, vote_for(3, 1, 0, 5));
  EXPECT_EQ(n.e.resend_us, n.now + FINALIZE);
  for (int i = 0; i < 5 && n.e.looking; i++) n.tick(n.e.resend_us);
}

TEST(Election, AnEarlyTickChangesNothing) {
  Node n(3, 1);
  n.start();
  n.tick(T0 + 1);
  EXPECT_EQ(n.told(), Who{});
  EXPECT_EQ(n.e.deadline_us, T0 + FINALIZE);
}

/* ---- F5: late and repeated messages ---- */

TEST(Election, AnOlderBallotOfTheSameRoundThatComesLateDoesNotReplaceTheNewer) {
  Node n(5, 4);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(5));
  n.hear(1, PEER_LOOKING, vote_for(5));
  ASSERT_NE(n.e.finalize_us, 0u);
  n.hear(0, PEER_LOOKING, vote_for(1)); /* what it voted first */
  EXPECT_NE(n.e.finalize_us, 0u);
}

TEST(Election, ALookingVoteSentBeforeItsSenderSettledIsIgnored) {
  Node n(5, 0);
  n.start();
  n.hear(1, PEER_FOLLOWING, vote_for(3, 4, 0, 2));
  n.hear(1, PEER_LOOKING, vote_for(3, 4, 0, 1));
  EXPECT_TRUE(n.e.others[1].present);
  EXPECT_EQ(n.e.round, 1);
}

/* ---- settled peers: joining ---- */

TEST(Election, JoinsWithAQuorumIfTheLeaderItselfSaysThatItLeads) {
  Node n(3, 0);
  n.start();
  EXPECT_FALSE(n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided);
  struct election_result r = n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2));
  EXPECT_TRUE(r.decided);
  EXPECT_EQ(r.leader_idx, 2);
  EXPECT_EQ(n.e.state, PEER_FOLLOWING);
  EXPECT_EQ(n.e.round, 9) << "the ensemble's round";
  EXPECT_EQ(n.e.current.peer_epoch, 2);
}

TEST(Election, DoesNotFollowALeaderWhoDoesNotSaySoItself) {
  Node n(5, 0);
  n.start();
  EXPECT_FALSE(n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_FALSE(n.hear(3, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_FALSE(n.hear(4, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_FALSE(n.hear(2, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided) << "not FOLLOWING itself";
  EXPECT_TRUE(n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2)).decided);
}

TEST(Election, DoesNotFollowALeaderWithoutAQuorum) {
  Node n(5, 0);
  n.start();
  EXPECT_FALSE(n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_FALSE(n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_FALSE(n.tick(T0 + 10 * FINALIZE).decided);
}

/* F4: what members say must agree in id and peerEpoch, not in round or zxid. */
TEST(Election, SettledVotesOfAnotherPeerEpochDoNotAddUpThoseOfAnotherRoundDo) {
  Node n(3, 0);
  n.start();
  n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 1));
  EXPECT_FALSE(n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2)).decided);
  EXPECT_TRUE(n.hear(1, PEER_FOLLOWING, vote_for(3, 8, 4, 2)).decided);
}

TEST(Election, MessagesWithoutAVersionAgreeByIdAlone) {
  Node n(3, 0);
  n.start();
  n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 0), 0);
  EXPECT_TRUE(n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2)).decided);
}

TEST(Election, AFollowerOfThisRoundHelpsItsLeaderToLead) {
  Node n(3, 2);
  n.start();
  struct election_result r = n.hear(1, PEER_FOLLOWING, vote_for(3, 1));
  EXPECT_TRUE(r.decided) << "node 2 has decided for us, its LOOKING vote was lost";
  EXPECT_EQ(r.leader_idx, 2);
}

/* F2: what others still say about an earlier life of ours. */
TEST(Election, IsNotMadeLeaderByFollowersOfAnEarlierLife) {
  const struct vote stale[] = {vote_for(3, 4, 0, 0), vote_for(3, 1, 7, 0), vote_for(3, 1, 0, 3)};
  for (const struct vote &v : stale) { /* another round, zxid, peer epoch */
    Node n(3, 2);
    n.start();
    EXPECT_FALSE(n.hear(0, PEER_FOLLOWING, v).decided);
    EXPECT_FALSE(n.hear(1, PEER_FOLLOWING, v).decided);
    EXPECT_FALSE(n.tick(T0 + 5 * FINALIZE).decided);
  }
}

TEST(Election, AReplayedOldVoteForAJoinerGivesWayToWhatTheEnsembleSays) {
  Node n(3, 2);
  n.start();
  n.hear(0, PEER_LOOKING, vote_for(3)); /* of an earlier round 1 */
  n.hear(0, PEER_FOLLOWING, vote_for(2, 5, 4, 3));
  EXPECT_EQ(n.e.finalize_us, 0u);
  struct election_result r = n.hear(1, PEER_LEADING, vote_for(2, 5, 4, 3));
  EXPECT_TRUE(r.decided);
  EXPECT_EQ(r.leader_idx, 1);
}

/* ---- settled ---- */

TEST(Election, ASettledNodeAnswersWhoLooksWithItsVoteAndOthersNot) {
  Node n(3, 0);
  n.start();
  n.hear(1, PEER_FOLLOWING, vote_for(3, 9, 5, 2));
  n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2));
  n.hear(1, PEER_LOOKING, vote_for(2, 50, 99, 9));
  EXPECT_EQ(n.told(), (Who{1}));
  EXPECT_EQ(n.said_state, PEER_FOLLOWING);
  EXPECT_EQ(n.said.leader, 3);
  EXPECT_EQ(n.said.zxid, 5u);
  EXPECT_EQ(n.said.election_epoch, 9);
  n.hear(2, PEER_LEADING, vote_for(3, 9, 5, 2));
  EXPECT_EQ(n.told(), Who{});
  election_established(&n.e, 7); /* ZOOKEEPER-1732 */
  n.hear(1, PEER_LOOKING, vote_for(2, 51));
  n.told();
  EXPECT_EQ(n.said.peer_epoch, 7);
}

TEST(Election, SaysNothingBeforeItsFirstRound) {
  Node n(3, 0);
  n.hear(1, PEER_LOOKING, vote_for(2));
  EXPECT_EQ(n.told(), Who{});
}

/* ---- who may not vote ---- */

TEST(Election, ANodeThatMayNotVoteDoesNotDecideByVotesButJoins) {
  Node n(3, 2);
  n.start(ZXID_NONE, 9);
  EXPECT_FALSE(n.hear(0, PEER_LOOKING, vote_for(3)).decided);
  EXPECT_EQ(n.told(), (Who{0})) << "so that nobody waits for it";
  EXPECT_EQ(n.said.zxid, ZXID_NONE);
  EXPECT_FALSE(n.hear(1, PEER_LOOKING, vote_for(2, 1, 0, 10)).decided)
      << "its own would be the second";
  EXPECT_FALSE(n.tick(T0 + 5 * FINALIZE).decided);
  EXPECT_FALSE(n.hear(0, PEER_FOLLOWING, vote_for(2, 4)).decided);
  EXPECT_TRUE(n.hear(1, PEER_LEADING, vote_for(2, 4)).decided);
}

TEST(Election, ALoneVoterThatMayNotVoteDoesNotLead) {
  Node n(1, 0);
  EXPECT_FALSE(n.start(ZXID_NONE).decided);
  EXPECT_FALSE(n.tick(T0 + 5 * FINALIZE).decided);
}

TEST(Election, AVoteOfANodeThatMayNotVoteNeitherWinsNorCountsButIsNotWaitedFor) {
  Node n(3, 1);
  n.start();
  EXPECT_FALSE(n.hear(2, PEER_LOOKING, vote_for(3, 7, ZXID_NONE, 9)).decided);
  EXPECT_EQ(n.e.proposal.leader, 2);
  EXPECT_EQ(n.e.round, 1);
  EXPECT_EQ(n.e.finalize_us, 0u) << "no quorum with it";
  EXPECT_TRUE(n.hear(0, PEER_LOOKING, vote_for(2)).decided) << "all have spoken";
}

TEST(Election, AnObserverIsAnsweredAndNeverCounts) {
  Node n(2, 1, 2);
  n.start();
  EXPECT_FALSE(n.hear(2, PEER_LOOKING, vote_for(2)).decided);
  EXPECT_EQ(n.told(), (Who{2}));
  EXPECT_FALSE(n.hear(3, PEER_FOLLOWING, vote_for(2)).decided);
  EXPECT_EQ(n.e.finalize_us, 0u);
}

TEST(Election, AnObserverJoinsAsSuch) {
  Node n(2, 2, 1);
  n.start(ZXID_NONE);
  EXPECT_EQ(n.told(), (Who{0, 1}));
  n.hear(0, PEER_FOLLOWING, vote_for(2));
  EXPECT_TRUE(n.hear(1, PEER_LEADING, vote_for(2)).decided);
  EXPECT_EQ(n.e.state, PEER_OBSERVING);
}

/* ---- what strangers may say ---- */

TEST(Election, VotesForUnknownIdsAndObserversAreIgnored) {
  for (int64_t id :
       {int64_t{0}, int64_t{4}, int64_t{255}, int64_t{-1}, int64_t{257}, INT64_MIN, INT64_MAX})
    for (enum peer_state s : {PEER_LOOKING, PEER_FOLLOWING, PEER_LEADING}) {
      Node n(3, 1, 1);
      n.start();
      EXPECT_EQ(n.hear(0, s, vote_for(id, 5, 9, 9)).reason, REASON_NOTIFICATION_UNKNOWN) << id;
      EXPECT_EQ(n.e.round, 1);
      EXPECT_EQ(n.e.proposal.leader, 2);
    }
}

TEST(Election, SendersOutOfTheConfigAndOneselfAreIgnored) {
  Node n(3, 1);
  n.start();
  for (int from : {-1, 1, 3, 7, 1000})
    EXPECT_EQ(n.hear(from, PEER_LOOKING, vote_for(3, 5)).reason, REASON_NOTIFICATION_UNKNOWN);
  EXPECT_EQ(n.e.round, 1);
}

TEST(Election, AForgedRoundDoesNotBringTheClockToItsEnd) {
  Node n(3, 1);
  n.start();
  EXPECT_EQ(n.hear(0, PEER_LOOKING, vote_for(1, INT64_MAX)).reason, REASON_NOTIFICATION_UNKNOWN);
  EXPECT_EQ(n.hear(0, PEER_LEADING, vote_for(1, INT64_MAX)).reason, REASON_NOTIFICATION_UNKNOWN);
  n.hear(0, PEER_LOOKING, vote_for(1, int64_t{1} << 62));
  n.start();
  n.start();
  EXPECT_EQ(n.e.round, (int64_t{1} << 62) + 2);
  n.hear(0, PEER_LOOKING, vote_for(1, (int64_t{1} << 62) + 3));
  EXPECT_EQ(n.e.round, (int64_t{1} << 62) + 3) << "small steps go on";
  n.hear(0, PEER_LOOKING, vote_for(1, INT64_MIN));
  EXPECT_EQ(n.e.round, (int64_t{1} << 62) + 3);
}

TEST(Election, AnObservingPeerIsIgnored) {
  Node n(3, 1);
  n.start();
  EXPECT_FALSE(n.hear(2, PEER_OBSERVING, vote_for(2)).decided);
  EXPECT_EQ(n.e.finalize_us, 0u);
}

}  // namespace
