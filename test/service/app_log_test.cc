/* app_log: sequence rules, digest, eviction, snapshot and restore. */
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

extern "C" {
#include "config/limits.h"
#include "proto/reason.h"
#include "service/app_log.h"
}
#include "test/harness/keep_seed.h"

namespace {

using Bytes = std::vector<uint8_t>;

struct Log {
  explicit Log(uint64_t keep = 1000, uint64_t keep_bytes = 1 << 20)
      : log(app_log_create(keep, keep_bytes)), app(app_log_app(log)) {}
  ~Log() { app_log_destroy(log); }
  Log(const Log &) = delete;

  app_prepared Prepare(uint64_t client, uint64_t sequence, const std::string &data, zxid_t zxid) {
    Bytes r(APP_LOG_REQUEST_HEADER + data.size());
    app_log_request_write(r.data(), client, sequence);
    memcpy(r.data() + APP_LOG_REQUEST_HEADER, data.data(), data.size());
    app_request q{zxid, 1234, r.data(), static_cast<uint32_t>(r.size())};
    txn.resize(4096);
    app_prepared p = app.ops->prepare(&app, &q, txn.data(), 4096);
    txn.resize(p.len);
    keep_seed("txn", {txn.begin(), txn.end()});
    return p;
  }
  Bytes Refuse(uint64_t client, uint64_t sequence, reason why, zxid_t zxid) {
    Bytes r(APP_LOG_REQUEST_HEADER), t(LIMIT_ERROR_TXN);
    app_log_request_write(r.data(), client, sequence);
    app_request q{zxid, 1234, r.data(), static_cast<uint32_t>(r.size())};
    t.resize(app.ops->refuse(&app, &q, why, t.data()));
    keep_seed("txn", {t.begin(), t.end()});
    return t;
  }
  void Apply(zxid_t zxid, const Bytes &t) {
    app.ops->apply(&app, zxid, t.data(), static_cast<uint32_t>(t.size()));
  }
  /* prepare and apply as the next zxid */
  zxid_t Put(uint64_t client, uint64_t sequence, const std::string &data) {
    zxid_t zxid = app.ops->applied(&app) ? app.ops->applied(&app) + 1 : zxid_make(1, 1);
    EXPECT_EQ(Prepare(client, sequence, data, zxid).reason, REASON_NONE);
    Apply(zxid, txn);
    return zxid;
  }
  uint64_t Digest() { return app.ops->digest(&app); }
  std::vector<std::string> Records(zxid_t after = 0) {
    std::vector<std::string> all;
    kept_cursor c = kept_seek(app_log_kept(log), after);
    while (const kept_record *r = kept_next(app_log_kept(log), &c))
      all.emplace_back(reinterpret_cast<const char *>(r->data), r->len);
    return all;
  }
  Bytes Slice(uint32_t cap) {
    Bytes b(cap);
    b.resize(app.ops->snapshot_next(&app, b.data(), cap));
    return b;
  }
  Bytes Snapshot(uint32_t cap) {
    Bytes all;
    app.ops->snapshot_begin(&app);
    for (Bytes b = Slice(cap); !b.empty(); b = Slice(cap))
      all.insert(all.end(), b.begin(), b.end());
    app.ops->snapshot_end(&app);
    return all;
  }
  bool Restore(const Bytes &b, zxid_t zxid, size_t step = 100) {
    app.ops->restore_begin(&app);
    bool good = true;
    for (size_t i = 0; i < b.size() && good; i += step)
      good = app.ops->restore_next(&app, b.data() + i,
                                   static_cast<uint32_t>(std::min(step, b.size() - i)));
    return app.ops->restore_end(&app, zxid) && good;
  }
  zxid_t Applied() { return app.ops->applied(&app); }

