/* fake_node.h - what surrounds the app thread, without threads: slow, disk and fast as queues.
 *
 *   forward, propose --> [fast: append to ring and history] --> committed
 *
 * By default everything is answered at once (`instant`); otherwise the test moves each part itself.
 */
#ifndef ZABLINE_TEST_SERVICE_FAKE_NODE_H
#define ZABLINE_TEST_SERVICE_FAKE_NODE_H

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
#include "config/config.h"
#include "config/limits.h"
#include "proto/latency.h"
#include "proto/record.h"
#include "service/app_log.h"
#include "service/app_thread.h"
#include "service/app_uv.h"
}

using Bytes = std::vector<uint8_t>;

inline Bytes Request(uint64_t client, uint64_t sequence, const std::string &data) {
  Bytes r(APP_LOG_REQUEST_HEADER + data.size());
  app_log_request_write(r.data(), client, sequence);
  if (!data.empty()) memcpy(r.data() + APP_LOG_REQUEST_HEADER, data.data(), data.size());
  return r;
}

struct FakeNode {
  explicit FakeNode(uint8_t id = 1, uint64_t keep = 1000000) {
    config.id = id;
    strcpy(config.cluster, "test");
    strcpy(config.data_dir, "nowhere");
    config.largest_record = 4096;
    config.ring_bytes = 1u << 16;
    config.counter_limit = 0xfffffffe;
    config.snapshot_log_bytes = UINT64_MAX;
    config.idle = IDLE_YIELD;
    config.idle_turns = 10;
    log = app_log_create(keep, 64u << 20);
    wake = eventfd(0, EFD_NONBLOCK);
    Wire();
  }
  ~FakeNode() {
    app_log_destroy(log);
    close(wake);
  }
  FakeNode(const FakeNode &) = delete;

  /* ---- slow ---- */
  void ToApp(const app_msg &m) {
    {
      std::lock_guard<std::mutex> g(lock);
      slow_app.push_back(m);
    }
    Wake();
  }
  void Wake() {
    uint64_t one = 1;
    ssize_t n = write(wake, &one, sizeof one);
    (void)n;
  }
  /* the positions of a new role, as ACT_POSITIONS sets them */
  void Reset(pos_t p) {
    appended = p;
    position_set(&positions.appended, p);
    position_set(&positions.durable, p);
    position_set(&positions.committed, p);
    position_set(&positions.applied, p);
  }
  void Lead(uint32_t epoch) {
    Reset(0);
    ToApp(app_msg{APP_LEAD, REASON_NONE, 0, epoch, 0, LastZxid(), nullptr});
  }
  void Follow(uint32_t epoch, pos_t p) {
    Reset(p);
    ToApp(app_msg{APP_FOLLOW, REASON_NONE, 1, epoch, p, LastZxid(), nullptr});
  }
  void Stop() { ToApp(app_msg{APP_STOP, REASON_NONE, 0, 0, 0, 0, nullptr}); }
  void Exit() { ToApp(app_msg{APP_EXIT, REASON_NONE, 0, 0, 0, 0, nullptr}); }
  int Said(app_msg_type type) {
    std::lock_guard<std::mutex> g(lock);
    int n = 0;
    for (auto &m : app_slow) n += m.type == type;
    return n;
  }

  /* ---- history: what the disk thread has ---- */
  void AddRecord(zxid_t zxid, const Bytes &payload) {
    Bytes r(record_size(static_cast<uint32_t>(payload.size())));
    record_write(r.data(), zxid, payload.data(), static_cast<uint32_t>(payload.size()));
    history[zxid] = r;
  }
  zxid_t LastZxid() const { return history.empty() ? base : history.rbegin()->first; }
  /* Puts records through an app_log of their own, so that they are what a leader makes. */
  void AddHistory(uint32_t epoch, uint32_t first, uint32_t cnt, uint64_t client, size_t size = 1) {
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
  bool DiskStep() { /* answers one request */
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
  void Answer(disk_msg *m) {
    uint8_t *buf = static_cast<uint8_t *>(m->buf);
    switch (m->type) {
      case DISK_READ:
        Read(m, buf);
        break;
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
  void Read(disk_msg *m, uint8_t *buf) {
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
  /* The log starts behind zxid from now on. */
  void PurgeTo(zxid_t zxid) {
    history.erase(history.begin(), history.upper_bound(zxid));
    base = zxid;
  }

  /* ---- fast ---- */
  bool Append(zxid_t zxid, const void *txn, uint32_t len) {
    uint32_t size = record_size(len);
    if (appended + size - position_get(&positions.applied) > config.ring_bytes) return false;
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
  bool Swallows() {
    if (swallow) swallowed++;
    return swallow;
  }
  bool LeaderTakes(const void *q, uint32_t len) {
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
  void Commit() {
    position_set(&positions.durable, appended);
    position_set(&positions.committed, appended);
  }

  app_uv_config uv{};
  ::config config{};
  app_log *log;
  struct app app_self {};
  ::positions positions{};
  ::counters counters{};
  ::latency latency{};
  int wake = -1;
  std::atomic<bool> swallow{false};
  std::atomic<int> swallowed{0};
  FakeNode *leader = nullptr; /* a follower's: numbers what is forwarded */
  uint32_t leader_epoch = 1, leader_counter = 0;
  bool instant = true; /* commits and disk answers at once */
  std::mutex lock;
  std::deque<app_msg> slow_app, app_slow;
  std::deque<disk_msg> app_disk, disk_app;
  std::deque<Bytes> forwarded, requests;
  std::vector<zxid_t> proposed;
  std::map<int, reason> fail_disk;
  std::map<int, int> asked;
  std::map<zxid_t, Bytes> history, snapshots;
  zxid_t base = 0, open_snapshot = 0, writing = 0;
  Bytes written;
  size_t slice = 1000, read_most = 100000;
  uint64_t free_bytes = 1u << 30;
  pos_t appended = 0;
  size_t app_fast_room = SIZE_MAX;
  Bytes ring;

 private:
  static FakeNode *Of(void *self) { return static_cast<FakeNode *>(self); }
  template <typename T>
  static bool Pop(FakeNode *n, std::deque<T> *q, T *out) {
    std::lock_guard<std::mutex> g(n->lock);
    if (q->empty()) return false;
    *out = q->front();
    q->pop_front();
    return true;
  }
  void Wire() {
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
    r.from_slow = [](void *s, app_msg *m) { return Pop(Of(s), &Of(s)->slow_app, m); };
    r.advanced = [](void *) {};
    r.may_sleep = [](void *s, pos_t seen) {
      FakeNode *n = Of(s);
      std::lock_guard<std::mutex> g(n->lock);
      return position_get(&n->positions.committed) == seen && n->slow_app.empty() &&
             n->disk_app.empty() && n->requests.empty();
    };
    r.awake = [](void *s) {
      uint64_t v;
      ssize_t got = read(Of(s)->wake, &v, sizeof v);
      (void)got;
    };
  }
  void HearApp(const app_msg &m) {
    std::lock_guard<std::mutex> g(lock);
    app_slow.push_back(m);
    if (m.type == APP_STATUS && instant) {
      m.status->id = config.id;
      m.status->peer_cnt = 1;
      m.status->peers[0].id = 2;
      m.status->peers[0].state = "following";
      m.status->peers[0].path = "fast";
      strcpy(m.status->peers[0].build, "zabline-peer");
      slow_app.push_back(m);
    }
  }
};

#endif
