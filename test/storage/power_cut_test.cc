// The power goes at every operation of everything the store does, with several sets of survivors:
// then all that was acknowledged is there, nothing is there by half, and the store goes on.  And
// each sync taken out is noticed.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t epoch, uint32_t counter) { return zxid_make(epoch, counter); }

struct Case {
  std::vector<Step> before, during;
  std::vector<std::string> unnoticed;  // syncs that no power cut shows to be missing
};

static Case Group() {
  return {{Accepted(1), Append(Recs(1, 1, 3))},
          {Append(Recs(1, 4, 1)), Append(Recs(1, 5, 7, 3000)), Append(Recs(1, 12, 1, 20000))}};
}

static Case GroupOfZeros() {
  return {{Accepted(1)},
          {Append(Recs(1, 1, 2, 20000, 999)), Append(Recs(1, 3, 1, 32, 999)),
           Append(Recs(1, 4, 1, 9000, 999))}};
}

static Case SegmentSwitch() {
  return {{Accepted(1), Append(Recs(1, 1, 2, 20000))},
          {Append(Recs(1, 3, 3, 15000)), Append(Recs(1, 6, 3, 15000)), Append(Recs(1, 9, 1)),
           Idle(10), Append(Recs(1, 10, 3, 15000)), Append(Recs(1, 13, 2))}};
}

static Case Epochs() {
  return {{Accepted(1), Append(Recs(1, 1, 1))},
          {Accepted(2), Current(1), Current(2), MayVote(false), Accepted(7), MayVote(true),
           Append(Recs(7, 1, 1)), Current(7)}};
}

static Case Truncation() {
  return {{Accepted(3), Append(Recs(1, 1, 10, 3000)), SnapOwn(Z(1, 4), 3000),
           SnapOwn(Z(1, 8), 3000), Idle(10)},
          {Truncate(Z(1, 6)), Append(Recs(2, 1, 2)), Truncate(Z(1, 5)),
           Append(Recs(1, 6, 2, 200, 7)), Append(Recs(3, 1, 1, 5000))}};
}

static Case OwnSnapshot() {
  return {{Accepted(1), Append(Recs(1, 1, 10))},
          {SnapOwn(Z(1, 4), 3000), Append(Recs(1, 11, 1)), SnapOwn(Z(1, 11), 150000),
           SnapOwn(Z(1, 11), 100)}};
}

static Case Install() {
  return {{Accepted(3), Append(Recs(1, 1, 10, 9000)), SnapOwn(Z(1, 4), 3000), Idle(10)},
          {SnapInstall(Z(2, 9), 140000), Append(Recs(2, 10, 1)), Idle(10), SnapInstall(Z(3, 2), 9),
           Append(Recs(3, 3, 2))},
          {"/"}};  // the spare's name (Idle) is made durable again before its use
}

static Case InstallBelowTheOldEnd() {
  return {{Accepted(3), Append(Recs(1, 1, 10, 9000)), SnapOwn(Z(1, 8), 3000), Idle(10)},
          {SnapInstall(Z(1, 5), 5000), Append(Recs(1, 6, 1, 100, 3))}};
}

static Case Purge() {
  Case c;
  c.before.push_back(Accepted(1));
  for (uint32_t i = 0; i < 9; i++) {
    c.before.push_back(Append(Recs(1, 1 + i * 12, 12, 1600)));
    c.before.push_back(SnapOwn(Z(1, 12 + i * 12), 300));
  }
  c.during = {Idle(50), Append(Recs(1, 109, 1))};
  c.unnoticed = {"/", "/"};  // the last segment's; the spare's, since it is not used here
  return c;
}

static Case SealAndStop() {
  return {{Accepted(1), Append(Recs(1, 1, 3))},
          {Seal(), Append(Recs(1, 4, 1)), Clean()},
          {"log.00000001"}};  // the trailer's: no record is lost with it
}

using CaseMaker = Case (*)();
static const std::pair<const char *, CaseMaker> kCases[] = {
    {"Group", Group},
    {"GroupOfZeros", GroupOfZeros},
    {"SegmentSwitch", SegmentSwitch},
    {"Epochs", Epochs},
    {"Truncation", Truncation},
    {"OwnSnapshot", OwnSnapshot},
    {"Install", Install},
    {"InstallBelowTheOldEnd", InstallBelowTheOldEnd},
    {"Purge", Purge},
    {"SealAndStop", SealAndStop},
};

