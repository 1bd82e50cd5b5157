#include "test/dpdk_app/pair_config.h"

#include <stdio.h>
#include <string.h>

void pair_config(struct config *c, int self_idx, uint16_t mtu) {
  static const char *const eal[] = {"--no-huge", "-m", "128", "--no-pci"};
  memset(c, 0, sizeof *c);
  for (; c->eal_cnt < 4; c->eal_cnt++)
    snprintf(c->eal[c->eal_cnt], LIMIT_ARG_LEN, "%s", eal[c->eal_cnt]);
  c->id = (uint8_t)(self_idx + 1);
  c->self_idx = self_idx;
  c->peer_cnt = 2;
  c->mtu = mtu;
  c->cores.fast = -1;
  for (int i = 0; i < 2; i++) {
    struct config_peer *peer = &c->peers[i];
    peer->id = (uint8_t)(i + 1);
    peer->fast_cnt = 1;
    peer->fast[0] = (struct config_fast){.ip = 0x0a5a0001u + (uint32_t)i,
                                         .udp_port = 2988,
                                         .mac_static = true,
                                         .mac = {2, 0x5a, 0x42, 0, 0, peer->id},
                                         .port_idx = i == self_idx ? -1 : 0};
  }
}
