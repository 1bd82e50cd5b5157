// The replica machine, node 2 of 3, with a disk, a fast path and an app that keep their contracts:
// requests are answered truly and in their order, what depends on an attachment comes only while
// there is one.  Peers say anything, mostly what is nearly right.
#include <algorithm>
#include <set>

#include "test/fuzz/input.h"
#include "test/slowpath/replica_solo.h"

namespace {

struct Attached {
  uint64_t iteration;
  bool answered;
};

struct Node : Solo {
  explicit Node(struct durable_state state) : Solo(2, state) {}

  std::vector<uint64_t> log;  // zxids behind disk.log_base
  bool connecting = false, open[LIMIT_LEARNERS + 1] = {}, owes[LIMIT_LEARNERS + 1] = {};
  int closes = 0;
  std::deque<bool> stops;       /* to be answered; true: a PAUSE */
  struct fast_msg opened = {};  // LEAD or OPEN; type 0: closed
  Attached attached[3] = {};
  zxid_t snap = 0;

  void Do(struct replica_event e) {
    size_t had = fast.size(), apps = app.size();
    step(e);
    for (; had < fast.size(); had++) OnFast(fast[had]);
    for (; apps < app.size(); apps++)
      if (app[apps].type == APP_STOP || app[apps].type == APP_PAUSE)
        stops.push_back(app[apps].type == APP_PAUSE);
    for (uint32_t i = 0; i < actions->cnt; i++) OnAction(actions->at[i]);
    sent.clear();
    frames.clear();
    kept.clear();
    closed.clear();
    logged.clear();
  }
  void OnAction(const struct replica_action &a) {
    CHECK(a.conn >= 0 && a.conn <= LIMIT_LEARNERS);
    bool sends = a.type == ACT_SEND || a.type == ACT_SEND_CHUNK;
    if (sends || a.type == ACT_SEND_FRAME || a.type == ACT_KEEP_CONN || a.type == ACT_WATCH_CONN)
      CHECK(open[a.conn]);
    if (sends) owes[a.conn] = true;
    if (a.type == ACT_CONNECT) {
      CHECK(!open[0] && !connecting);
      connecting = true;
    }
    if (a.type != ACT_CLOSE_CONN) return;
    CHECK(open[a.conn] || (a.conn == 0 && connecting));
    open[a.conn] = owes[a.conn] = false;
    if (a.conn == 0) connecting = false;
  }
  void OnFast(const struct fast_msg &m) {
    if (m.type == FAST_CLOSE) closes++;
    if (m.type == FAST_LEAD || m.type == FAST_OPEN) {
      CHECK(!closes && !opened.type);
      opened = m;
      for (Attached &at : attached) at = {};
    }
    if (m.type == FAST_ATTACH) attached[m.peer_idx] = {m.iteration, false};
    if (m.type == FAST_DETACH) attached[m.peer_idx] = {};
  }
  bool Ended() const { return r->phase == PHASE_STOPPED; }