  app_log *log;
  struct app app;
  Bytes txn;
};

TEST(AppLog, AcceptsOnlyTheNextSequenceOfEachClient) {
  Log l;
  EXPECT_EQ(l.Prepare(7, 2, "x", 0x100000001).reason, REASON_SEQ_GAP);
  EXPECT_EQ(l.Prepare(7, 1, "x", 0x100000001).reason, REASON_NONE);
  EXPECT_EQ(l.Prepare(8, 1, "y", 0x100000002).reason, REASON_NONE);
  EXPECT_EQ(l.Prepare(7, 0, "x", 0x100000003).reason, REASON_CONTROL_BAD);
}

TEST(AppLog, CountsOutstandingRecordsBeforeTheyAreApplied) {
  Log l;
  ASSERT_EQ(l.Prepare(7, 1, "a", 0x100000001).reason, REASON_NONE);
  Bytes first = l.txn;
  EXPECT_EQ(l.Prepare(7, 1, "a", 0x100000002).reason, REASON_SEQ_DUPLICATE);
  ASSERT_EQ(l.Prepare(7, 2, "b", 0x100000002).reason, REASON_NONE);
  EXPECT_EQ(app_log_expected(l.log, 7), 3u);
  l.Apply(0x100000001, first);
  EXPECT_EQ(app_log_expected(l.log, 7), 3u);
  EXPECT_EQ(app_log_last(l.log, 7).sequence, 1u);
}

TEST(AppLog, StopDropsTheOutstandingViewSoThatALostRecordIsAcceptedAgain) {
  Log l;
  l.Put(7, 1, "a");
  ASSERT_EQ(l.Prepare(7, 2, "b", 0x100000002).reason, REASON_NONE);
  l.app.ops->stop(&l.app);
  EXPECT_EQ(app_log_expected(l.log, 7), 2u);
  EXPECT_EQ(l.Prepare(7, 2, "b", 0x200000001).reason, REASON_NONE);
}

TEST(AppLog, KnowsTheZxidOfAClientsLastRecord) {
  Log l;
  l.Put(7, 1, "a");
  zxid_t z = l.Put(7, 2, "b");
  EXPECT_EQ(app_log_last(l.log, 7).sequence, 2u);
  EXPECT_EQ(app_log_last(l.log, 7).zxid, z);
  EXPECT_EQ(app_log_last(l.log, 9).sequence, 0u);
}

TEST(AppLog, RefusesARequestThatDoesNotFitATransaction) {
  Log l;
  EXPECT_EQ(l.Prepare(7, 1, std::string(4096 - APP_LOG_TXN_OVERHEAD + 1, 'x'), 1).reason,
            REASON_TOO_LARGE);
  EXPECT_EQ(l.Prepare(7, 1, std::string(4096 - APP_LOG_TXN_OVERHEAD, 'x'), 1).reason, REASON_NONE);
}

TEST(AppLog, ATransactionReadsBackAsTheRecordItWasMadeOf) {
  Log l;
  ASSERT_EQ(l.Prepare(UINT64_MAX - 1, 1, std::string("a\0b", 3), 0x100000001).reason, REASON_NONE);
  app_log_txn t = app_log_txn_read(l.txn.data(), static_cast<uint32_t>(l.txn.size()));
  EXPECT_EQ(t.type, APP_LOG_RECORD);
  EXPECT_EQ(t.client, UINT64_MAX - 1);
  EXPECT_EQ(t.sequence, 1u);
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(t.data), t.len), std::string("a\0b", 3));
  for (uint32_t len = 0; len < APP_LOG_TXN_OVERHEAD; len++)
    EXPECT_EQ(app_log_txn_read(l.txn.data(), len).type, 0) << len;
}

TEST(AppLog, OneRefusalIsToldOnceAndARetryOfItAgain) {
  Log l;
  Bytes t = l.Refuse(7, 5, REASON_DISK_FULL, 0x100000001);
  app_log_txn e = app_log_txn_read(t.data(), static_cast<uint32_t>(t.size()));
  EXPECT_EQ(e.type, TXN_ERROR);
  EXPECT_EQ(e.sequence, 5u);
  EXPECT_EQ(e.reason, REASON_DISK_FULL);
  EXPECT_TRUE(l.Refuse(7, 6, REASON_SEQ_GAP, 0x100000002).empty()); /* was on its way behind it */
  EXPECT_FALSE(l.Refuse(7, 5, REASON_DISK_FULL, 0x100000002).empty());
  EXPECT_FALSE(l.Refuse(8, 5, REASON_DISK_FULL, 0x100000002).empty());
}

