/* ring_pair.h - two nodes of one process whose ports are joined by two rings (net_ring).
 *
 * Needs EAL (eal_open).  Packets on their way can be taken out and forged ones put in. */
#ifndef ZABLINE_TEST_DPDK_APP_RING_PAIR_H
#define ZABLINE_TEST_DPDK_APP_RING_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "dpdk_app/port.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RING_PAIR_OTHER(i) (1 - (i))

struct ring_pair;

/* ring_pair_eal starts EAL for node 1 without ports, once per process.  0, or -1 with *e set. */
int ring_pair_eal(struct open_error *e);

/* ring_pair_open opens both nodes and waits for their links; rings hold depth - 1 packets. */
struct ring_pair *ring_pair_open(uint16_t mtu, unsigned depth);
/* ring_pair_open_ethernet: the same as Ethernet ports, with MACs 02:00:00:00:00:<id> that each has
 * to find by ARP; vlan 0: untagged. */
struct ring_pair *ring_pair_open_ethernet(uint16_t mtu, unsigned depth, uint16_t vlan);
/* ring_pair_open_shared: the ports lead to a third node, too, which is not there. */
struct ring_pair *ring_pair_open_shared(uint16_t mtu, unsigned depth);
void ring_pair_close(struct ring_pair *p);

struct ports *ring_pair_ports(struct ring_pair *p, int node);
uint64_t ring_pair_count(struct ring_pair *p, int node, enum reason r);

/* ring_pair_take takes the next packet that node has sent out of the ring; its length, 0: none. */
size_t ring_pair_take(struct ring_pair *p, int node, void *buf, size_t size);
/* ring_pair_put gives node a packet as if received. */
void ring_pair_put(struct ring_pair *p, int node, const void *packet, size_t len);

/* ring_pair_ip_checksum_ok: one's complement sum over the IPv4 header of a packet. */
int ring_pair_ip_checksum_ok(const void *packet);

#ifdef __cplusplus
}
#endif

#endif
