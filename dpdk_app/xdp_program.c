/* The program's instructions.  r1: context, r2: packet, r3: its end, r4: scratch. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "dpdk_app/xdp.h"

#define ETHERNET 14
#define TAG 4
#define BEHIND 28 /* ARP; IPv4 and UDP: the same length */
#define AT_TYPE 12
#define AT_TAG_ID 14

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_VLAN = 0x8100 };
enum { AT_FRAGMENT = 6, AT_PROTOCOL = 9, AT_DESTINATION = 16, AT_UDP_PORT = 22 };
enum { AT_SENDER_IP = 14, AT_TARGET_IP = 24 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_UDP = 17 };

/* Where a jump goes is known only when all is written. */
enum target { NEXT, TO_PASS, TO_TAKE, TO_ARP, TARGETS };

struct writer {
  struct xdp_program *p;
  enum target to[XDP_INSNS];
  int at[TARGETS];
};

#define INSN(c, d, s, o, i) \
  (struct bpf_insn) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

static void put(struct writer *w, struct bpf_insn insn) {
  assert(w->p->cnt < XDP_INSNS);
  w->p->insns[w->p->cnt++] = insn;
}

static void jump(struct writer *w, uint8_t op, uint32_t value, enum target to) {
  w->to[w->p->cnt] = to;
  put(w, INSN((uint8_t)(BPF_JMP32 | op | BPF_K), BPF_REG_4, 0, 0, (int32_t)value));
}

/* r4 = the 1, 2 or 4 bytes (BPF_B, BPF_H, BPF_W) of the packet at `at`, as they stand there. */
static void load(struct writer *w, uint8_t size, int at) {
  put(w, INSN((uint8_t)(BPF_LDX | size | BPF_MEM), BPF_REG_4, BPF_REG_2, (int16_t)at, 0));
}

static void mask(struct writer *w, uint32_t bits) {
  put(w, INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_4, 0, 0, (int32_t)bits));
}

static void label(struct writer *w, enum target t) { w->at[t] = w->p->cnt; }

/* Too short for what is looked at below: not ours. */
static void check_length(struct writer *w, int len) {
  put(w, INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data), 0));
  put(w,
      INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end), 0));
  put(w, INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0));
  put(w, INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, len));
  w->to[w->p->cnt] = TO_PASS;
  put(w, INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0));
}

static void check_vlan(struct writer *w, uint16_t vlan) {
  load(w, BPF_H, AT_TYPE);
  jump(w, BPF_JNE, htons(TYPE_VLAN), TO_PASS);
  load(w, BPF_H, AT_TAG_ID);
  mask(w, htons(0x0fff));
  jump(w, BPF_JNE, htons(vlan), TO_PASS);
}

static void choose_ip(struct writer *w, int ip, const struct config_fast *self) {
  load(w, BPF_B, ip);
  jump(w, BPF_JNE, 0x45, TO_PASS); /* options */
  load(w, BPF_W, ip + AT_DESTINATION);
  jump(w, BPF_JNE, htonl(self->ip), TO_PASS);
  load(w, BPF_B, ip + AT_PROTOCOL);
  jump(w, BPF_JEQ, PROTOCOL_ICMP, TO_TAKE);
  jump(w, BPF_JNE, PROTOCOL_UDP, TO_PASS);
  load(w, BPF_H, ip + AT_FRAGMENT);
  mask(w, htons(0x3fff));
  jump(w, BPF_JNE, 0, TO_PASS);
  load(w, BPF_H, ip + AT_UDP_PORT);
  jump(w, BPF_JEQ, htons(self->udp_port), TO_TAKE);
}

static void choose_arp(struct writer *w, int arp, const struct config *c, int k) {
  load(w, BPF_W, arp + AT_TARGET_IP);
  jump(w, BPF_JEQ, htonl(c->peers[c->self_idx].fast[k].ip), TO_TAKE);
  put(w, INSN(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_4, 0, 0));
  load(w, BPF_W, arp + AT_SENDER_IP);
  w->to[w->p->cnt] = TO_PASS; /* not gratuitous: the answer to a question of the kernel's */
  put(w, INSN(BPF_JMP32 | BPF_JNE | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0));
  for (int i = 0; i < c->peer_cnt; i++)
    if (i != c->self_idx) jump(w, BPF_JEQ, htonl(c->peers[i].fast[k].ip), TO_TAKE);
}

static void pass(struct writer *w) {
  put(w, INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS));
  put(w, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/* return bpf_redirect_map(&xsks_map, queue, XDP_PASS): no socket on the queue, the kernel's. */
static void take(struct writer *w) {
  put(w, INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_2, BPF_REG_1,
              offsetof(struct xdp_md, rx_queue_index), 0));
  w->p->map_at = w->p->cnt;
  put(w, INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, 0, 0, 0));
  put(w, INSN(0, 0, 0, 0, 0));
  put(w, INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS));
  put(w, INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map));
  put(w, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

void xdp_write(struct xdp_program *p, const struct config *c, int idx) {
  struct writer w = {.p = p};
  const struct config_port *port = &c->ports[idx];
  int tag = port->vlan ? TAG : 0, behind = ETHERNET + tag;
  memset(p, 0, sizeof *p);
  check_length(&w, behind + BEHIND);
  if (port->vlan) check_vlan(&w, port->vlan);
  load(&w, BPF_H, AT_TYPE + tag);
  jump(&w, BPF_JEQ, htons(TYPE_ARP), TO_ARP);
  jump(&w, BPF_JNE, htons(TYPE_IPV4), TO_PASS);
  choose_ip(&w, behind, &c->peers[c->self_idx].fast[port->fast_idx]);
  label(&w, TO_PASS);
  pass(&w);
  label(&w, TO_ARP);
  choose_arp(&w, behind, c, port->fast_idx);
  pass(&w);
  label(&w, TO_TAKE);
  take(&w);
  for (int i = 0; i < p->cnt; i++)
    if (w.to[i] != NEXT) p->insns[i].off = (int16_t)(w.at[w.to[i]] - i - 1);
}
