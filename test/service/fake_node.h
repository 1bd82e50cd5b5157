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
  Bytes r(APP_LOG_REQUEST_HEADER);
  app_log_request_write(r.data(), client, sequence);
  r.insert(r.end(), data.begin(), data.end());
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
    position_set(&positions.app_holds, 0);
    position_set(&positions.held, 0);
    reclaimed = p;
  }
  void Lead(uint32_t epoch) {
    Reset(0);
    following = false;
    ToApp(app_msg{APP_LEAD, REASON_NONE, 0, epoch, 0, LastZxid(), nullptr, false});
  }
  void Follow(uint32_t epoch, pos_t p) {
    Reset(p);
    following = true;
    ToApp(app_msg{APP_FOLLOW, REASON_NONE, 1, epoch, p, LastZxid(), nullptr, false});
  }
  void Stop() { ToApp(app_msg{APP_STOP, REASON_NONE, 0, 0, 0, 0, nullptr, false}); }
  void Pause() { ToApp(app_msg{APP_PAUSE, REASON_NONE, 0, 0, 0, 0, nullptr, false}); }
  void Drain(uint32_t epoch) {
    ToApp(app_msg{APP_DRAIN, REASON_NONE, 0, epoch, 0, 0, nullptr, false});
  }
  void PushBack(bool on) { ToApp(app_msg{APP_PUSH_BACK, REASON_NONE, 0, 0, 0, 0, nullptr, on}); }
  void Exit() { ToApp(app_msg{APP_EXIT, REASON_NONE, 0, 0, 0, 0, nullptr, false}); }
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
  void AddHistory(uint32_t epoch, uint32_t first, uint32_t cnt, uint64_t client, size_t size = 1);
  bool DiskStep();
  /* ---- fast: the ring of a follower is kept for its app only when it holds it ---- */
  void Reclaim(); /* all that may be overwritten */
  void HoldStep();
  void Answer(disk_msg *m);
  void Read(disk_msg *m, uint8_t *buf);
  /* The log starts behind zxid from now on. */
  void PurgeTo(zxid_t zxid) {
    history.erase(history.begin(), history.upper_bound(zxid));
    base = zxid;
  }

  /* ---- fast ---- */
  bool Append(zxid_t zxid, const void *txn, uint32_t len);
  bool Swallows() {
    if (swallow_after && --swallow_after == 0) swallow = true;
    if (swallow) swallowed++;
    return swallow;
  }
  bool LeaderTakes(const void *q, uint32_t len);
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
  std::atomic<int> swallow_after{0}; /* so many are still appended; 0: all */
  FakeNode *leader = nullptr;        /* a follower's: numbers what is forwarded */
  uint32_t leader_epoch = 1, leader_counter = 0;
  std::atomic<bool> instant{true}; /* commits and disk answers at once */
  uint8_t paths[LIMIT_PATHS] = {}; /* of status, to its one peer */
  bool holds_at_once = true;
  bool following = false;
  std::atomic<pos_t> reclaimed{0};
  std::mutex lock;
  std::deque<app_msg> slow_app, app_slow;
  std::deque<disk_msg> app_disk, disk_app;
  std::deque<Bytes> forwarded, requests;
  std::atomic<int> turns{0}, turn_ms{0}; /* of the app; how long each takes */
  bool sleeps_lazily = false;            /* as it said when it looked last */
  std::vector<zxid_t> proposed;
  std::map<int, reason> fail_disk;
  std::map<int, int> asked;
  std::map<zxid_t, Bytes> history, snapshots;
  zxid_t base = 0, open_snapshot = 0, writing = 0;
  Bytes written;
  size_t slice = 1000, read_most = 100000;
  uint64_t free_bytes = 1u << 30;
  pos_t appended = 0;
  std::atomic<size_t> app_fast_room{SIZE_MAX};
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
  void Wire();
  void HearApp(const app_msg &m);
};

#endif
