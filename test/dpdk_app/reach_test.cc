/* Does the way to a peer carry packets of full size? */
#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "dpdk_app/reach.h"
}

namespace {

constexpr uint64_t kS = 1000000000, kA = 0xa, kB = 0xb;

class Reach : public testing::Test {
 protected:
  void SetUp() override { reach_init(&r); }

  /* Pings that are due at now, 's' for a small one, 'F' for a full one. */
  std::string due(int peer = 1) {
    std::string s;
    struct reach_ping p;
    while (reach_next(&r, now, &p)) {
      EXPECT_EQ(p.peer_idx, peer);
      s += p.is_full ? 'F' : 's';
    }
    return s;
  }

  struct reach r;
  uint64_t now = kS;
};

TEST_F(Reach, AsksNobodyWhoseMacIsUnknown) {
  reach_seen(&r, 1, now);
  EXPECT_EQ(reach_due(&r), UINT64_MAX);
  EXPECT_EQ(due(), "");
}

TEST_F(Reach, IsProvenByOneFullAnswerAndThenQuiet) {
  reach_begin(&r, 1, now);
  EXPECT_EQ(reach_due(&r), now);
  EXPECT_EQ(due(), "sF");
  EXPECT_FALSE(r.peers[1].is_proven);
  reach_answer(&r, 1, true);
  EXPECT_TRUE(r.peers[1].is_proven);
  EXPECT_EQ(reach_due(&r), UINT64_MAX);
  reach_seen(&r, 1, now + 60 * kS);
  EXPECT_EQ(reach_due(&r), UINT64_MAX);
}

TEST_F(Reach, IsNotProvenBySmallAnswersAndSaysSoAfterAFew) {
  reach_begin(&r, 1, now);
  for (int i = 0; i < REACH_VERDICT; i++) {
    EXPECT_FALSE(r.peers[1].is_too_small);
    EXPECT_EQ(due(), "sF");
    reach_answer(&r, 1, false);
    EXPECT_FALSE(r.peers[1].is_proven);
    now = reach_due(&r);
  }
  EXPECT_TRUE(r.peers[1].is_too_small);
  EXPECT_EQ(due(), "sF") << "it goes on";
  reach_answer(&r, 1, true);
  EXPECT_TRUE(r.peers[1].is_proven);
  EXPECT_FALSE(r.peers[1].is_too_small);
}

TEST_F(Reach, LimitsTheRateAndAsksAtOnceWhenThePeerIsSeen) {
  reach_begin(&r, 1, now);
  int rounds = 0;
  for (uint64_t end = now + 60 * kS; now < end; now += kS / 1000) rounds += due() == "sF";
  EXPECT_GE(rounds, 60);
  EXPECT_LE(rounds, 70);
  now = reach_due(&r);
  EXPECT_EQ(due(), "sF");
  reach_seen(&r, 1, now);
  EXPECT_EQ(reach_due(&r), now + REACH_GAP_NS) << "a flood does not make us flood";
  now += kS / 2;
  reach_seen(&r, 1, now);
  EXPECT_EQ(due(), "sF");
}

TEST_F(Reach, IsUnprovenAgainWhenThePeerHasAnotherMac) {
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_EQ(due(), "sF");
  reach_answer(&r, 1, true);
  EXPECT_TRUE(r.peers[1].is_proven);
  now += kS;
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_TRUE(r.peers[1].is_proven) << "the same one";
  reach_mac(&r, 1, now, {kB, false});
  EXPECT_FALSE(r.peers[1].is_proven);
  EXPECT_EQ(due(), "sF");
  reach_answer(&r, 1, true);
  EXPECT_TRUE(r.peers[1].is_proven);
  reach_mac(&r, 1, now, {kA, false});
  EXPECT_FALSE(r.peers[1].is_proven) << "that proof was for another way";
}

TEST_F(Reach, IsUnprovenWhenTheWayWasSilentAndAskedAnewAtTheUsualRate) {
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_EQ(due(), "sF");
  reach_answer(&r, 1, true);
  for (int i = 0; i < 1000; i++) reach_begin(&r, 1, now);
  EXPECT_FALSE(r.peers[1].is_proven);
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_FALSE(r.peers[1].is_proven) << "where it is proves nothing";
  EXPECT_EQ(reach_due(&r), now + REACH_GAP_NS);
  now += REACH_GAP_NS;
  EXPECT_EQ(due(), "sF");
  reach_answer(&r, 1, true);
  EXPECT_TRUE(r.peers[1].is_proven);
}

/* A flood of forged claims, a hundred for each gap; the owner says where it is once a gap. */
TEST_F(Reach, AFloodOfClaimsCostsNoMoreAndProvesOrDisprovesNothing) {
  int rounds = 0, proven = 0;
  for (int ms = 0; ms < 1000; ms++) {
    for (int i = 0; i < 10; i++, now += kS / 10000) {
      reach_mac(&r, 1, now, {kB + static_cast<uint64_t>(i), false});
      if (due() == "sF") rounds++; /* nobody answers there */
    }
    if (ms % 10) continue;
    reach_mac(&r, 1, now, {kA, true});
    if (due() == "sF") {
      rounds++;
      reach_answer(&r, 1, true);
    }
    proven += r.peers[1].is_proven;
  }
  EXPECT_EQ(proven, 100) << "whenever frames go to its owner";
  EXPECT_LE(rounds, 110) << "one a gap";
  reach_mac(&r, 1, now, {kB, false});
  EXPECT_FALSE(r.peers[1].is_proven);
  EXPECT_GE(reach_due(&r), now);
}

/* The first answer comes when the stranger has spoken again. */
TEST_F(Reach, AProofIsForTheMacThatWasAsked) {
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_EQ(due(), "sF");
  reach_mac(&r, 1, now, {kB, false});
  reach_answer(&r, 1, true);
  EXPECT_FALSE(r.peers[1].is_proven);
  reach_mac(&r, 1, now, {kA, true});
  EXPECT_TRUE(r.peers[1].is_proven);
  EXPECT_EQ(reach_due(&r), UINT64_MAX);
}

}  // namespace
