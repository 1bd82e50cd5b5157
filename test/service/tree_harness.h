/* tree_harness.h - the tree as a leader's application, without a node: requests in, transactions
 * out, applied when the test says so; and jute by hand. */
#ifndef ZABLINE_TEST_SERVICE_TREE_HARNESS_H
#define ZABLINE_TEST_SERVICE_TREE_HARNESS_H

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include "proto/txn.h"
#include "service/client/client.h"
#include "service/tree/app_tree.h"
#include "service/tree/jute.h"
#include "service/tree/tree_snapshot.h"
}

/* Bytes of jute, put together by hand. */
struct Jute {
  std::string s;
  Jute &I4(int32_t v) { return Big(static_cast<uint32_t>(v), 4); }
  Jute &I8(int64_t v) { return Big(static_cast<uint64_t>(v), 8); }
  Jute &B(bool v) { return Big(v, 1); }
  Jute &Str(const std::string &t) {
    I4(static_cast<int32_t>(t.size()));
    s += t;
    return *this;
  }
  Jute &Null() { return I4(-1); }
  Jute &Raw(const std::string &t) {
    s += t;
    return *this;
  }
  Jute &Open() { return Acl({{31, "world", "anyone"}}); }
  struct Entry {
    int32_t perms;
    std::string scheme, id;
  };
  Jute &Acl(const std::vector<Entry> &list) {
    I4(static_cast<int32_t>(list.size()));
    for (auto &e : list) I4(e.perms).Str(e.scheme).Str(e.id);
    return *this;
  }
  Jute &Big(uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) s.push_back(static_cast<char>(v >> (8 * i)));
    return *this;
  }
};

inline std::string Create(const std::string &path, const std::string &data = "",
                          int32_t flags = 0) {
  return Jute().Str(path).Str(data).Open().I4(flags).s;
}
inline std::string Delete(const std::string &path, int32_t version = -1) {
  return Jute().Str(path).I4(version).s;
}
inline std::string SetData(const std::string &path, const std::string &data, int32_t version = -1) {
  return Jute().Str(path).Str(data).I4(version).s;
}
/* Operations of a multi. */
inline std::string Multi(const std::vector<std::pair<int32_t, std::string>> &ops) {
  Jute j;
  for (auto &o : ops) j.I4(o.first).B(false).I4(-1).Raw(o.second);
  return j.I4(-1).B(true).I4(-1).s;
}

struct Leader {
  explicit Leader(uint32_t leads = 1) : epoch(leads) {
    app = app_tree_create("server.1=a:2888:3888:participant\nversion=0", 60000);
    self = app_tree_app(app);
    if (epoch) self.ops->lead(&self, epoch);
  }
  ~Leader() { app_tree_destroy(app); }
  Leader(const Leader &) = delete;

  static std::string Ids(const std::vector<std::pair<std::string, std::string>> &ids) {
    Jute j;
    j.I4(static_cast<int32_t>(ids.size()));
    for (auto &i : ids) j.Str(i.first).Str(i.second);
    return j.s;
  }
  std::string Request(int64_t session, int32_t xid, int32_t type, const std::string &record) {
    return Jute().I8(session).I4(xid).I4(type).Big(node, 1).Raw(ids).Raw(record).s;
  }
  /* Prepares; the transaction waits in `outstanding`.  Returns its bytes. */
  std::string Prepare(int32_t type, const std::string &record, int64_t session = kSession) {
    std::string q = Request(session, ++cxid, type, record);
    std::string txn(cap, '\0');
    app_request r{zxid_make(epoch, counter + 1), now_ms, q.data(), static_cast<uint32_t>(q.size())};
    prepared = self.ops->prepare(&self, &r, txn.data(), cap);
    txn.resize(prepared.reason == REASON_NONE ? prepared.len : 0);
    if (txn.empty()) return txn;
    counter++;
    outstanding.push_back({r.zxid, txn});
    return txn;
  }
  /* Below min_free_bytes: how long its error transaction would be. */
  uint32_t Refuse(int32_t type, const std::string &record, int64_t session) {
    std::string q = Request(session, ++cxid, type, record), txn(cap, '\0');
    app_request r{zxid_make(epoch, counter + 1), now_ms, q.data(), static_cast<uint32_t>(q.size())};
    return self.ops->refuse(&self, &r, REASON_DISK_FULL, txn.data());
  }
  void ApplyOne() {
    auto &t = outstanding.front();
    self.ops->apply(&self, t.first, t.second.data(), static_cast<uint32_t>(t.second.size()));
    log.push_back(t);
    outstanding.pop_front();
  }
  void ApplyAll() {
    while (!outstanding.empty()) ApplyOne();
  }
  /* The error, live: prepared and applied. */
  int32_t Do(int32_t type, const std::string &record, int64_t session = kSession) {
    Prepare(type, record, session);
    ApplyAll();
    return app->reply.err;
  }
  std::string Body() const {
    return std::string(reinterpret_cast<const char *>(buffer_at(&app->reply.body)),
                       buffer_len(&app->reply.body));
  }
  void Session(int64_t id = kSession, int32_t timeout_ms = 10000) {
    ASSERT_EQ(Do(OP_CREATE_SESSION, Jute().I4(timeout_ms).s, id), ZK_OK);
  }
  const znode *Find(const std::string &path) const {
    return tree_find(&app->tree, span{reinterpret_cast<const uint8_t *>(path.data()),
                                      static_cast<int32_t>(path.size())});
  }
  std::string Snapshot(uint32_t slice = 4096) {
    std::string out, buf(slice, '\0');
    self.ops->snapshot_begin(&self);
    while (uint32_t n = self.ops->snapshot_next(&self, buf.data(), slice)) out += buf.substr(0, n);
    self.ops->snapshot_end(&self);
    return out;
  }
  bool Restore(const std::string &bytes, zxid_t zxid, size_t slice = 1000) {
    self.ops->restore_begin(&self);
    for (size_t i = 0; i < bytes.size(); i += slice) {
      size_t n = std::min(slice, bytes.size() - i);
      if (!self.ops->restore_next(&self, bytes.data() + i, static_cast<uint32_t>(n))) return false;
    }
    return self.ops->restore_end(&self, zxid);
  }
  uint64_t Digest() const { return self.ops->digest(&self); }

  static constexpr int64_t kSession = 0x0100000000000001;
  app_tree *app;
  struct app self {};
  uint32_t epoch, counter = 0;
  int32_t cxid = 0;
  uint8_t node = 1;
  uint32_t cap = 4096;
  int64_t now_ms = 1000;
  std::string ids = Ids({{"ip", "127.0.0.1"}});
  app_prepared prepared{};
  std::deque<std::pair<zxid_t, std::string>> outstanding;
  std::vector<std::pair<zxid_t, std::string>> log;
};

#endif