// What may be there after the run: one model, or the outcomes of the step that was interrupted.
static std::vector<Model> RunSteps(Disk &d, Model m, const std::vector<Step> &steps) {
  for (const Step &step : steps)
    if (Model before = m; d.Do(step, m) != REASON_NONE) return Outcomes(before, step);
  return {m};
}

// The store is open and holds one of models: it must go on from there, and keep that too.
static std::string GoOn(Disk &d, const std::vector<Model> &models) {
  for (Model m : models) {
    if (!Compare(d.s, m).empty()) continue;
    zxid_t next = m.last() + 1;
    if (d.Do(Accepted(m.accepted + 1), m) != REASON_NONE) return d.error;
    if (zxid_epoch(next) == 0) next = Z(1, 1);
    if (d.Do(Append({{next, 70, 4}}), m) != REASON_NONE) return "no append";
    d.Close();
    if (!d.Open()) return std::string("again: ") + d.error;
    return Compare(d.s, m);
  }
  return "";
}

static std::string Recovered(Disk &d, const std::vector<Model> &models) {
  if (!d.Open()) return d.error;
  std::string wrong = CompareAny(d.s, models);
  return wrong.empty() ? GoOn(d, models) : wrong;
}

static std::string Where(int survivors, uint64_t op) {
  return "survivors " + std::to_string(survivors) + ", operation " + std::to_string(op);
}

class PowerCut : public testing::TestWithParam<std::pair<const char *, CaseMaker>> {
 protected:
  void SetUp() override {
    test_ = GetParam().second();
    Prepare(start_, model_, test_.before);
    Disk d(start_);
    ASSERT_TRUE(d.Open());
    powercut_arm(d.cut, {});
    ASSERT_EQ(RunSteps(d, model_, test_.during).size(), 1u);
    ops_ = powercut_ops(d.cut);
    ASSERT_GT(ops_, 0u);
    for (uint64_t op = 1; op <= ops_; op++) {
      const char *name;
      bool sync = powercut_is_sync(d.cut, op, &name);
      if (sync) syncs_.push_back({op, name});
      trace_ += std::to_string(op) + (sync ? ":SYNC " : ":") + name + " ";
    }
  }
  // Runs until the power goes at op; leaves the disk restored and returns what it may hold.
  std::vector<Model> CutAt(Disk &d, powercut_plan plan, int survivors, uint64_t luck = 0) {
    EXPECT_TRUE(d.Open());
    powercut_arm(d.cut, plan);
    std::vector<Model> models = RunSteps(d, model_, test_.during);
    d.Close();
    powercut_restore(d.cut, static_cast<powercut_survivors>(survivors),
                     plan.cut_at * 77 + plan.ignore_at + luck * 1000);
    return models;
  }
  Case test_;
  Disk start_;
  Model model_;
  uint64_t ops_ = 0;
  std::string trace_;
  std::vector<std::pair<uint64_t, std::string>> syncs_;
};

TEST_P(PowerCut, AtEveryOperationLosesNothingAcknowledged) {
  for (int survivors = 0; survivors < SURVIVE_CNT; survivors++)
    for (uint64_t op = 1; op <= ops_ + 1; op++) {
      Disk d(start_);
      auto models = CutAt(d, {op}, survivors);
      ASSERT_EQ(Recovered(d, models), "") << Where(survivors, op);
    }
}

TEST_P(PowerCut, AtEveryOperationOfTheRecoveryAfterwardsLosesNothing) {
  for (int survivors : {SURVIVE_RANDOM, SURVIVE_HEADS, SURVIVE_TAILS})
    for (uint64_t op = 1; op <= ops_; op++) {
      Disk torn(start_);
      auto models = CutAt(torn, {op}, survivors);
      for (uint64_t second = 1;; second++) {
        Disk d(torn);
        powercut_arm(d.cut, {second});
        d.Open();
        bool cut = powercut_is_cut(d.cut);
        d.Close();
        powercut_restore(d.cut, static_cast<powercut_survivors>(survivors), second);
        ASSERT_EQ(Recovered(d, models), "") << Where(survivors, op) << ", then " << second;
        if (!cut) break;
      }
    }
}

// A start that ended with a failed sync of the log: the kernel takes its pages for clean (E6).
static void FailedStart(Disk &d) {
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++) {
    disk_file *f;
    if (strncmp(name, "log.", 4)) continue;
    ASSERT_EQ(d.disk.ops->open(&d.disk, name, DISK_READ_WRITE, &f), 0);
    powercut_abandon(d.cut, f);
    d.disk.ops->close(&d.disk, f);
  }
}

