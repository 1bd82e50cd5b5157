#include "fastpath/peer.h"

void peer_attach(struct bcast_peer *p, uint64_t iteration, uint64_t now_us, unsigned exist) {
  p->told_heard = p->owes_answer = p->owes_at_once = false;
  p->iteration = iteration;
  p->resumes = 0;
  p->last_zxid = 0;
  p->hold_to = 0;
  p->requests_wait = 0;
  p->tx_seq = p->rx_seq = p->rx_seen = 0;
  p->attached_us = p->alive_us = now_us;
  p->heard_us = p->behind_us = p->sent_us = 0;
  p->send_time = p->echo_time = 0;
  p->rtt_us = 0;
  path_attach(&p->paths, exist);
  peer_start(p, 0, 0, 0);
}

void peer_start(struct bcast_peer *p, pos_t out_start, pos_t in_start, uint32_t flight_max) {
  outflow_init(&p->out, out_start, flight_max);
  inflow_init(&p->in, in_start);
  p->durable = out_start;
  p->told_committed = p->told_received = p->told_durable = p->told_edge = 0;
}

bool peer_take_seq(struct bcast_peer *p, uint64_t seq) {
  if (seq == 0) return false;
  if (seq > p->rx_seq) {
    uint64_t step = seq - p->rx_seq;
    p->rx_seen = step < PEER_SEQ_WINDOW ? p->rx_seen << step : 0;
    p->rx_seen |= 1;
    p->rx_seq = seq;
    return true;
  }
  uint64_t back = p->rx_seq - seq;
  if (back >= PEER_SEQ_WINDOW || ((p->rx_seen >> back) & 1)) return false;
  p->rx_seen |= 1ull << back;
  return true;
}

uint32_t peer_send_stamp(uint64_t now_us) {
  uint32_t stamp = (uint32_t)now_us;
  return stamp ? stamp : UINT32_MAX;
}

uint32_t peer_echo_age(uint64_t now_us, uint32_t echo_time) { return (uint32_t)now_us - echo_time; }

bool peer_heard_time(struct bcast_peer *p, uint32_t send_time) {
  if (p->send_time && (int32_t)(send_time - p->send_time) <= 0) return false;
  p->send_time = send_time;
  return true;
}

void peer_measure(struct bcast_peer *p, uint64_t now_us, uint32_t echo_time) {
  if (p->echo_time && (int32_t)(echo_time - p->echo_time) <= 0) return;
  p->echo_time = echo_time;
  uint64_t sample = peer_echo_age(now_us, echo_time);
  p->rtt_us = p->rtt_us ? (7 * p->rtt_us + sample + 7) / 8 : sample + 1;
}

uint64_t peer_rto_us(const struct bcast_peer *p) {
  uint64_t rto = 4 * p->rtt_us;
  return rto > OUTFLOW_RTO_FLOOR_US ? rto : OUTFLOW_RTO_FLOOR_US;
}
