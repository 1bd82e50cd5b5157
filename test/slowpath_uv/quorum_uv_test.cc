// Quorum port 2888: who is shown to the machine, packets in any cut, back-pressure both ways, ends.
// Source: quorum.md 1, 2; proto/event.h, proto/action.h.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/tcp.h>

#include "test/slowpath_uv/net.h"

extern "C" {
#include "slowpath/quorum_uv.h"
}

namespace {

struct Event {
  replica_event_type type;
  int conn, peer_idx;
  reason why;
  int32_t packet;
  Bytes data;
};

struct Node {
  Node(Loop &on, const config &own) : loop(on), c(own), q(std::make_unique<quorum_uv>()) {
    EXPECT_EQ(0, quorum_uv_open(q.get(), loop.get(), &c, &drops));
    loop.add(this, [this] { drain(); });
  }
  ~Node() { close(); }

  void close() {
    if (!q) return;
    loop.remove(this);
    quorum_uv_close(q.get());
    loop.turns(3);
    q.reset();
  }

  void drain() {
    replica_event ev;
    while (quorum_uv_next(q.get(), now_us(), wanted, &ev)) {
      Event x = {ev.type, ev.conn, ev.peer_idx, ev.reason, 0, {}};
      if (ev.type == EV_PACKET) {
        x.packet = ev.packet->type;
        if (ev.packet->data.len > 0)
          x.data.assign(reinterpret_cast<const char *>(ev.packet->data.data),
                        static_cast<size_t>(ev.packet->data.len));
      }
      events.push_back(x);
      if (react) react(x);
      quorum_uv_flush(q.get());
    }
  }

  void send(int conn, int32_t type, const Bytes &data) {
    packet p = {};
    p.type = type;
    p.zxid = 7;
    p.data = {reinterpret_cast<const uint8_t *>(data.data()), static_cast<int32_t>(data.size())};
    quorum_uv_send(q.get(), conn, &p);
    quorum_uv_flush(q.get());
  }

  int count(replica_event_type type) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(),
                                          [&](const Event &x) { return x.type == type; }));
  }
  uint64_t counted(reason r) const { return counters_get(&drops, r); }
  uint16_t port() const { return c.peers[c.self_idx].quorum_port; }

  Loop &loop;
  config c;
  counters drops = {};
  std::unique_ptr<quorum_uv> q;
  uint32_t wanted = ~0u;
  std::vector<Event> events;
  std::function<void(const Event &)> react;
};

Bytes packet_bytes(int32_t type, const Bytes &data) {
  return be32(static_cast<uint32_t>(type)) + be64(7) + be32(static_cast<uint32_t>(data.size())) +
         data + be32(0xffffffff);
}

const Bytes info = be64(2) + be32(0x10000) + be64(0);
const Bytes hello = packet_bytes(PACKET_FOLLOWERINFO, info);

struct QuorumUv : testing::Test {
  Loop loop;
  config c = make_config({1, 2, 3}, 1);
};

TEST_F(QuorumUv, ALearnersFirstPacketIsShownBehindAccepted) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.events.size() == 2; }));
  EXPECT_EQ(EV_ACCEPTED, one.events[0].type);
  EXPECT_EQ(EV_PACKET, one.events[1].type);
  EXPECT_EQ(PACKET_FOLLOWERINFO, one.events[1].packet);
  EXPECT_EQ(info, one.events[1].data);
  EXPECT_EQ(one.events[0].conn, one.events[1].conn);
  EXPECT_GE(one.events[0].conn, 1);
}

