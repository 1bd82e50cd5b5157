// replica_in_place.h - one machine that leads, or follows, and is about to change the epoch.
#ifndef ZABLINE_TEST_SLOWPATH_REPLICA_IN_PLACE_H
#define ZABLINE_TEST_SLOWPATH_REPLICA_IN_PLACE_H

#include "test/slowpath/replica_solo.h"

inline uint64_t count(const Solo &s, enum reason r) { return counters_get(&s.counters, r); }

inline bool told(const Solo &s, enum app_msg_type type) {
  for (const auto &m : s.app)
    if (m.type == type) return true;
  return false;
}

/* Node 3 leads epoch 1; node 1 follows on connection 1. */
struct Leads : Solo {
  explicit Leads(uint64_t features = FEATURE_IN_PLACE | FEATURE_TCP_FRAMES) : Solo(3) {
    config.mtu = 1500;
    leading();
    simple(EV_ACCEPTED, 1);
    packet(1, PACKET_FOLLOWERINFO, 0, info(1, true, features));
    answer();
    ackepoch(1, 0, 0);
    answer_all();
    settle(1);
    forget();
  }
  struct fast_msg last(enum fast_msg_type type) const {
    struct fast_msg found = {};
    for (const auto &m : fast)
      if (m.type == type) found = m;
    return found;
  }
  void settle(uint32_t epoch) {
    simple(EV_WRITABLE, 1);
    struct fast_msg m = last(FAST_ATTACH);
    before = m.iteration;
    fast_event({FAST_ATTACHED, 0, epoch, REASON_NONE, m.iteration, 0, disk.last_zxid, 0, 0, 0,
                m.resumes, 777});
    packet(1, PACKET_ACK, zxid_make(epoch, 0), "");
    fast_event({FAST_HEARD, 0, epoch, REASON_NONE, m.iteration, 0, 0});
  }
  void app_says(enum app_msg_type type, enum reason why = REASON_NONE, bool on = false) {
    struct replica_event e = {};
    e.type = EV_APP;
    e.app.type = type;
    e.app.epoch = r->lead.epoch;
    e.app.reason = why;
    e.app.on = on;
    step(e);
  }
  void drained(enum reason why = REASON_COUNTER_LIMIT) { app_says(APP_DRAINED, why); }
  uint64_t before = 0;
};

/* Node 1 follows node 3 in epoch 1, iteration 99. */
struct Follows : Solo {
  Follows() : Solo(1) {
    config.mtu = 1500;
    syncing(1);
    newleader(1);
    answer_all();
    packet(0, PACKET_UPTODATE, ZXID_NONE, bytes(extension()));
    forget();
  }
  void next_newleader(uint32_t epoch, uint64_t features) {
    struct extension e = extension();
    e.iteration = 111;
    e.features = features;
    e.requests = 4242;
    std::string text(r->config_text, (size_t)r->config_text_len);
    packet(0, PACKET_NEWLEADER, zxid_make(epoch, 0), text + std::string(1, 0) + bytes(e));
  }
  void fence() {
    fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
    struct replica_event e = {};
    e.type = EV_APP;
    e.app.type = APP_STOPPED;
    e.app.on = true;
    step(e);
    answer(); /* DRAIN */
  }
};

#endif
