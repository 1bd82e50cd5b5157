/* What sysfs does not tell of a kernel interface: its XDP program, and whether the NIC takes tags
 * away.  Both make zabd refuse a net_af_xdp port. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/doctor/tree.h"

#define ANSWER_BYTES 16384 /* one RTM_NEWLINK, with all its attributes */

static const struct rtattr *find(const struct rtattr *a, size_t len, int type) {
  for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
    if ((a->rta_type & NLA_TYPE_MASK) == type) return a;
  return NULL;
}

/* The number of the program in an answer to RTM_GETLINK; 0: it has none. */
static uint32_t program_of(const struct nlmsghdr *h) {
  const char *link = NLMSG_DATA(h);
  const struct rtattr *all = (const void *)(link + NLMSG_ALIGN(sizeof(struct ifinfomsg)));
  const struct rtattr *xdp = find(all, IFLA_PAYLOAD(h), IFLA_XDP);
  const struct rtattr *id =
      xdp ? find(RTA_DATA(xdp), (size_t)RTA_PAYLOAD(xdp), IFLA_XDP_PROG_ID) : NULL;
  uint32_t number = 0;
  if (id && RTA_PAYLOAD(id) >= sizeof number) memcpy(&number, RTA_DATA(id), sizeof number);
  return number;
}

static bool ask_program(int index, uint32_t *number) {
  struct {
    struct nlmsghdr h;
    struct ifinfomsg link;
  } question = {
      .h = {.nlmsg_len = sizeof question, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
      .link = {.ifi_family = AF_UNSPEC, .ifi_index = index}};
  _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return false;
  ssize_t len =
      send(fd, &question, sizeof question, 0) < 0 ? -1 : recv(fd, answer, sizeof answer, 0);
  close(fd);
  const struct nlmsghdr *h = (const void *)answer;
  if (len < 0 || !NLMSG_OK(h, (size_t)len) || h->nlmsg_type != RTM_NEWLINK) return false;
  *number = program_of(h);
  return true;
}

static bool ask_flags(const char *interface, uint32_t *flags) {
  struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
  struct ifreq r = {.ifr_data = (void *)&value};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", interface);
  bool known = ioctl(fd, SIOCETHTOOL, &r) == 0;
  close(fd);
  *flags = value.data;
  return known;
}

struct doctor_link doctor_ask_link(const char *interface) {
  struct doctor_link l = {0};
  uint32_t flags;
  int index = (int)if_nametoindex(interface);
  l.program_known = index && ask_program(index, &l.program);
  l.strips_known = index && ask_flags(interface, &flags);
  l.strips_tags = l.strips_known && (flags & ETH_FLAG_RXVLAN);
  return l;
}

/* zabd notes its program in the data directory (dpdk_app/xdp.c), and replaces one that it left. */
static bool is_noted(const struct doctor *d, const char *interface, uint32_t program) {
  char path[LIMIT_PATH_LEN + LIMIT_NAME_LEN], boot[40];
  struct tree_text now;
  unsigned noted;
  snprintf(path, sizeof path, "%s/xdp-%s", d->config->data_dir, interface);
  FILE *f = fopen(path, "re");
  if (!f) return false;
  bool read = fscanf(f, "program %u of boot %39s", &noted, boot) == 2;
  fclose(f);
  return read && noted == program && tree_line(d, &now, "proc/sys/kernel/random/boot_id") &&
         strcmp(now.s, boot) == 0;
}

static void judge_program(struct doctor *d, const char *subject, const char *interface,
                          const struct doctor_link *l) {
  struct doctor_row *row = row_add(d, "xdp", subject);
  if (!l->program_known)
    row_mend(
        row_says(row, DOCTOR_UNKNOWN, "whether %s has an XDP program cannot be read", interface),
        "ip link show dev %s", interface);
  else if (!l->program)
    row_says(row, DOCTOR_OK, "%s has no program", interface);
  else if (d->status)
    row_says(row, DOCTOR_OK, "%s has the running node's program (id %u)", interface, l->program);
  else if (is_noted(d, interface, l->program))
    row_says(row, DOCTOR_OK, "%s has the program of an ended zabd (id %u), which the next replaces",
             interface, l->program);
  else
    row_mend(
        row_says(row, DOCTOR_FAIL, "%s has an XDP program already (id %u)", interface, l->program),
        "ip link set dev %s xdp off", interface);
}

static void judge_tags(struct doctor *d, const struct config_port *port, const char *interface,
                       const struct doctor_link *l) {
  struct doctor_row *row = row_add(d, "rxvlan", port->name);
  if (!port->vlan)
    row_says(row, DOCTOR_NOT_APPLICABLE, "no \"vlan\" in the config");
  else if (!l->strips_known)
    row_mend(row_says(row, DOCTOR_UNKNOWN, "whether %s takes tags away cannot be read", interface),
             "ethtool -k %s", interface);
  else if (l->strips_tags)
    row_mend(row_says(row, DOCTOR_FAIL, "%s takes tags away before XDP can see them", interface),
             "ethtool -K %s rxvlan off", interface);
  else
    row_says(row, DOCTOR_OK, "%s leaves tags in the packet", interface);
}

void doctor_judge_link(struct doctor *d, const struct config_port *port,
                       const struct doctor_link *l) {
  char interface[LIMIT_NAME_LEN];
  if (!doctor_port_interface(port, interface)) return;
  judge_program(d, port->name, interface, l);
  judge_tags(d, port, interface, l);
}
