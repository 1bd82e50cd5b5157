#include "dpdk_app/flow.h"

#include <netinet/in.h>

#include <rte_flow.h>

#include "dpdk_app/port_pci.h"

bool flow_isolate(const struct config_port *port, uint16_t dev) {
  struct rte_flow_error error;
  return pci_is(port) && rte_flow_isolate(dev, 1, &error) == 0;
}

/* A pattern of at most five items; what they point to lives beside it. */
struct pattern {
  int cnt;
  struct rte_flow_item items[5];
  struct rte_flow_item_eth eth, eth_mask;
  struct rte_flow_item_vlan vlan, vlan_mask;
  struct rte_flow_item_ipv4 ip, ip_mask;
  struct rte_flow_item_udp udp, udp_mask;
};

static void add(struct pattern *p, enum rte_flow_item_type type, const void *spec,
                const void *mask) {
  p->items[p->cnt++] = (struct rte_flow_item){.type = type, .spec = spec, .mask = mask};
}

static void begin(struct pattern *p, uint16_t vlan, uint16_t type) {
  *p = (struct pattern){.cnt = 0};
  rte_be16_t *at = vlan ? &p->vlan.inner_type : &p->eth.type;
  rte_be16_t *mask = vlan ? &p->vlan_mask.inner_type : &p->eth_mask.type;
  *at = rte_cpu_to_be_16(type);
  *mask = RTE_BE16(0xffff);
  add(p, RTE_FLOW_ITEM_TYPE_ETH, vlan ? NULL : &p->eth, vlan ? NULL : &p->eth_mask);
  if (!vlan) return;
  p->vlan.tci = rte_cpu_to_be_16(vlan);
  p->vlan_mask.tci = RTE_BE16(0x0fff);
  add(p, RTE_FLOW_ITEM_TYPE_VLAN, &p->vlan, &p->vlan_mask);
}

static void add_ip(struct pattern *p, uint32_t ip, uint8_t protocol) {
  p->ip.hdr.dst_addr = rte_cpu_to_be_32(ip);
  p->ip.hdr.next_proto_id = protocol;
  p->ip_mask.hdr.dst_addr = RTE_BE32(0xffffffff);
  p->ip_mask.hdr.next_proto_id = 0xff;
  add(p, RTE_FLOW_ITEM_TYPE_IPV4, &p->ip, &p->ip_mask);
}

static void add_udp(struct pattern *p, uint16_t port) {
  p->udp.hdr.dst_port = rte_cpu_to_be_16(port);
  p->udp_mask.hdr.dst_port = RTE_BE16(0xffff);
  add(p, RTE_FLOW_ITEM_TYPE_UDP, &p->udp, &p->udp_mask);
}

static int ask(const struct config_port *port, uint16_t dev, struct pattern *p, const char *what,
               struct open_error *e) {
  static const struct rte_flow_action_queue queue = {.index = 0};
  static const struct rte_flow_action actions[] = {
      {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue}, {.type = RTE_FLOW_ACTION_TYPE_END}};
  static const struct rte_flow_attr ingress = {.ingress = 1};
  struct rte_flow_error error = {.message = NULL};
  add(p, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
  if (rte_flow_create(dev, &ingress, p->items, actions, &error)) return 0;
  return open_error_set(e, "port %s: the NIC takes no rule for %s: %s", port->name, what,
                        error.message ? error.message : "no reason given");
}

/* Does anybody here need ARP?  (The list of peers is the same on all nodes.) */
static bool needs_arp(const struct config *c, int k) {
  bool all_static = true;
  for (int i = 0; i < c->peer_cnt; i++) all_static = all_static && c->peers[i].fast[k].mac_static;
  return !all_static;
}

int flow_open(const struct config *c, int idx, uint16_t dev, struct open_error *e) {
  const struct config_port *port = &c->ports[idx];
  const struct config_fast *self = &c->peers[c->self_idx].fast[port->fast_idx];
  struct pattern p;
  begin(&p, port->vlan, RTE_ETHER_TYPE_IPV4);
  add_ip(&p, self->ip, IPPROTO_UDP);
  add_udp(&p, self->udp_port);
  if (ask(port, dev, &p, "the fast path's UDP port", e)) return -1;
  begin(&p, port->vlan, RTE_ETHER_TYPE_IPV4);
  add_ip(&p, self->ip, IPPROTO_ICMP);
  if (ask(port, dev, &p, "ICMP", e)) return -1;
  if (!needs_arp(c, port->fast_idx)) return 0;
  begin(&p, port->vlan, RTE_ETHER_TYPE_ARP);
  return ask(port, dev, &p, "ARP (give all peers a \"fast.mac\" to do without)", e);
}
