#include "dpdk_app/icmp.h"

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>

static bool is_echo_request(const struct rte_ipv4_hdr *h, size_t len, uint32_t ip) {
  const struct rte_icmp_hdr *icmp = (const void *)(h + 1);
  if (len < sizeof *h + sizeof *icmp || h->version_ihl != RTE_IPV4_VHL_DEF) return false;
  if (h->next_proto_id != IPPROTO_ICMP || h->dst_addr != ip) return false;
  if (h->fragment_offset & rte_cpu_to_be_16(0x3fff)) return false;
  size_t ip_len = rte_be_to_cpu_16(h->total_length);
  if (ip_len > len || ip_len < sizeof *h + sizeof *icmp) return false;
  return icmp->icmp_type == RTE_IP_ICMP_ECHO_REQUEST && icmp->icmp_code == 0;
}

bool icmp_answer(void *packet, size_t len, uint32_t ip) {
  struct rte_ipv4_hdr *h = packet;
  struct rte_icmp_hdr *icmp = (void *)(h + 1);
  if (!is_echo_request(h, len, ip)) return false;
  h->dst_addr = h->src_addr;
  h->src_addr = ip;
  h->time_to_live = 64;
  h->hdr_checksum = 0;
  h->hdr_checksum = rte_ipv4_cksum(h);
  icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
  /* The sum of the message is less by the type; the checksum, its complement, is more (RFC 1624). */
  uint32_t sum = icmp->icmp_cksum + rte_cpu_to_be_16(RTE_IP_ICMP_ECHO_REQUEST << 8);
  icmp->icmp_cksum = (uint16_t)(sum + (sum >> 16));
  return true;
}