TEST(AppLog, AnAcceptedRecordEndsTheSilenceAfterARefusal) {
  Log l;
  EXPECT_FALSE(l.Refuse(7, 1, REASON_DISK_FULL, 0x100000001).empty());
  ASSERT_EQ(l.Prepare(7, 1, "a", 0x100000001).reason, REASON_NONE);
  EXPECT_FALSE(l.Refuse(7, 3, REASON_SEQ_GAP, 0x100000002).empty());
}

TEST(AppLog, AnErrorTransactionMovesTheDigestButNoClient) {
  Log l;
  l.Put(7, 1, "a");
  uint64_t before = l.Digest();
  Bytes t = l.Refuse(7, 3, REASON_SEQ_GAP, 0x100000002);
  l.Apply(0x100000002, t);
  EXPECT_NE(l.Digest(), before);
  EXPECT_EQ(app_log_last(l.log, 7).sequence, 1u);
  EXPECT_EQ(l.Records().size(), 1u);
}

TEST(AppLog, OutstandingEntriesAreBoundedAndFreedByApply) {
  Log l;
  std::vector<Bytes> txns;
  for (uint64_t c = 1; c <= LIMIT_CLIENTS; c++) {
    ASSERT_EQ(l.Prepare(c, 1, "x", zxid_make(1, static_cast<uint32_t>(c))).reason, REASON_NONE);
    txns.push_back(l.txn);
  }
  EXPECT_EQ(l.Prepare(5000, 1, "x", zxid_make(1, LIMIT_CLIENTS + 1)).reason, REASON_BUSY);
  l.Apply(zxid_make(1, 1), txns[0]);
  EXPECT_EQ(l.Prepare(5000, 1, "x", zxid_make(1, LIMIT_CLIENTS + 1)).reason, REASON_NONE);
}

TEST(AppLog, RefusalsAloneNeverFillTheOutstandingTable) {
  Log l;
  for (uint64_t c = 1; c <= 3 * LIMIT_CLIENTS; c++)
    EXPECT_FALSE(l.Refuse(c, 9, REASON_SEQ_GAP, 0x100000001).empty());
  EXPECT_EQ(l.Prepare(1, 1, "x", 0x100000001).reason, REASON_NONE);
}

TEST(AppLog, DigestDependsOnEveryByteAndOnTheOrder) {
  std::map<uint64_t, int> seen;
  const char *const histories[][2] = {{"a", "b"}, {"b", "a"}, {"a", "c"}, {"a", ""}, {"ab", ""}};
  for (auto &h : histories) {
    Log l;
    l.Put(7, 1, h[0]);
    l.Put(7, 2, h[1]);
    seen[l.Digest()]++;
  }
  EXPECT_EQ(seen.size(), 5u);
}

TEST(AppLog, DigestDoesNotDependOnHowMuchANodeKeeps) {
  Log a(3), b(1000);
  for (uint64_t i = 1; i <= 50; i++) {
    a.Put(i % 5, i / 5 + (i % 5 ? 1 : 0), "x" + std::to_string(i));
    b.Apply(a.Applied(), a.txn);
    ASSERT_EQ(a.Digest(), b.Digest()) << i;
  }
  EXPECT_EQ(a.Records().size(), 3u);
  EXPECT_EQ(b.Records().size(), 50u);
}

