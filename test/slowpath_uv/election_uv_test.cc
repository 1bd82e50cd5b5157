// Election port 3888: who opens the connection, who closes it, what is said again, and that nobody
// who misbehaves costs anybody else anything. Source: election.md 1, 8; design 5.3.
#include <netdb.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "test/slowpath_uv/net.h"

extern "C" {
#include "slowpath/election_uv.h"
}

namespace {

struct Event {
  replica_event_type type;
  int peer;  // node id
  link_state link;
  notification said;
};

// One node's election driver on a shared loop; the machine is the vector of events.
struct Node {
  Node(Loop &on, const config &own) : loop(on), c(own), e(std::make_unique<election_uv>()) {
    EXPECT_EQ(0, election_uv_open(e.get(), loop.get(), &c, &drops));
    loop.add(this, [this] { drain(); });
  }
  ~Node() { close(); }

  void close() {
    if (!e) return;
    loop.remove(this);
    election_uv_close(e.get());
    loop.turns(3);  // libuv's close callbacks still use it
    e.reset();
  }

  void drain() {
    replica_event ev;
    while (election_uv_next(e.get(), now_us(), &ev)) {
      Event x = {ev.type, c.peers[ev.peer_idx].id, ev.link, {}};
      if (ev.type == EV_NOTIFICATION) x.said = *ev.notification;
      events.push_back(x);
    }
  }

  void say(int to, int64_t round) {
    vote v = {c.id, zxid_make(1, 2), round, 1};
    election_uv_notify(e.get(), now_us(), config_peer_idx(&c, static_cast<uint8_t>(to)),
                       PEER_LOOKING, &v);
  }

  int count(replica_event_type type, int peer) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event &x) {
      return x.type == type && x.peer == peer;
    }));
  }
  int count_link(int peer, link_state link) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event &x) {
      return x.type == EV_LINK && x.peer == peer && x.link == link;
    }));
  }
  bool heard(int peer, int64_t round) const {
    return std::any_of(events.begin(), events.end(), [&](const Event &x) {
      return x.type == EV_NOTIFICATION && x.peer == peer && x.said.vote.election_epoch == round;
    });
  }
  uint64_t counted(reason r) const { return counters_get(&drops, r); }
  uint16_t port() const { return c.peers[c.self_idx].election_port; }

  Loop &loop;
  config c;
  counters drops = {};
  std::unique_ptr<election_uv> e;
  std::vector<Event> events;
};

Bytes hello(int64_t sid, const Bytes &address = "127.0.0.1:3888", int64_t version = -65536) {
  return be64(static_cast<uint64_t>(version)) + be64(static_cast<uint64_t>(sid)) +
         be32(static_cast<uint32_t>(address.size())) + address;
}

Bytes message(int64_t round, const Bytes &list = "") {
  Bytes body = be32(0) + be64(3) + be64(5) + be64(static_cast<uint64_t>(round)) + be64(1) +
               be32(2) + be32(static_cast<uint32_t>(list.size())) + list;
  return be32(static_cast<uint32_t>(body.size())) + body;
}

struct ElectionUv : testing::Test {
  Loop loop;
};

TEST_F(ElectionUv, LargerIdKeepsTheConnectionItOpens) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c), two(loop, as_node(c, 2));
  two.say(1, 7);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 7); }));
  one.say(2, 8);
  EXPECT_TRUE(loop.until([&] { return two.heard(1, 8); }));
  EXPECT_EQ(1, one.count(EV_LINK, 2));
  EXPECT_EQ(1, two.count(EV_LINK, 1));
  EXPECT_EQ(1, two.count_link(1, LINK_UP));
}

TEST_F(ElectionUv, SmallerIdRingsTheDoorbellAndIsCalledBack) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c), two(loop, as_node(c, 2));
  uint64_t start = now_us();
  one.say(2, 9);
  EXPECT_TRUE(loop.until([&] { return two.heard(1, 9); }));
  EXPECT_LT(now_us() - start, 100000u) << "a call-back, not a second doorbell";
  two.say(1, 10);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 10); }));
  EXPECT_EQ(1, one.count(EV_LINK, 2));
  EXPECT_EQ(1, two.count(EV_LINK, 1));
}

