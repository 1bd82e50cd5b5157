/* The DPDK ports: device, driver, link, MTU.  (IOMMU: check_iommu.c.) */
#include <string.h>

#include "service/doctor/tree.h"

#define PCI "sys/bus/pci/devices"
#define NET "sys/class/net"
#define VENDOR_MELLANOX 0x15b3
#define INTERFACE_UP 0x1 /* IFF_UP in NET/.../flags */

bool doctor_port_is(const struct config_port *port, const char *beginning) {
  return strncmp(port->name, beginning, strlen(beginning)) == 0;
}

bool doctor_port_is_pci(const struct config_port *port) { return strchr(port->name, ':') != NULL; }

void doctor_pci_address(const struct config_port *port, char address[LIMIT_NAME_LEN]) {
  bool domain = strchr(port->name, ':') != strrchr(port->name, ':');
  snprintf(address, LIMIT_NAME_LEN, "%s%.*s", domain ? "" : "0000:", LIMIT_NAME_LEN - 6,
           port->name);
}

bool doctor_port_interface(const struct config_port *port, char name[LIMIT_NAME_LEN]) {
  const char *at = port->args;
  while (strncmp(at, "iface=", 6) != 0) {
    at = strchr(at, ',');
    if (!at) return false;
    at++;
  }
  at += 6;
  size_t len = strcspn(at, ",");
  if (!len || len >= LIMIT_NAME_LEN || memchr(at, '/', len)) return false;
  memcpy(name, at, len);
  name[len] = '\0';
  return true;
}

bool doctor_port_is_mellanox(const struct doctor *d, const struct config_port *port) {
  char address[LIMIT_NAME_LEN];
  long long vendor;
  if (!doctor_port_is_pci(port)) return false;
  doctor_pci_address(port, address);
  return tree_number(d, &vendor, PCI "/%s/vendor", address) && vendor == VENDOR_MELLANOX;
}

static void check_link(struct doctor *d, const char *subject, const char *interface) {
  struct doctor_row *row = row_add(d, "link", subject);
  long long flags;
  struct tree_text state;
  if (!tree_number(d, &flags, NET "/%s/flags", interface) ||
      !tree_line(d, &state, NET "/%s/operstate", interface)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the state of %s cannot be read", interface),
             "ip link show dev %s", interface);
  } else if (!(flags & INTERFACE_UP)) {
    row_mend(row_says(row, DOCTOR_FAIL, "%s is down", interface), "ip link set dev %s up",
             interface);
  } else if (strcmp(state.s, "up") == 0) {
    row_says(row, DOCTOR_OK, "%s is up", interface);
  } else if (strcmp(state.s, "unknown") == 0) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the driver of %s does not tell", interface),
             "ethtool %s", interface);
  } else {
    row_mend(row_says(row, DOCTOR_FAIL, "%s has no link (%s)", interface, state.s),
             "ethtool %s; check cable, transceiver and the switch's port", interface);
  }
}

static void check_mtu(struct doctor *d, const char *subject, const char *interface) {
  struct doctor_row *row = row_add(d, "mtu", subject);
  long long mtu;
  int wanted = d->config->mtu;
  if (!tree_number(d, &mtu, NET "/%s/mtu", interface))
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the MTU of %s cannot be read", interface),
             "ip link show dev %s", interface);
  else if (mtu < wanted)
    row_mend(row_says(row, DOCTOR_FAIL, "%s takes %lld bytes, the config wants %d", interface, mtu,
                      wanted),
             "ip link set dev %s mtu %d", interface, wanted);
  else
    row_says(row, DOCTOR_OK, "%s takes %lld bytes, the config wants %d", interface, mtu, wanted);
}

/* zabd has one queue; what the NIC spreads over others never comes to it. */
static void check_queues(struct doctor *d, const char *subject, const char *interface) {
  struct doctor_row *row = row_add(d, "queues", subject);
  if (!tree_exists(d, NET "/%s/queues/rx-0", interface))
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the queues of %s cannot be read", interface),
             "ethtool -l %s", interface);
  else if (tree_exists(d, NET "/%s/queues/rx-1", interface))
    row_mend(row_says(row, DOCTOR_WARN,
                      "%s has several: frames on others than start_queue are "
                      "lost",
                      interface),
             "ethtool -L %s combined 1 (or steer the UDP port: config/README.md, Ports)",
             interface);
  else
    row_says(row, DOCTOR_OK, "%s has one", interface);
}

