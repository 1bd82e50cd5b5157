#include "fastpath/inflow.h"

void inflow_init(struct inflow *f, pos_t start) {
  f->announced = f->reported = start;
  f->held = f->idle = start;
  f->held_us = f->told_us = f->idle_us = f->idle_heard_us = f->reported_us = 0;
}

void inflow_announce(struct inflow *f, pos_t pos) {
  if (pos > f->announced) f->announced = pos;
}

void inflow_idle(struct inflow *f, struct inflow_quiet q) {
  f->idle = q.pos;
  f->idle_us = q.now_us;
  f->idle_heard_us = q.heard_us;
}

void inflow_fell_back(struct inflow *f, pos_t whole) { f->reported = whole; }

void inflow_moved(struct inflow *f, uint64_t now_us) {
  f->held_us = now_us;
  f->told_us = 0;
}

bool inflow_is_stuck(struct inflow *f, const struct stream *s, pos_t edge, struct inflow_clock c) {
  bool inside = s->whole < s->received && s->received == f->announced && s->received < edge;
  if (!inside || s->received != f->held) {
    f->held = s->received;
    f->held_us = c.now_us;
    f->told_us = 0;
    return false;
  }
  if (!f->told_us && c.sent_us > f->held_us) f->told_us = c.sent_us;
  bool it_knows = f->told_us && f->idle_heard_us >= f->told_us;
  return it_knows && f->idle == s->received && f->idle_us >= f->held_us + c.wait_us;
}

/* Ranges from `from` on, the unheard tail included. */
static int missing_from(const struct inflow *f, const struct stream *s, pos_t from,
                        struct frame_range *out) {
  struct frame_range all[STREAM_GAPS + 1];
  int cnt = stream_gaps(s, all, STREAM_GAPS), taken = 0;
  if (f->announced > s->high) all[cnt++] = (struct frame_range){s->high, f->announced};
  for (int i = 0; i < cnt && taken < LIMIT_GAP_RANGES; i++) {
    if (all[i].to <= from) continue;
    if (all[i].from < from) all[i].from = from;
    out[taken++] = all[i];
  }
  return taken;
}

int inflow_report(struct inflow *f, const struct stream *s, uint64_t now_us, uint64_t again_us,
                  struct frame_range *out) {
  if (f->announced < s->high) f->announced = s->high;
  if (s->received == f->announced) return 0;
  pos_t from = s->received;
  bool again = f->reported > from && now_us - f->reported_us >= again_us;
  if (!again && f->reported > from) from = f->reported;
  int cnt = missing_from(f, s, from, out);
  if (!cnt) return 0;
  if (again || from == s->received) f->reported_us = now_us;
  if (out[cnt - 1].to > f->reported) f->reported = out[cnt - 1].to;
  return cnt;
}