TEST_F(ElectionUv, DoorbellIsOneHelloThenEnd) {
  config c = make_config({1, 2}, 1);
  Listener two(c.peers[1].election_port);
  Node one(loop, c);
  one.say(2, 1);
  ASSERT_TRUE(loop.until([&] { return two.accept_cnt() == 1 && two.ended(0); }));
  EXPECT_EQ(hello(1, "127.0.0.1:" + std::to_string(one.port())), two.received(0));
}

TEST_F(ElectionUv, ACallBackHasTimeToComeBeforeTheNextDoorbell) {
  config c = make_config({1, 2}, 1);
  Listener two(c.peers[1].election_port);
  Node one(loop, c);
  one.say(2, 1);
  uint64_t start = now_us();
  while (now_us() - start < 150000) {  // news do not shorten it either
    one.say(2, 2);
    loop.turns(1);
  }
  EXPECT_EQ(1, two.accept_cnt());
  EXPECT_TRUE(loop.until([&] { return two.accept_cnt() == 2; })) << "but then it is rung again";
}

TEST_F(ElectionUv, DoorbellIsAnsweredEvenIfTheOldConnectionSeemsAlive) {
  config c = make_config({1, 2}, 2);
  Listener one(c.peers[0].election_port);
  Node two(loop, c);
  two.say(1, 4);
  ASSERT_TRUE(loop.until([&] { return one.accept_cnt() == 1 && one.received(0).size() > 100; }));
  Client bell(two.port());
  bell.send(hello(1));
  ASSERT_TRUE(loop.until([&] { return one.accept_cnt() == 2 && one.ended(0); }));
  // election.md 1.6: the last message is said again on the new connection
  EXPECT_TRUE(loop.until([&] { return one.received(1) == one.received(0); }));
  EXPECT_EQ(0, two.count_link(1, LINK_DOWN)) << "a replacement is no loss";
}

TEST_F(ElectionUv, LargerIdsNewConnectionReplacesTheOldOne) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client first(one.port());
  first.send(hello(2) + message(1));
  ASSERT_TRUE(loop.until([&] { return one.heard(2, 1); }));
  Client second(one.port());
  second.send(hello(2) + message(2));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 2) && first.ended(); }));
  EXPECT_EQ(0, one.count_link(2, LINK_DOWN));
  EXPECT_FALSE(second.ended());
}

TEST_F(ElectionUv, HelloMayArriveByteByByte) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client two(one.port());
  for (char b : hello(2)) {
    two.send(Bytes(1, b));
    loop.turns(1);
  }
  two.send_by_byte(message(3));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 3); }));
}

TEST_F(ElectionUv, TakesVersion2AndLegacyHellos) {
  config c = make_config({1, 2, 3}, 1);
  Node one(loop, c);
  Client two(one.port()), three(one.port());
  two.send(hello(2, "127.0.0.1:3888|[::1]:3888", -65535) + message(5));
  three.send(be64(3) + message(6));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 5) && one.heard(3, 6); }));
}

TEST_F(ElectionUv, DropsUnknownAndOwnIdsAndCountsThem) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  std::vector<Client> strangers;
  for (int64_t sid : {9ll, 1ll, 0x7fffffffffffffffll, 258ll}) {
    strangers.emplace_back(one.port());
    strangers.back().send(hello(sid) + message(1));
  }
  for (Client &s : strangers) EXPECT_TRUE(loop.until([&] { return s.ended(); }));
  EXPECT_EQ(3u, one.counted(REASON_HELLO_UNKNOWN));
  EXPECT_EQ(1u, one.counted(REASON_HELLO_SELF));
  EXPECT_TRUE(one.events.empty());
}

TEST_F(ElectionUv, DropsGarbageAndCountsIt) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  const Bytes garbage[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Bytes(100, '\xff'),
                           hello(2, "127.0.0.1:99999"),         hello(2, ""),
                           hello(2, Bytes(3000, 'a')),          hello(2, "x", -65534)};
  for (const Bytes &g : garbage) {
    Client s(one.port());
    s.send(g);
    EXPECT_TRUE(loop.until([&] { return s.ended(); })) << g.substr(0, 20);
  }
  // "GET / HT" is a positive i8, that is a legacy hello of an unknown id
  EXPECT_EQ(5u, one.counted(REASON_HELLO_BAD));
  EXPECT_EQ(1u, one.counted(REASON_HELLO_UNKNOWN));
  EXPECT_TRUE(one.events.empty());
}