TEST_F(QuorumUv, AFloodOfConnectionsIsAcceptedInBoundedParts) {
  Node one(loop, c);
  std::vector<Client> flood;
  for (int i = 0; i < 3 * LIMIT_LOBBY; i++) flood.emplace_back(one.port());
  uv_run(loop.get(), UV_RUN_NOWAIT);
  EXPECT_LE(one.q->lobby.cnt, LIMIT_LOBBY);
  EXPECT_EQ(0u, one.counted(REASON_CONN_LIMIT)) << "nobody was thrown out unheard";
  EXPECT_TRUE(loop.until([&] { return one.counted(REASON_CONN_LIMIT) == 2u * LIMIT_LOBBY; }))
      << "and nobody is left outside";
}

TEST_F(QuorumUv, TwoDriversTalk) {
  Node one(loop, c), two(loop, as_node(c, 2));
  quorum_uv_connect(two.q.get(), now_us(), 0);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECTED) == 1; }));
  two.send(0, PACKET_FOLLOWERINFO, info);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  one.send(one.events[0].conn, PACKET_LEADERINFO, be32(0x10000));
  ASSERT_TRUE(loop.until([&] { return two.count(EV_PACKET) == 1; }));
  EXPECT_EQ(be32(0x10000), two.events.back().data);
  quorum_uv_close_conn(two.q.get(), 0);
  EXPECT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
  EXPECT_EQ(REASON_CONN_CLOSED, one.events.back().why);
  EXPECT_EQ(0, two.count(EV_CONN_CLOSED)) << "no event after ACT_CLOSE_CONN";
}

TEST_F(QuorumUv, PacketsMayArriveByteByByte) {
  Node one(loop, c);
  Client two(one.port());
  Bytes big(20000, 'b');
  std::thread sender([&] { two.send_by_byte(hello + packet_bytes(PACKET_REQUEST, big)); });
  EXPECT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 2; }));
  sender.join();
  EXPECT_EQ(big, one.events.back().data);
}

TEST_F(QuorumUv, TheLargestPacketIsTakenAndALargerOneClosed) {
  Node one(loop, c);
  for (int over : {0, 1}) {
    Client two(one.port());
    Bytes big(LIMIT_PACKET_DATA + static_cast<size_t>(over), 'b');
    std::thread sender([&] { two.send(hello + packet_bytes(PACKET_REQUEST, big)); });
    EXPECT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 2 + over; }));
    EXPECT_TRUE(loop.until([&] { return over == 0 || one.count(EV_CONN_CLOSED) >= 1; }));
    EXPECT_TRUE(over == 1 || big == one.events.back().data);
    sender.join();
  }
  EXPECT_EQ(1u, one.counted(REASON_PACKET_BAD));
}

TEST_F(QuorumUv, GarbageIsDroppedBeforeTheMachineSeesIt) {
  Node one(loop, c);
  const Bytes garbage[] = {"GET / HTTP/1.1\r\n\r\n", Bytes(64, '\xff'), Bytes(64, '\0'),
                           be32(PACKET_FOLLOWERINFO) + be64(0) + be32(0x7fffffff)};
  for (const Bytes &g : garbage) {
    Client s(one.port());
    s.send(g);
    EXPECT_TRUE(loop.until([&] { return s.ended(); })) << g.substr(0, 3);
  }
  EXPECT_EQ(4u, one.counted(REASON_PACKET_BAD));
  Client s(one.port());
  s.send(packet_bytes(PACKET_ACK, ""));
  EXPECT_TRUE(loop.until([&] { return s.ended(); }));
  EXPECT_EQ(1u, one.counted(REASON_PACKET_PHASE)) << "the learner introduces itself first";
  EXPECT_TRUE(one.events.empty());
}

TEST_F(QuorumUv, GarbageAfterAGoodPacketClosesTheConnection) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello + Bytes(100, '\xff'));
  ASSERT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
  EXPECT_EQ(REASON_PACKET_BAD, one.events.back().why);
  EXPECT_EQ(1, one.count(EV_PACKET));
  EXPECT_TRUE(loop.until([&] { return two.ended(); }));
}