  zxid_t Floor(zxid_t zxid) const {
    auto it = std::upper_bound(log.begin(), log.end(), zxid);
    return it == log.begin() ? disk.log_base : it[-1];
  }
  void Read(struct disk_msg &m) {
    m.len = 0;
    uint8_t payload[LIMIT_RECORD_MIN] = {};
    zxid_t from = m.zxid;
    for (uint64_t z : log) {
      if (z <= from || m.len + record_size(sizeof payload) > m.cap) continue;
      uint8_t *at = static_cast<uint8_t *>(m.buf) + m.len;
      m.len += record_write(at, z, payload, sizeof payload);
      m.zxid = z;
    }
  }
  static void ReadSnapshot(struct disk_msg &m) {
    m.len = m.pos ? 0 : 100;
    memset(m.buf, 's', m.len);
  }
  void Append(struct disk_msg &m) {
    for (uint32_t off = 0; off < m.len;) {
      struct record rec;
      const uint8_t *at = static_cast<uint8_t *>(m.buf) + off;
      CHECK(record_peek(&rec, at, m.len - off, config.largest_record) == RECORD_OK);
      CHECK(zxid_follows(disk.last_zxid, rec.zxid));
      CHECK(zxid_epoch(rec.zxid) <= disk.accepted_epoch);
      log.push_back(rec.zxid);
      disk.last_zxid = rec.zxid;
      off += rec.size;
    }
    m.zxid = disk.last_zxid;
  }
  void Truncate(struct disk_msg &m) {
    CHECK(m.zxid <= disk.last_zxid);
    while (!log.empty() && log.back() > m.zxid) log.pop_back();
    m.zxid = disk.last_zxid = Floor(m.zxid);
  }
  void Carry(struct disk_msg &m) {
    bool below = m.zxid < disk.log_base;
    CHECK(m.type != DISK_ACCEPTED || m.epoch > disk.accepted_epoch);
    CHECK(m.type != DISK_CURRENT || m.epoch <= disk.accepted_epoch);
    if (m.type == DISK_CURRENT && r->role == ROLE_FOLLOWING) /* R5: the history is there */
      CHECK(disk.last_zxid == r->learn.tail);
    if (m.type == DISK_ACCEPTED) disk.accepted_epoch = m.epoch;
    if (m.type == DISK_CURRENT) disk.current_epoch = m.epoch;
    if (m.type == DISK_MAY_VOTE) disk.may_vote = m.flag;
    if (m.type == DISK_APPEND) Append(m);
    if (m.type == DISK_SNAP_OPEN && !disk.log_base) m.reason = REASON_BELOW_LOG;
    if (m.type == DISK_SNAP_OPEN && disk.log_base) m.zxid = disk.log_base;
    if (m.type == DISK_SNAP_READ) ReadSnapshot(m);
    if (m.type == DISK_SNAP_BEGIN) snap = m.zxid;
    if (m.type == DISK_SNAP_COMMIT) log.clear(), disk.last_zxid = disk.log_base = snap;
    if (below && (m.type == DISK_LOOKUP || m.type == DISK_READ || m.type == DISK_TRUNCATE)) {
      m.reason = REASON_BELOW_LOG;
      return;
    }
    if (m.type == DISK_LOOKUP) m.zxid = Floor(m.zxid);
    if (m.type == DISK_READ) Read(m);
    if (m.type == DISK_TRUNCATE) Truncate(m);
  }
  void Disk() {
    if (asked.empty()) return;
    struct disk_msg m = asked.front();
    asked.pop_front();
    if (m.type == DISK_START) return;
    m.reason = REASON_NONE;
    Carry(m);
    m.state = disk;
    struct replica_event e = {};
    e.type = EV_DISK;
    e.disk = m;
    Do(e);
  }
};

/* ---- the fast path and the app ---- */

void tell(Node &n, struct fast_msg m) {
  struct replica_event e = {};
  e.type = EV_FAST;
  e.fast = m;
  n.Do(e);
}

void closed(Node &n) {
  if (!n.closes) return;
  n.closes--;
  struct fast_msg m = n.opened;
  m.type = FAST_CLOSED;
  n.opened = {};
  for (Attached &at : n.attached) at = {};
  tell(n, m);
}

/* The log grows while we lead, so that P and Z lie behind what a learner has. */
void attach(Node &n, Input &in, int peer) {
  Attached &at = n.attached[peer];
  struct fast_msg m = {};
  m.peer_idx = peer;
  m.epoch = n.opened.epoch;
  m.iteration = at.iteration;
  if (!at.iteration || n.opened.type != FAST_LEAD) return;
  if (!at.answered) {
    m.type = FAST_ATTACHED;
    m.zxid = n.disk.last_zxid;
    m.pos = n.disk.last_zxid > n.opened.zxid ? zxid_counter(m.zxid) * 64u : 0;
    for (const struct fast_msg &asked : n.fast) /* it waits for the own disk */
      if (asked.type == FAST_ATTACH && asked.iteration == at.iteration &&
          zxid_epoch(asked.zxid) == m.epoch && asked.zxid > m.zxid)
        return;
    for (const struct fast_msg &asked : n.fast)
      if (asked.type == FAST_ATTACH && asked.iteration == at.iteration) m.resumes = asked.resumes;
    at.answered = true;
  } else {
    m.type = in.u8() % 4 ? FAST_HEARD : FAST_DETACHED;
    m.reason = m.type == FAST_DETACHED ? REASON_PEER_SILENT : REASON_NONE;
    if (m.type == FAST_DETACHED) at = {};
  }
  tell(n, m);
}

void fast(Node &n, Input &in) {
  struct fast_msg m = {};
  uint8_t how = in.u8();
  if (how % 4 == 0) {
    closed(n);
  } else if (how % 4 != 3) {
    attach(n, in, how & 4 ? 0 : 2);
  } else if (n.opened.type && how & 8) {
    m = n.opened;
    m.type = how & 16 ? FAST_LOST : FAST_MOVED;
    m.reason = m.type == FAST_MOVED ? REASON_PATH_FOLLOWED
               : how & 32           ? REASON_LEADER_SILENT
                                    : REASON_QUORUM_SILENT;
    if (m.type == FAST_MOVED) m.peer_idx = how & 32 ? 0 : 2, m.pos = how >> 6 ? 1 : 0;
    if (m.type == FAST_MOVED && n.opened.type == FAST_LEAD)
      m.iteration = n.attached[m.peer_idx].iteration;
    tell(n, m);
  } else { /* a frame that it wants sent over TCP */
    std::string bytes = in.take(in.u8());
    if (bytes.size() < LIMIT_FRAME_HEADER)
      bytes.resize(LIMIT_FRAME_HEADER); /* it makes whole ones */
    if (how & 32) {                     /* of the attachment */
      uint64_t it =
          n.opened.type == FAST_LEAD ? n.attached[how & 16 ? 0 : 2].iteration : n.opened.iteration;
      memcpy(&bytes[16], &it, sizeof it);
    }
    Exact exact(bytes);
    struct replica_event e = {};
    e.type = EV_FRAME;
    e.peer_idx = how & 16 ? 0 : 2;
    e.frame = {exact.data.get(), static_cast<int32_t>(exact.len)};
    if (n.opened.type) n.Do(e);
  }
}

/* The disk thread writes what we propose. */
void propose(Node &n) {
  if (n.opened.type != FAST_LEAD || n.r->lead.step != LEADING_ESTABLISHED || n.closes) return;
  zxid_t last = n.disk.last_zxid;
  zxid_t next = zxid_epoch(last) == n.opened.epoch ? last + 1 : zxid_make(n.opened.epoch, 1);
  n.log.push_back(next);
  n.disk.last_zxid = next;
}

void application(Node &n, Input &in) {
  static struct status status;
  static const enum app_msg_type says[] = {APP_STEP_DOWN, APP_RECOVER, APP_STATUS, APP_DRAINED};
  struct replica_event e = {};
  e.type = EV_APP;
  e.app.type = says[in.u8() % 4];
  e.app.status = &status;
  e.app.epoch = n.r->lead.epoch;
  e.app.reason = e.app.type == APP_DRAINED ? REASON_COUNTER_LIMIT : REASON_NONE;
  if (!n.stops.empty()) {
    e.app.type = APP_STOPPED;
    e.app.on = n.stops.front();
    n.stops.pop_front();
  } else if (in.u8() == 15) {
    e.type = EV_STOP;
  }
  n.Do(e);
}

/* ---- peers ---- */

void notification(Node &n, Input &in) {
  static struct notification note;
  uint8_t how = in.u8();
  note.state = static_cast<enum peer_state>(how & 3);
  note.version = 2;
  note.vote.leader = how & 4 ? in.u8() : in.u8() % 3 + 1;
  note.vote.zxid = how & 8 ? in.u64() : n.disk.last_zxid;
  note.vote.election_epoch = n.r->election.round + (how & 16 ? in.u8() % 3 - 1 : 0);
  note.vote.peer_epoch = how & 32 ? in.u8() : n.disk.current_epoch;
  struct replica_event e = {};
  e.type = EV_NOTIFICATION;
  e.peer_idx = how & 64 ? 0 : how & 128 ? -1 : 2;
  e.notification = &note;
  n.Do(e);
}

void elect(Node &n, Input &in) { /* both others want one of us three */
  int leader = in.u8() % 3 + 1;
  if (n.r->phase == PHASE_LOOKING)
    for (int peer : {0, 2}) {
      static struct notification note;
      note.state = PEER_LOOKING;
      note.version = 2;
      note.vote = {leader, n.disk.last_zxid, n.r->election.round, n.disk.current_epoch};
      struct replica_event e = {};
      e.type = EV_NOTIFICATION;
      e.peer_idx = peer;
      e.notification = &note;
      n.Do(e);
    }
}

zxid_t some_zxid(Node &n, Input &in) {
  uint8_t how = in.u8();
  zxid_t last = n.r->role == ROLE_FOLLOWING ? n.r->learn.tail : n.disk.last_zxid;
  if (how < 128) return last;
  if (how < 160) return last + 1;
  if (how < 192) return zxid_make(n.r->learn.epoch, 1);
  if (how < 224) return zxid_make(in.u8() % 8, in.u8() % 16);
  if (how < 240) return n.Floor(last - 1);
  return in.u64();
}

struct Said {
  int32_t type;
  zxid_t zxid;
  std::string data;
  uint32_t crc;
};

Said to_leader(Node &n, Input &in, int conn) {
  uint32_t epoch = n.r->lead.epoch;
  uint8_t bits = in.u8();
  uint64_t features = bits % 8 | (bits & 8 ? FEATURE_IN_PLACE : 0);
  switch (in.u8() % 4) {
    case 0:
      return {PACKET_FOLLOWERINFO, zxid_make(in.u8() % 8 ? n.disk.accepted_epoch : in.u8(), 0),
              n.info(conn & 1 ? 1 : 3, in.u8() % 8 != 7, features), 0};
    case 1:
      return {PACKET_ACKEPOCH, some_zxid(n, in), n.u32(in.u8() % 4 - 1u), 0};
    case 2:
      return {PACKET_ACK, zxid_make(epoch, in.u8() == 7), "", 0};
    default:
      return {PACKET_FRAME, 0, in.take(in.u8()), 0};
  }
}

Said proposal(zxid_t zxid, size_t len, bool spoilt) {
  std::string data(len, 'x');
  std::vector<uint8_t> rec(record_size(static_cast<uint32_t>(len)));
  record_write(rec.data(), zxid, data.data(), static_cast<uint32_t>(len));
  uint32_t crc;
  memcpy(&crc, rec.data(), 4);
  return {PACKET_PROPOSAL, zxid, data, spoilt ? 1 : crc};
}

Said some_proposal(Node &n, Input &in) {
  zxid_t zxid = in.u8() % 4 ? n.r->learn.tail + 1 : some_zxid(n, in);
  size_t len = 32u + in.u8() % 16;
  return proposal(zxid, len, in.u8() == 7);
}

Said newleader(Node &n, Input &in) {
  struct extension e = n.extension();
  e.iteration = in.u8();
  if (n.r->learn.resumes && e.iteration % 8) e.features |= FEATURE_RESUMES;
  e.position = in.u8() * 64u;
  std::string text(n.r->config_text, static_cast<size_t>(n.r->config_text_len));
  return {PACKET_NEWLEADER, zxid_make(n.r->learn.epoch, 0), text + std::string(1, 0) + n.bytes(e),
          0};
}

Said to_learner(Node &n, Input &in) {
  struct extension e = n.extension();
  switch (in.u8() % 10) {
    case 0:
      return {PACKET_LEADERINFO, zxid_make(n.disk.accepted_epoch + in.u8() % 3, 0),
              n.u32(PROTOCOL_VERSION) + (in.u8() == 7 ? "" : n.bytes(e)), 0};
    case 1:
      return {PACKET_DIFF, 0, "", 0};
    case 2:
      return {PACKET_TRUNC, some_zxid(n, in), "", 0};
    case 3:
      return {PACKET_SNAP, some_zxid(n, in), "", 0};
    case 4:
      return {in.flag() ? PACKET_SNAP_END : PACKET_SNAP_CHUNK, 0, in.take(1u + in.u8()), 0};
    case 5:
    case 6:
      return some_proposal(n, in);
    case 7:
      return {PACKET_COMMIT, some_zxid(n, in), "", 0};
    case 8:
      return newleader(n, in);
    default:
      e.features = in.u8();
      return {in.flag() ? PACKET_UPTODATE : PACKET_FRAME, ZXID_NONE, n.bytes(e), 0};
  }
}

void say(Node &n, int conn, const Said &s) {
  if (!n.open[conn] || !replica_wants_input(n.r.get(), conn)) return;
  Exact exact(s.data);
  struct packet p = {};
  p.type = s.type;
  p.zxid = s.zxid;
  p.data = {exact.data.get(), s.data.empty() ? -1 : static_cast<int32_t>(s.data.size())};
  p.crc = s.crc;
  p.has_crc = s.crc != 0;
  if (p.type == PACKET_SNAP_CHUNK && p.data.len < 1) return; /* the reader makes no such thing */
  struct replica_event e = {};
  e.type = EV_PACKET;
  e.conn = conn;
  e.packet = &p;
  n.Do(e);
}

void packet(Node &n, Input &in, int conn) {
  uint8_t how = in.u8();
  Said s = conn ? to_leader(n, in, conn) : to_learner(n, in);
  if (how >= 250) s = {in.u8() % 20, in.u64(), in.take(in.u8()), in.u32()};
  say(n, conn, s);
}

void connection(Node &n, Input &in, int conn) {
  struct replica_event e = {};
  e.conn = conn;
  uint8_t how = in.u8() % 8;
  if (conn == 0 && n.connecting) {
    n.connecting = false;
    n.open[0] = how != 7;
    e.type = how == 7 ? EV_CONNECT_FAILED : EV_CONNECTED;
    e.reason = how == 7 ? REASON_CONNECT_FAILED : REASON_NONE;
  } else if (conn > 0 && !n.open[conn]) {
    n.open[conn] = true;
    e.type = EV_ACCEPTED;
  } else if (n.owes[conn] && how < 6) {
    n.owes[conn] = false;
    e.type = EV_WRITABLE;
  } else if (n.open[conn] && how == 7) {
    n.open[conn] = n.owes[conn] = false;
    e.type = EV_CONN_CLOSED;
    e.reason = REASON_CONN_CLOSED;
  } else {
    return;
  }
  n.Do(e);
}

void link(Node &n, Input &in) {
  struct replica_event e = {};
  e.type = EV_LINK;
  e.peer_idx = in.flag() ? 0 : 2;
  e.link = static_cast<enum link_state>(in.u8() % 3);
  n.Do(e);
}

void tick(Node &n, Input &in) {
  struct replica_event e = {};
  e.type = EV_TICK;
  uint64_t at = n.r->deadline_us;
  if (in.u8() % 4 == 0 && at != UINT64_MAX && at > n.now) n.now = at;
  n.Do(e);
}

/* All that waits goes on. */
void settle(Node &n, Input &in) {
  while (!n.Ended() && (n.closes || !n.stops.empty() || !n.asked.empty())) {
    if (n.closes)
      closed(n);
    else if (!n.stops.empty())
      application(n, in);
    else
      n.Disk();
  }
}

/* ---- a good start, as far as the input wants ---- */

void become_leader(Node &n, int steps) {
  Input none = {nullptr, 0};
  uint8_t us[] = {1};
  Input ours = {us, 1};
  if (steps > 0) elect(n, ours);
  if (steps > 1) connection(n, none, 1);
  if (steps > 2)
    say(n, 1, {PACKET_FOLLOWERINFO, zxid_make(n.disk.accepted_epoch, 0), n.info(1), 0});
  if (steps > 3) settle(n, none); /* acceptedEpoch */
  if (steps > 4) say(n, 1, {PACKET_ACKEPOCH, 0, n.u32(0), 0});
  if (steps > 5) settle(n, none);            /* currentEpoch, LOOKUP */
  for (int i = 0; i < 4 && steps > 6; i++) { /* records, until ATTACH */
    connection(n, none, 1);
    settle(n, none);
  }
  if (steps > 7) attach(n, none, 0);
  for (int i = 0; i < 4 && steps > 8; i++) {
    settle(n, none);
    connection(n, none, 1);
  }
  if (steps > 9) say(n, 1, {PACKET_ACK, zxid_make(n.r->lead.epoch, 0), "", 0});
  uint8_t heard[] = {1};
  Input hears = {heard, 1};
  if (steps > 10) attach(n, hears, 0);
}

void become_learner(Node &n, int steps) {
  Input none = {nullptr, 0};
  uint8_t third[] = {2};
  Input theirs = {third, 1};
  uint32_t epoch = n.disk.accepted_epoch + 1;
  if (steps > 0) elect(n, theirs);
  if (steps > 1) connection(n, none, 0);
  if (steps > 2)
    say(n, 0,
        {PACKET_LEADERINFO, zxid_make(epoch, 0), n.u32(PROTOCOL_VERSION) + n.bytes(n.extension()),
         0});
  if (steps > 3) settle(n, none);
  if (steps > 4) say(n, 0, {PACKET_DIFF, 0, "", 0});
  if (steps > 5) say(n, 0, proposal(zxid_make(epoch, 1), 40, false));
  if (steps > 6) {
    uint8_t one_and_p[] = {9, 1};
    Input in = {one_and_p, 2};
    say(n, 0, newleader(n, in));
  }
  if (steps > 7) settle(n, none);
  if (steps > 8) say(n, 0, {PACKET_UPTODATE, ZXID_NONE, n.bytes(n.extension()), 0});
}

void one(Node &n, Input &in) {
  uint8_t op = in.u8();
  n.now += op & 0x80 ? in.u16() : 1;
  n.committed += op & 0x40 ? 64 : 0;
  int conn = op & 0x20 ? 1 : op & 0x10 ? 2 : 0;
  switch (op % 16) {
    case 0:
      return tick(n, in);
    case 1:
      return notification(n, in);
    case 2:
      return elect(n, in);
    case 3:
      return link(n, in);
    case 4:
    case 5:
      return connection(n, in, conn);
    case 6:
      return application(n, in);
    case 7:
      return fast(n, in);
    case 8:
      return propose(n);
    case 9:
    case 10:
      return n.Disk();
    case 11:
      return settle(n, in);
    default:
      return packet(n, in, conn);
  }
}

void boot(Node &n) {
  struct replica_event e = {};
  e.type = EV_DISK;
  e.disk.type = DISK_OPENED;
  e.disk.state = n.disk;
  n.Do(e);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  uint8_t how = in.u8();
  struct durable_state state = {};
  state.accepted_epoch = how % 4;
  state.current_epoch = how % 4 ? how % 4 - (how & 16 ? 1 : 0) : 0;
  uint32_t records = how / 4 % 4;
  if (state.accepted_epoch && records) state.last_zxid = zxid_make(1, records);
  state.clean_stop = how & 32;
  Node n(state);
  n.disk.may_vote = !(how & 128);
  if (how & 64) n.config.durability = DURABILITY_MEMORY;
  bool snapshot = records > 1 && how & 2;
  if (state.last_zxid && snapshot) n.disk.log_base = n.disk.snapshot_zxid = zxid_make(1, 1);
  for (uint32_t i = 1; state.last_zxid && i <= records; i++)
    if (zxid_make(1, i) > n.disk.log_base) n.log.push_back(zxid_make(1, i));
  boot(n);
  uint8_t begin = in.u8();
  if (begin & 128) settle(n, in);
  if (begin & 128 && begin & 64) become_leader(n, begin % 16);
  if (begin & 128 && !(begin & 64)) become_learner(n, begin % 16);
  for (int i = 0; i < 400 && !in.empty() && !n.Ended(); i++) one(n, in);
  return 0;
}