TEST_F(ElectionUv, EveryTruncationOfAHelloIsOneCountedDrop) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  const Bytes whole = hello(2);
  for (size_t len = 0; len < whole.size(); len++) {
    Client s(one.port());
    s.send(whole.substr(0, len));
    s.close();
    ASSERT_TRUE(loop.until([&] { return one.counted(REASON_HELLO_MISSING) == len + 1; })) << len;
  }
  EXPECT_TRUE(one.events.empty());
}

TEST_F(ElectionUv, EveryTruncationOfAMessageIsALostLinkOnly) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  const Bytes whole = message(1);
  for (size_t len = 0; len < whole.size(); len++) {
    Client s(one.port());
    s.send(hello(2) + whole.substr(0, len));
    s.close();
    ASSERT_TRUE(loop.until([&] {
      return one.count_link(2, LINK_DOWN) == static_cast<int>(len) + 1;
    })) << len;
  }
  EXPECT_EQ(0, one.count(EV_NOTIFICATION, 2));
}

TEST_F(ElectionUv, AThousandSilentConnectionsDelayNobody) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  std::vector<Client> silent;
  for (int i = 0; i < 1000; i++) {
    silent.emplace_back(one.port());
    ASSERT_TRUE(silent.back().connected()) << i;
    if (i % 2) silent.back().send(hello(2).substr(0, 10));  // slow loris
    loop.turns(i % 16 == 0);
  }
  uint64_t start = now_us();
  Client two(one.port());
  two.send(hello(2) + message(1));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1); }));
  EXPECT_LT(now_us() - start, 200000u);
  EXPECT_GE(one.counted(REASON_CONN_LIMIT), 1000u - LIMIT_LOBBY);
  two.send(message(2));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 2); })) << "whoever has a name stays";
}

TEST_F(ElectionUv, WhoeverIsSilentLongestMakesRoom) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  std::vector<Client> silent;
  auto come = [&](int cnt) {
    for (int i = 0; i < cnt; i++) silent.emplace_back(one.port());
    loop.turns(5);
  };
  come(LIMIT_LOBBY);
  Client two(one.port());
  come(LIMIT_LOBBY / 2);
  two.send(hello(2) + message(1));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1); }));
  EXPECT_TRUE(silent[0].ended());
}

TEST_F(ElectionUv, ASilentConnectionIsClosedAtItsDeadline) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client silent(one.port());
  uint64_t start = now_us();
  EXPECT_TRUE(loop.until([&] { return silent.ended(); }));
  EXPECT_GE(now_us() - start, 1000000u);
  EXPECT_EQ(1u, one.counted(REASON_HELLO_MISSING));
}

TEST_F(ElectionUv, ImpossibleLengthsEndTheConnection) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  int n = 0;
  for (uint32_t len : {0u, 0xffffffffu, 524289u, 0x7fffffffu}) {
    Client two(one.port());
    two.send(hello(2) + be32(len) + Bytes(64, 'x'));
    EXPECT_TRUE(loop.until([&] { return two.ended(); })) << len;
    EXPECT_EQ(static_cast<uint64_t>(++n), one.counted(REASON_NOTIFICATION_BAD));
  }
  EXPECT_TRUE(loop.until([&] { return one.count_link(2, LINK_DOWN) >= 1; }));
  EXPECT_EQ(0, one.count(EV_NOTIFICATION, 2));
}

TEST_F(ElectionUv, TheLargestMessageIsTakenAndItsListCut) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client two(one.port());
  Bytes big = message(1, Bytes(524288 - 44, 'x'));
  std::thread sender([&] { two.send(hello(2) + big + message(2)); });
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 2); }));
  sender.join();
  EXPECT_TRUE(one.heard(2, 1));
}

