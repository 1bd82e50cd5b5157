/* pair_config.h - config of nodes 1 and 2 (peers[0], peers[1]) seen from peers[self_idx]. */
#ifndef ZABLINE_TEST_DPDK_APP_PAIR_CONFIG_H
#define ZABLINE_TEST_DPDK_APP_PAIR_CONFIG_H

#include "config/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* pair_config sets EAL arguments for any user, addresses, the mtu; no port yet. */
void pair_config(struct config *c, int self_idx, uint16_t mtu);

#ifdef __cplusplus
}
#endif

#endif
