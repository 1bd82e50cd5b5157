// Frames of the broadcast over TCP (design 5.4): when they pass, whose they are, and that none
// passes a fence.
#include <gtest/gtest.h>

#include <algorithm>

extern "C" {
#include "proto/frame.h"
#include "proto/path_id.h"
}
#include "test/slowpath/replica_solo.h"

namespace {

std::string Frame(int source, uint64_t iteration, size_t payload = 0) {
  struct frame_header h = {};
  h.type = FRAME_PING;
  h.source = static_cast<uint8_t>(source);
  h.iteration = iteration;
  return std::string(reinterpret_cast<const char *>(&h), sizeof h) + std::string(payload, 'p');
}

struct Framed : Solo {
  explicit Framed(uint8_t id) : Solo(id) { config.mtu = 1500; }
  /* The fast path has a frame for a peer. */
  void send(int peer_idx, const std::string &frame) {
    struct replica_event e = {};
    e.type = EV_FRAME;
    e.peer_idx = peer_idx;
    e.frame = {reinterpret_cast<const uint8_t *>(frame.data()), static_cast<int32_t>(frame.size())};
    step(e);
  }
  uint64_t count(enum reason why) const { return counters_get(&counters, why); }
};

/* Node 3 leads in epoch 1, node 1 is its learner on connection 1. */
struct Leading : Framed {
  explicit Leading(bool tcp = true) : Framed(3) {
    leading();
    simple(EV_ACCEPTED, 1);
    packet(1, PACKET_FOLLOWERINFO, 0, info(1, true, tcp ? FEATURE_TCP_FRAMES : 0));
    answer();
    ackepoch(1, 0, 0);
    answer_all();
    simple(EV_WRITABLE, 1);
    for (const auto &m : fast)
      if (m.type == FAST_ATTACH) attach = m;
    fast_event({FAST_ATTACHED, 0, 1, REASON_NONE, attach.iteration, 0, 0});
  }
  void ack() { packet(1, PACKET_ACK, zxid_make(1, 0), ""); }
  void heard() { fast_event({FAST_HEARD, 0, 1, REASON_NONE, attach.iteration, 0, 0}); }
  struct fast_msg attach = {};
};

/* Node 1 learns from node 3 in epoch 1, iteration 99. */
struct Learning : Framed {
  explicit Learning(bool tcp = true) : Framed(1) {
    discovering();
    struct extension e = extension();
    if (tcp) e.features = FEATURE_TCP_FRAMES;
    packet(0, PACKET_LEADERINFO, zxid_make(1, 0), u32(PROTOCOL_VERSION) + bytes(e));
    answer_all();
    packet(0, PACKET_DIFF, 0, "");
  }
  void open() {
    newleader(1);
    answer_all();
    ASSERT_EQ(LEARNING_UPTODATE, r->learn.step);
  }
};

TEST(Frames, TheLeadersPassFromNewleadersAckOnAndBothWays) {
  Leading s;
  EXPECT_EQ(1u, s.attach.tcp);
  s.send(0, Frame(3, s.attach.iteration));
  EXPECT_EQ(0, s.sent_cnt(PACKET_FRAME)) << "the learner still reads its history";
  EXPECT_EQ(1u, s.count(REASON_TCP_DOWN));
  s.ack();
  s.send(0, Frame(3, s.attach.iteration, 100));
  ASSERT_EQ(1, s.sent_cnt(PACKET_FRAME));
  EXPECT_EQ(1, s.sent.back().conn);
  EXPECT_EQ(Frame(3, s.attach.iteration, 100), s.sent.back().data);
  s.packet(1, PACKET_FRAME, 0, Frame(1, s.attach.iteration, 50));
  ASSERT_EQ(1u, s.frames.size());
  EXPECT_EQ(0, s.frames[0].conn);
  EXPECT_EQ(Frame(1, s.attach.iteration, 50), s.frames[0].data);
  EXPECT_FALSE(s.was_closed(1));
}

/* The fast path cut from the start: HEARD comes of frames over TCP, and that is enough. */
TEST(Frames, AnAttachmentHeardOverTcpIsCountedAndServes) {
  Leading s;
  s.ack();
  s.packet(1, PACKET_FRAME, 0, Frame(1, s.attach.iteration));
  s.heard();
  EXPECT_TRUE(s.said(FAST_COUNT));
  EXPECT_EQ(PHASE_BROADCAST, s.r->phase);
  EXPECT_EQ(1, s.sent_cnt(PACKET_UPTODATE));
}

TEST(Frames, ALearnersPassAfterItsAckAndBothWays) {
  Learning s;
  s.send(2, Frame(1, 99));
  EXPECT_EQ(1u, s.count(REASON_TCP_DOWN));
  s.open();
  ASSERT_TRUE(s.said(FAST_OPEN));
  EXPECT_EQ(1u, s.fast.back().tcp);
  s.send(2, Frame(1, 99));
  ASSERT_EQ(1, s.sent_cnt(PACKET_FRAME));
  EXPECT_EQ(0, s.sent.back().conn);
  s.packet(0, PACKET_FRAME, 0, Frame(3, 99));
  ASSERT_EQ(1u, s.frames.size());
  EXPECT_EQ(2, s.frames[0].conn);
}

/* B8, J3: from the moment at which the role is left nothing passes, whatever waits in the rings. */
TEST(Frames, NonePassesTheFence) {
  Leading s;
  s.ack();
  s.heard();
  s.forget();
  s.fast_event({FAST_LOST, 2, 1, REASON_QUORUM_SILENT, 0, 0, 0});
  ASSERT_EQ(PHASE_FENCING, s.r->phase);
  s.send(0, Frame(3, s.attach.iteration));
  s.fenced();
  s.send(0, Frame(3, s.attach.iteration));
  EXPECT_EQ(0, s.sent_cnt(PACKET_FRAME));
  EXPECT_EQ(2u, s.count(REASON_TCP_DOWN));

  Learning f;
  f.open();
  f.forget();
  f.fast_event({FAST_LOST, 2, 1, REASON_LEADER_SILENT, 99, 0, 0});
  ASSERT_EQ(PHASE_FENCING, f.r->phase);
  f.send(2, Frame(1, 99));
  f.packet(0, PACKET_FRAME, 0, Frame(3, 99)); /* parsed before it was closed */
  EXPECT_EQ(0, f.sent_cnt(PACKET_FRAME));
  EXPECT_TRUE(f.frames.empty());
}

/* R13: frames of the attachment before wait in the ring when the next one stands. */
TEST(Frames, ThoseOfAnEarlierAttachmentDoNotPass) {
  Leading s;
  s.ack();
  s.send(0, Frame(3, s.attach.iteration + 1));
  s.send(1, Frame(3, s.attach.iteration));
  s.send(0, Frame(3, 0));
  EXPECT_EQ(0, s.sent_cnt(PACKET_FRAME));
  EXPECT_EQ(3u, s.count(REASON_TCP_DOWN));
}

TEST(Frames, OnlyPeersThatTakeThemGetThem) {
  Leading s(false);
  EXPECT_EQ(0u, s.attach.tcp);
  s.ack();
  s.send(0, Frame(3, s.attach.iteration));
  EXPECT_EQ(0, s.sent_cnt(PACKET_FRAME));
  Learning f(false);
  f.open();
  EXPECT_EQ(0u, f.fast.back().tcp);
  f.send(2, Frame(1, 99));
  EXPECT_EQ(0, f.sent_cnt(PACKET_FRAME));
}

TEST(Frames, WhatNoSoundPeerSendsEndsTheConnection) {
  const std::string whole = Frame(1, 1);
  for (int bad = 0; bad < 5; bad++) {
    Leading s;
    if (bad) s.ack();
    uint64_t i = s.attach.iteration;
    std::string frame = Frame(1, i);
    if (bad == 1) frame = Frame(2, i);                       /* of somebody else */
    if (bad == 2) frame = Frame(1, i + 1);                   /* of another attachment */
    if (bad == 3) frame = frame.substr(0, frame.size() - 1); /* no whole header */
    if (bad == 4) frame = Frame(1, i, 1500);                 /* larger than any we allow */
    s.packet(1, PACKET_FRAME, 0, frame);                     /* 0: before NEWLEADER's ACK */
    EXPECT_TRUE(s.was_closed(1)) << bad;
    EXPECT_TRUE(s.frames.empty()) << bad;
    EXPECT_EQ(1u, s.count(bad ? REASON_PACKET_BAD : REASON_PACKET_PHASE)) << bad;
  }
  Learning f;
  f.packet(0, PACKET_FRAME, 0, Frame(3, 99));
  EXPECT_EQ(PHASE_FENCING, f.r->phase);
}

/* One authority: while the attachment stands the fast path says whether the peer lives. */
TEST(Frames, SilenceOfTheConnectionIsNothingOnceItIsSettled) {
  Leading s;
  s.ack();
  EXPECT_TRUE(s.kept.empty());
  s.heard();
  EXPECT_EQ(std::vector<int>{1}, s.kept);
  s.now += 3600u * 1000000u;
  s.simple(EV_TICK, 0);
  EXPECT_EQ(PHASE_BROADCAST, s.r->phase);

  Learning f;
  f.open();
  EXPECT_TRUE(f.kept.empty());
  f.packet(0, PACKET_UPTODATE, ZXID_NONE, Solo::bytes(f.extension()));
  EXPECT_EQ(std::vector<int>{0}, f.kept);
  f.now += 3600u * 1000000u;
  f.simple(EV_TICK, 0);
  EXPECT_EQ(PHASE_BROADCAST, f.r->phase);
  f.simple(EV_CONN_CLOSED, 0);
  EXPECT_EQ(PHASE_FENCING, f.r->phase) << "its end is the attachment's";
}

TEST(Frames, AMoveIsSaidOnceAndFlappingOncePerSecond) {
  Leading s;
  s.ack();
  auto move = [&](int path, uint64_t iteration) {
    struct fast_msg m = {FAST_MOVED, 0, 1, REASON_PATH_SILENT, iteration, 0, 0};
    m.pos = static_cast<pos_t>(path);
    s.fast_event(m);
  };
  auto said = [&](int id) {
    return std::count_if(s.logged.begin(), s.logged.end(),
                         [&](const log_event &l) { return l.id == id; });
  };
  for (int i = 0; i < 20; i++) move(i % 2 ? PATH_FAST : PATH_TCP, s.attach.iteration);
  EXPECT_EQ(1, said(LOG_PATH_MOVED));
  s.now += 1000000;
  move(PATH_FAST2, s.attach.iteration);
  EXPECT_EQ(1, said(LOG_PATH_FLAPS));
  s.now += 1000000;
  move(PATH_FAST, s.attach.iteration);
  EXPECT_EQ(2, said(LOG_PATH_MOVED));
  EXPECT_EQ(0u, s.count(REASON_HANDOVER_STALE));
}

}  // namespace