TEST_F(QuorumUv, EveryTruncationOfTheFirstPacketIsOneCountedDrop) {
  Node one(loop, c);
  for (size_t len = 0; len < hello.size(); len++) {
    Client s(one.port());
    s.send(hello.substr(0, len));
    s.close();
    ASSERT_TRUE(loop.until([&] { return one.counted(REASON_INFO_MISSING) == len + 1; })) << len;
  }
  EXPECT_TRUE(one.events.empty());
}

TEST_F(QuorumUv, EveryTruncationOfALaterPacketIsAClosedConnection) {
  Node one(loop, c);
  const Bytes ack = packet_bytes(PACKET_ACK, "data");
  for (size_t len = 0; len < ack.size(); len++) {
    Client s(one.port());
    s.send(hello + ack.substr(0, len));
    s.close();
    ASSERT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == static_cast<int>(len) + 1; }))
        << len;
    EXPECT_EQ(REASON_CONN_CLOSED, one.events.back().why);
  }
  EXPECT_EQ(static_cast<int>(ack.size()), one.count(EV_PACKET));
}

TEST_F(QuorumUv, AThousandSilentConnectionsTakeNobodysPlace) {
  Node one(loop, c);
  std::vector<Client> silent;
  for (int i = 0; i < 1000; i++) {
    silent.emplace_back(one.port());
    if (i % 2) silent.back().send(hello.substr(0, 30));
    loop.turns(i % 16 == 0);
  }
  Client two(one.port());
  two.send(hello);
  EXPECT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  EXPECT_EQ(1, one.count(EV_ACCEPTED));
}

TEST_F(QuorumUv, TheNinthLearnerIsRefusedAndAPlaceIsUsedAgain) {
  Node one(loop, c);
  std::vector<Client> learners;
  for (int i = 0; i < LIMIT_LEARNERS; i++) {
    learners.emplace_back(one.port());
    learners.back().send(hello);
  }
  ASSERT_TRUE(loop.until([&] { return one.count(EV_ACCEPTED) == LIMIT_LEARNERS; }));
  Client ninth(one.port());
  ninth.send(hello);
  EXPECT_TRUE(loop.until([&] { return ninth.ended(); }));
  EXPECT_EQ(1u, one.counted(REASON_CONN_LIMIT));
  quorum_uv_close_conn(one.q.get(), 3);
  Client tenth(one.port());
  tenth.send(hello);
  EXPECT_TRUE(loop.until([&] { return one.count(EV_ACCEPTED) == LIMIT_LEARNERS + 1; }));
}

TEST_F(QuorumUv, PacketsThatAreNotWantedWaitAndPushBackOnThePeer) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  one.wanted = 0;
  const Bytes p = packet_bytes(PACKET_REQUEST, Bytes(1000, 'x'));
  const int cnt = 30000;  // 30 MB: more than the kernel holds
  std::atomic<bool> all_sent{false};
  std::thread sender([&] {
    for (int i = 0; i < cnt; i++) two.send(p);
    all_sent = true;
  });
  loop.turns(200);
  EXPECT_EQ(1, one.count(EV_PACKET));
  EXPECT_FALSE(all_sent) << "the peer is made to wait";
  EXPECT_LE(one.q->conn[1].sock->in_cap, 65536u) << "and not with our memory";
  one.wanted = ~0u;
  EXPECT_TRUE(loop.until([&] { return one.count(EV_PACKET) == cnt + 1; }, 20000));
  sender.join();
}

TEST_F(QuorumUv, WantMayChangeFromPacketToPacket) {
  Node one(loop, c);
  Client two(one.port());
  one.react = [&](const Event &x) {
    if (x.type == EV_PACKET) one.wanted = 0;
  };
  two.send(hello + packet_bytes(PACKET_ACK, "1") + packet_bytes(PACKET_ACK, "2"));
  two.close();
  for (int n = 1; n <= 3; n++) {
    ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == n; }));
    loop.turns(3);
    EXPECT_EQ(n, one.count(EV_PACKET));
    EXPECT_EQ(0, one.count(EV_CONN_CLOSED)) << "what came before the end is given before it";
    one.wanted = ~0u;
  }
  EXPECT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
}

