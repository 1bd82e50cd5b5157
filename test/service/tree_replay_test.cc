/* Snapshot and replay at every step of multis: a snapshot begins behind each transaction and is
 * written while later ones are logged and applied; the power goes at each operation of the disk, so
 * on either side of every record and of every slice; what recovers is, record for record, what was
 * there. */
#include "test/harness/disk_powercut.h"
#include "test/service/tree_harness.h"

extern "C" {
#include "proto/record.h"
#include "storage/store.h"
}

namespace {

constexpr uint32_t kSlice = 700, kLargest = 8192;

/* Multis that make, change and remove, one that fails half-way, and the end of a session; digests
 * behind each. */
struct Past : Leader {
  Past() {
    digests.push_back(Digest());
    Take(OP_CREATE_SESSION, Jute().I4(10000).s);
    Take(OP_CREATE, Create("/a", std::string(900, 'a')));
    Take(OP_MULTI, Multi({{OP_CREATE, Create("/a/b", "b")},
                          {OP_CREATE, Create("/a/s-", "", CREATE_EPHEMERAL_SEQUENTIAL)},
                          {OP_SET_DATA, SetData("/a", "changed", 0)},
                          {OP_CREATE, Create("/c", std::string(600, 'c'))}}));
    Take(OP_MULTI, Multi({{OP_SET_DATA, SetData("/a/b", "never")},
                          {OP_DELETE, Delete("/c")},
                          {OP_CHECK, Delete("/a", 7)}})); /* it fails: none of it */
    Take(OP_SET_ACL,
         Jute().Str("/c").Acl({{31, "world", "anyone"}, {1, "ip", "10.0.0.1"}}).I4(-1).s);
    Take(OP_MULTI, Multi({{OP_DELETE, Delete("/a/b")},
                          {OP_CREATE, Create("/a/b", "again")},
                          {OP_SET_DATA, SetData("/c", std::string(800, 'd'))},
                          {OP_CREATE, Create("/e", "", CREATE_EPHEMERAL)}}));
    Take(OP_CLOSE_SESSION, "");
  }
  void Take(int32_t type, const std::string &record) {
    Do(type, record);
    EXPECT_EQ(app->reply.err, ZK_OK) << type;
    digests.push_back(Digest());
  }
  std::vector<uint64_t> digests; /* [counter] */
};

struct Disk {
  Disk() {
    powercut_disk(p, &d);
    char error[512];
    EXPECT_EQ(store_format(&d, &config, true, error), 0) << error;
    Open();
    EXPECT_EQ(store_set_accepted(s, 1), REASON_NONE);
  }
  ~Disk() {
    store_close(s);
    powercut_free(p);
  }
  void Open() {
    char error[512] = "";
    s = store_open(&d, &config, error).store;
    ASSERT_TRUE(s) << error;
  }
  void PowerReturns(powercut_survivors survivors, uint64_t seed) {
    store_close(s);
    powercut_restore(p, survivors, seed);
    Open();
  }
  static store_config Config() {
    store_config c = {};
    c.cluster = "rack";
    c.id = 1;
    c.largest_record = kLargest;
    c.segment_bytes = 65536;
    c.snapshots_kept = 2;
    return c;
  }
  store_config config = Config();
  struct powercut *p = powercut_new();
  struct disk d;
  store *s = nullptr;
};

/* A node that logs and applies all that there was, and begins a snapshot behind the at-th. */
struct Node {
  Node(Disk *on, const Past &past, size_t at) : disk(on), app(0) {
    for (size_t i = 0; i <= past.log.size() && good; i++) {
      if (i) Log(past.log[i - 1]);
      if (i == at && i) Begin(past.log[i - 1].first);
      Slice();
    }
    while (writing && good) Slice();
  }
  void Log(const std::pair<zxid_t, std::string> &txn) {
    std::string bytes(record_size(static_cast<uint32_t>(txn.second.size())), '\0');
    uint32_t len = static_cast<uint32_t>(txn.second.size());
    record_write(&bytes[0], txn.first, txn.second.data(), len);
    good = store_append(disk->s, bytes.data(), bytes.size()) == REASON_NONE;
    if (!good) return;
    logged++;
    app.self.ops->apply(&app.self, txn.first, txn.second.data(), len);
  }
  void Begin(zxid_t zxid) {
    if (!good) return;
    app.self.ops->snapshot_begin(&app.self);
    writing = true;
    good = store_snap_begin(disk->s, STORE_APP, zxid) == REASON_NONE;
  }
  void Slice() {
    std::string buf(kSlice, '\0');
    if (!writing || !good) return;
    uint32_t len = app.self.ops->snapshot_next(&app.self, &buf[0], kSlice);
    if (len) {
      good = store_snap_write(disk->s, STORE_APP, buf.data(), len) == REASON_NONE;
      return;
    }
    app.self.ops->snapshot_end(&app.self);
    writing = false;
    good = store_snap_commit(disk->s, STORE_APP, SNAP_OWN) == REASON_NONE;
  }
  Disk *disk;
  Leader app;
  bool good = true, writing = false;
  size_t logged = 0; /* acknowledged */
};

/* The state that the disk gives back, compared behind each record; returns how many there are. */
size_t Recover(Disk *disk, const Past &past, bool *from_snapshot) {
  Leader node(0);
  zxid_t zxid = 0;
  std::string buf(1 << 20, '\0');
  *from_snapshot = false;
  if (store_snap_open(disk->s, STORE_APP, ZXID_NONE, &zxid) == REASON_NONE) {
    *from_snapshot = true;
    uint64_t at = 0;
    node.self.ops->restore_begin(&node.self);
    for (;;) {
      store_slice slice = store_snap_read(disk->s, STORE_APP, at, &buf[0], 1000);
      EXPECT_EQ(slice.reason, REASON_NONE);
      if (!slice.len) break;
      EXPECT_TRUE(node.self.ops->restore_next(&node.self, buf.data(), slice.len));
      at += slice.len;
    }
    EXPECT_TRUE(node.self.ops->restore_end(&node.self, zxid));
    store_snap_close(disk->s, STORE_APP);
    EXPECT_EQ(node.Digest(), past.digests.at(zxid_counter(zxid)));
  }
  store_slice slice =
      store_read(disk->s, zxid, ZXID_NONE, &buf[0], static_cast<uint32_t>(buf.size()));
  EXPECT_EQ(slice.reason, REASON_NONE);
  for (uint32_t off = 0; off < slice.len;) {
    record r;
    EXPECT_EQ(record_read(&r, buf.data() + off, slice.len - off, kLargest), RECORD_OK);
    node.self.ops->apply(&node.self, r.zxid, r.payload, r.payload_len);
    EXPECT_EQ(node.Digest(), past.digests.at(zxid_counter(r.zxid))) << zxid_counter(r.zxid);
    zxid = r.zxid;
    off += r.size;
  }
  EXPECT_EQ(node.app->tree.digest_mismatches, 0u);
  return zxid_counter(zxid);
}

TEST(TreeReplay, AnyCutOfPowerLeavesWholeTransactionsAndOneSnapshotOrTheOther) {
  Past past;
  size_t cuts = 0, snapshots = 0, ends = 0;
  for (size_t at = 0; at <= past.log.size(); at++) {
    for (uint64_t op = 1;; op++) {
      bool cut = false;
      for (int survivors = 0; survivors < SURVIVE_CNT; survivors++) {
        SCOPED_TRACE(testing::Message() << at << " " << op << " " << survivors);
        Disk disk;
        powercut_plan plan = {};
        plan.cut_at = op;
        powercut_arm(disk.p, plan);
        Node node(&disk, past, at);
        cut = powercut_is_cut(disk.p);
        EXPECT_EQ(node.good, !cut);
        bool from_snapshot = false;
        disk.PowerReturns(static_cast<powercut_survivors>(survivors), op);
        size_t has = Recover(&disk, past, &from_snapshot);
        EXPECT_GE(has, node.logged);
        EXPECT_LE(has, node.logged + 1); /* the one under way, or not */
        if (!cut) EXPECT_EQ(from_snapshot, at > 0);
        cuts += cut;
        snapshots += from_snapshot;
        if (testing::Test::HasFailure()) return;
      }
      if (!cut) break;
    }
    ends++;
  }
  EXPECT_EQ(ends, past.log.size() + 1);
  EXPECT_GT(cuts, 7 * ends * SURVIVE_CNT);
  EXPECT_GT(snapshots, 100u);
}

}  // namespace
