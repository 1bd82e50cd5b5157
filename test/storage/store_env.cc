#include "test/storage/store_env.h"

#include <cstring>

#include <gtest/gtest.h>

namespace env {

static uint8_t PayloadByte(const Rec &r, uint32_t i) {
  return static_cast<uint8_t>(r.zxid * 7 + r.branch * 131 + i * 3 + (i >> 8));
}

std::vector<uint8_t> Bytes(const std::vector<Rec> &recs) {
  std::vector<uint8_t> out, payload;
  for (const Rec &r : recs) {
    payload.resize(r.len);
    for (uint32_t i = 0; i < r.len; i++) payload[i] = r.branch == 999 ? 0 : PayloadByte(r, i);
    size_t at = out.size();
    out.resize(at + record_size(r.len));
    record_write(&out[at], r.zxid, payload.data(), r.len);
  }
  return out;
}

std::vector<uint8_t> SnapBytes(zxid_t zxid, uint32_t len) {
  std::vector<uint8_t> out(len);
  for (uint32_t i = 0; i < len; i++) out[i] = static_cast<uint8_t>(zxid * 31 + i * 7 + (i >> 9));
  return out;
}

std::vector<Rec> Recs(uint32_t epoch, uint32_t from, uint32_t cnt, uint32_t len, uint32_t branch) {
  std::vector<Rec> out;
  for (uint32_t i = 0; i < cnt; i++) out.push_back({zxid_make(epoch, from + i), len, branch});
  return out;
}

Step Accepted(uint32_t e) {
  return {"accepted",
          [=](store *s) { return store_set_accepted(s, e); },
          [=](Model &m) { m.accepted = e; },
          {}};
}

Step Current(uint32_t e) {
  return {"current",
          [=](store *s) { return store_set_current(s, e); },
          [=](Model &m) { m.current = e; },
          {}};
}

Step MayVote(bool may) {
  return {"may_vote",
          [=](store *s) { return store_set_may_vote(s, may); },
          [=](Model &m) { m.may_vote = may; },
          {}};
}

Step Append(std::vector<Rec> recs) {
  return {"append",
          [=](store *s) {
            auto bytes = Bytes(recs);
            return store_append(s, bytes.data(), bytes.size());
          },
          [=](Model &m) { m.recs.insert(m.recs.end(), recs.begin(), recs.end()); }, recs};
}

Step Truncate(zxid_t zxid) {
  return {"truncate",
          [=](store *s) { return store_truncate(s, zxid); },
          [=](Model &m) {
            while (!m.recs.empty() && m.recs.back().zxid > zxid) m.recs.pop_back();
            m.snaps.erase(m.snaps.upper_bound(zxid), m.snaps.end());
          },
          {}};
}

static reason WriteSnap(store *s, int asker, zxid_t zxid, uint32_t len, uint32_t flag) {
  auto bytes = SnapBytes(zxid, len);
  reason r = store_snap_begin(s, asker, zxid);
  for (uint32_t at = 0; at < len && r == REASON_NONE; at += 30000)
    r = store_snap_write(s, asker, &bytes[at], std::min(30000u, len - at));
  return r == REASON_NONE ? store_snap_commit(s, asker, flag) : r;
}

Step SnapOwn(zxid_t zxid, uint32_t len) {
  return {"own snapshot",
          [=](store *s) { return WriteSnap(s, STORE_APP, zxid, len, SNAP_OWN); },
          [=](Model &m) { m.snaps[zxid] = len; },
          {}};
}

Step SnapInstall(zxid_t zxid, uint32_t len) {
  return {"install",
          [=](store *s) { return WriteSnap(s, STORE_SLOW, zxid, len, SNAP_INSTALL); },
          [=](Model &m) {
            m.base = zxid;
            m.recs.clear();
            m.snaps = {{zxid, len}};
          },
          {}};
}

Step Idle(int turns) {
  return {"idle",
          [=](store *s) {
            for (int i = 0; i < turns && store_idle(s, true); i++) {
            }
            return store_error(s)[0] ? REASON_DISK_ERROR : REASON_NONE;
          },
          [](Model &) {},
          {}};
}

Step Seal() {
  return {"seal", [](store *s) { return store_seal(s); }, [](Model &) {}, {}};
}

Step Clean() {
  return {
      "clean", [](store *s) { return store_mark_clean(s); }, [](Model &m) { m.clean = true; }, {}};
}

static std::string Hex(zxid_t z) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(z));
  return text;
}