TEST_F(QuorumUv, WritableComesWhenASlowReaderHasTakenAll) {
  Node one(loop, c);
  Client two(one.port(), 4096);
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  const Bytes big(LIMIT_RECORD_MAX, 'r');
  one.send(1, PACKET_PROPOSAL, big);
  one.send(1, PACKET_PROPOSAL, big);
  loop.turns(50);
  EXPECT_EQ(0, one.count(EV_WRITABLE));
  EXPECT_TRUE(loop.until(
      [&] {
        two.received(200000);
        return one.count(EV_WRITABLE) == 1;
      },
      20000));
  EXPECT_TRUE(loop.until([&] { return two.received().size() == 2 * (big.size() + 20); }));
  loop.turns(5);
  EXPECT_EQ(1, one.count(EV_WRITABLE));
}

TEST_F(QuorumUv, WritableFollowsEveryStepThatSent) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  for (int n = 1; n <= 3; n++) {
    one.send(1, PACKET_PING, "");
    EXPECT_TRUE(loop.until([&] { return one.count(EV_WRITABLE) == n; }));
  }
}

TEST_F(QuorumUv, AReaderThatNeverReadsIsClosedAtTheBound) {
  Node one(loop, c);
  Client two(one.port(), 4096);
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  const Bytes big(LIMIT_RECORD_MAX, 'r');
  for (int i = 0; i < 10; i++) one.send(1, PACKET_PROPOSAL, big);
  EXPECT_LE(sock_waiting(one.q->conn[1].sock), LIMIT_OUTPUT);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
  EXPECT_EQ(REASON_OUTPUT_FULL, one.events.back().why);
  EXPECT_EQ(1u, one.counted(REASON_OUTPUT_FULL));
}

TEST_F(QuorumUv, ManyPacketsOfOneStepGoOutTogether) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  packet p = {};
  p.type = PACKET_COMMIT;
  p.zxid = 9;
  p.data.len = -1;
  for (int i = 0; i < 100; i++) quorum_uv_send(one.q.get(), 1, &p);
  EXPECT_EQ(2000u, sock_waiting(one.q->conn[1].sock));
  quorum_uv_flush(one.q.get());
  EXPECT_EQ(0u, sock_waiting(one.q->conn[1].sock));
  EXPECT_TRUE(loop.until([&] { return two.received().size() == 2000; }));
}

TEST_F(QuorumUv, WhatWasSentBeforeCloseStillLeaves) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  packet p = {};
  p.type = PACKET_COMMIT;
  p.data.len = -1;
  quorum_uv_send(one.q.get(), 1, &p);
  quorum_uv_close_conn(one.q.get(), 1);
  EXPECT_TRUE(loop.until([&] { return two.ended(); }));
  EXPECT_EQ(20u, two.received().size());
}

TEST_F(QuorumUv, ASnapshotArrivesChunkByChunk) {
  Node one(loop, c), two(loop, as_node(c, 2));
  quorum_uv_connect(two.q.get(), now_us(), 0);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECTED) == 1; }));
  two.send(0, PACKET_FOLLOWERINFO, info);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  one.send(1, PACKET_SNAP, "");
  Bytes sent, received;
  for (int i = 0; i < 40; i++) {
    Bytes chunk(static_cast<size_t>(i == 39 ? 100 : LIMIT_SNAP_CHUNK),
                static_cast<char>('a' + i % 26));
    sent += chunk;
    quorum_uv_send_chunk(
        one.q.get(), 1,
        {reinterpret_cast<const uint8_t *>(chunk.data()), static_cast<int32_t>(chunk.size())});
  }
  quorum_uv_send_chunk(one.q.get(), 1, {nullptr, 0});
  one.send(1, PACKET_NEWLEADER, "x");
  ASSERT_TRUE(loop.until([&] { return two.count(EV_PACKET) == 1 + 40 + 1 + 1; }));
  for (const Event &x : two.events)
    if (x.type == EV_PACKET && x.packet == PACKET_SNAP_CHUNK) received += x.data;
  EXPECT_TRUE(sent == received);
  EXPECT_EQ(PACKET_NEWLEADER, two.events.back().packet);
}

