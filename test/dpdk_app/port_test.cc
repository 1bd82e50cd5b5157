/* Ports of two nodes joined in this process: framing, what is dropped, what is counted. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

extern "C" {
#include "dpdk_app/mem.h"
#include "dpdk_app/port.h"
}
#include "test/dpdk_app/ring_pair.h"

namespace {

constexpr uint16_t kMtu = 1500;
constexpr uint32_t kLargest = kMtu - LIMIT_FRAME_OVERHEAD - LIMIT_FRAME_HEADER;
constexpr size_t kHeaders = 42 + LIMIT_FRAME_HEADER;

/* EAL is one per process: started before the first test here, never stopped. */
class Port : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    struct open_error e;
    ASSERT_EQ(ring_pair_eal(&e), 0) << e.text;
  }

  void open(unsigned depth = 1024, uint16_t mtu = kMtu) { pair = ring_pair_open(mtu, depth); }
  void SetUp() override { open(); }
  void TearDown() override { ring_pair_close(pair); }

  void send(uint32_t len, uint64_t seq = 1) {
    std::vector<uint8_t> payload(len);
    for (uint32_t i = 0; i < len; i++) payload[i] = static_cast<uint8_t>(len * 3 + i);
    struct frame_header h = {};
    h.seq = seq;
    port_tx(ring_pair_ports(pair, 0), {1, 0}, &h, payload.data(), len);
  }

  std::vector<uint8_t> sent_packet(uint32_t len) {
    std::vector<uint8_t> packet(16384);
    send(len);
    port_flush(ring_pair_ports(pair, 0));
    packet.resize(ring_pair_take(pair, 0, packet.data(), packet.size()));
    return packet;
  }

  int received(int node = 1) {
    struct rx_frame frames[LIMIT_BURST];
    int cnt = port_rx(ring_pair_ports(pair, node), 0, frames);
    port_rx_done(ring_pair_ports(pair, node), 0);
    return cnt;
  }

  uint64_t count(int node, enum reason r) { return ring_pair_count(pair, node, r); }

  /* Gives node 2 the packet, which it must count as r and not return. */
  void expect_dropped(const std::vector<uint8_t> &packet, enum reason r, const char *what) {
    uint64_t before = count(1, r);
    ring_pair_put(pair, 1, packet.data(), packet.size());
    EXPECT_EQ(received(), 0) << what;
    EXPECT_EQ(count(1, r), before + 1) << what;
  }

  struct ring_pair *pair = nullptr;
};

TEST_F(Port, DeliversEveryLengthWithItsSenderAndContent) {
  for (uint32_t len = 0; len <= kLargest; len++) {
    struct rx_frame frames[LIMIT_BURST];
    send(len, len);
    port_flush(ring_pair_ports(pair, 0));
    ASSERT_EQ(port_rx(ring_pair_ports(pair, 1), 0, frames), 1) << len;
    ASSERT_EQ(frames[0].len, LIMIT_FRAME_HEADER + len);
    ASSERT_EQ(frames[0].peer_idx, 0);
    struct frame_header h;
    memcpy(&h, frames[0].frame, sizeof h);
    ASSERT_EQ(h.seq, len);
    const uint8_t *payload = static_cast<const uint8_t *>(frames[0].frame) + sizeof h;
    for (uint32_t i = 0; i < len; i++) ASSERT_EQ(payload[i], static_cast<uint8_t>(len * 3 + i));
    port_rx_done(ring_pair_ports(pair, 1), 0);
  }
}

