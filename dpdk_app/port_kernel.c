#include "dpdk_app/port_kernel.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk_app/dev_args.h"
#include "dpdk_app/xdp.h"

#define PACKET "net_af_packet"
#define XDP "net_af_xdp"
#define SLOT_OVERHEAD 128 /* Ethernet with tag; what the kernel puts before a packet in its ring */
#define SLOT_SMALL 2048
#define PAGE 4096 /* blocks are whole pages, and hold whole slots without a rest */
#define SLOTS 1024

bool kernel_is_xdp(const struct config_port *port) {
  return strncmp(port->name, XDP, strlen(XDP)) == 0;
}

bool kernel_is(const struct config_port *port) {
  return strncmp(port->name, PACKET, strlen(PACKET)) == 0 || kernel_is_xdp(port);
}

static int ask_interface(int fd, unsigned long what, const char *name, struct ifreq *r) {
  memset(r, 0, sizeof *r);
  snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
  return ioctl(fd, what, r) ? errno : 0;
}

/* The interface's name; buf holds IFNAMSIZ. */
static int find_name(const struct config_port *port, char *buf) {
  size_t len;
  const char *given = dev_args_find(port->args, "iface", &len);
  if (!given || len == 0 || len >= IFNAMSIZ) return -1;
  memcpy(buf, given, len);
  buf[len] = 0;
  return 0;
}

int kernel_open(const struct config_port *port) {
  return kernel_is(port) ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
}

bool kernel_link_up(const struct config_port *port, int fd) {
  char name[IFNAMSIZ];
  struct ifreq r;
  if (find_name(port, name) || ask_interface(fd, SIOCGIFFLAGS, name, &r)) return false;
  return (r.ifr_flags & IFF_UP) && (r.ifr_flags & IFF_RUNNING);
}

/* XDP comes behind the NIC's own stripping of tags, and would see none. */
static int check_tags(const struct config_port *port, int fd, const char *iface,
                      struct open_error *e) {
  struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
  struct ifreq r = {.ifr_data = (void *)&flags};
  if (!kernel_is_xdp(port) || !port->vlan) return 0;
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", iface);
  if (ioctl(fd, SIOCETHTOOL, &r) || !(flags.data & ETH_FLAG_RXVLAN)) return 0;
  return open_error_set(e,
                        "port %s: interface %s takes VLAN tags away before XDP can see them: "
                        "`ethtool -K %s rxvlan off`",
                        port->name, iface, iface);
}

static int check_interface(const struct config_port *port, int fd, const char *iface, uint16_t mtu,
                           struct open_error *e) {
  struct ifreq r;
  int err = ask_interface(fd, SIOCGIFFLAGS, iface, &r);
  if (err)
    return open_error_set(e, "port %s: no interface %s here (%s): `ip -brief link` lists them",
                          port->name, iface, strerror(err));
  if (!(r.ifr_flags & IFF_UP))
    return open_error_set(e, "port %s: interface %s is down: `ip link set dev %s up`", port->name,
                          iface, iface);
  err = ask_interface(fd, SIOCGIFMTU, iface, &r);
  if (!err && r.ifr_mtu < mtu)
    return open_error_set(
        e,
        "port %s: \"mtu\" is %u, and that of interface %s is %d: `ip link set dev "
        "%s mtu %u`, or a smaller \"mtu\" on all nodes",
        port->name, mtu, iface, r.ifr_mtu, iface, mtu);
  return check_tags(port, fd, iface, e);
}

/* The kernel would answer ARP too, and every frame with "port unreachable". */
static int check_address(const struct config_port *port, uint32_t ip, struct open_error *e) {
  struct ifaddrs *all = NULL;
  int found = 0;
  if (getifaddrs(&all)) return 0; /* not known: not wrong */
  for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
    const struct sockaddr_in *in = (const void *)a->ifa_addr;
    if (!in || in->sin_family != AF_INET || ntohl(in->sin_addr.s_addr) != ip) continue;
    found = open_error_set(e,
                           "port %s: our \"fast.ip\" is an address of the kernel on %s: give the "
                           "fast path one of its own",
                           port->name, a->ifa_name);
  }
  freeifaddrs(all);
  return found;
}

static int check_permission(const struct config_port *port, const char *iface,
                            struct open_error *e) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return open_error_set(e,
                          "port %s: no access to the packets of %s (%s): run as root, or give zabd "
                          "the capabilities net_raw%s",
                          port->name, iface, strerror(errno),
                          kernel_is_xdp(port) ? ", net_admin and bpf" : "");
  close(fd);
  return 0;
}

static void add(char *args, const char *key, unsigned value) {
  size_t at = strlen(args), len;
  if (!dev_args_find(args, key, &len))
    snprintf(args + at, LIMIT_ARG_LEN - at, ",%s=%u", key, value);
}

unsigned kernel_slot(uint16_t mtu) {
  unsigned need = mtu + (unsigned)SLOT_OVERHEAD;
  return need <= SLOT_SMALL ? SLOT_SMALL : (need + PAGE - 1) / PAGE * PAGE;
}

/* The driver's own slots of 2,048 bytes would hold no jumbo frame. */
static void complete_packet(const struct config *c, char *args) {
  unsigned slot = kernel_slot(c->mtu);
  add(args, "blocksz", slot > PAGE ? slot : PAGE);
  add(args, "framesz", slot);
  add(args, "framecnt", SLOTS);
}

int kernel_prepare(const struct config *c, int idx, char *args, struct open_error *e) {
  const struct config_port *port = &c->ports[idx];
  char iface[IFNAMSIZ];
  if (find_name(port, iface))
    return open_error_set(e, "port %s: args must name an interface (iface=NAME)", port->name);
  int fd = kernel_open(port);
  int failed = fd >= 0 ? check_interface(port, fd, iface, c->mtu, e)
                       : open_error_set(e, "port %s: %s", port->name, strerror(errno));
  if (fd >= 0) close(fd);
  if (failed || check_address(port, c->peers[c->self_idx].fast[port->fast_idx].ip, e) ||
      check_permission(port, iface, e))
    return -1;
  snprintf(args, LIMIT_ARG_LEN, "%s", port->args);
  if (!kernel_is_xdp(port)) complete_packet(c, args);
  if (kernel_is_xdp(port) && xdp_complete(c, idx, iface, args, e)) return -1;
  if (strlen(args) >= LIMIT_ARG_LEN - 1)
    return open_error_set(e, "port %s: args too long, allowed: %d bytes", port->name,
                          LIMIT_ARG_LEN);
  return 0;
}

void kernel_note(const struct config *c) {
  char iface[IFNAMSIZ];
  for (int i = 0; i < c->port_cnt; i++)
    if (kernel_is_xdp(&c->ports[i]) && find_name(&c->ports[i], iface) == 0) xdp_note(c, iface);
}

void kernel_release(const struct config *c) {
  char iface[IFNAMSIZ];
  for (int i = 0; i < c->port_cnt; i++)
    if (kernel_is_xdp(&c->ports[i]) && find_name(&c->ports[i], iface) == 0) xdp_release(c, iface);
}