TEST_F(QuorumUv, ALeaderThatIsNotThereIsSaidAtOnce) {
  Node two(loop, as_node(c, 2));
  uint64_t start = now_us();
  quorum_uv_connect(two.q.get(), now_us(), 0);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECT_FAILED) == 1; }));
  EXPECT_LT(now_us() - start, 20000u);
  EXPECT_EQ(REASON_CONNECT_FAILED, two.events[0].why);
  // and a later attempt at another one works
  Node three(loop, as_node(c, 3));
  quorum_uv_connect(two.q.get(), now_us(), 2);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECTED) == 1; }));
  EXPECT_EQ(2, two.events.back().peer_idx);
}

TEST_F(QuorumUv, ConnectingAgainDropsTheOldAttemptSilently) {
  Node one(loop, c), two(loop, as_node(c, 2)), three(loop, as_node(c, 3));
  quorum_uv_connect(two.q.get(), now_us(), 0);
  quorum_uv_connect(two.q.get(), now_us(), 2);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECTED) == 1; }));
  quorum_uv_connect(two.q.get(), now_us(), 0);
  ASSERT_TRUE(loop.until([&] { return two.count(EV_CONNECTED) == 2; }));
  EXPECT_EQ(2u, two.events.size());
}

TEST_F(QuorumUv, SendingOnAConnectionThatIsGoneIsHarmless) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  two.close();
  for (int i = 0; i < 100; i++) one.send(1, PACKET_PING, "x");
  ASSERT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
  one.send(1, PACKET_PING, "x");
  one.send(5, PACKET_PING, "x");
}

TEST_F(QuorumUv, OneBusyLearnerDoesNotStarveAnother) {
  Node one(loop, c);
  Client busy(one.port()), calm(one.port());
  busy.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  calm.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 2; }));
  one.wanted = 0;
  Bytes many;
  for (int i = 0; i < 1000; i++) many += packet_bytes(PACKET_ACK, "");
  busy.send(many);
  calm.send(packet_bytes(PACKET_PING, ""));
  loop.turns(20);
  one.wanted = ~0u;
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1003; }));
  auto ping = std::find_if(one.events.begin(), one.events.end(),
                           [](const Event &x) { return x.packet == PACKET_PING; });
  EXPECT_LT(ping - one.events.begin(), 400);
}

// Frames are repaired, and of no use when they are old: no connection is lost for them, and what is
// no frame still finds its place behind them.
TEST_F(QuorumUv, FramesForALearnerThatDoesNotReadAreDroppedAndTheConnectionStays) {
  Node one(loop, c);
  Client two(one.port(), 4096);
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  const Bytes frame(1400, 'f');
  packet p = {};
  p.type = PACKET_FRAME;
  p.data = {reinterpret_cast<const uint8_t *>(frame.data()), static_cast<int32_t>(frame.size())};
  for (int i = 0; i < 20000; i++) {
    quorum_uv_send_frame(one.q.get(), 1, &p);
    if (i % 64 == 0) quorum_uv_flush(one.q.get());
  }
  EXPECT_GT(one.counted(REASON_TCP_FULL), 5000u);
  EXPECT_LE(sock_waiting(one.q->conn[1].sock), LIMIT_TCP_WAITING);
  one.send(1, PACKET_PING, "behind the frames");
  EXPECT_EQ(0, one.count(EV_CONN_CLOSED));
  EXPECT_TRUE(
      loop.until([&] { return two.received().find("behind the frames") != Bytes::npos; }, 20000));
}

