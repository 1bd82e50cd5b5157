/* The flows that an isolated NIC is asked for, each field of each rule; a NIC that takes none.
 *
 * What a NIC then does needs one: net_tap has rules only where the kernel has multiq and flower. */
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "dpdk_app/flow.h"
#include "test/dpdk_app/pair_config.h"
}
#include "test/dpdk_app/ring_pair.h"

namespace {

/* EAL is one per process: started before the first test here, never stopped. */
class Flow : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    struct open_error e;
    ASSERT_EQ(ring_pair_eal(&e), 0) << e.text;
  }
  void SetUp() override {
    pair_config(&c, 0, 1500);
    c.port_cnt = 1;
    strcpy(c.ports[0].name, "0000:03:00.0");
    self().ip = 0x0a5a0001;
    self().udp_port = 2988;
    for (int i = 0; i < c.peer_cnt; i++) c.peers[i].fast[0].mac_static = false;
  }
  config_fast &self() { return c.peers[c.self_idx].fast[0]; }

  int write() { return flow_rules(&c, 0, rules); }
  /* An item's spec or mask, or null. */
  template <class T>
  const T *spec(int rule, int item) {
    return static_cast<const T *>(rules[rule].items[item].spec);
  }
  template <class T>
  const T *mask(int rule, int item) {
    return static_cast<const T *>(rules[rule].items[item].mask);
  }
  std::vector<int> types(int rule) {
    std::vector<int> all;
    for (const rte_flow_item *i = rules[rule].items; i->type != RTE_FLOW_ITEM_TYPE_END; i++) {
      EXPECT_EQ(i->last, nullptr) << "a range";
      all.push_back(i->type);
    }
    return all;
  }
  void expect_ether_type(int rule, uint16_t type) {
    rte_flow_item_eth e = {}, m = {};
    e.type = htons(type);
    m.type = 0xffff;
    EXPECT_EQ(memcmp(spec<rte_flow_item_eth>(rule, 0), &e, sizeof e), 0);
    EXPECT_EQ(memcmp(mask<rte_flow_item_eth>(rule, 0), &m, sizeof m), 0) << "no MAC is looked at";
  }
  void expect_ip(int rule, int item, uint8_t protocol) {
    rte_flow_item_ipv4 i = {}, m = {};
    i.hdr.dst_addr = htonl(0x0a5a0001);
    i.hdr.next_proto_id = protocol;
    m.hdr.dst_addr = 0xffffffff;
    m.hdr.next_proto_id = 0xff;
    EXPECT_EQ(memcmp(spec<rte_flow_item_ipv4>(rule, item), &i, sizeof i), 0);
    EXPECT_EQ(memcmp(mask<rte_flow_item_ipv4>(rule, item), &m, sizeof m), 0) << "from anybody";
  }
  void expect_udp(int rule, int item) {
    rte_flow_item_udp u = {}, m = {};
    u.hdr.dst_port = htons(2988);
    m.hdr.dst_port = 0xffff;
    EXPECT_EQ(memcmp(spec<rte_flow_item_udp>(rule, item), &u, sizeof u), 0);
    EXPECT_EQ(memcmp(mask<rte_flow_item_udp>(rule, item), &m, sizeof m), 0) << "from any port";
  }
  void expect_vlan(int rule, uint16_t id, uint16_t type) {
    rte_flow_item_vlan v = {}, m = {};
    v.tci = htons(id);
    v.inner_type = htons(type);
    m.tci = htons(0x0fff); /* whatever its priority */
    m.inner_type = 0xffff;
    EXPECT_EQ(memcmp(spec<rte_flow_item_vlan>(rule, 1), &v, sizeof v), 0);
    EXPECT_EQ(memcmp(mask<rte_flow_item_vlan>(rule, 1), &m, sizeof m), 0);
    EXPECT_EQ(rules[rule].items[0].spec, nullptr) << "the tag's type is the VLAN item's";
    EXPECT_EQ(rules[rule].items[0].mask, nullptr);
  }

  struct config c = {};
  struct flow_rule rules[FLOW_RULES];
};

constexpr int kEth = RTE_FLOW_ITEM_TYPE_ETH, kVlan = RTE_FLOW_ITEM_TYPE_VLAN,
              kIp = RTE_FLOW_ITEM_TYPE_IPV4, kUdp = RTE_FLOW_ITEM_TYPE_UDP;