TEST_F(Port, CarriesTheLargestMtu) {
  ring_pair_close(pair);
  open(1024, LIMIT_MTU_MAX);
  send(LIMIT_MTU_MAX - LIMIT_FRAME_OVERHEAD - LIMIT_FRAME_HEADER);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

/* Golden bytes, from RFC 791 and 768 and design 4. */
TEST_F(Port, WritesEthernetIpv4AndUdpAsTheirDocumentsSay) {
  std::vector<uint8_t> p = sent_packet(4);
  const uint8_t expected[] = {2,    0x5a, 0x42, 0, 0, 2,   2, 0x5a, 0x42, 0, 0,  1,
                              0x08, 0x00, 0x45, 0, 0, 120, 0, 0,    0x40, 0, 64, 17};
  ASSERT_EQ(p.size(), kHeaders + 4);
  EXPECT_EQ(memcmp(p.data(), expected, sizeof expected), 0);
  const uint8_t addresses[] = {10, 90, 0, 1, 10, 90, 0, 2, 0xc0, 0x01, 0x0b, 0xac, 0, 100, 0, 0};
  EXPECT_EQ(memcmp(p.data() + 26, addresses, sizeof addresses), 0);
  for (uint32_t len = 0; len <= kLargest; len += 13)
    EXPECT_TRUE(ring_pair_ip_checksum_ok(sent_packet(len).data())) << len;
}

TEST_F(Port, DropsAndCountsWhatIsNotAddressedToItByAPeer) {
  struct {
    size_t at;
    const char *what;
  } rows[] = {{0, "destination MAC"},
              {5, "destination MAC, last byte"},
              {12, "EtherType"},
              {14, "IP version or options"},
              {20, "more fragments"},
              {21, "fragment offset"},
              {23, "protocol"},
              {26, "source address"},
              {29, "source address, last byte"},
              {30, "destination address"},
              {33, "destination address, last byte"},
              {34, "source port"},
              {35, "source port, last byte"},
              {36, "destination port"},
              {37, "destination port, last byte"}};
  std::vector<uint8_t> good = sent_packet(100);
  for (auto &row : rows) {
    std::vector<uint8_t> bad = good;
    bad[row.at] ^= 0x21; /* of flags: "more fragments" and not "don't fragment" */
    expect_dropped(bad, REASON_FRAME_ADDRESS, row.what);
  }
  ring_pair_put(pair, 1, good.data(), good.size());
  EXPECT_EQ(received(), 1);
}

TEST_F(Port, DropsItsOwnPacketsComingBack) {
  std::vector<uint8_t> p = sent_packet(100);
  uint64_t before = count(0, REASON_FRAME_ADDRESS);
  ring_pair_put(pair, 0, p.data(), p.size());
  EXPECT_EQ(received(0), 0);
  EXPECT_EQ(count(0, REASON_FRAME_ADDRESS), before + 1);
}

TEST_F(Port, DropsEveryTruncation) {
  std::vector<uint8_t> good = sent_packet(64);
  for (size_t len = 1; len < good.size(); len++)
    expect_dropped(std::vector<uint8_t>(good.begin(), good.begin() + static_cast<long>(len)),
                   REASON_FRAME_SHORT, "truncated");
}

TEST_F(Port, DropsLengthsThatDoNotFitEachOther) {
  std::vector<uint8_t> good = sent_packet(64);
  for (size_t at : {16u, 17u, 38u, 39u})
    for (int delta : {-1, 1, 64}) {
      std::vector<uint8_t> bad = good;
      bad[at] = static_cast<uint8_t>(bad[at] + delta);
      expect_dropped(bad, REASON_FRAME_SHORT, "length");
    }
}

TEST_F(Port, TakesPaddingOfEthernetAway) {
  std::vector<uint8_t> p = sent_packet(8);
  p.resize(p.size() + 20, 0xee);
  ring_pair_put(pair, 1, p.data(), p.size());
  struct rx_frame frames[LIMIT_BURST];
  ASSERT_EQ(port_rx(ring_pair_ports(pair, 1), 0, frames), 1);
  EXPECT_EQ(frames[0].len, LIMIT_FRAME_HEADER + 8);
  port_rx_done(ring_pair_ports(pair, 1), 0);
}

TEST_F(Port, CountsWhatItDropsByWhom) {
  static struct drops by;
  ports_count_drops(ring_pair_ports(pair, 1), &by);
  std::vector<uint8_t> good = sent_packet(64), lies = good, strange = good;
  lies[39]++; /* UDP length */
  const uint8_t mac[] = {2, 0xde, 0xad, 0xbe, 0xef, 7}, ip[] = {10, 99, 9, 9},
                port[] = {0x12, 0x34};
  memcpy(&strange[6], mac, 6);
  memcpy(&strange[26], ip, 4);
  memcpy(&strange[34], port, 2);
  expect_dropped(lies, REASON_FRAME_SHORT, "by peer 0");
  expect_dropped(strange, REASON_FRAME_ADDRESS, "by a stranger");
  EXPECT_EQ(counters_get(drops_of(&by, 0, 0), REASON_FRAME_SHORT), 1u);
  EXPECT_EQ(counters_get(drops_of(&by, 0, 0), REASON_FRAME_ADDRESS), 0u);
  EXPECT_EQ(counters_get(drops_of(&by, 0, DROPS_STRANGER), REASON_FRAME_ADDRESS), 1u);
  EXPECT_EQ(by.stranger[0].mac, 0x02deadbeef07u);
  EXPECT_EQ(by.stranger[0].udp, uint64_t{0x0a630909} << 16 | 0x1234);
  expect_dropped(std::vector<uint8_t>(mac, mac + 6), REASON_FRAME_SHORT, "too short for a sender");
  EXPECT_EQ(by.stranger[0].mac, 0u);
}

TEST_F(Port, KeepsGoodFramesOfABurstWithBadOnes) {
  std::vector<uint8_t> good = sent_packet(10), bad = good;
  bad[5] ^= 1;
  for (int i = 0; i < 6; i++) ring_pair_put(pair, 1, (i % 2 ? good : bad).data(), good.size());
  EXPECT_EQ(received(), 3);
  EXPECT_EQ(count(1, REASON_FRAME_ADDRESS), 3u);
}

TEST_F(Port, SendsAFullQueueWithoutBeingAsked) {
  for (int i = 0; i < LIMIT_BURST; i++) send(1);
  EXPECT_EQ(received(), LIMIT_BURST);
  send(1);
  EXPECT_EQ(received(), 0);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

TEST_F(Port, SendsToItsOnlyPeerAtOnce) {
  send(1);
  EXPECT_EQ(received(), 0);
  port_flush_to_one(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

TEST_F(Port, GathersABurstForSeveralPeers) {
  ring_pair_close(pair);
  pair = ring_pair_open_shared(kMtu, 1024);
  send(1);
  port_flush_to_one(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 0);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

TEST_F(Port, CountsWhatAFullTransmitQueueLoses) {
  ring_pair_close(pair);
  open(64); /* 63 packets */
  for (int i = 0; i < 100; i++) send(1);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(count(0, REASON_PORT_FULL), 100u - 63u);
  EXPECT_EQ(received() + received() + received(), 63);
}

TEST_F(Port, CountsMissingPacketMemoryAndRecovers) {
  ring_pair_close(pair);
  open(16384);
  for (int i = 0; i < 8000; i++) send(1);
  port_flush(ring_pair_ports(pair, 0));
  uint64_t lost = count(0, REASON_PORT_NO_MBUF);
  EXPECT_GT(lost, 0u);
  int got = 0;
  for (int i = 0; i < 8000; i++) got += received();
  EXPECT_EQ(static_cast<uint64_t>(got) + lost, 8000u);
  send(1);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

/* The same two nodes on Ethernet ports: what a NIC brings beside frames. */
class EthernetPort : public Port {
 protected:
  void SetUp() override {}
  void open_with(uint16_t vlan) {
    pair = ring_pair_open_ethernet(kMtu, 1024, vlan);
    tick();
  }

  /* Time passes, and both nodes take what came until nothing does. */
  void tick(uint64_t ms = 1) {
    now += ms * 1000000;
    for (int round = 0; round < 8; round++)
      for (int node : {0, 1}) {
        received(node);
        port_tick(ring_pair_ports(pair, node), now);
        port_flush(ring_pair_ports(pair, node));
      }
  }

  uint64_t now = 1000000000;
};

TEST_F(EthernetPort, FindsItsPeerByArpProvesTheWayAndThenCarriesFrames) {
  for (uint16_t vlan : {0, 7}) {
    pair = ring_pair_open_ethernet(kMtu, 1024, vlan);
    send(100);
    EXPECT_EQ(count(0, REASON_ARP_UNKNOWN), 1u);
    tick();
    tick();
    send(100);
    send(kLargest);
    port_flush(ring_pair_ports(pair, 0));
    EXPECT_EQ(received(), 2) << "VLAN " << vlan;
    EXPECT_EQ(count(0, REASON_ARP_UNKNOWN), 1u);
    EXPECT_EQ(count(1, REASON_FRAME_ADDRESS), 0u);
    if (!vlan) ring_pair_close(pair);
  }
}

/* Its heartbeats are small and its probes too: only a full packet shows that the MTU shrank. */
TEST_F(EthernetPort, ProvesTheWayAnewWhenItWasSilent) {
  open_with(0);
  tick();
  ASSERT_TRUE(port_reaches(ring_pair_ports(pair, 0), {1, 0}));
  port_doubt(ring_pair_ports(pair, 0), {1, 0});
  EXPECT_FALSE(port_reaches(ring_pair_ports(pair, 0), {1, 0}));
  send(100);
  EXPECT_EQ(count(0, REASON_PATH_MTU), 1u);
  tick(10);
  tick();
  EXPECT_TRUE(port_reaches(ring_pair_ports(pair, 0), {1, 0}));
  send(100);
  port_flush(ring_pair_ports(pair, 0));
  EXPECT_EQ(received(), 1);
}

/* IEEE 802.1Q: the type 0x8100 and the id stand before the type of what is inside. */
TEST_F(EthernetPort, TagsWhatItSendsWithTheVlanOfThePort) {
  open_with(7);
  std::vector<uint8_t> p = sent_packet(4);
  ASSERT_EQ(p.size(), kHeaders + 4 + 4);
  const uint8_t expected[] = {0x81, 0x00, 0, 7, 0x08, 0x00, 0x45};
  EXPECT_EQ(memcmp(p.data() + 12, expected, sizeof expected), 0);
}

TEST_F(EthernetPort, TakesItsOwnVlanOnly) {
  open_with(7);
  std::vector<uint8_t> good = sent_packet(100), bad = good, untagged = good, priority = good;
  bad[15] = 8;
  untagged.erase(untagged.begin() + 12, untagged.begin() + 16);
  priority[14] = 0xe0;
  expect_dropped(bad, REASON_FRAME_VLAN, "another VLAN");
  expect_dropped(untagged, REASON_FRAME_VLAN, "no VLAN");
  ring_pair_put(pair, 1, priority.data(), priority.size());
  EXPECT_EQ(received(), 1) << "a priority is no VLAN";
}

TEST_F(EthernetPort, TakesAPeersFramesWhateverMacTheyComeFrom) {
  open_with(0);
  std::vector<uint8_t> p = sent_packet(100);
  p[11] ^= 0x55;
  ring_pair_put(pair, 1, p.data(), p.size());
  EXPECT_EQ(received(), 1);
}

TEST_F(EthernetPort, CountsNothingThatIsSomebodyElses) {
  open_with(0);
  std::vector<uint8_t> good = sent_packet(100);
  for (size_t at : {12u, 30u, 36u}) { /* EtherType, destination address, UDP port */
    std::vector<uint8_t> p = good;
    p[at] ^= 0x21;
    ring_pair_put(pair, 1, p.data(), p.size());
  }
  EXPECT_EQ(received(), 0);
  for (int r = 0; r < REASON_CNT; r++) EXPECT_EQ(count(1, static_cast<enum reason>(r)), 0u) << r;
  std::vector<uint8_t> stranger = good;
  stranger[29] ^= 0x40;
  expect_dropped(stranger, REASON_FRAME_ADDRESS, "to our port, of no peer");
}

TEST_F(EthernetPort, AnswersAFloodOfPingsWithAFewPerTurn) {
  open_with(0);
  std::vector<uint8_t> ping = sent_packet(100);
  ping[23] = 1; /* ICMP; the frame's bytes behind are replaced */
  const uint8_t echo[] = {8, 0, 0xf7, 0xff, 0, 0, 0, 0};
  memcpy(&ping[34], echo, sizeof echo);
  std::fill(ping.begin() + 42, ping.end(), 0);
  for (int i = 0; i < LIMIT_BURST; i++) ring_pair_put(pair, 1, ping.data(), ping.size());
  EXPECT_EQ(received(), 0);
  port_flush(ring_pair_ports(pair, 1));
  int answers = 0;
  uint8_t answer[2048];
  while (ring_pair_take(pair, 1, answer, sizeof answer))
    answers += answer[23] == 1 && answer[34] == 0;
  EXPECT_EQ(answers, 4);
}

TEST(RingMap, ShowsTheSameBytesTwiceInARow) {
  constexpr uint64_t kBytes = 1u << 20;
  auto *ring = static_cast<uint8_t *>(ring_map(kBytes));
  ASSERT_NE(ring, nullptr);
  for (uint64_t i = 0; i < 2 * kBytes; i++) ASSERT_EQ(ring[i], 0);
  memset(ring + kBytes - 50, 7, 100); /* over the seam */
  EXPECT_EQ(ring[0], 7);
  EXPECT_EQ(ring[49], 7);
  EXPECT_EQ(ring[50], 0);
  EXPECT_EQ(ring[2 * kBytes - 1], 7);
  ring_unmap(ring, kBytes);
}

TEST(RingMap, SaysThatThereIsNoMemory) {
  errno = 0;
  EXPECT_EQ(ring_map(1ull << 46), nullptr);
  EXPECT_NE(errno, 0);
}

}  // namespace
