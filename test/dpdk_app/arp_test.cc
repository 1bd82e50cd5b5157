/* ARP and ICMP echo, without a port. */
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "dpdk_app/arp.h"
#include "dpdk_app/icmp.h"
}
#include "test/harness/keep_seed.h"

namespace {

constexpr uint64_t kMs = 1000000, kS = 1000 * kMs;
const uint8_t kOwn[6] = {2, 0, 0, 0, 0, 1}, kPeer[6] = {2, 0, 0, 0, 0, 2},
              kNew[6] = {2, 0, 0, 0, 9, 9}, kAll[6] = {255, 255, 255, 255, 255, 255};

uint32_t Ip(const char *text) {
  uint32_t ip;
  inet_pton(AF_INET, text, &ip);
  return ip;
}

std::vector<uint8_t> Body(int op, const uint8_t sender[6], const char *sender_ip,
                          const uint8_t target[6], const char *target_ip) {
  std::vector<uint8_t> b = {0, 1, 8, 0, 6, 4, 0, (uint8_t)op};
  uint32_t from = Ip(sender_ip), to = Ip(target_ip);
  b.insert(b.end(), sender, sender + 6);
  b.insert(b.end(), (uint8_t *)&from, (uint8_t *)&from + 4);
  b.insert(b.end(), target, target + 6);
  b.insert(b.end(), (uint8_t *)&to, (uint8_t *)&to + 4);
  return b;
}

const uint8_t kNone[6] = {};

class Arp : public testing::Test {
 protected:
  void SetUp() override {
    arp_init(&a, Ip("10.0.0.1"), kOwn);
    arp_add(&a, 1, Ip("10.0.0.2"), nullptr);
    arp_add(&a, 2, Ip("10.0.0.3"), kPeer);
  }

  /* All packets that are due at now. */
  std::vector<arp_packet> due() {
    std::vector<arp_packet> all;
    arp_packet p;
    while (arp_next(&a, now, &p)) all.push_back(p);
    return all;
  }

  /* Starts and lets the announcements pass. */
  void start() {
    arp_start(&a, now);
    for (int i = 0; i < ARP_ANNOUNCEMENTS; i++, now += ARP_GAP_NS) due();
  }

  arp_result take(const std::vector<uint8_t> &body) {
    std::string bytes(body.begin(), body.end());
    keep_seed("arp", std::string("\6\0\1", 3) + bytes); /* as test/fuzz/wire.cc reads it */
    return arp_take(&a, now, body.data(), body.size(), &out);
  }

  arp_result answered(const uint8_t mac[6]) {
    return take(Body(2, mac, "10.0.0.2", kOwn, "10.0.0.1"));
  }