// The process is killed, what it wrote is still in the cache; the next one must not build on it
// unsynced, and a sync alone would not do.
TEST_P(PowerCut, AfterAKillAndARestartLosesNothingThatTheRestartShowed) {
  for (uint64_t op = 1; op <= 2 * ops_; op++) {
    Disk d(start_);
    ASSERT_TRUE(d.Open());
    powercut_arm(d.cut, {(op + 1) / 2});
    auto models = RunSteps(d, model_, test_.during);
    d.Close();
    powercut_kill(d.cut);
    if (op % 2) FailedStart(d);
    ASSERT_TRUE(d.Open()) << d.error << Where(-1, op);
    std::vector<Model> shown;
    for (const Model &m : models)
      if (Compare(d.s, m).empty()) shown.push_back(m);
    ASSERT_FALSE(shown.empty()) << Where(-1, op);
    for (Model &m : shown) m.clean = false;
    powercut_arm(d.cut, {1});
    (void)store_set_accepted(d.s, store_state(d.s).accepted_epoch + 1);
    d.Close();
    powercut_restore(d.cut, SURVIVE_NONE, op);
    ASSERT_EQ(Recovered(d, shown), "") << Where(-1, op);
  }
}

// With one sync ignored, some later power cut must be seen to lose something: else the sync is
// useless, or this checker is.
TEST_P(PowerCut, NoticesEverySyncThatIsTakenOut) {
  std::vector<std::string> unnoticed;
  for (const auto &[ignored, name] : syncs_) {
    bool noticed = false;
    uint64_t luck = 0;
    for (int survivors : {SURVIVE_NONE, SURVIVE_NAMES, SURVIVE_DATA, SURVIVE_RANDOM, SURVIVE_RANDOM,
                          SURVIVE_RANDOM, SURVIVE_RANDOM}) {
      luck++;
      for (uint64_t op = ignored + 1; op <= ops_ + 1 && !noticed; op++) {
        Disk d(start_);
        auto models = CutAt(d, {op, ignored}, survivors, luck);
        // of two copies either must do: take the other one away
        if (name == "epoch.a" || name == "epoch.b")
          powercut_resize(d.cut, name == "epoch.a" ? "epoch.b" : "epoch.a", 0);
        noticed = !Recovered(d, models).empty();
      }
    }
    if (!noticed) unnoticed.push_back(name);
    if (!noticed) trace_ += "(" + std::to_string(ignored) + " was not noticed) ";
  }
  EXPECT_EQ(unnoticed, test_.unnoticed) << trace_;
}

using Kinds = std::set<std::string>;

// Restarts after a kill with each sync of the recovery ignored in turn, then cuts the power.
static void IgnoreEachSync(const Disk &killed, const std::vector<Model> &models, Kinds *seen,
                           Kinds *noticed) {
  for (uint64_t ignored = 1;; ignored++) {
    Disk d(killed);
    powercut_arm(d.cut, {0, ignored});
    ASSERT_TRUE(d.Open()) << d.error;
    if (powercut_ops(d.cut) < ignored) return;
    const char *name;
    bool sync = powercut_is_sync(d.cut, ignored, &name);
    std::string file = name, kind = file.substr(0, 4);
    std::vector<Model> shown;
    for (const Model &m : models)
      if (Compare(d.s, m).empty()) shown.push_back(m);
    for (Model &m : shown) m.clean = false;
    powercut_arm(d.cut, {1});
    (void)store_set_accepted(d.s, store_state(d.s).accepted_epoch + 1);
    d.Close();
    powercut_restore(d.cut, SURVIVE_NONE, ignored);
    // of two copies either must do: take the other one away
    if (kind == "epoc") powercut_resize(d.cut, file == "epoch.a" ? "epoch.b" : "epoch.a", 0);
    if (sync) seen->insert(kind);
    if (sync && !Recovered(d, shown).empty()) noticed->insert(kind);
  }
}

// The same with the syncs of recovery: after a kill it must not show what is not durable.
TEST(PowerCutRecovery, NoticesEverySyncThatIsTakenOut) {
  Kinds noticed, seen;
  for (const auto &c : kCases) {
    Case test = c.second();
    Disk start;
    Model model;
    Prepare(start, model, test.before);
    for (uint64_t op = 1; op < 25; op++) {
      Disk killed(start);
      ASSERT_TRUE(killed.Open());
      powercut_arm(killed.cut, {op});
      auto models = RunSteps(killed, model, test.during);
      killed.Close();
      powercut_kill(killed.cut);
      IgnoreEachSync(killed, models, &seen, &noticed);
    }
  }
  EXPECT_EQ(noticed, (Kinds{"/", "log.", "epoc"}));
  EXPECT_EQ(noticed, seen);
}