TEST(AppLog, EvictsTheClientWhoseLastRecordIsOldestInTheOrderOfApply) {
  Log l;
  for (uint64_t c = 1; c <= LIMIT_CLIENTS; c++) l.Put(c, 1, "x");
  l.Put(1, 2, "again"); /* now client 2 is the oldest */
  l.Put(9999, 1, "new");
  EXPECT_EQ(app_log_last(l.log, 1).sequence, 2u);
  EXPECT_EQ(app_log_last(l.log, 2).sequence, 0u);
  EXPECT_EQ(app_log_last(l.log, 3).sequence, 1u);
  EXPECT_EQ(app_log_last(l.log, 9999).sequence, 1u);
  EXPECT_EQ(l.Prepare(2, 2, "x", l.Applied() + 1).reason, REASON_SEQ_GAP); /* a stranger now */
}

TEST(AppLog, EvictionIsPartOfTheStateThatASnapshotCarries) {
  Log a, b;
  for (uint64_t c = 1; c <= LIMIT_CLIENTS; c++) a.Put(c, 1, "x");
  a.Put(1, 2, "again");
  ASSERT_TRUE(b.Restore(a.Snapshot(1000), a.Applied()));
  a.Put(9999, 1, "new");
  b.Apply(a.Applied(), a.txn);
  EXPECT_EQ(app_log_last(b.log, 2).sequence, 0u);
  EXPECT_EQ(a.Digest(), b.Digest());
}

TEST(AppLog, SnapshotAndRestoreAtEveryStepGiveTheSameDigestAndRecords) {
  Log a;
  std::vector<Bytes> txns;
  for (uint64_t i = 1; i <= 40; i++) {
    a.Put(i % 3, (i + 2) / 3, std::string(i * 7 % 50, static_cast<char>('a' + i % 26)));
    txns.push_back(a.txn);
    Log b;
    ASSERT_TRUE(b.Restore(a.Snapshot(64), a.Applied(), 1 + i)) << i;
    EXPECT_EQ(b.Digest(), a.Digest());
    EXPECT_EQ(b.Records(), a.Records());
    EXPECT_EQ(b.Applied(), a.Applied());
  }
}

TEST(AppLog, ASnapshotIsFixedAtItsZxidWhileApplyGoesOn) {
  Log a, b;
  for (uint64_t i = 1; i <= 20; i++) a.Put(7, i, "x" + std::to_string(i));
  uint64_t digest = a.Digest();
  zxid_t zxid = a.Applied();
  Bytes all;
  a.app.ops->snapshot_begin(&a.app);
  for (uint64_t i = 21;; i++) {
    Bytes s = a.Slice(50);
    if (s.empty()) break;
    all.insert(all.end(), s.begin(), s.end());
    a.Put(7, i, "later"); /* between any two slices */
    a.Put(i, 1, "another client");
  }
  a.app.ops->snapshot_end(&a.app);
  ASSERT_TRUE(b.Restore(all, zxid));
  EXPECT_EQ(b.Digest(), digest);
  EXPECT_EQ(b.Records().size(), 20u);
}

TEST(AppLog, ASnapshotThatThePurgeOvertakesLeavesRecordsOutWholeAndStaysConsistent) {
  Log a(10), b(10);
  for (uint64_t i = 1; i <= 10; i++) a.Put(7, i, std::string(40, 'x'));
  uint64_t digest = a.Digest();
  zxid_t zxid = a.Applied();
  Bytes all;
  a.app.ops->snapshot_begin(&a.app);
  for (uint64_t i = 11;; i++) {
    Bytes s = a.Slice(60);
    if (s.empty()) break;
    all.insert(all.end(), s.begin(), s.end());
    a.Put(7, i, "later");
  }
  a.app.ops->snapshot_end(&a.app);
  ASSERT_TRUE(b.Restore(all, zxid));
  EXPECT_EQ(b.Digest(), digest);
  EXPECT_LT(b.Records().size(), 10u);
  EXPECT_GT(app_log_kept(b.log)->purged, 0u); /* and says so */
}