// What the kernel has taken nobody can drop: old frames would go before the new ones for long.
TEST_F(QuorumUv, TheKernelTakesFewFramesThatItCannotSend) {
  Node one(loop, c);
  Client two(one.port(), 4096);
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  auto limit = [&] {
    uv_os_fd_t fd;
    unsigned value = 0;
    socklen_t len = sizeof value;
    EXPECT_EQ(0, uv_fileno((uv_handle_t *)&one.q->conn[1].sock->tcp, &fd));
    EXPECT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &len));
    return value;
  };
  EXPECT_NE(limit(), LIMIT_TCP_UNSENT) << "a history may be sent faster";
  const Bytes frame(1400, 'f');
  packet p = {};
  p.type = PACKET_FRAME;
  p.data = {reinterpret_cast<const uint8_t *>(frame.data()), static_cast<int32_t>(frame.size())};
  quorum_uv_send_frame(one.q.get(), 1, &p);
  EXPECT_EQ(limit(), LIMIT_TCP_UNSENT);
}

// Each flush of a few bytes that the kernel does not take keeps no chunk of 64 KiB.
TEST_F(QuorumUv, WhatWaitsForASlowReaderTakesNoMoreMemoryThanItsBytes) {
  Node one(loop, c);
  Client two(one.port(), 4096);
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  const Bytes frame(200, 'f');
  packet p = {};
  p.type = PACKET_FRAME;
  p.data = {reinterpret_cast<const uint8_t *>(frame.data()), static_cast<int32_t>(frame.size())};
  size_t before = mallinfo2().uordblks;
  while (!one.counted(REASON_TCP_FULL)) {
    quorum_uv_send_frame(one.q.get(), 1, &p);
    quorum_uv_flush(one.q.get());
  }
  EXPECT_LE(mallinfo2().uordblks, before + 4 * LIMIT_TCP_WAITING);
}

TEST_F(QuorumUv, AFrameIsAtMostAsLargeAsAPacketOfTheNetwork) {
  Node one(loop, c);
  Client two(one.port()), three(one.port());
  two.send(hello + packet_bytes(PACKET_FRAME, Bytes(LIMIT_MTU_MAX, 'f')));
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 2; }));
  three.send(hello + packet_bytes(PACKET_FRAME, Bytes(LIMIT_MTU_MAX + 1, 'f')));
  ASSERT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; }));
  EXPECT_EQ(REASON_PACKET_BAD, one.events.back().why);
}

// Who watches by other means lets neither keepalive nor the kernel's patience end the connection.
TEST_F(QuorumUv, AKeptConnectionOutlivesSilence) {
  Node one(loop, c);
  Client two(one.port());
  two.send(hello);
  ASSERT_TRUE(loop.until([&] { return one.count(EV_PACKET) == 1; }));
  uv_os_fd_t fd;
  ASSERT_EQ(0, uv_fileno(reinterpret_cast<uv_handle_t *>(&one.q->conn[1].sock->tcp), &fd));
  int keepalive = 0;
  unsigned patience_ms = 0;
  socklen_t len = sizeof keepalive;
  ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len));
  EXPECT_EQ(1, keepalive) << "while it is made";
  quorum_uv_keep_conn(one.q.get(), 1);
  ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len));
  EXPECT_EQ(0, keepalive);
  ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, &len));
  EXPECT_GE(patience_ms, 3600u * 1000u);
  quorum_uv_watch_conn(one.q.get(), 1); /* an epoch is changed in place: nobody else watches */
  ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len));
  EXPECT_EQ(1, keepalive);
  ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, &len));
  EXPECT_EQ(0u, patience_ms);
  two.close();
  EXPECT_TRUE(loop.until([&] { return one.count(EV_CONN_CLOSED) == 1; })) << "its end is seen";
}

}  // namespace
