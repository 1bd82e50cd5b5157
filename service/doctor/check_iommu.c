/* A device bound to vfio-pci: its IOMMU group, its device file, its MTU. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "service/doctor/tree.h"

#define PCI "sys/bus/pci/devices"
#define CLASS_BRIDGE 0x06 /* of the PCI class; the kernel leaves bridges in a group alone */
#define GROUP_MOST 256    /* devices of one group that are looked at */

static bool is_bridge(const struct doctor *d, const char *address) {
  long long class;
  return tree_number(d, &class, PCI "/%s/class", address) && class >> 16 == CLASS_BRIDGE;
}

/* Another device of the group with a driver of the kernel's keeps the whole group from DPDK. */
static bool find_foreign(const struct doctor *d, const char *address, struct tree_text *other,
                         struct tree_text *driver) {
  for (int i = 0; i < GROUP_MOST; i++) {
    if (!tree_entry(d, i, other, PCI "/%s/iommu_group/devices", address)) return false;
    if (strcmp(other->s, address) == 0 || is_bridge(d, other->s)) continue;
    if (tree_link(d, driver, PCI "/%s/driver", other->s) && strcmp(driver->s, "vfio-pci") != 0)
      return true;
  }
  return false;
}

static void no_group(struct doctor *d, struct doctor_row *row) {
  struct tree_text unsafe;
  bool noiommu = tree_line(d, &unsafe, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode") &&
                 unsafe.s[0] == 'Y';
  const char *mend =
      "kernel parameters intel_iommu=on iommu=pt (AMD: iommu=pt), VT-d or AMD-Vi on in the BIOS";
  if (noiommu)
    row_mend(row_says(row, DOCTOR_WARN, "no IOMMU: only root may use the device, unguarded"), "%s",
             mend);
  else
    row_mend(row_says(row, DOCTOR_FAIL, "no IOMMU group: vfio-pci cannot give the device away"),
             "%s", mend);
}

/* Root may open every device file; whether the service's user may is asked as that user. */
static void check_device_file(struct doctor *d, const char *address, const char *group) {
  char path[LIMIT_PATH_LEN];
  struct doctor_row *row = row_add(d, "vfio", address);
  tree_path(d, path, "dev/vfio/%s", group);
  if (access(path, R_OK | W_OK) == 0)
    row_says(row, DOCTOR_OK, "/dev/vfio/%s can be opened by this user", group);
  else if (errno == EACCES)
    row_mend(row_says(row, DOCTOR_FAIL, "/dev/vfio/%s may not be opened by this user", group),
             "chgrp zabline /dev/vfio/%s && chmod 660 /dev/vfio/%s (the package's udev rule does)",
             group, group);
  else
    row_mend(row_says(row, DOCTOR_FAIL, "/dev/vfio/%s: %s", group, strerror(errno)),
             "modprobe vfio-pci");
}

void doctor_check_iommu(struct doctor *d, const char *address) {
  struct tree_text group, other, driver;
  struct doctor_row *row = row_add(d, "iommu", address);
  if (!tree_link(d, &group, PCI "/%s/iommu_group", address)) {
    no_group(d, row);
  } else if (find_foreign(d, address, &other, &driver)) {
    row_mend(row_says(row, DOCTOR_FAIL, "group %.32s also has %.64s, bound to %.64s", group.s,
                      other.s, driver.s),
             "driverctl set-override %.64s vfio-pci, or another slot", other.s);
  } else {
    row_says(row, DOCTOR_OK, "group %s", group.s);
    check_device_file(d, address, group.s);
  }
  row_says(row_add(d, "mtu", address), DOCTOR_NOT_APPLICABLE,
           "zabd sets it on the device; the switch must pass %d bytes", d->config->mtu);
}
