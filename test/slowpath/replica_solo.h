// replica_solo.h - one replica machine driven by hand: everything it says is kept for the test to
// see.
#ifndef ZABLINE_TEST_SLOWPATH_REPLICA_SOLO_H
#define ZABLINE_TEST_SLOWPATH_REPLICA_SOLO_H

#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "test/slowpath/slow_cluster.h"

struct Sent {
  int conn;
  int32_t type;
  uint64_t zxid;
  std::string data;
};

struct Solo {
  struct config config = {};
  struct counters counters = {};
  struct replica_memory memory = {};
  std::unique_ptr<struct replica> r{new struct replica};
  std::unique_ptr<struct replica_actions> actions{new struct replica_actions};
  struct durable_state disk = {};
  std::vector<Sent> sent;
  std::vector<Sent> frames;  // to the fast path (conn: the peer's index)
  std::vector<int> kept;     // connections whose silence is nothing any more
  std::vector<int> closed;   // connections, as they were closed
  std::deque<struct disk_msg> asked;
  std::vector<struct fast_msg> fast;
  std::vector<struct log_event> logged;
  std::vector<struct app_msg> app;
  int exit_code = -1;
  uint64_t now = 1000000, random = 1, committed = 0;

  // Voters 1, 2, 3; we are `id`.
  explicit Solo(uint8_t id, struct durable_state state = {}) : disk(state) {
    disk.may_vote = true;
    config.id = id;
    config.self_idx = id - 1;
    config.peer_cnt = 3;
    strcpy(config.cluster, "solo");
    for (int i = 0; i < 3; i++) {
      config.peers[i].id = (uint8_t)(i + 1);
      strcpy(config.peers[i].address, "host");
    }
    config.ring_bytes = 65536;
    config.largest_record = 1000;
    config.tick_ms = 100;
    config.init_limit = 10;
    config.finalize_ms = 20;
    memory = shared_memory();
    replica_init(r.get(), &config, &memory, &counters, "solo");
  }
  Solo(const Solo &) = delete;
  // One set of buffers for all: 45 MB each time would be most of a test's run under asan.
  static struct replica_memory shared_memory() {
    static struct replica_memory m = [] {
      struct replica_memory made;
      for (auto &b : made.buffer) b = malloc(LIMIT_SYNC_BUFFER);
      return made;
    }();
    return m;
  }

  void forget() {
    sent.clear();
    closed.clear();
    fast.clear();
    app.clear();
  }
  void step(struct replica_event e) {
    e.now_us = now;
    e.random = random += 2;
    e.committed = committed;
    replica_step(r.get(), &e, actions.get());
    replica_check(r.get());
    for (uint32_t i = 0; i < actions->cnt; i++) keep(actions->at[i]);
  }
  void keep(const struct replica_action &a) {
    const struct packet &p = a.packet;
    if (a.type == ACT_SEND)
      sent.push_back({a.conn, p.type, p.zxid,
                      p.data.len > 0 ? std::string((const char *)p.data.data, (size_t)p.data.len)
                                     : std::string()});
    if (a.type == ACT_SEND_FRAME)
      sent.push_back(
          {a.conn, PACKET_FRAME, 0, std::string((const char *)p.data.data, (size_t)p.data.len)});
    if (a.type == ACT_FRAME)
      frames.push_back({a.peer_idx, PACKET_FRAME, 0,
                        std::string((const char *)p.data.data, (size_t)p.data.len)});
    if (a.type == ACT_KEEP_CONN) kept.push_back(a.conn);
    if (a.type == ACT_CLOSE_CONN) closed.push_back(a.conn);
    if (a.type == ACT_DISK) asked.push_back(a.disk);
    if (a.type == ACT_FAST) fast.push_back(a.fast);
    if (a.type == ACT_APP) app.push_back(a.app);
    if (a.type == ACT_LOG) logged.push_back(a.log);
    if (a.type == ACT_EXIT) exit_code = a.exit_code;
  }
  bool was_closed(int conn) const {
    for (int c : closed)
      if (c == conn) return true;
    return false;
  }
  int sent_cnt(int32_t type) const {
    int n = 0;
    for (const Sent &s : sent) n += s.type == type;
    return n;
  }
  bool said(enum fast_msg_type type) const {
    for (const auto &m : fast)
      if (m.type == type) return true;
    return false;
  }

