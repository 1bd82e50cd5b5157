#include "dpdk_app/flow.h"

#include <netinet/in.h>

#include "dpdk_app/port_pci.h"

bool flow_isolate(const struct config_port *port, uint16_t dev) {
  struct rte_flow_error error;
  return pci_is(port) && rte_flow_isolate(dev, 1, &error) == 0;
}

static void add(struct flow_rule *r, enum rte_flow_item_type type, const void *spec,
                const void *mask) {
  r->items[r->cnt++] = (struct rte_flow_item){.type = type, .spec = spec, .mask = mask};
}

static void begin(struct flow_rule *r, const char *what, uint16_t vlan, uint16_t type) {
  *r = (struct flow_rule){.what = what};
  rte_be16_t *at = vlan ? &r->vlan.inner_type : &r->eth.type;
  rte_be16_t *mask = vlan ? &r->vlan_mask.inner_type : &r->eth_mask.type;
  *at = rte_cpu_to_be_16(type);
  *mask = RTE_BE16(0xffff);
  add(r, RTE_FLOW_ITEM_TYPE_ETH, vlan ? NULL : &r->eth, vlan ? NULL : &r->eth_mask);
  if (!vlan) return;
  r->vlan.tci = rte_cpu_to_be_16(vlan);
  r->vlan_mask.tci = RTE_BE16(0x0fff);
  add(r, RTE_FLOW_ITEM_TYPE_VLAN, &r->vlan, &r->vlan_mask);
}

static void add_ip(struct flow_rule *r, uint32_t ip, uint8_t protocol) {
  r->ip.hdr.dst_addr = rte_cpu_to_be_32(ip);
  r->ip.hdr.next_proto_id = protocol;
  r->ip_mask.hdr.dst_addr = RTE_BE32(0xffffffff);
  r->ip_mask.hdr.next_proto_id = 0xff;
  add(r, RTE_FLOW_ITEM_TYPE_IPV4, &r->ip, &r->ip_mask);
}

static void add_udp(struct flow_rule *r, uint16_t port) {
  r->udp.hdr.dst_port = rte_cpu_to_be_16(port);
  r->udp_mask.hdr.dst_port = RTE_BE16(0xffff);
  add(r, RTE_FLOW_ITEM_TYPE_UDP, &r->udp, &r->udp_mask);
}

/* Does anybody here need ARP?  (The list of peers is the same on all nodes.) */
static bool needs_arp(const struct config *c, int k) {
  bool all_static = true;
  for (int i = 0; i < c->peer_cnt; i++) all_static = all_static && c->peers[i].fast[k].mac_static;
  return !all_static;
}

int flow_rules(const struct config *c, int idx, struct flow_rule rules[FLOW_RULES]) {
  const struct config_port *port = &c->ports[idx];
  const struct config_fast *self = &c->peers[c->self_idx].fast[port->fast_idx];
  begin(&rules[0], "the fast path's UDP port", port->vlan, RTE_ETHER_TYPE_IPV4);
  add_ip(&rules[0], self->ip, IPPROTO_UDP);
  add_udp(&rules[0], self->udp_port);
  begin(&rules[1], "ICMP", port->vlan, RTE_ETHER_TYPE_IPV4);
  add_ip(&rules[1], self->ip, IPPROTO_ICMP);
  begin(&rules[2], "ARP (give all peers a \"fast.mac\" to do without)", port->vlan,
        RTE_ETHER_TYPE_ARP);
  for (int i = 0; i < FLOW_RULES; i++)
    rules[i].items[rules[i].cnt] = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_END};
  return needs_arp(c, port->fast_idx) ? FLOW_RULES : FLOW_RULES - 1;
}

static int ask(const struct config_port *port, uint16_t dev, const struct flow_rule *r,
               struct open_error *e) {
  static const struct rte_flow_action_queue queue = {.index = 0};
  static const struct rte_flow_action actions[] = {
      {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue}, {.type = RTE_FLOW_ACTION_TYPE_END}};
  static const struct rte_flow_attr ingress = {.ingress = 1};
  struct rte_flow_error error = {.message = NULL};
  if (rte_flow_create(dev, &ingress, r->items, actions, &error)) return 0;
  return open_error_set(e, "port %s: the NIC takes no rule for %s: %s", port->name, r->what,
                        error.message ? error.message : "no reason given");
}

int flow_open(const struct config *c, int idx, uint16_t dev, struct open_error *e) {
  struct flow_rule rules[FLOW_RULES];
  int cnt = flow_rules(c, idx, rules);
  for (int i = 0; i < cnt; i++)
    if (ask(&c->ports[idx], dev, &rules[i], e)) return -1;
  return 0;
}