static std::string CompareHistory(store *s, const Model &m, zxid_t base) {
  std::vector<Rec> tail;
  for (const Rec &r : m.recs)
    if (r.zxid > base) tail.push_back(r);
  bool known = base == m.base;
  for (const Rec &r : m.recs) known = known || r.zxid == base;
  if (!known) return "log base " + Hex(base) + " is not of the history";
  auto expected = Bytes(tail);
  uint32_t cap = 60000;
  for (const Rec &r : tail) cap = std::max(cap, record_size(r.len));
  std::vector<uint8_t> got, buf(cap);
  for (zxid_t at = base;;) {
    store_slice slice = store_read(s, at, ZXID_NONE, buf.data(), static_cast<uint32_t>(buf.size()));
    if (slice.reason != REASON_NONE) return std::string("read: ") + store_error(s);
    if (slice.len == 0) break;
    got.insert(got.end(), buf.begin(), buf.begin() + slice.len);
    at = slice.last_zxid;
  }
  if (got != expected)
    return "history differs: " + std::to_string(got.size()) + " bytes, expected " +
           std::to_string(expected.size());
  return "";
}

static std::string CompareSnapshot(store *s, const Model &m, zxid_t zxid) {
  zxid_t expected = m.snaps.empty() ? 0 : m.snaps.rbegin()->first;
  if (zxid != expected) return "newest snapshot " + Hex(zxid) + ", expected " + Hex(expected);
  if (!zxid) return "";
  zxid_t opened = 0;
  if (store_snap_open(s, STORE_APP, ZXID_NONE, &opened) != REASON_NONE || opened != zxid)
    return std::string("snapshot does not open: ") + store_error(s);
  auto want = SnapBytes(zxid, m.snaps.rbegin()->second);
  std::vector<uint8_t> got, buf(10000);
  for (;;) {
    store_slice slice = store_snap_read(s, STORE_APP, got.size(), buf.data(), 10000);
    if (slice.reason != REASON_NONE) return std::string("snapshot: ") + store_error(s);
    if (slice.len == 0) break;
    got.insert(got.end(), buf.begin(), buf.begin() + slice.len);
  }
  store_snap_close(s, STORE_APP);
  return got == want ? "" : "snapshot content differs";
}

std::string Compare(store *s, const Model &m) {
  durable_state st = store_state(s);
  if (st.accepted_epoch != m.accepted)
    return "accepted epoch " + std::to_string(st.accepted_epoch) + ", expected " +
           std::to_string(m.accepted);
  if (st.current_epoch != m.current) return "current epoch " + std::to_string(st.current_epoch);
  if (st.may_vote != m.may_vote) return "may_vote";
  if (st.clean_stop != m.clean) return "clean stop";
  if (st.last_zxid != m.last())
    return "last zxid " + Hex(st.last_zxid) + ", expected " + Hex(m.last());
  if (st.log_base && st.log_base > st.snapshot_zxid) return "no snapshot reaches the log base";
  std::string wrong = CompareHistory(s, m, st.log_base);
  return wrong.empty() ? CompareSnapshot(s, m, st.snapshot_zxid) : wrong;
}

std::vector<Model> Outcomes(const Model &before, const Step &step) {
  std::vector<Model> out{before};
  for (const Rec &r : step.appended) {
    out.push_back(out.back());
    out.back().recs.push_back(r);
  }
  if (step.appended.empty()) {
    out.push_back(before);
    out.back().clean = false;
    step.apply(out.back());
    if (step.name == "truncate") {  // snapshots go first
      out.push_back(before);
      out.back().snaps = out[1].snaps;
    }
  }
  return out;
}

std::string CompareAny(store *s, const std::vector<Model> &models) {
  std::string all;
  for (const Model &m : models) {
    std::string wrong = Compare(s, m);
    if (wrong.empty()) return "";
    all += wrong + "; ";
  }
  return all;
}

