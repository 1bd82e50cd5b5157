/* port_memif.h - what net_memif ports need that other ports do not.
 *
 * Frames of one pair of nodes go through shared memory that the client role creates and hands over
 * a UNIX socket on which the server role listens.  The driver (DPDK 22.11) wants the socket's
 * directory to exist and its path to be absolute, does not remove a socket that a killed process
 * left behind, and has abstract sockets as default (which any user of the machine could take).
 *
 * Owner: main.  Blocks: file system calls.  Source: design 8. */
#ifndef ZABLINE_DPDK_APP_PORT_MEMIF_H
#define ZABLINE_DPDK_APP_PORT_MEMIF_H

#include <stdbool.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"

#define MEMIF_RING_LOG2 10 /* slots per direction: 1,024 */

bool memif_is(const struct config_port *port);
bool memif_is_client(const struct config_port *port);

/* memif_prepare makes the socket's directory, removes a socket nobody listens on (server), and
 * writes the driver's complete arguments to args[LIMIT_ARG_LEN].  0, or -1 with *e set. */
int memif_prepare(const struct config_port *port, uint16_t mtu, char *args, struct open_error *e);

#endif
