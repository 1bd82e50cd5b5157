#include "test/service/fake_node.h"

#include <algorithm>
#include <chrono>
#include <thread>

void FakeNode::AddHistory(uint32_t epoch, uint32_t first, uint32_t cnt, uint64_t client,
                          size_t size) {
  FakeNode maker;
  maker.app_self = app_log_app(maker.log);
  Bytes txn(4096);
  for (uint32_t i = 0; i < cnt; i++) {
    Bytes r = Request(client, first + i, std::string(size, 'h') + std::to_string(first + i));
    app_request q{zxid_make(epoch, first + i), 5, r.data(), static_cast<uint32_t>(r.size())};
    if (i == 0) { /* the maker knows the client up to first - 1 */
      for (uint32_t k = 1; k < first; k++) {
        Bytes b = Request(client, k, "");
        app_request p{zxid_make(epoch, k), 5, b.data(), static_cast<uint32_t>(b.size())};
        maker.app_self.ops->prepare(&maker.app_self, &p, txn.data(), 4096);
      }
    }
    app_prepared p = maker.app_self.ops->prepare(&maker.app_self, &q, txn.data(), 4096);
    AddRecord(q.zxid, Bytes(txn.begin(), txn.begin() + p.len));
  }
}

bool FakeNode::DiskStep() { /* answers one request */
  disk_msg m;
  {
    std::lock_guard<std::mutex> g(lock);
    if (app_disk.empty()) return false;
    m = app_disk.front();
    app_disk.pop_front();
  }
  m.reason = fail_disk[m.type];
  if (m.reason == REASON_NONE) Answer(&m);
  asked[m.type]++;
  std::lock_guard<std::mutex> g(lock);
  disk_app.push_back(m);
  return true;
}

void FakeNode::Answer(disk_msg *m) {
  uint8_t *buf = static_cast<uint8_t *>(m->buf);
  switch (m->type) {
    case DISK_READ:
      Read(m, buf);
      break;
    case DISK_LOOKUP: {
      auto it = history.upper_bound(m->zxid);
      if (m->zxid < base) m->reason = REASON_BELOW_LOG;
      m->zxid = it == history.begin() ? base : (--it)->first;
      break;
    }
    case DISK_SNAP_OPEN: {
      auto it = snapshots.upper_bound(m->zxid);
      m->reason = it == snapshots.begin() ? REASON_BELOW_LOG : REASON_NONE;
      if (m->reason == REASON_NONE) open_snapshot = m->zxid = (--it)->first;
      break;
    }
    case DISK_SNAP_READ: {
      const Bytes &s = snapshots[open_snapshot];
      size_t len = std::min<size_t>({m->cap, slice, s.size() - m->pos});
      memcpy(buf, s.data() + m->pos, len);
      m->len = static_cast<uint32_t>(len);
      break;
    }
    case DISK_SNAP_CLOSE:
      open_snapshot = 0;
      break;
    case DISK_SNAP_BEGIN:
      writing = m->zxid;
      written.clear();
      break;
    case DISK_SNAP_WRITE:
      written.insert(written.end(), buf, buf + m->len);
      break;
    case DISK_SNAP_COMMIT:
      snapshots[writing] = written;
      break;
    case DISK_SNAP_ABORT:
      written.clear();
      break;
    case DISK_FREE:
      m->pos = free_bytes;
      break;
    default:
      break;
  }
}

void FakeNode::Read(disk_msg *m, uint8_t *buf) {
  m->len = 0;
  if (m->zxid < base) {
    m->reason = REASON_BELOW_LOG;
    return;
  }
  for (auto it = history.upper_bound(m->zxid); it != history.end(); ++it) {
    if (m->len + it->second.size() > std::min<size_t>(m->cap, read_most)) break;
    memcpy(buf + m->len, it->second.data(), it->second.size());
    m->len += static_cast<uint32_t>(it->second.size());
    m->zxid = it->first;
  }
}

void FakeNode::Reclaim() {
  bool bounded = !following || position_get(&positions.held);
  pos_t to = position_get(bounded ? &positions.applied : &positions.committed);
  if (to > reclaimed) reclaimed = to;
}

void FakeNode::HoldStep() {
  if (position_get(&positions.app_holds) && !position_get(&positions.held))
    position_set(&positions.held, reclaimed + 1);
}

bool FakeNode::Append(zxid_t zxid, const void *txn, uint32_t len) {
  uint32_t size = record_size(len);
  if (appended + size - reclaimed > config.ring_bytes) Reclaim();
  if (appended + size - reclaimed > config.ring_bytes) return false;
  Bytes r(size);
  record_write(r.data(), zxid, txn, len);
  for (uint32_t i = 0; i < size; i++) { /* both mappings */
    uint64_t at = (appended + i) & (config.ring_bytes - 1);
    ring[at] = ring[at + config.ring_bytes] = r[i];
  }
  history[zxid] = r;
  appended += size;
  proposed.push_back(zxid);
  position_set(&positions.appended, appended);
  if (instant) Commit();
  return true;
}