TEST_F(ElectionUv, MalformedMessagesArePassedOver) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client two(one.port());
  two.send(hello(2) + be32(5) + "short" + message(2));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 2); }));
  EXPECT_EQ(1u, one.counted(REASON_NOTIFICATION_BAD));
}

TEST_F(ElectionUv, APeerThatIsNotRunningIsReportedWithinMilliseconds) {
  config c = make_config({1, 2, 3}, 2);
  Node two(loop, c);
  for (int peer : {1, 3}) {
    uint64_t start = now_us();
    two.say(peer, 1);
    EXPECT_TRUE(loop.until([&] { return two.count_link(peer, LINK_REFUSED) == 1; }));
    EXPECT_LT(now_us() - start, 20000u);
  }
}

TEST_F(ElectionUv, RetriesUntilThePeerRunsAndThenSaysTheNewest) {
  config c = make_config({1, 2}, 2);
  Node two(loop, c);
  two.say(1, 1);
  EXPECT_TRUE(loop.until([&] { return two.count_link(1, LINK_REFUSED) >= 3; }));
  two.say(1, 2);
  Node one(loop, as_node(c, 1));
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 2); }, 1000));
  EXPECT_FALSE(one.heard(2, 1));
}

TEST_F(ElectionUv, RetriesGrowRareWhileThePeerIsDown) {
  config c = make_config({1, 2}, 2);
  Node two(loop, c);
  two.say(1, 1);
  uint64_t start = now_us();
  EXPECT_TRUE(loop.until([&] { return now_us() - start > 700000; }));
  EXPECT_LE(two.count_link(1, LINK_REFUSED), 9);  // 0 5 15 35 75 155 315 635 ms
  EXPECT_GE(two.count_link(1, LINK_REFUSED), 5);
}

TEST_F(ElectionUv, ReconnectsAfterAPeersRestartInBothDirections) {
  config c = make_config({1, 2, 3}, 2);
  Node two(loop, c);
  for (int peer : {1, 3}) {
    auto other = std::make_unique<Node>(loop, as_node(c, peer));
    two.say(peer, 1);
    ASSERT_TRUE(loop.until([&] { return other->heard(2, 1); }));
    other->close();
    EXPECT_TRUE(loop.until([&] { return two.count_link(peer, LINK_DOWN) == 1; }));
    Node again(loop, as_node(c, peer));
    again.say(2, 5);
    EXPECT_TRUE(loop.until([&] { return two.heard(peer, 5); }));
    // what may have been lost with the connection is said again
    EXPECT_TRUE(loop.until([&] { return again.heard(2, 1); }));
  }
}

// R12: a vote of a role that has ended does not open a new connection. (Seen by the simulator.)
TEST_F(ElectionUv, WhatIsForgottenIsNotSaidAgain) {
  config c = make_config({1, 2}, 2);
  Node two(loop, c);
  auto one = std::make_unique<Node>(loop, as_node(c, 1));
  two.say(1, 1);
  ASSERT_TRUE(loop.until([&] { return one->heard(2, 1); }));
  one->close();
  ASSERT_TRUE(loop.until([&] { return two.count_link(1, LINK_DOWN) == 1; }));
  election_uv_forget(two.e.get());
  Node again(loop, as_node(c, 1));
  again.say(2, 5);
  ASSERT_TRUE(loop.until([&] { return two.heard(1, 5); }));
  two.say(1, 2);
  ASSERT_TRUE(loop.until([&] { return again.heard(2, 2); }));
  EXPECT_FALSE(again.heard(2, 1));
}

TEST_F(ElectionUv, NewestReplacesWhatASlowPeerHasNotTaken) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c);
  Client two(one.port(), 2048);
  two.send(hello(2));
  ASSERT_TRUE(loop.until([&] { return one.count_link(2, LINK_UP) == 1; }));
  const int last = 200000;
  for (int round = 1; round <= last; round++) {
    one.say(2, round);
    if (round % 1000 == 0) loop.turns(1);
  }
  EXPECT_LT(sock_waiting(one.e->peer[1].sock), 2 * sizeof(election_uv_peer::message));
  Bytes newest = be64(static_cast<uint64_t>(last));
  EXPECT_TRUE(loop.until([&] { return two.received().find(newest) != Bytes::npos; }));
  EXPECT_LT(two.received().size(), last * 100u) << "the older ones were never sent";
}

