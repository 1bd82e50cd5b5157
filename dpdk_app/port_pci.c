#include "dpdk_app/port_pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool pci_is(const struct config_port *port) { return strchr(port->name, ':') != NULL; }

/* The last part of the link `what` of the device; false: there is none. */
static bool read_link(const char *root, const char *address, const char *what, char *buf,
                      size_t size) {
  char path[LIMIT_PATH_LEN], to[LIMIT_PATH_LEN];
  snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/%s", root, address, what);
  ssize_t n = readlink(path, to, sizeof to - 1);
  if (n < 0) return false;
  to[n] = 0;
  const char *last = strrchr(to, '/');
  snprintf(buf, size, "%.*s", (int)size - 1, last ? last + 1 : to);
  return true;
}

static int explain_vfio(const char *root, const char *address, struct open_error *e) {
  char group[LIMIT_NAME_LEN], path[LIMIT_PATH_LEN];
  if (!read_link(root, address, "iommu_group", group, sizeof group))
    return open_error_set(e,
                          "port %s: bound to vfio-pci, and the IOMMU is off: boot with "
                          "\"intel_iommu=on iommu=pt\" (AMD: \"iommu=pt\")",
                          address);
  snprintf(path, sizeof path, "%s/dev/vfio/%s", root, group);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  int err = errno;
  if (fd >= 0) close(fd);
  if (fd < 0 && err == EBUSY)
    return open_error_set(e, "port %s: in use by another process: `fuser -v %s` shows it", address,
                          path);
  if (fd < 0)
    return open_error_set(e, "port %s: no access to %s (%s): run as root, or `chown USER %s`",
                          address, path, strerror(err), path);
  return open_error_set(e,
                        "port %s: bound to vfio-pci, and DPDK has no driver for it: is the "
                        "package of its librte-net-... installed?",
                        address);
}

int pci_explain(const char *root, const struct config_port *port, struct open_error *e) {
  char address[LIMIT_NAME_LEN + 8], path[LIMIT_PATH_LEN], driver[LIMIT_NAME_LEN];
  const char *second = strchr(port->name, ':');
  snprintf(address, sizeof address, "%s%s", strchr(second + 1, ':') ? "" : "0000:", port->name);
  snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s", root, address);
  if (access(path, F_OK))
    return open_error_set(
        e, "port %s: no PCI device there: `lspci -D | grep -i ethernet` lists them", port->name);
  if (!read_link(root, address, "driver", driver, sizeof driver))
    return open_error_set(e, "port %s: bound to no driver: `dpdk-devbind.py --bind=vfio-pci %s`",
                          port->name, address);
  if (strcmp(driver, "vfio-pci") == 0) return explain_vfio(root, address, e);
  if (strncmp(driver, "mlx", 3) == 0)
    return open_error_set(e,
                          "port %s: bound to %s, as it should be, and DPDK does not take it: are "
                          "librte-net-mlx5-23 and ibverbs-providers installed, and has zabd the "
                          "capability net_raw?",
                          port->name, driver);
  return open_error_set(e,
                        "port %s: bound to the kernel's driver %s: `dpdk-devbind.py "
                        "--bind=vfio-pci %s` (the kernel loses the NIC)",
                        port->name, driver, address);
}
