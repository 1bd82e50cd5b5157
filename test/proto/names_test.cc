/* Phases, reasons, log events, latencies: tables and the texts made of them. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include "proto/latency.h"
#include "proto/log_event.h"
#include "proto/phase.h"
#include "proto/reason.h"
}

namespace {

/* phase.h's picture: forward one by one, back to FENCING from where there is a leader, STOPPED from
 * anywhere, nothing after it. */
TEST(Phase, MovesAreThoseOfThePictureAndNoOthers) {
  const std::set<std::pair<int, int>> legal = {
      {PHASE_STARTING, PHASE_FENCING},  {PHASE_FENCING, PHASE_LOOKING},
      {PHASE_LOOKING, PHASE_DISCOVERY}, {PHASE_DISCOVERY, PHASE_SYNC},
      {PHASE_SYNC, PHASE_BROADCAST},    {PHASE_DISCOVERY, PHASE_FENCING},
      {PHASE_SYNC, PHASE_FENCING},      {PHASE_BROADCAST, PHASE_FENCING},
      {PHASE_FENCING, PHASE_DISCOVERY},  // the next epoch in place
  };
  for (int from = -1; from <= PHASE_CNT; from++)
    for (int to = -1; to <= PHASE_CNT; to++) {
      bool stop = to == PHASE_STOPPED && from >= 0 && from < PHASE_STOPPED;
      EXPECT_EQ(phase_may_move(static_cast<enum phase>(from), static_cast<enum phase>(to)),
                stop || legal.count({from, to}) == 1)
          << from << " to " << to;
    }
}

TEST(Phase, HasANameAndSoHasEachRole) {
  std::set<std::string> names;
  for (int p = 0; p < PHASE_CNT; p++) names.insert(phase_name(static_cast<enum phase>(p)));
  EXPECT_EQ(names.size(), size_t{PHASE_CNT});
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_STREQ(phase_name(static_cast<enum phase>(PHASE_CNT)), "unknown");
  EXPECT_STREQ(role_name(ROLE_LOOKING), "looking");
  EXPECT_STREQ(role_name(ROLE_FOLLOWING), "following");
  EXPECT_STREQ(role_name(ROLE_LEADING), "leading");
  EXPECT_STREQ(role_name(static_cast<enum role>(9)), "unknown");
}

TEST(Reason, HasANameOfItsOwnAndATextForEachRow) {
  std::set<std::string> names;
  for (int r = 0; r < REASON_CNT; r++) {
    const char *name = reason_name(static_cast<enum reason>(r));
    ASSERT_NE(name, nullptr);
    EXPECT_EQ(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name)) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_GT(strlen(reason_text(static_cast<enum reason>(r))), 0u);
  }
  EXPECT_STREQ(reason_name(static_cast<enum reason>(REASON_CNT)), "unknown");
  EXPECT_STREQ(reason_text(static_cast<enum reason>(-1)), "unknown reason");
}

TEST(Counters, AddUp) {
  static struct counters c;
  counters_add(&c, REASON_STALE_SEQ, 2);
  counters_add(&c, REASON_STALE_SEQ, 3);
  EXPECT_EQ(counters_get(&c, REASON_STALE_SEQ), 5u);
  EXPECT_EQ(counters_get(&c, REASON_STALE_EPOCH), 0u);
}

std::string text(const struct log_event &e, size_t cap = 400) {
  std::unique_ptr<char[]> out(new char[cap]);
  int len = log_event_text(out.get(), cap, &e);
  EXPECT_EQ(strlen(out.get()), static_cast<size_t>(len));
  return out.get();
}

struct log_event event(enum log_id id) {
  struct log_event e;
  memset(&e, 0, sizeof e);
  e.id = id;
  return e;
}

TEST(LogEvent, TextHasItsArguments) {
  struct log_event e = event(LOG_STARTED);
  e.a = 4;
  e.b = UINT64_MAX;
  e.zxid = 0x100000005;
  EXPECT_EQ(text(e),
            "started: accepted epoch 4, current epoch 18446744073709551615, last zxid 0x100000005");
  e = event(LOG_ELECTED);
  e.peer = 3;
  EXPECT_EQ(text(e), "elected: node 3 in round 0");
  EXPECT_EQ(log_event_level(LOG_ELECTED), LEVEL_INFO);
}

/* Each row with arguments of its own: none may be left unfilled, or misspelt. */
TEST(LogEvent, EveryRowIsFilledWhole) {
  for (int id = 0; id < LOG_ID_CNT; id++) {
    struct log_event e = event(static_cast<enum log_id>(id));
    e.reason = REASON_STEP_DOWN;
    std::string line = text(e);
    EXPECT_EQ(line.find('{'), std::string::npos) << line;
    EXPECT_EQ(line.find('}'), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_LE(log_event_level(e.id), LEVEL_INFO);
  }
}

TEST(LogEvent, TextIsCutAtTheCapacity) {
  struct log_event e = event(LOG_STARTED);
  std::string whole = text(e);
  for (size_t cap = 1; cap <= whole.size() + 2; cap++)
    EXPECT_EQ(text(e, cap), whole.substr(0, cap - 1)) << cap;
  EXPECT_EQ(log_event_text(nullptr, 0, &e), 0);
}

TEST(LogEvent, AnUnknownIdIsSaidNotRead) {
  EXPECT_EQ(text(event(static_cast<enum log_id>(LOG_ID_CNT))), "unknown log event 0");
  EXPECT_EQ(log_event_level(static_cast<enum log_id>(-1)), LEVEL_ERROR);
}

TEST(Latency, SmallValuesAreExact) {
  static struct latency l;
  latency_clear(&l);
  for (uint64_t v = 0; v < 32; v++) latency_add(&l, v);
  EXPECT_EQ(latency_total(&l), 32u);
  for (uint64_t v = 0; v < 32; v++)
    EXPECT_EQ(latency_percentile(&l, static_cast<uint32_t>((v + 1) * 3125)), v);
}

TEST(Latency, PercentileIsAtMostAThirtySecondAboveTheTrueOne) {
  static struct latency l;
  latency_clear(&l);
  std::mt19937_64 random(7);
  std::vector<uint64_t> all;
  for (int i = 0; i < 5000; i++) {
    uint64_t v = random() >> (20 + random() % 44); /* below 2^44 */
    all.push_back(v);
    latency_add(&l, v);
  }
  std::sort(all.begin(), all.end());
  for (uint32_t p : {1u, 1000u, 50000u, 90000u, 99000u, 99900u, 100000u}) {
    size_t rank = (all.size() * p + 99999) / 100000;
    uint64_t exact = all[rank - 1], got = latency_percentile(&l, p);
    EXPECT_GE(got, exact) << p;
    EXPECT_LE(got, exact + exact / 32) << p;
  }
}

TEST(Latency, IsEmptyAfterClearAndHoldsTheLargestValue) {
  static struct latency l;
  latency_clear(&l);
  EXPECT_EQ(latency_percentile(&l, 50000), 0u);
  latency_add(&l, UINT64_MAX);
  EXPECT_EQ(latency_total(&l), 1u);
  EXPECT_GT(latency_percentile(&l, 50000), 1ull << 43);
  latency_clear(&l);
  EXPECT_EQ(latency_total(&l), 0u);
}

}  // namespace
