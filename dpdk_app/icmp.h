/* icmp.h - echo requests to our own address are answered, so that `ping` works.
 *
 * And we ask so ourselves whether a way carries packets of full size (reach.h).
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Source: RFC 792. */
#ifndef ZABLINE_DPDK_APP_ICMP_H
#define ZABLINE_DPDK_APP_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* icmp_answer turns the IPv4 packet of at most len bytes into the answer to it, in place; ip is our
 * own address in network byte order.  False, and nothing changed, if it is not an unfragmented echo
 * request to ip without options. */
bool icmp_answer(void *packet, size_t len, uint32_t ip);

/* icmp_ask writes an echo request of len bytes, IPv4 header included, that must not be fragmented;
 * addresses in network byte order.  Behind its headers there are zeros. */
void icmp_ask(void *packet, size_t len, uint32_t from, uint32_t to);

/* icmp_answered returns the length of the IPv4 packet if it is the answer to an icmp_ask of ours,
 * else 0. */
size_t icmp_answered(const void *packet, size_t len, uint32_t ip);

#endif