TEST(AppLog, RestoreRefusesEveryTruncationAndEveryFlippedByte) {
  Log a;
  for (uint64_t i = 1; i <= 5; i++) a.Put(i % 2, (i + 1) / 2, "record " + std::to_string(i));
  Bytes good = a.Snapshot(64);
  for (size_t len = 0; len < good.size(); len++) {
    Log b;
    EXPECT_FALSE(b.Restore(Bytes(good.begin(), good.begin() + static_cast<long>(len)), a.Applied()))
        << len;
  }
  for (size_t i = 0; i < good.size(); i++) {
    Log b;
    Bytes bad = good;
    bad[i] ^= 1;
    EXPECT_FALSE(b.Restore(bad, a.Applied())) << i;
  }
  Log b;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(b.Restore(longer, a.Applied()));
  EXPECT_FALSE(b.Restore(good, a.Applied() + 1)); /* of another zxid */
  EXPECT_TRUE(b.Restore(good, a.Applied()));
}

TEST(AppLog, KeepsTheLastRecordsByCountAndByBytes) {
  Log by_count(4);
  for (uint64_t i = 1; i <= 9; i++) by_count.Put(7, i, std::to_string(i));
  EXPECT_EQ(by_count.Records(), (std::vector<std::string>{"6", "7", "8", "9"}));
  EXPECT_EQ(app_log_kept(by_count.log)->purged, zxid_make(1, 5));
  Log by_bytes(1000, 200); /* a record takes 32 bytes and its data */
  for (uint64_t i = 1; i <= 9; i++) by_bytes.Put(7, i, "12345678");
  EXPECT_EQ(by_bytes.Records().size(), 5u);
  by_bytes.Put(7, 10, std::string(1000, 'x')); /* larger than all of it: the newest always stays */
  EXPECT_EQ(by_bytes.Records().size(), 1u);
}

TEST(Kept, SeeksExactlyAcrossManyChunks) {
  kept k;
  kept_init(&k, 100000, 64u << 20);
  std::string data(100000, 'x');
  for (uint64_t i = 1; i <= 300; i++) { /* ten records to a chunk */
    kept_record r{2 * i, 1, i, static_cast<uint32_t>(data.size()), 0};
    kept_append(&k, &r, data.data());
  }
  for (uint64_t z = 0; z <= 601; z++) {
    kept_cursor c = kept_seek(&k, z);
    const kept_record *r = kept_next(&k, &c);
    if (z >= 600) {
      EXPECT_EQ(r, nullptr);
      continue;
    }
    ASSERT_NE(r, nullptr) << z;
    EXPECT_EQ(r->zxid, (z / 2 + 1) * 2);
  }
  kept_free(&k);
}

TEST(Kept, ACursorAtTheEndGoesOnWhenMoreIsAppendedAndSkipsWhatWasDropped) {
  kept k;
  kept_init(&k, 3, 1 << 20);
  auto put = [&k](zxid_t z) {
    kept_record r{z, 1, z, 0, 0};
    kept_append(&k, &r, nullptr);
  };
  kept_cursor c = kept_seek(&k, 0);
  EXPECT_EQ(kept_next(&k, &c), nullptr);
  put(1);
  ASSERT_NE(kept_next(&k, &c), nullptr);
  EXPECT_EQ(kept_next(&k, &c), nullptr);
  for (zxid_t z = 2; z <= 9; z++) put(z);
  const kept_record *r = kept_next(&k, &c);
  ASSERT_NE(r, nullptr);
  EXPECT_EQ(r->zxid, 7u);
  EXPECT_EQ(k.purged, 6u);
  kept_free(&k);
}

TEST(Kept, MemoryStaysBoundedOverALongRun) {
  kept k;
  kept_init(&k, 1u << 30, 4u << 20);
  std::string data(300000, 'x');
  uint64_t most = 0;
  for (uint64_t i = 1; i <= 2000; i++) {
    kept_record r{i, 1, i, static_cast<uint32_t>(i * 7919 % data.size()), 0};
    kept_append(&k, &r, data.data());
    most = std::max(most, k.chunk_cnt);
    ASSERT_LE(k.bytes, 4u << 20);
  }
  EXPECT_LE(most, 12u);
  kept_free(&k);
}

}  // namespace