  arp a;
  arp_packet out;
  uint64_t now = kS;
};

TEST_F(Arp, AnnouncesItselfAndAsksWhenTheLinkComesUp) {
  EXPECT_EQ(arp_due(&a), UINT64_MAX);
  arp_start(&a, now);
  EXPECT_EQ(arp_due(&a), now);
  auto sent = due();
  ASSERT_EQ(sent.size(), 2u);
  auto gratuitous = Body(1, kOwn, "10.0.0.1", kNone, "10.0.0.1");
  EXPECT_EQ(memcmp(sent[0].body, gratuitous.data(), ARP_BODY), 0);
  EXPECT_EQ(memcmp(sent[0].to, kAll, 6), 0);
  auto request = Body(1, kOwn, "10.0.0.1", kNone, "10.0.0.2");
  EXPECT_EQ(memcmp(sent[1].body, request.data(), ARP_BODY), 0);
  EXPECT_EQ(memcmp(sent[1].to, kAll, 6), 0);
}

TEST_F(Arp, LimitsTheRateOfRequestsForAPeerThatDoesNotAnswer) {
  arp_start(&a, now);
  int requests = 0;
  for (uint64_t end = now + 60 * kS; now < end; now += kMs)
    for (auto &p : due()) requests += memcmp(p.body + 24, p.body + 14, 4) != 0;
  EXPECT_GE(requests, 60);
  EXPECT_LE(requests, 70);
}

TEST_F(Arp, LearnsFromTheAnswerToItsRequest) {
  start();
  arp_result r = answered(kPeer);
  EXPECT_FALSE(r.answer);
  EXPECT_EQ(r.peer_idx, 1);
  EXPECT_FALSE(r.changed);
  EXPECT_TRUE(a.peers[1].is_known);
  EXPECT_EQ(memcmp(a.peers[1].mac, kPeer, 6), 0);
  EXPECT_EQ(arp_due(&a), now + ARP_FRESH_NS);
}

TEST_F(Arp, BelievesNoAnswerThatNobodyAskedFor) {
  EXPECT_EQ(answered(kPeer).peer_idx, -1);
  start();
  answered(kPeer);
  EXPECT_EQ(answered(kNew).peer_idx, -1) << "a second answer to one question";
  EXPECT_EQ(memcmp(a.peers[1].mac, kPeer, 6), 0);
  EXPECT_EQ(take(Body(2, kNew, "10.0.0.2", kOwn, "10.0.0.7")).peer_idx, -1) << "not to us";
}

TEST_F(Arp, LearnsAnotherMacFromTheGratuitousArpOfAPeer) {
  start();
  answered(kPeer);
  for (int op : {1, 2}) {
    const uint8_t *mac = op == 1 ? kNew : kPeer;
    arp_result r = take(Body(op, mac, "10.0.0.2", kNone, "10.0.0.2"));
    EXPECT_EQ(r.peer_idx, 1);
    EXPECT_TRUE(r.changed);
    EXPECT_FALSE(r.answer);
    EXPECT_EQ(memcmp(a.peers[1].mac, mac, 6), 0);
    EXPECT_FALSE(take(Body(op, mac, "10.0.0.2", kNone, "10.0.0.2")).changed) << "the same again";
  }
}

TEST_F(Arp, AsksAfterAMacThatItWasToldUnasked) {
  start();
  answered(kPeer);
  take(Body(1, kNew, "10.0.0.2", kNone, "10.0.0.2"));
  EXPECT_EQ(arp_due(&a), now);
  auto sent = due();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(memcmp(sent[0].to, kAll, 6), 0) << "not only the liar is asked";
  EXPECT_TRUE(answered(kPeer).changed);
  EXPECT_EQ(memcmp(a.peers[1].mac, kPeer, 6), 0);
  EXPECT_EQ(arp_due(&a), now + ARP_FRESH_NS) << "an answer is believed";
}

TEST_F(Arp, AsksNoMoreOftenHoweverManyMacsItIsTold) {
  start();
  answered(kPeer);
  due();
  size_t asked = 0;
  for (int i = 0; i < 100; i++) { /* within one gap */
    take(Body(1, i % 2 ? kPeer : kNew, "10.0.0.2", kNone, "10.0.0.2"));
    asked += due().size();
  }
  EXPECT_LE(asked, 1u);
  now += ARP_GAP_NS;
  EXPECT_EQ(due().size(), 1u) << "but it does ask";
}

TEST_F(Arp, ContradictsWhoClaimsItsAddressButNotMoreOftenThanOnceASecond) {
  start();
  answered(kPeer);
  for (int i = 0; i < 5; i++) {
    EXPECT_TRUE(take(Body(1, kNew, "10.0.0.1", kNone, "10.0.0.1")).conflict);
    auto sent = due();
    ASSERT_EQ(sent.size(), i ? 0u : 1u);
    if (i == 0)
      EXPECT_EQ(memcmp(sent[0].body, Body(1, kOwn, "10.0.0.1", kNone, "10.0.0.1").data(), ARP_BODY),
                0);
    now += ARP_GAP_NS;
  }
  now += kS;
  EXPECT_TRUE(take(Body(2, kNew, "10.0.0.1", kPeer, "10.0.0.2")).conflict);
  EXPECT_EQ(due().size(), 1u);
  EXPECT_FALSE(take(Body(1, kOwn, "10.0.0.1", kNone, "10.0.0.1")).conflict) << "our own, come back";
}

TEST_F(Arp, RefreshesAKnownPeerByUnicastThenByBroadcastAndKeepsItsMac) {
  start();
  answered(kPeer);
  now = arp_due(&a);
  for (int i = 0; i < ARP_UNICASTS + 2; i++) {
    auto sent = due();
    ASSERT_EQ(sent.size(), 1u) << i;
    EXPECT_EQ(memcmp(sent[0].to, i < ARP_UNICASTS ? kPeer : kAll, 6), 0) << i;
    EXPECT_EQ(arp_due(&a), now + ARP_GAP_MAX_NS);
    now += ARP_GAP_MAX_NS;
    EXPECT_TRUE(a.peers[1].is_known);
  }
  EXPECT_TRUE(answered(kNew).changed);
  EXPECT_EQ(arp_due(&a), now + ARP_FRESH_NS);
}

TEST_F(Arp, AnswersWhoAsksForIt) {
  arp_result r = take(Body(1, kNew, "10.0.0.77", kNone, "10.0.0.1"));
  EXPECT_TRUE(r.answer);
  EXPECT_EQ(r.peer_idx, -1);
  EXPECT_EQ(memcmp(out.to, kNew, 6), 0);
  auto reply = Body(2, kOwn, "10.0.0.1", kNew, "10.0.0.77");
  EXPECT_EQ(memcmp(out.body, reply.data(), ARP_BODY), 0);
  EXPECT_FALSE(take(Body(1, kNew, "10.0.0.77", kNone, "10.0.0.2")).answer)
      << "somebody else is asked";
}

TEST_F(Arp, IsMadeToAskByAPeersRequestButLearnsNothingFromIt) {
  start();
  answered(kPeer);
  now += kS;
  EXPECT_TRUE(take(Body(1, kNew, "10.0.0.2", kNone, "10.0.0.1")).answer);
  EXPECT_EQ(memcmp(a.peers[1].mac, kPeer, 6), 0);
  EXPECT_EQ(arp_due(&a), now);
  EXPECT_EQ(memcmp(due().at(0).to, kAll, 6), 0);
  take(Body(1, kNew, "10.0.0.2", kNone, "10.0.0.1"));
  EXPECT_EQ(arp_due(&a), now + ARP_GAP_NS) << "a flood of requests does not make us flood";
}

TEST_F(Arp, NeverChangesAStaticMacNorAsksForIt) {
  start();
  for (int op : {1, 2}) {
    EXPECT_EQ(take(Body(op, kNew, "10.0.0.3", kNone, "10.0.0.3")).peer_idx, -1);
    EXPECT_EQ(take(Body(op, kNew, "10.0.0.3", kOwn, "10.0.0.1")).peer_idx, -1);
  }
  EXPECT_EQ(memcmp(a.peers[2].mac, kPeer, 6), 0);
  answered(kPeer);
  EXPECT_EQ(arp_due(&a), now + ARP_FRESH_NS) << "of the other one";
}

TEST_F(Arp, LearnsNoStrangersAndNothingMalformed) {
  start();
  EXPECT_EQ(take(Body(1, kNew, "10.0.0.9", kNone, "10.0.0.9")).peer_idx, -1);
  EXPECT_EQ(take(Body(1, kNew, "10.0.0.1", kNone, "10.0.0.1")).peer_idx, -1) << "our own address";
  EXPECT_EQ(take(Body(1, kNew, "0.0.0.0", kNone, "0.0.0.0")).peer_idx, -1);
  EXPECT_EQ(take(Body(1, kAll, "10.0.0.2", kNone, "10.0.0.2")).peer_idx, -1) << "a group's MAC";
  EXPECT_EQ(take(Body(1, kNone, "10.0.0.2", kNone, "10.0.0.2")).peer_idx, -1);
  EXPECT_EQ(take(Body(3, kNew, "10.0.0.2", kNone, "10.0.0.2")).peer_idx, -1);
  auto good = Body(1, kNew, "10.0.0.2", kNone, "10.0.0.2");
  for (size_t at = 0; at < 7; at++) {
    auto bad = good;
    bad[at] ^= 1;
    EXPECT_EQ(take(bad).peer_idx, -1) << at;
  }
  EXPECT_EQ(take({good.begin(), good.end() - 1}).peer_idx, -1);
  EXPECT_FALSE(a.peers[1].is_known);
}

/* An echo request from 10.0.0.2 to 10.0.0.1 with its checksums, by Linux' ping. */
std::vector<uint8_t> Echo(size_t data_len) {
  std::vector<uint8_t> p = {0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0, 63, 1, 0,    0,    10, 0,
                            0,    2, 10, 0, 0,    1,    8,    0, 0,  0, 0xab, 0xcd, 0,  7};
  for (size_t i = 0; i < data_len; i++) p.push_back((uint8_t)(i * 31));
  p[2] = (uint8_t)(p.size() >> 8);
  p[3] = (uint8_t)p.size();
  auto sum = [&](size_t from, size_t to, size_t at) {
    uint32_t s = 0;
    for (size_t i = from; i < to; i++) s += i % 2 ? p[i] : p[i] << 8u;
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    p[at] = (uint8_t)(~s >> 8);
    p[at + 1] = (uint8_t)~s;
  };
  sum(0, 20, 10);
  sum(20, p.size(), 22);
  return p;
}

bool SumIsRight(const std::vector<uint8_t> &p, size_t from, size_t to) {
  uint32_t s = 0;
  for (size_t i = from; i < to; i++) s += i % 2 ? p[i] : p[i] << 8u;
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return s == 0xffff;
}

TEST(Icmp, AnswersAnEchoRequestWithTheSameDataAndRightChecksums) {
  for (size_t len = 0; len < 200; len++) {
    auto p = Echo(len), asked = p;
    keep_seed("icmp", "\4" + std::string(p.begin(), p.end()));
    ASSERT_TRUE(icmp_answer(p.data(), p.size(), Ip("10.0.0.1"))) << len;
    EXPECT_EQ(p[20], 0);
    EXPECT_EQ(memcmp(&p[12], &asked[16], 4), 0);
    EXPECT_EQ(memcmp(&p[16], &asked[12], 4), 0);
    EXPECT_EQ(memcmp(&p[24], &asked[24], 4 + len), 0);
    EXPECT_TRUE(SumIsRight(p, 0, 20));
    EXPECT_TRUE(SumIsRight(p, 20, p.size())) << len;
  }
}

TEST(Icmp, AsksWithRightChecksumsAndKnowsItsAnswer) {
  for (size_t len : {28u, 64u, 1500u, 9000u}) {
    std::vector<uint8_t> p(len, 0xee);
    icmp_ask(p.data(), len, Ip("10.0.0.2"), Ip("10.0.0.1"));
    EXPECT_TRUE(SumIsRight(p, 0, 20));
    EXPECT_TRUE(SumIsRight(p, 20, len));
    EXPECT_EQ(p[6], 0x40) << "not to be fragmented";
    EXPECT_EQ(icmp_answered(p.data(), len, Ip("10.0.0.1")), 0u) << "a question";
    ASSERT_TRUE(icmp_answer(p.data(), len, Ip("10.0.0.1")));
    EXPECT_TRUE(SumIsRight(p, 20, len));
    EXPECT_EQ(icmp_answered(p.data(), len, Ip("10.0.0.2")), len);
    EXPECT_EQ(icmp_answered(p.data(), len, Ip("10.0.0.3")), 0u);
    EXPECT_EQ(icmp_answered(p.data(), len - 1, Ip("10.0.0.2")), 0u);
    p[24] ^= 1;
    EXPECT_EQ(icmp_answered(p.data(), len, Ip("10.0.0.2")), 0u) << "of another program's ping";
  }
}

TEST(Icmp, CarriesInTheChecksumWhateverItWas) {
  for (unsigned ident = 0; ident < 65536; ident++) {
    auto p = Echo(0);
    uint32_t sum = 0x0800 + ident + 7;
    p[24] = static_cast<uint8_t>(ident >> 8);
    p[25] = static_cast<uint8_t>(ident);
    sum = ~((sum & 0xffff) + (sum >> 16));
    p[22] = static_cast<uint8_t>(sum >> 8);
    p[23] = static_cast<uint8_t>(sum);
    ASSERT_TRUE(icmp_answer(p.data(), p.size(), Ip("10.0.0.1")));
    ASSERT_TRUE(SumIsRight(p, 20, p.size())) << ident;
  }
}

TEST(Icmp, LeavesEverythingElseAlone) {
  struct {
    size_t at;
    uint8_t value;
    const char *what;
  } rows[] = {{0, 0x46, "options"},         {3, 100, "longer than the packet"},
              {3, 27, "shorter than ICMP"}, {6, 0x20, "more fragments"},
              {7, 1, "fragment offset"},    {9, 17, "protocol"},
              {19, 9, "to somebody else"},  {20, 0, "an answer"},
              {20, 13, "another type"},     {21, 1, "code"}};
  for (auto &row : rows) {
    auto p = Echo(8);
    p[row.at] = row.value;
    auto before = p;
    EXPECT_FALSE(icmp_answer(p.data(), p.size(), Ip("10.0.0.1"))) << row.what;
    EXPECT_EQ(p, before) << row.what;
  }
  auto p = Echo(8);
  for (size_t len = 0; len < p.size(); len++)
    EXPECT_FALSE(icmp_answer(p.data(), len, Ip("10.0.0.1")));
}

}  // namespace