  // The disk does what it is asked, one request.
  void answer(enum reason reason = REASON_NONE) {
    struct disk_msg m = asked.front();
    asked.pop_front();
    if (m.type == DISK_START) return;
    m.reason = reason;
    if (m.type == DISK_ACCEPTED) disk.accepted_epoch = m.epoch;
    if (m.type == DISK_CURRENT) disk.current_epoch = m.epoch;
    if (m.type == DISK_TRUNCATE) disk.last_zxid = m.zxid;
    if (m.type == DISK_READ) m.len = 0;
    if (m.type == DISK_APPEND) {
      for (uint32_t off = 0; off < m.len;) {
        struct record rec;
        record_peek(&rec, (uint8_t *)m.buf + off, m.len - off, config.largest_record);
        disk.last_zxid = m.zxid = rec.zxid;
        off += rec.size;
      }
    }
    m.state = disk;
    struct replica_event e = {};
    e.type = EV_DISK;
    e.disk = m;
    step(e);
  }
  void answer_all() {
    while (!asked.empty()) answer();
  }
  void fast_event(struct fast_msg m) {
    struct replica_event e = {};
    e.type = EV_FAST;
    e.fast = m;
    step(e);
  }
  void fenced() {
    fast_event({FAST_CLOSED, 0, 0, REASON_NONE, 0, 0, 0});
    struct replica_event e = {};
    e.type = EV_APP;
    e.app.type = APP_STOPPED;
    step(e);
    answer_all();
  }
  void boot() {
    struct replica_event e = {};
    e.type = EV_DISK;
    e.disk.type = DISK_OPENED;
    e.disk.state = disk;
    step(e);
    fenced();
  }
  void vote(int from_idx, int64_t leader, int64_t rounds_ahead = 0) {
    struct notification n = {};
    n.state = PEER_LOOKING;
    n.version = 2;
    n.vote = {leader, disk.last_zxid, r->election.round + rounds_ahead, disk.current_epoch};
    struct replica_event e = {};
    e.type = EV_NOTIFICATION;
    e.peer_idx = from_idx;
    e.notification = &n;
    step(e);
  }
  void elect(int leader) {
    for (int i = 0; i < 3; i++)
      if (i != config.self_idx) vote(i, leader);
  }
  void simple(enum replica_event_type type, int conn) {
    struct replica_event e = {};
    e.type = type;
    e.conn = conn;
    step(e);
  }
  void packet(int conn, int32_t type, uint64_t zxid, const std::string &data, uint32_t crc = 0) {
    struct packet p = {};
    p.type = type;
    p.zxid = zxid;
    p.data = {(const uint8_t *)data.data(), data.empty() ? -1 : (int32_t)data.size()};
    p.crc = crc;
    p.has_crc = crc != 0;
    struct replica_event e = {};
    e.type = EV_PACKET;
    e.conn = conn;
    e.packet = &p;
    step(e);
  }

  // ---- what peers say ----
  struct extension extension() const {
    struct extension e = {};
    strcpy(e.build, "peer");
    strcpy(e.cluster, "solo");
    e.largest_record = config.largest_record;
    e.mtu = config.mtu;
    return e;
  }
  static std::string bytes(const struct extension &e) {
    uint8_t b[LIMIT_EXTENSION];
    return std::string((char *)b, extension_write(b, sizeof b, &e));
  }
  std::string info(int64_t id, bool zabline = true, uint64_t features = 0) const {
    uint8_t b[LEARNER_INFO_LEN];
    struct learner_info i = {id, PROTOCOL_VERSION, 0};
    learner_info_write(b, &i);
    struct extension e = extension();
    e.features = features;
    return std::string((char *)b, sizeof b) + (zabline ? bytes(e) : "");
  }
  void follower(int conn, int id, uint32_t accepted, bool zabline = true) {
    simple(EV_ACCEPTED, conn);
    packet(conn, PACKET_FOLLOWERINFO, zxid_make(accepted, 0), info(id, zabline));
  }
  static std::string u32(uint32_t v) {
    return {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
  }
  void ackepoch(int conn, uint32_t current, uint64_t last) {
    packet(conn, PACKET_ACKEPOCH, last, u32(current));
  }
  void leaderinfo(uint32_t epoch, bool zabline = true) {
    packet(0, PACKET_LEADERINFO, zxid_make(epoch, 0),
           u32(PROTOCOL_VERSION) + (zabline ? bytes(extension()) : ""));
  }
  void proposal(uint64_t zxid, uint32_t len = 40, uint32_t spoil = 0) {
    std::string data(len, 'x');
    std::vector<uint8_t> rec(record_size(len));
    record_write(rec.data(), zxid, data.data(), len);
    uint32_t crc;
    memcpy(&crc, rec.data(), 4);
    packet(0, PACKET_PROPOSAL, zxid, data, crc ^ spoil);
  }
  void newleader(uint32_t epoch, uint64_t iteration = 99, uint64_t pos = 0) {
    struct extension e = extension();
    e.iteration = iteration;
    e.position = pos;
    std::string text(r->config_text, (size_t)r->config_text_len);
    packet(0, PACKET_NEWLEADER, zxid_make(epoch, 0), text + std::string(1, 0) + bytes(e));
  }

  // ---- to a certain point ----
  void leading() {  // elected, nobody there
    boot();
    elect(config.id);
  }
  void discovering() {  // as a learner of node 3 (or 2), FOLLOWERINFO sent
    boot();
    elect(config.id == 3 ? 2 : 3);
    if (r->role == ROLE_FOLLOWING) simple(EV_CONNECTED, 0);
  }
  void syncing(uint32_t epoch) {  // ... DIFF received
    discovering();
    leaderinfo(epoch);
    answer_all();
    packet(0, PACKET_DIFF, 0, "");
  }
};

#endif
