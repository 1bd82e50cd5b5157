#include "dpdk_app/icmp.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#define ASK_IDENT 0x425a /* of our own requests */

/* An echo request or reply without options, whole, to ip. */
static bool is_echo(const struct rte_ipv4_hdr *h, size_t len, uint32_t ip, uint8_t type) {
  const struct rte_icmp_hdr *icmp = (const void *)(h + 1);
  if (len < sizeof *h + sizeof *icmp || h->version_ihl != RTE_IPV4_VHL_DEF) return false;
  if (h->next_proto_id != IPPROTO_ICMP || h->dst_addr != ip) return false;
  if (h->fragment_offset & rte_cpu_to_be_16(0x3fff)) return false;
  size_t ip_len = rte_be_to_cpu_16(h->total_length);
  if (ip_len > len || ip_len < sizeof *h + sizeof *icmp) return false;
  return icmp->icmp_type == type && icmp->icmp_code == 0;
}

bool icmp_answer(void *packet, size_t len, uint32_t ip) {
  struct rte_ipv4_hdr *h = packet;
  struct rte_icmp_hdr *icmp = (void *)(h + 1);
  if (!is_echo(h, len, ip, RTE_IP_ICMP_ECHO_REQUEST)) return false;
  h->dst_addr = h->src_addr;
  h->src_addr = ip;
  h->time_to_live = 64;
  h->hdr_checksum = 0;
  h->hdr_checksum = rte_ipv4_cksum(h);
  icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
  /* The sum of the message is less by the type; its complement is more (RFC 1624). */
  uint32_t sum = icmp->icmp_cksum + rte_cpu_to_be_16(RTE_IP_ICMP_ECHO_REQUEST << 8);
  icmp->icmp_cksum = (uint16_t)(sum + (sum >> 16));
  return true;
}

void icmp_ask(void *packet, size_t len, uint32_t from, uint32_t to) {
  struct rte_ipv4_hdr *h = packet;
  struct rte_icmp_hdr *icmp = (void *)(h + 1);
  memset(packet, 0, len);
  *h = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
                             .total_length = rte_cpu_to_be_16((uint16_t)len),
                             .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
                             .time_to_live = 64,
                             .next_proto_id = IPPROTO_ICMP,
                             .src_addr = from,
                             .dst_addr = to};
  h->hdr_checksum = rte_ipv4_cksum(h);
  icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
  icmp->icmp_ident = rte_cpu_to_be_16(ASK_IDENT);
  icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof *icmp); /* the rest is zero */
}

size_t icmp_answered(const void *packet, size_t len, uint32_t ip) {
  const struct rte_ipv4_hdr *h = packet;
  const struct rte_icmp_hdr *icmp = (const void *)(h + 1);
  if (!is_echo(h, len, ip, RTE_IP_ICMP_ECHO_REPLY)) return 0;
  if (icmp->icmp_ident != rte_cpu_to_be_16(ASK_IDENT)) return 0;
  return rte_be_to_cpu_16(h->total_length);
}
