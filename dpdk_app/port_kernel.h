/* port_kernel.h - ports on an interface that the kernel drives: net_af_packet and net_af_xdp.
 *
 * Both drivers are told the interface ("iface=eth1") and do not look at what the kernel knows:
 * whether it is there, up, has a carrier, which MTU, and that the fast path's address is not the
 * kernel's own, which would answer every frame with an ICMP error.
 *
 * Owner: main; kernel_link_up: the thread that watches links.  Blocks: no.  Source: design 8. */
#ifndef ZABLINE_DPDK_APP_PORT_KERNEL_H
#define ZABLINE_DPDK_APP_PORT_KERNEL_H

#include <stdbool.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"

bool kernel_is(const struct config_port *port);
bool kernel_is_xdp(const struct config_port *port);

/* kernel_prepare checks the interface of port idx and writes the driver's complete arguments to
 * args[LIMIT_ARG_LEN].  net_af_xdp: what stays open for the port's life is the process's.  0, or -1
 * with *e set. */
int kernel_prepare(const struct config *c, int idx, char *args, struct open_error *e);

/* kernel_slot returns the bytes of one slot of net_af_packet's ring. */
unsigned kernel_slot(uint16_t mtu);

/* kernel_note: the ports are open; notes which XDP programs are ours. */
void kernel_note(const struct config *c);

/* kernel_release takes our XDP programs off the interfaces: they outlive the process, without harm
 * but in the way of `ip link set mtu`.  After kill -9 the next start does it. */
void kernel_release(const struct config *c);

/* kernel_open returns a socket to ask by, or -1 (not such a port, or no descriptor left). */
int kernel_open(const struct config_port *port);
/* kernel_link_up: is the interface up, with a carrier? */
bool kernel_link_up(const struct config_port *port, int fd);

#endif
