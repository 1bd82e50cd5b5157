/* flow.h - a NIC that the kernel uses too (bifurcated: mlx5) gives us only the flows we ask for.
 *
 *   isolated   UDP to our address and port, ICMP to our address, ARP -> our one queue; the kernel
 *              has the rest
 *   else       the device is wholly ours, with one queue and RSS off: there is nothing to steer
 *
 * Either way the fast lcore is alone on its queue.  ARP cannot be told by its target: with a peer
 * whose MAC is not static all ARP of the port's VLAN is ours, so such a NIC wants a VLAN of its own
 * or static MACs if the kernel needs ARP there.
 *
 * Owner: main.  Blocks: the driver's calls.  Source: DPDK's rte_flow guide, "Isolated mode". */
#ifndef ZABLINE_DPDK_APP_FLOW_H
#define ZABLINE_DPDK_APP_FLOW_H

#include <rte_flow.h>
#include <stdbool.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"

#define FLOW_RULES 3
#define FLOW_ITEMS 5 /* of one rule */

/* flow_isolate, before the device is configured: is it isolated from now on? */
bool flow_isolate(const struct config_port *port, uint16_t dev);

/* What one flow is told by: items, which point to what lies beside them. */
struct flow_rule {
  const char *what; /* for people */
  int cnt;          /* without the end */
  struct rte_flow_item items[FLOW_ITEMS];
  struct rte_flow_item_eth eth, eth_mask;
  struct rte_flow_item_vlan vlan, vlan_mask;
  struct rte_flow_item_ipv4 ip, ip_mask;
  struct rte_flow_item_udp udp, udp_mask;
};

/* flow_rules writes the rules of config port idx; their number.  They must not be moved. */
int flow_rules(const struct config *c, int idx, struct flow_rule rules[FLOW_RULES]);

/* flow_open asks for our flows on a started, isolated device of config port idx.  0, or -1 with *e.
 */
int flow_open(const struct config *c, int idx, uint16_t dev, struct open_error *e);

#endif
