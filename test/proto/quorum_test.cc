#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

extern "C" {
#include "proto/quorum.h"
}

namespace {

int count(nodeset_t s) { return __builtin_popcount(s); }

/* Every set of 1..7 voters among the 8 peers. */
std::vector<nodeset_t> voter_sets() {
  std::vector<nodeset_t> all;
  for (nodeset_t s = 1; s < 1u << LIMIT_PEERS; s++)
    if (count(s) <= LIMIT_VOTERS) all.push_back(s);
  return all;
}

TEST(Quorum, IsMoreThanHalfOfTheVotersForEverySetOfVotersAndEverySubset) {
  for (nodeset_t voters : voter_sets()) {
    struct quorum q;
    quorum_init(&q, voters);
    for (nodeset_t set = 0; set < 1u << LIMIT_PEERS; set++) {
      int in = 0, all = 0;
      for (int i = 0; i < LIMIT_PEERS; i++) {
        if (!(voters >> i & 1u)) continue;
        all++;
        in += set >> i & 1u;
      }
      ASSERT_EQ(quorum_has(&q, set), in > all - in) << voters << " " << set;
    }
  }
}

TEST(Quorum, AnyTwoQuorumsShareAVoter) {
  for (int n = 1; n <= LIMIT_VOTERS; n++) {
    struct quorum q;
    quorum_init(&q, (1u << n) - 1);
    for (nodeset_t a = 0; a < 1u << n; a++)
      for (nodeset_t b = 0; b < 1u << n; b++)
        ASSERT_FALSE(quorum_has(&q, a) && quorum_has(&q, b) && (a & b) == 0) << n;
  }
}

TEST(Quorum, ObserversNeverCount) {
  struct quorum q;
  quorum_init(&q, 0x07);
  EXPECT_FALSE(quorum_has(&q, 0xf9)); /* five observers and one voter */
  EXPECT_TRUE(quorum_has(&q, 0x03));
  EXPECT_TRUE(quorum_is_voter(&q, 2));
  EXPECT_FALSE(quorum_is_voter(&q, 3));
}

/* Brute force over every subset of the counted nodes. */
uint64_t value_by_definition(const struct quorum *q, nodeset_t counted, const uint64_t *value) {
  uint64_t best = 0;
  for (nodeset_t set = 1; set < 1u << LIMIT_PEERS; set++) {
    if ((set & counted) != set || !quorum_has(q, set)) continue;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < LIMIT_PEERS; i++)
      if ((set & q->voters) >> i & 1u) least = std::min(least, value[i]);
    best = std::max(best, least);
  }
  return best;
}

TEST(Quorum, ValueIsWhatSomeQuorumReachesForRandomPositions) {
  std::mt19937_64 random(1);
  for (nodeset_t voters : voter_sets()) {
    struct quorum q;
    quorum_init(&q, voters);
    for (int round = 0; round < 12; round++) {
      uint64_t value[LIMIT_PEERS];
      for (uint64_t &v : value) v = random() % 2 ? random() % 4 : random();
      nodeset_t counted = static_cast<nodeset_t>(random()) & 0xff;
      ASSERT_EQ(quorum_value(&q, counted, value), value_by_definition(&q, counted, value))
          << voters << " " << counted;
    }
  }
}

TEST(Quorum, ValueOfEverySmallAssignmentOfThreeVoters) {
  struct quorum q;
  quorum_init(&q, 0x15); /* peers 0, 2, 4; the others observe */
  for (int code = 0; code < 3 * 3 * 3; code++)
    for (nodeset_t counted = 0; counted < 1u << 5; counted++) {
      uint64_t value[LIMIT_PEERS] = {static_cast<uint64_t>(code % 3),
                                     9,
                                     static_cast<uint64_t>(code / 3 % 3),
                                     9,
                                     static_cast<uint64_t>(code / 9),
                                     9,
                                     9,
                                     9};
      ASSERT_EQ(quorum_value(&q, counted, value), value_by_definition(&q, counted, value));
    }
}

TEST(QuorumDeathTest, RefusesNoVotersAndTooMany) {
  struct quorum q;
  EXPECT_DEATH(quorum_init(&q, 0), "");
  EXPECT_DEATH(quorum_init(&q, 0xff), "");
}

}  // namespace
