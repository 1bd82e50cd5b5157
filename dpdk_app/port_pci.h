/* port_pci.h - ports that are PCI devices: which they are, and why DPDK has none.
 *
 * DPDK passes over a device that it cannot use without a word; what is wrong stands in sysfs.
 *
 * Owner: main.  Blocks: file system calls.  Source: design 8; DPDK's Linux drivers guide. */
#ifndef ZABLINE_DPDK_APP_PORT_PCI_H
#define ZABLINE_DPDK_APP_PORT_PCI_H

#include <stdbool.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"

bool pci_is(const struct config_port *port); /* "0000:03:00.0" */

/* pci_explain sets *e: what was found instead of a device for DPDK, and the command that mends it.
 * root: "" but in tests, where /sys and /dev are below it.  Returns -1. */
int pci_explain(const char *root, const struct config_port *port, struct open_error *e);

#endif