bool FakeNode::LeaderTakes(const void *q, uint32_t len) {
  Bytes txn(config.largest_record);
  struct app *a = &leader->app_self;
  app_request r{zxid_make(leader_epoch, leader_counter + 1), 5, q, len};
  app_prepared p = a->ops->prepare(a, &r, txn.data(), config.largest_record);
  if (p.reason == REASON_SEQ_DUPLICATE) return true;
  if (p.reason != REASON_NONE) p.len = a->ops->refuse(a, &r, p.reason, txn.data());
  if (!p.len) return true;
  if (!Append(r.zxid, txn.data(), p.len)) return false;
  leader_counter++;
  a->ops->apply(a, r.zxid, txn.data(), p.len);
  return true;
}

void FakeNode::Wire() {
  ring.resize(2 * config.ring_bytes);
  app_self = app_log_app(log);
  uv.config = &config;
  uv.build = "zabline-test";
  uv.app = app_self;
  uv.positions = &positions;
  uv.stream_ring = ring.data();
  uv.stream_mask = config.ring_bytes - 1;
  uv.own_counters = &counters;
  uv.counters[3] = &counters;
  uv.latency = &latency;
  app_rings &r = uv.rings;
  r.self = this;
  r.wake_fd = wake;
  r.propose = [](void *s, zxid_t z, const void *t, uint32_t len) {
    FakeNode *n = Of(s);
    if (n->Swallows()) return true; /* will never be committed */
    if (!n->app_fast_room || !n->Append(z, t, len)) return false;
    n->app_fast_room--;
    return true;
  };
  r.forward = [](void *s, const void *q, uint32_t len) {
    FakeNode *n = Of(s);
    if (n->forwarded.size() >= n->app_fast_room) return false;
    if (n->Swallows()) return true;
    if (n->leader) return n->LeaderTakes(q, len);
    const uint8_t *p = static_cast<const uint8_t *>(q);
    n->forwarded.emplace_back(p, p + len);
    return true;
  };
  r.next_request = [](void *s, const void **q, uint32_t *len) {
    FakeNode *n = Of(s);
    if (n->requests.empty()) return false;
    *q = n->requests.front().data();
    *len = static_cast<uint32_t>(n->requests.front().size());
    return true;
  };
  r.request_done = [](void *s) { Of(s)->requests.pop_front(); };
  r.to_disk = [](void *s, const disk_msg *m) {
    {
      std::lock_guard<std::mutex> g(Of(s)->lock);
      Of(s)->app_disk.push_back(*m);
    }
    if (Of(s)->instant) Of(s)->DiskStep();
  };
  r.to_slow = [](void *s, const app_msg *m) { Of(s)->HearApp(*m); };
  r.from_disk = [](void *s, disk_msg *m) { return Pop(Of(s), &Of(s)->disk_app, m); };
  r.from_slow = [](void *s, app_msg *m) {
    if (Of(s)->holds_at_once) Of(s)->HoldStep(); /* once in each turn of the app */
    if (Pop(Of(s), &Of(s)->slow_app, m)) return true;
    Of(s)->turns++;
    std::this_thread::sleep_for(std::chrono::milliseconds(Of(s)->turn_ms));
    return false;
  };
  r.one_at_a_time = [](void *, bool) {};
  r.may_sleep = [](void *s, const app_watch *w) {
    FakeNode *n = Of(s);
    std::lock_guard<std::mutex> g(n->lock);
    n->sleeps_lazily = w->lazy;
    return position_get(&n->positions.committed) == w->committed && n->slow_app.empty() &&
           n->disk_app.empty() && (!w->requests || n->requests.empty());
  };
  r.awake = [](void *s) {
    uint64_t v;
    ssize_t got = read(Of(s)->wake, &v, sizeof v);
    (void)got;
  };
}

void FakeNode::HearApp(const app_msg &m) {
  std::lock_guard<std::mutex> g(lock);
  app_slow.push_back(m);
  if (m.type == APP_STATUS && instant) {
    m.status->id = config.id;
    m.status->peer_cnt = 1;
    m.status->diffs = 3;
    m.status->snaps = 2;
    m.status->peers[0].id = 2;
    m.status->peers[0].state = "following";
    m.status->peers[0].path = "fast";
    for (int i = 0; i < LIMIT_PATHS; i++) m.status->peers[0].paths[i] = paths[i];
    strcpy(m.status->peers[0].build, "zabline-peer");
    slow_app.push_back(m);
  }
}
