// What a NIC hands over: Ethernet, IPv4, UDP, ARP, ICMP.
#include "test/fuzz/input.h"

extern "C" {
#include "config/config.h"
#include "dpdk_app/arp.h"
#include "dpdk_app/icmp.h"
#include "dpdk_app/wire.h"
}

static struct config two_nodes(uint16_t vlan) {
  struct config c = {};
  c.id = 1;
  c.mtu = 1500;
  c.peer_cnt = 2;
  c.port_cnt = 1;
  c.ports[0].vlan = vlan;
  for (int i = 0; i < 2; i++) {
    c.peers[i].id = static_cast<uint8_t>(i + 1);
    c.peers[i].fast_cnt = 1;
    c.peers[i].fast[0].ip = 0x0a5a0001u + static_cast<uint32_t>(i);
    c.peers[i].fast[0].udp_port = 2988;
    c.peers[i].fast[0].port_idx = 0;
  }
  return c;
}

static const uint8_t kOwn[6] = {2, 0, 0, 0, 0, 1};

static void frame(Input in, uint16_t vlan, uint32_t tag) {
  static const struct config plain = two_nodes(0), tagged = two_nodes(7);
  struct wire w;
  struct rte_ether_addr mac;
  memcpy(mac.addr_bytes, kOwn, 6);
  wire_init(&w, vlan ? &tagged : &plain, 0, &mac);
  struct wire_frame out;
  struct wire_l2 l2 = wire_read_l2(&w, in.data, in.len, tag);
  CHECK(l2.type == 0 || l2.len <= in.len);
  if (wire_read(&w, in.data, in.len, tag, &out) == REASON_NONE) {
    const uint8_t *f = static_cast<const uint8_t *>(out.frame);
    CHECK(f >= in.data && f + out.len <= in.data + in.len && out.peer_idx == 1);
  }
  wire_sender(&w, in.data, in.len, tag);
}

static void arp(Input in) {
  struct arp a;
  uint32_t ips[3];
  memcpy(ips, "\x0a\x5a\0\1\x0a\x5a\0\2\x0a\x5a\0\3", 12);
  arp_init(&a, ips[0], kOwn);
  arp_add(&a, 1, ips[1], nullptr);
  arp_add(&a, 2, ips[2], kOwn);
  uint64_t now = 1;
  arp_start(&a, now);
  struct arp_packet out;
  while (!in.empty()) {
    now += static_cast<uint64_t>(in.u8()) << 24;
    for (int i = 0; i < 16 && arp_next(&a, now, &out); i++) continue;
    Exact body(in.take(in.flag() ? 28 : in.u8()));
    struct arp_result r = arp_take(&a, now, body.data.get(), body.len, &out);
    CHECK(r.peer_idx >= -1 && r.peer_idx < LIMIT_PEERS && r.peer_idx != 2);
  }
}

static void icmp(Input in) {
  uint32_t own;
  memcpy(&own, "\x0a\x5a\0\1", 4);
  CHECK(icmp_answered(in.data, in.len, own) <= in.len);
  Exact packet(in.data, in.len);
  if (!icmp_answer(packet.data.get(), packet.len, own))
    CHECK(memcmp(packet.data.get(), in.data, in.len) == 0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  uint8_t what = in.u8();
  uint32_t tag = what & 4 ? WIRE_NO_TAG : in.u16();
  Exact packet(in.data, in.len); /* in an mbuf it begins at an even address, too */
  in = {packet.data.get(), packet.len};
  frame(in, what & 1 ? 7 : 0, tag);
  if (what & 2) arp(in);
  icmp(in);
  return 0;
}