TEST_F(Flow, AsksForUdpToOurPortIcmpToOurAddressAndArp) {
  ASSERT_EQ(write(), 3);
  EXPECT_EQ(types(0), (std::vector<int>{kEth, kIp, kUdp}));
  expect_ether_type(0, 0x0800);
  expect_ip(0, 1, IPPROTO_UDP);
  expect_udp(0, 2);
  EXPECT_EQ(types(1), (std::vector<int>{kEth, kIp}));
  expect_ether_type(1, 0x0800);
  expect_ip(1, 1, IPPROTO_ICMP);
  EXPECT_EQ(types(2), (std::vector<int>{kEth}));
  expect_ether_type(2, 0x0806);
}

TEST_F(Flow, AsksForTheFramesOfItsVlanOnly) {
  c.ports[0].vlan = 77;
  ASSERT_EQ(write(), 3);
  EXPECT_EQ(types(0), (std::vector<int>{kEth, kVlan, kIp, kUdp}));
  expect_vlan(0, 77, 0x0800);
  expect_ip(0, 2, IPPROTO_UDP);
  expect_udp(0, 3);
  EXPECT_EQ(types(1), (std::vector<int>{kEth, kVlan, kIp}));
  expect_vlan(1, 77, 0x0800);
  expect_ip(1, 2, IPPROTO_ICMP);
  EXPECT_EQ(types(2), (std::vector<int>{kEth, kVlan}));
  expect_vlan(2, 77, 0x0806);
}

TEST_F(Flow, LeavesArpToTheKernelIfAllMacsAreStatic) {
  for (int i = 0; i < c.peer_cnt; i++) {
    EXPECT_EQ(write(), 3) << "one that is not static is enough";
    c.peers[i].fast[0].mac_static = true;
  }
  EXPECT_EQ(write(), 2);
}

TEST_F(Flow, TakesTheAddressOfThePortsOwnNetwork) {
  c.peers[c.self_idx].fast[1].ip = 0x0a5b0001;
  c.peers[c.self_idx].fast[1].udp_port = 3000;
  c.ports[0].fast_idx = 1;
  write();
  EXPECT_EQ(spec<rte_flow_item_ipv4>(0, 1)->hdr.dst_addr, htonl(0x0a5b0001));
  EXPECT_EQ(spec<rte_flow_item_udp>(0, 2)->hdr.dst_port, htons(3000));
}

/* A device of one queue made by name; gone with the object. */
struct Device {
  explicit Device(const std::string &called, const std::string &args = "") : name(called) {
    err = rte_vdev_init(name.c_str(), args.c_str());
    if (!err) err = rte_eth_dev_get_port_by_name(name.c_str(), &dev);
  }
  ~Device() {
    if (dev != RTE_MAX_ETHPORTS) {
      rte_eth_dev_stop(dev);
      rte_eth_dev_close(dev);
    }
    rte_vdev_uninit(name.c_str());
    rte_mempool_free(pool);
  }
  Device(const Device &) = delete;

  int start() {
    rte_eth_conf conf = {};
    pool = rte_pktmbuf_pool_create(name.c_str(), 1023, 0, 0, 2176, SOCKET_ID_ANY);
    int failed = !pool || rte_eth_dev_configure(dev, 1, 1, &conf) ||
                 rte_eth_rx_queue_setup(dev, 0, 128, 0, nullptr, pool) ||
                 rte_eth_tx_queue_setup(dev, 0, 128, 0, nullptr);
    return failed ? -1 : rte_eth_dev_start(dev);
  }

  std::string name;
  int err = 0;
  uint16_t dev = RTE_MAX_ETHPORTS;
  rte_mempool *pool = nullptr;
};

TEST_F(Flow, ANicThatTakesNoRuleIsNamedWithTheRuleAndWhy) {
  Device null("net_null_flow");
  ASSERT_EQ(null.err, 0);
  ASSERT_EQ(null.start(), 0);
  struct open_error e = {};
  EXPECT_EQ(flow_open(&c, 0, null.dev, &e), -1);
  std::string text = e.text;
  EXPECT_EQ(text.find("port 0000:03:00.0: the NIC takes no rule for the fast path's UDP port: "),
            0u)
      << text;
  EXPECT_GT(text.size(), strlen("port 0000:03:00.0: the NIC takes no rule for the fast path's UDP "
                                "port: "))
      << "no reason";
}

TEST_F(Flow, OnlyAPciDeviceThatCanIsIsolated) {
  Device null("net_null_flow");
  ASSERT_EQ(null.err, 0);
  EXPECT_FALSE(flow_isolate(&c.ports[0], null.dev)) << "the device cannot";
}

}  // namespace