TEST_F(ElectionUv, NotificationsCarryTheServerListAndADifferentOneIsCounted) {
  config c = make_config({1, 2}, 1);
  config other = as_node(c, 2);
  other.peers[1].quorum_port++;
  Node one(loop, c), two(loop, other);
  two.say(1, 1);
  one.say(2, 1);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1) && two.heard(1, 1); }));
  EXPECT_GE(one.counted(REASON_SERVER_LIST_DIFFERS), 1u);
  EXPECT_GE(two.counted(REASON_SERVER_LIST_DIFFERS), 1u);
  char text[LIMIT_CONFIG_TEXT];
  config_quorum_text(&c, text);
  auto said = std::find_if(two.events.begin(), two.events.end(),
                           [](const Event &x) { return x.type == EV_NOTIFICATION; });
  EXPECT_STREQ(text, said->said.config);
}

TEST_F(ElectionUv, AnEqualServerListIsNoComplaint) {
  config c = make_config({1, 2}, 1);
  Node one(loop, c), two(loop, as_node(c, 2));
  two.say(1, 1);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1); }));
  EXPECT_EQ(0u, one.counted(REASON_SERVER_LIST_DIFFERS));
}

TEST_F(ElectionUv, NamesAreResolvedAndEveryAddressTried) {
  config c = make_config({1, 2}, 2);
  addrinfo hints = {}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  ASSERT_EQ(0, getaddrinfo("localhost", nullptr, &hints, &list));
  const addrinfo *last = list;
  while (last->ai_next) last = last->ai_next;  // nobody listens at those before it
  uv_ip_name(last->ai_addr, c.peers[0].address, sizeof c.peers[0].address);
  freeaddrinfo(list);
  Node one(loop, as_node(c, 1));
  strcpy(c.peers[0].address, "localhost");
  Node two(loop, c);
  two.say(1, 1);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1); }));
}

TEST_F(ElectionUv, AnUnknownNameIsALinkDown) {
  config c = make_config({1, 2}, 2);
  strcpy(c.peers[0].address, "no-such-host.invalid");
  Node two(loop, c);
  two.say(1, 1);
  EXPECT_TRUE(loop.until([&] { return two.count_link(1, LINK_DOWN) == 1; }, 10000));
}

TEST_F(ElectionUv, SpeaksIpv6) {
  config c = make_config({1, 2}, 1);
  for (int i = 0; i < 2; i++) strcpy(c.peers[i].address, "::1");
  Node one(loop, c), two(loop, as_node(c, 2));
  two.say(1, 1);
  EXPECT_TRUE(loop.until([&] { return one.heard(2, 1); }));
  one.say(2, 2);
  EXPECT_TRUE(loop.until([&] { return two.heard(1, 2); }));
}

TEST_F(ElectionUv, FiveNodesAllHearEachOther) {
  config c = make_config({1, 2, 3, 4, 5}, 1);
  std::vector<std::unique_ptr<Node>> nodes;
  for (int id = 1; id <= 5; id++) nodes.push_back(std::make_unique<Node>(loop, as_node(c, id)));
  for (auto &n : nodes)
    for (int to = 1; to <= 5; to++)
      if (to != n->c.id) n->say(to, 3);
  EXPECT_TRUE(loop.until([&] {
    for (auto &n : nodes)
      for (int from = 1; from <= 5; from++)
        if (from != n->c.id && !n->heard(from, 3)) return false;
    return true;
  }));
}

TEST_F(ElectionUv, APortInUseIsAnError) {
  config c = make_config({1, 2}, 1);
  Listener other(c.peers[0].election_port);
  counters drops = {};
  auto e = std::make_unique<election_uv>();
  testing::internal::CaptureStderr();
  EXPECT_EQ(-1, election_uv_open(e.get(), loop.get(), &c, &drops));
  Bytes line = testing::internal::GetCapturedStderr();
  EXPECT_NE(Bytes::npos, line.find("127.0.0.1:" + std::to_string(c.peers[0].election_port)))
      << line;
  election_uv_close(e.get());
  loop.turns(3);
}

}  // namespace
