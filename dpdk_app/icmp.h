/* icmp.h - echo requests to our own address are answered, so that `ping` works.
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

#endif
