/* Which path is used: events and time in, choices out.  Times: heartbeat 10, timeout 120, so doubt
 * after 30, left after 40 (15 while new), steady after 960. */
#include <gtest/gtest.h>

extern "C" {
#include "fastpath/path.h"
}

namespace {

constexpr unsigned kAll = 1u << PATH_FAST | 1u << PATH_FAST2 | 1u << PATH_TCP;

struct Paths {
  explicit Paths(unsigned exist = kAll) { path_attach(&s, exist); }
  void Send(int path) { path_sent(&s, path, now); }
  /* The peer's answer to what was sent `ago`. */
  void Answer(int path, uint64_t ago = 0) { Hear(path, static_cast<uint32_t>(now - ago)); }
  void Hear(int path, uint32_t echo_time) {
    path_heard(&s, &l, path, now, {static_cast<uint32_t>(now), echo_time});
  }
  bool Due(int path) { return path_probe_due(&s, &l, path, now); }
  /* One heartbeat: probes leave where due, the used path is asked; paths of `up` answer. */
  void Beat(unsigned up) {
    now += 10;
    for (int i = 0; i < LIMIT_PATHS; i++) {
      if (i != s.use && !Due(i)) continue;
      Send(i);
      probes[i] += i != s.use;
      if (up >> i & 1u) Answer(i);
    }
    path_move m = path_choose(&s, &l, now);
    if (m.reason == REASON_NONE) return;
    path_use(&s, m.to);
    moves++;
    why = m.reason;
  }
  /* Beats until the path in use is another one; returns how long that took, 0: it is not. */
  uint64_t UntilMoved(unsigned up, uint64_t limit = 5000) {
    uint64_t start = now;
    for (int before = moves; now - start < limit;) {
      Beat(up);
      if (moves != before) return now - start;
    }
    return 0;
  }
  path_limits l = path_limits_of(10, 120);
  path_set s;
  uint64_t now = 1000000;
  int moves = 0, probes[LIMIT_PATHS] = {};
  reason why = REASON_NONE;
};

constexpr unsigned Bit(int path) { return 1u << path; }

TEST(Path, TheBestOfThoseThatExistIsUsedFirst) {
  EXPECT_EQ(PATH_FAST, Paths(kAll).s.use);
  EXPECT_EQ(PATH_TCP, Paths(Bit(PATH_TCP)).s.use);
  Paths p(Bit(PATH_TCP));
  EXPECT_FALSE(path_exists(&p.s, PATH_FAST));
  EXPECT_FALSE(path_exists(&p.s, LIMIT_PATHS));
}

/* The stamps wrap after 71 minutes, and half of that is "older". */
TEST(Path, APathThatRestedForAnHourIsHeardAgain) {
  for (uint64_t minutes : {20, 36, 40, 60, 71, 72, 100}) {
    Paths p;
    p.Send(PATH_TCP);
    p.Answer(PATH_TCP);
    p.now += minutes * 60 * 1000000;
    p.Send(PATH_TCP);
    p.Answer(PATH_TCP);
    EXPECT_EQ(p.now, p.s.at[PATH_TCP].answered_us) << minutes;
    EXPECT_EQ(static_cast<uint32_t>(p.now), p.s.at[PATH_TCP].send_time) << minutes;
  }
}

TEST(Path, AQuietPairNeverMovesAndNeverBothersTcp) {
  Paths p;
  for (int i = 0; i < 1000; i++) p.Beat(kAll);
  EXPECT_EQ(0, p.moves);
  EXPECT_EQ(0, p.probes[PATH_TCP]);
  EXPECT_EQ(1000, p.probes[PATH_FAST2]);
}

TEST(Path, OnePathIsNeverProbedNorLeft) {
  Paths p(Bit(PATH_FAST));
  for (int i = 0; i < 100; i++) p.Beat(i < 50 ? kAll : 0);
  EXPECT_EQ(0, p.moves + p.probes[PATH_FAST2] + p.probes[PATH_TCP]);
}

TEST(Path, ASilentPathIsLeftWithinTheTimeoutForTheNextThatAnswers) {
  for (int other : {PATH_FAST2, PATH_TCP}) {
    Paths p;
    for (int i = 0; i < 10; i++) p.Beat(kAll);
    uint64_t took = p.UntilMoved(Bit(other));
    EXPECT_GT(took, 40u);
    EXPECT_LE(took, 60u);
    EXPECT_EQ(other, p.s.use);
    EXPECT_EQ(REASON_PATH_SILENT, p.why);
  }
}

TEST(Path, TheMoveEndsInTimeWithTheShortestTimeoutToo) {
  Paths p;
  p.l = path_limits_of(10, 30);
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  uint64_t start = p.now;
  for (; p.s.use == PATH_FAST && p.now - start < 100; p.now++) {
    for (int i = 0; i < LIMIT_PATHS; i++) {
      bool due = i == p.s.use ? p.now - p.s.at[i].sent_us >= 10 : p.Due(i);
      if (!due) continue;
      p.Send(i);
      if (i != PATH_FAST) p.Answer(i);
    }
    path_move m = path_choose(&p.s, &p.l, p.now);
    path_use(&p.s, m.to);
  }
  EXPECT_LT(p.now - start, 28u);
}

TEST(Path, APeerThatAnswersNowhereMovesNothing) {
  Paths p;
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  EXPECT_EQ(0u, p.UntilMoved(0));
  EXPECT_GT(p.probes[PATH_TCP], 0) << "in doubt everything is tried";
  p.Beat(kAll); /* the peer was stopped and goes on: both answer, and the path in use is fine */
  EXPECT_EQ(PATH_FAST, p.s.use);
}

TEST(Path, ItIsNeverMovedToAPathThatIsSilentItself) {
  Paths p;
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  p.UntilMoved(Bit(PATH_TCP)); /* both fast ones are down */
  ASSERT_EQ(PATH_TCP, p.s.use);
  EXPECT_EQ(0u, p.UntilMoved(0));
  EXPECT_GT(p.UntilMoved(Bit(PATH_FAST2)), 0u);
  EXPECT_EQ(PATH_FAST2, p.s.use);
}

TEST(Path, ABetterPathIsUsedAgainAfterItHasAnsweredSteadily) {
  Paths p;
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  p.UntilMoved(Bit(PATH_TCP));
  uint64_t took = p.UntilMoved(kAll);
  EXPECT_GE(took, 960u);
  EXPECT_LE(took, 1000u);
  EXPECT_EQ(PATH_FAST, p.s.use);
  EXPECT_EQ(REASON_PATH_BACK, p.why);
}

TEST(Path, OneThatFlapsIsNotUsedAgain) {
  Paths p;
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  p.UntilMoved(Bit(PATH_FAST2));
  int before = p.moves;
  for (int flap = 0; flap < 20; flap++) {
    for (int i = 0; i < 40; i++) p.Beat(kAll);
    for (int i = 0; i < 10; i++) p.Beat(Bit(PATH_FAST2));
  }
  EXPECT_EQ(before, p.moves);
}

/* A single lost probe is no gap: a lossy link is still better than TCP. */
TEST(Path, ALostProbeDoesNotStartTheWaitAnew) {
  Paths p(Bit(PATH_FAST) | Bit(PATH_TCP));
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  p.UntilMoved(Bit(PATH_TCP));
  uint64_t start = p.now;
  for (int i = 0; p.s.use == PATH_TCP && i < 200; i++) p.Beat(i % 3 ? kAll : Bit(PATH_TCP));
  EXPECT_LE(p.now - start, 1100u);
}

/* One-way loss: our frames do not arrive, so nothing comes back on this path but the peer's own. */
TEST(Path, WhatThePeerSendsWithoutAnEchoProvesNothing) {
  Paths p;
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  int beats = 0;
  for (; p.s.use == PATH_FAST && beats < 100; beats++) {
    p.Beat(Bit(PATH_FAST2));
    p.Hear(PATH_FAST, 0);
    p.Hear(PATH_FAST, 1000000); /* an old one */
  }
  EXPECT_LE(beats, 6);
}

TEST(Path, AtFirstThePeerIsSoughtOnAllPathsAndOnTcpWhenItComesThere) {
  Paths p;
  p.Send(PATH_FAST);
  EXPECT_TRUE(p.Due(PATH_FAST2));
  EXPECT_FALSE(p.Due(PATH_TCP));
  p.now += 31;
  EXPECT_TRUE(p.Due(PATH_TCP)) << "nothing answers: TCP too";
  p.now += 1000;
  path_begin(&p.s, p.now); /* the peer is heard at last: silence before was none */
  EXPECT_FALSE(p.Due(PATH_TCP));
  p.Hear(PATH_TCP, 0);
  EXPECT_TRUE(p.Due(PATH_TCP)) << "it comes there";
  p.Send(PATH_TCP);
  p.Answer(PATH_TCP);
  EXPECT_EQ(REASON_NONE, path_choose(&p.s, &p.l, p.now).reason) << "a better one may still answer";
  p.now += 16;
  EXPECT_EQ(PATH_TCP, path_choose(&p.s, &p.l, p.now).to);
}

/* What people are told: a spare path's silence too, and TCP's not while nobody asks it. */
TEST(Path, TheSilenceOfAPathThatIsNotUsedIsTold) {
  Paths p;
  auto told = [&](int path) {
    path_watch(&p.s, &p.l, p.now);
    return path_state_of(p.s.states, path);
  };
  EXPECT_EQ(PATH_UNASKED, told(PATH_FAST2));
  for (int i = 0; i < 10; i++) p.Beat(kAll);
  EXPECT_EQ(PATH_ANSWERS, told(PATH_FAST));
  EXPECT_EQ(PATH_ANSWERS, told(PATH_FAST2));
  EXPECT_EQ(PATH_UNASKED, told(PATH_TCP));
  for (int i = 0; i < 10; i++) p.Beat(Bit(PATH_FAST));
  EXPECT_EQ(PATH_ANSWERS, told(PATH_FAST));
  EXPECT_EQ(PATH_SILENT, told(PATH_FAST2));
  EXPECT_EQ(0, p.moves);
  p.Beat(kAll);
  EXPECT_EQ(PATH_ANSWERS, told(PATH_FAST2));
  p.UntilMoved(Bit(PATH_TCP));
  EXPECT_EQ(PATH_SILENT, told(PATH_FAST));
  EXPECT_EQ(PATH_SILENT, told(PATH_FAST2));
  EXPECT_EQ(PATH_ANSWERS, told(PATH_TCP));
  p.UntilMoved(kAll);
  for (int i = 0; i < 10; i++) p.Beat(0);
  EXPECT_EQ(PATH_UNASKED, told(PATH_TCP)) << "its probes were for doubt";
  Paths one(Bit(PATH_FAST));
  path_watch(&one.s, &one.l, one.now);
  EXPECT_EQ(PATH_NONE, path_state_of(one.s.states, PATH_FAST2));
}

TEST(Path, TimesWrap) {
  Paths p;
  p.now = 0xfffffff0u;
  for (int i = 0; i < 200; i++) p.Beat(kAll);
  EXPECT_EQ(0, p.moves);
}

}  // namespace