int Disk::Format(bool may_vote) { return store_format(&disk, &config, may_vote, error); }

bool Disk::Open() {
  s = store_open(&disk, &config, error).store;
  return s != nullptr;
}

void Disk::Close() {
  if (s) store_close(s);
  s = nullptr;
}

reason Disk::Do(const Step &step, Model &m) {
  reason r = step.run(s);
  if (r == REASON_NONE) {
    m.clean = false;
    step.apply(m);
  }
  return r;
}

std::vector<uint8_t> PeerRecord(const Model &m, zxid_t after) {
  zxid_t before = m.base;
  for (const Rec &r : m.recs) {
    if (before == after) return Bytes({r});
    before = r.zxid;
  }
  return {};
}

/* What it tells peers about each record of m. */
static std::string CheckAnswers(store *s, const Model &m, zxid_t *last) {
  std::vector<uint8_t> buf(60000);
  zxid_t before = m.base, faulty = store_state(s).faulty;
  for (const Rec &r : m.recs) {
    if (r.zxid > store_state(s).log_base) {
      store_slice a = store_ask(s, before, r.zxid, buf.data(), 60000);
      auto want = Bytes({r});
      buf.resize(60000);
      if (a.reason == REASON_NONE && !std::equal(want.begin(), want.end(), buf.begin()))
        return "serves a wrong " + Hex(r.zxid);
      bool had = r.zxid <= store_state(s).last_zxid;
      bool counts = store_state(s).may_vote;
      if (had && counts && a.reason == REASON_NOT_HELD) return "denies " + Hex(r.zxid);
      if (a.reason == REASON_FAULTY && !faulty) return "is not faulty, but so is " + Hex(r.zxid);
      if (had) *last = r.zxid;
    }
    before = r.zxid;
  }
  return "";
}

static std::string Mend(store *s, const Model &m) {
  store_repair r = store_repair_begin(s);
  for (int i = 0; i < 10000 && r.step != REPAIR_DONE && r.reason == REASON_NONE; i++) {
    if (r.step == REPAIR_COPIES) {
      r = store_repair_put(s, nullptr, 0);
      continue;
    }
    auto record = PeerRecord(m, r.after);
    if (record.empty()) return "asks for what never was, behind " + Hex(r.after);
    r = store_repair_put(s, record.data(), record.size());
  }
  if (r.reason != REASON_NONE || r.step != REPAIR_DONE)
    return std::string("repair: ") + store_error(s);
  return store_state(s).faulty ? "still faulty" : "";
}

std::string SafeAndRepairable(Disk &d, const Model &m) {
  durable_state before = store_state(d.s);
  zxid_t last = before.log_base;
  std::string wrong = CheckAnswers(d.s, m, &last);
  if (!wrong.empty()) return wrong;
  if (!before.may_vote && m.may_vote) return "";  // whatever it has left is no more than a help
  if (last != before.last_zxid) return "ends at " + Hex(before.last_zxid) + ", not in its history";
  if (before.may_vote && m.may_vote && before.last_zxid != m.last())
    return "votes with " + Hex(before.last_zxid) + ", had " + Hex(m.last());
  if (before.faulty) wrong = Mend(d.s, m);
  if (!wrong.empty()) return wrong;
  Model now = m;
  now.may_vote = before.may_vote;
  while (!now.recs.empty() && now.recs.back().zxid > before.last_zxid) now.recs.pop_back();
  now.clean = store_state(d.s).clean_stop;
  for (int i = 0; i < 2; i++) {
    wrong = Compare(d.s, now);
    if (!wrong.empty()) return wrong;
    d.Close();
    if (!d.Open()) return d.error;
    now.clean = store_state(d.s).clean_stop;
    if (store_state(d.s).faulty) return "faulty again";
  }
  return "";
}

void Prepare(Disk &d, Model &m, const std::vector<Step> &steps) {
  ASSERT_EQ(d.Format(), 0) << d.error;
  ASSERT_TRUE(d.Open()) << d.error;
  for (const Step &step : steps) ASSERT_EQ(d.Do(step, m), REASON_NONE) << step.name;
  ASSERT_EQ(Compare(d.s, m), "");
  d.Close();
}

}  // namespace env
