/* xdp.h - the XDP program of a net_af_xdp port: it takes what is the fast path's, and leaves the
 * rest of the NIC to the kernel.
 *
 *   taken, on the port's queue              | IPv4 to our fast-path address: UDP to our port, ICMP
 *   (of the port's VLAN, if it has one)     | ARP for that address, gratuitous ARP of the peers
 *   left to the kernel                      | everything else, and all other queues
 *
 * So one NIC carries the kernel's TCP and the fast path at the same time.  The program is written
 * here instruction by instruction and given to the driver as an object file in memory, so that no
 * compiler for BPF is needed.
 *
 * Owner: main.  Blocks: system calls.  Source: the kernel's uapi/linux/bpf.h and btf.h; DPDK's
 * net_af_xdp, "xdp_prog". */
#ifndef ZABLINE_DPDK_APP_XDP_H
#define ZABLINE_DPDK_APP_XDP_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"

#define XDP_INSNS 64
#define XDP_NAME "zabline"

struct xdp_program {
  int cnt;
  int map_at; /* the instruction that loads the map of sockets */
  struct bpf_insn insns[XDP_INSNS];
};

/* xdp_write writes the program of config port idx. */
void xdp_write(struct xdp_program *p, const struct config *c, int idx);

/* xdp_object makes the object file of a program: a descriptor, or -1 with errno. */
int xdp_object(const struct xdp_program *p);

/* xdp_complete takes the interface for this process, removes a program that a killed zabd
 * left there, and adds what is missing to args[LIMIT_ARG_LEN], which is full afterwards if the room
 * does not suffice.  0, or -1 with *e set. */
int xdp_complete(const struct config *c, int idx, const char *iface, char *args,
                 struct open_error *e);

/* xdp_note: the port is open; the program that is on the interface now is ours, also for the next
 * process with this data directory. */
void xdp_note(const struct config *c, const char *iface);

/* xdp_release takes the program off the interface, if it is ours. */
void xdp_release(const struct config *c, const char *iface);

#endif