static void check_interface(struct doctor *d, const struct config_port *port) {
  char name[LIMIT_NAME_LEN];
  struct doctor_row *row = row_add(d, "port", port->name);
  if (!doctor_port_interface(port, name)) {
    row_mend(row_says(row, DOCTOR_FAIL, "its args name no interface"),
             "put \"iface=NAME\" into \"args\" in %s", d->config->file);
  } else if (!tree_exists(d, NET)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/" NET " cannot be read"), "ip link show dev %s", name);
  } else if (!tree_exists(d, NET "/%s", name)) {
    row_mend(row_says(row, DOCTOR_FAIL, "there is no interface %s", name), "ip -brief link");
  } else {
    row_says(row, DOCTOR_OK, "interface %s", name);
    check_link(d, port->name, name);
    check_mtu(d, port->name, name);
    if (!doctor_port_is(port, "net_af_xdp")) return;
    struct doctor_link l = doctor_ask_link(name);
    check_queues(d, port->name, name);
    doctor_judge_link(d, port, &l);
  }
}

/* mlx5: the kernel keeps the interface, DPDK goes through the verbs of the same device. */
static void check_mellanox(struct doctor *d, const char *address, const char *driver) {
  struct tree_text interface;
  struct doctor_row *row = &d->rows[d->row_cnt - 1];
  bool native = strncmp(driver, "mlx", 3) == 0;
  if (!native) {
    row_mend(row_says(row, DOCTOR_FAIL, "bound to %s; DPDK needs mlx5_core", driver),
             "driverctl unset-override %s", address);
  } else if (!tree_exists(d, PCI "/%s/infiniband", address)) {
    row_mend(row_says(row, DOCTOR_FAIL, "bound to %s, without verbs", driver), "modprobe mlx5_ib");
  } else {
    row_says(row, DOCTOR_OK, "bound to %s, with verbs", driver);
    if (!tree_entry(d, 0, &interface, PCI "/%s/net", address)) return;
    char name[LIMIT_NAME_LEN];
    snprintf(name, sizeof name, "%.*s", (int)sizeof name - 1, interface.s);
    check_link(d, address, name);
    check_mtu(d, address, name);
  }
}

static void check_vfio(struct doctor *d, const char *address, const char *driver) {
  struct doctor_row *row = &d->rows[d->row_cnt - 1];
  if (strcmp(driver, "vfio-pci") == 0) {
    row_says(row, DOCTOR_OK, "bound to vfio-pci");
    doctor_check_iommu(d, address);
  } else if (strcmp(driver, "uio_pci_generic") == 0 || strcmp(driver, "igb_uio") == 0) {
    row_mend(row_says(row, DOCTOR_WARN,
                      "bound to %s: no IOMMU guards the memory, and only root "
                      "may use it",
                      driver),
             "driverctl set-override %s vfio-pci", address);
  } else {
    row_mend(row_says(row, DOCTOR_FAIL, "bound to %s; DPDK needs vfio-pci", driver),
             "modprobe vfio-pci && driverctl set-override %s vfio-pci", address);
  }
}

static void check_pci(struct doctor *d, const struct config_port *port) {
  char address[LIMIT_NAME_LEN];
  struct tree_text driver = {"no driver"};
  long long vendor;
  struct doctor_row *row = row_add(d, "port", port->name);
  doctor_pci_address(port, address);
  if (!tree_exists(d, PCI)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/" PCI " cannot be read"), "lspci -D -k -s %s",
             address);
  } else if (!tree_exists(d, PCI "/%s", address)) {
    row_mend(row_says(row, DOCTOR_FAIL, "there is no PCI device %s", address),
             "lspci -D -d ::0200");
  } else if (!tree_number(d, &vendor, PCI "/%s/vendor", address)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the vendor of %s cannot be read", address),
             "lspci -D -k -s %s", address);
  } else {
    if (!tree_link(d, &driver, PCI "/%s/driver", address)) driver = (struct tree_text){"no driver"};
    (doctor_port_is_mellanox(d, port) ? check_mellanox : check_vfio)(d, address, driver.s);
  }
}

void doctor_check_ports(struct doctor *d) {
  for (int i = 0; i < d->config->port_cnt; i++) {
    const struct config_port *port = &d->config->ports[i];
    if (doctor_port_is_pci(port))
      check_pci(d, port);
    else if (doctor_port_is(port, "net_af_xdp") || doctor_port_is(port, "net_af_packet"))
      check_interface(d, port);
    else if (doctor_port_is(port, "net_memif") || doctor_port_is(port, "net_ring"))
      row_says(row_add(d, "port", port->name), DOCTOR_NOT_APPLICABLE, "shared memory, no NIC");
    else
      row_mend(row_says(row_add(d, "port", port->name), DOCTOR_UNKNOWN,
                        "a kind of device that doctor does not know"),
               "zabd --config %s says whether it opens", d->config->file);
  }
}