TEST_P(PowerCut, AnErrorOfAnyOperationIsFinalAndNamed) {
  for (int err : {EIO, ENOSPC, EROFS})
    for (uint64_t op = 1; op <= ops_; op++) {
      Disk d(start_);
      ASSERT_TRUE(d.Open());
      powercut_plan plan = {};
      plan.fail_at = op;
      plan.fail_errno = err;
      powercut_arm(d.cut, plan);
      auto models = RunSteps(d, model_, test_.during);
      std::string line = store_error(d.s);
      ASSERT_NE(line.find(strerror(err)), std::string::npos) << op << line;
      uint64_t ops = powercut_ops(d.cut);
      auto more = Bytes(Recs(1, 99, 1));
      EXPECT_EQ(store_append(d.s, more.data(), more.size()), REASON_DISK_ERROR);
      EXPECT_EQ(store_set_accepted(d.s, 99), REASON_DISK_ERROR);
      EXPECT_EQ(store_truncate(d.s, 0), REASON_DISK_ERROR);
      EXPECT_EQ(store_seal(d.s), REASON_DISK_ERROR);
      EXPECT_EQ(store_mark_clean(d.s), REASON_DISK_ERROR);
      EXPECT_EQ(store_snap_begin(d.s, STORE_APP, 1), REASON_DISK_ERROR);
      EXPECT_FALSE(store_idle(d.s, true));
      EXPECT_EQ(store_error(d.s), line);
      EXPECT_EQ(powercut_ops(d.cut), ops) << "nothing is tried again (E6)";
      d.Close();
      powercut_restore(d.cut, SURVIVE_ALL, 1);
      ASSERT_EQ(Recovered(d, models), "") << op;
    }
}

INSTANTIATE_TEST_SUITE_P(All, PowerCut, testing::ValuesIn(kCases),
                         [](const auto &i) { return i.param.first; });

TEST(PowerCutFormat, AtEveryOperationIsFinishedOrDoneAgain) {
  for (int survivors = 0; survivors < SURVIVE_CNT; survivors++)
    for (uint64_t op = 1;; op++) {
      Disk d;
      powercut_arm(d.cut, {op});
      int rc = d.Format();
      bool cut = powercut_is_cut(d.cut);
      EXPECT_EQ(rc, cut ? -1 : 0);
      powercut_restore(d.cut, static_cast<powercut_survivors>(survivors), op);
      bool opens = d.Open();
      if (!opens) {
        ASSERT_TRUE(cut);
        ASSERT_NE(std::string(d.error).find("--format"), std::string::npos) << d.error;
        ASSERT_EQ(d.Format(), 0) << d.error << Where(survivors, op);
        ASSERT_TRUE(d.Open()) << d.error;
      }
      ASSERT_EQ(Compare(d.s, Model()), "");
      ASSERT_EQ(GoOn(d, {Model()}), "");
      if (!cut) break;
    }
}

TEST(PowerCutFormat, NoticesEverySyncThatIsTakenOut) {
  Disk count;
  ASSERT_EQ(count.Format(), 0);
  uint64_t ops = powercut_ops(count.cut);
  for (uint64_t ignored = 1; ignored <= ops; ignored++) {
    const char *name;
    if (!powercut_is_sync(count.cut, ignored, &name)) continue;
    bool noticed = false;
    for (int survivors : {SURVIVE_NONE, SURVIVE_NAMES, SURVIVE_DATA, SURVIVE_RANDOM, SURVIVE_TAILS})
      for (uint64_t op = ignored + 1; op <= ops + 1 && !noticed; op++) {
        Disk d;
        powercut_arm(d.cut, {op, ignored});
        int rc = d.Format();
        powercut_restore(d.cut, static_cast<powercut_survivors>(survivors), op);
        if (!strncmp(name, "epoch", 5))
          powercut_resize(d.cut, strcmp(name, "epoch.a") ? "epoch.a" : "epoch.b", 0);
        bool opens = d.Open() && Compare(d.s, Model()).empty();
        noticed = rc == 0 ? !opens : !opens && d.Format() != 0;
      }
    EXPECT_TRUE(noticed) << "operation " << ignored << " on " << name;
  }
}
