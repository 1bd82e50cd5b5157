/* Quotas: what is counted, what a limit does.  The figures are those of a real ZooKeeper 3.8.0 with
 * enforceQuota, asked the same by hand. */
#include "test/service/tree_harness.h"

namespace {

struct Quota : testing::Test, Leader {
  void SetUp() override {
    Session();
    ASSERT_EQ(Do(OP_CREATE, Create("/q", "12345")), ZK_OK);
    ASSERT_EQ(Do(OP_CREATE, Create("/q/a", "678")), ZK_OK);
  }
  /* As `setquota` of ZooKeeper's command line: limits first. */
  void Limit(const std::string &path, const std::string &limits) {
    std::string at = "/zookeeper/quota";
    for (size_t i = 0; i < path.size();) {
      size_t end = std::min(path.find('/', i + 1), path.size());
      at += path.substr(i, end - i);
      Do(OP_CREATE, Create(at));
      i = end;
    }
    ASSERT_EQ(Do(OP_CREATE, Create(at + "/zookeeper_limits", limits)), ZK_OK);
    ASSERT_EQ(Do(OP_CREATE, Create(at + "/zookeeper_stats", "whatever")), ZK_OK);
  }
  std::string Stats(const std::string &path, const Leader *l = nullptr) const {
    const znode *n = (l ? l : this)->Find("/zookeeper/quota" + path + "/zookeeper_stats");
    return n && n->data ? std::string(reinterpret_cast<const char *>(n->data->bytes), n->data->len)
                        : "none";
  }
  int32_t Make(const std::string &path, const std::string &data = "") {
    return Do(OP_CREATE, Create(path, data));
  }
  int32_t Set(const std::string &path, const std::string &data, int32_t version = -1) {
    return Do(OP_SET_DATA, SetData(path, data, version));
  }
};

TEST_F(Quota, StatsCountTheZnodeAndAllBelowIt) {
  Make("/q/a/deep", "xyz");
  Limit("/q", "count=100,bytes=1000");
  EXPECT_EQ(Stats("/q"), "count=3,bytes=11");
  Make("/q/b", "ab");
  EXPECT_EQ(Stats("/q"), "count=4,bytes=13");
  Set("/q/a", "");
  EXPECT_EQ(Stats("/q"), "count=4,bytes=10");
  ASSERT_EQ(Do(OP_SET_DATA, Jute().Str("/q/b").Null().I4(-1).s), ZK_OK);
  EXPECT_EQ(Stats("/q"), "count=4,bytes=8");
  Do(OP_DELETE, Delete("/q/a/deep"));
  EXPECT_EQ(Stats("/q"), "count=3,bytes=5");
  Make("/qq", "not below it");
  Make("/q/e", "1234");
  Do(OP_DELETE, Delete("/q/e"));
  EXPECT_EQ(Stats("/q"), "count=3,bytes=5");
}

TEST_F(Quota, AnEphemeralThatEndsWithItsSessionIsCountedOff) {
  Limit("/q", "count=100,bytes=1000");
  Do(OP_CREATE, Create("/q/e", "1234", CREATE_EPHEMERAL));
  EXPECT_EQ(Stats("/q"), "count=3,bytes=12");
  Do(OP_CLOSE_SESSION, "");
  EXPECT_EQ(Stats("/q"), "count=2,bytes=8");
}

TEST_F(Quota, StatsChangeNeitherTheirStatNorTheDigest) {
  Limit("/q", "count=100,bytes=1000");
  const znode *n = Find("/zookeeper/quota/q/zookeeper_stats");
  znode_stat before = n->stat;
  uint64_t digest = app->tree.digest;
  Make("/q/b", "1");
  Do(OP_DELETE, Delete("/q/b"));
  EXPECT_EQ(n->stat.version, 0);
  EXPECT_EQ(n->stat.mzxid, before.mzxid);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
  Leader other;
  other.Session();
  EXPECT_NE(digest, other.app->tree.digest);
  /* What is below /zookeeper does not show in it at all. */
  Leader a, b;
  for (Leader *l : {&a, &b}) l->Session();
  a.Do(OP_CREATE, Create("/zookeeper/quota/x"));
  EXPECT_EQ(a.app->tree.digest, b.app->tree.digest);
}

TEST_F(Quota, ASoftLimitIsOneLineAndNoError) {
  Limit("/q", "count=3,bytes=9");
  EXPECT_EQ(Make("/q/b"), ZK_OK);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Make("/q/c"), ZK_OK);
  EXPECT_EQ(Make("/q/d"), ZK_OK);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Quota exceeded: /q [current count=4, soft limit=3]\n"), said.npos) << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  now_ms += 2000;
  testing::internal::CaptureStderr();
  EXPECT_EQ(Set("/q/c", "12"), ZK_OK);
  said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Quota exceeded: /q [current bytes=10, soft limit=9]\n"), said.npos) << said;
}

TEST_F(Quota, AHardLimitRefusesCreateAndSetData) {
  Limit("/q", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3");
  EXPECT_EQ(Make("/q/b"), ZK_OK);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Make("/q/c"), ZK_QUOTAEXCEEDED);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Quota exceeded: /q [current count=4, hard limit=3]: refused\n"), said.npos)
      << said;
  EXPECT_EQ(Find("/q/c"), nullptr);
  EXPECT_EQ(Set("/q/b", "xxx"), ZK_QUOTAEXCEEDED);
  EXPECT_EQ(Set("/q/b", "xx"), ZK_OK);
  EXPECT_EQ(Set("/q/b", "xy"), ZK_OK) << "no byte more";
  EXPECT_EQ(Set("/q", "1234567890"), ZK_QUOTAEXCEEDED) << "it counts itself too";
  EXPECT_EQ(Stats("/q"), "count=3,bytes=10");
  Do(OP_DELETE, Delete("/q/b"));
  EXPECT_EQ(Make("/q/c"), ZK_OK);
}

TEST_F(Quota, IsCheckedAfterWhatIsThereAndBeforeTheVersion) {
  Limit("/q", "count=-1,bytes=-1=;byteHardLimit=8;countHardLimit=2");
  EXPECT_EQ(Make("/q/a"), ZK_NODEEXISTS);
  EXPECT_EQ(Make("/q/none/x"), ZK_NONODE);
  EXPECT_EQ(Set("/q/a", "longer", 7), ZK_QUOTAEXCEEDED);
  EXPECT_EQ(Set("/q/a", "678", 7), ZK_BADVERSION);
  EXPECT_EQ(Do(OP_CREATE, Create("/q/s-", "", CREATE_SEQUENTIAL)), ZK_QUOTAEXCEEDED);
  ids = Ids({{"ip", "127.0.0.1"}, {"super", ""}});
  EXPECT_EQ(Make("/q/b"), ZK_QUOTAEXCEEDED) << "the super user is bound by it, too";
}

TEST_F(Quota, TheDeepestOneCountsAndItAlone) {
  Limit("/q", "count=100,bytes=1000");
  Limit("/q/a", "count=-1,bytes=-1=;countHardLimit=2");
  EXPECT_EQ(Make("/q/a/1", "1"), ZK_OK);
  EXPECT_EQ(Make("/q/a/2"), ZK_QUOTAEXCEEDED);
  EXPECT_EQ(Stats("/q/a"), "count=2,bytes=4");
  EXPECT_EQ(Stats("/q"), "count=2,bytes=8");
  EXPECT_EQ(Do(OP_DELETE, Delete("/zookeeper/quota/q/a/zookeeper_limits")), ZK_OK);
  EXPECT_EQ(Make("/q/a/2"), ZK_OK);
  EXPECT_EQ(Stats("/q/a"), "count=2,bytes=4");
  EXPECT_EQ(Stats("/q"), "count=3,bytes=8");
}

TEST_F(Quota, WhatIsOutstandingDoesNotCount) {
  Limit("/q", "count=-1,bytes=-1=;countHardLimit=3");
  auto op = [](const std::string &path) {
    return std::pair<int32_t, std::string>(OP_CREATE, Create(path));
  };
  EXPECT_EQ(Do(OP_MULTI, Multi({op("/q/1"), op("/q/2"), op("/q/3")})), ZK_OK);
  EXPECT_EQ(Stats("/q"), "count=5,bytes=8");
  EXPECT_EQ(Do(OP_MULTI, Multi({op("/x"), op("/q/4")})), ZK_OK);
  EXPECT_EQ(Find("/x"), nullptr) << "all or nothing";
}

TEST_F(Quota, LimitsThatAreNoNumbersOrWithoutStatsLimitNothing) {
  Limit("/q", "count=x,bytes=;;byteHardLimit==,countHardLimit=99999999999999999999");
  EXPECT_EQ(Make("/q/b", "many bytes"), ZK_OK);
  Do(OP_DELETE, Delete("/zookeeper/quota/q/zookeeper_stats"));
  Do(OP_SET_DATA,
     SetData("/zookeeper/quota/q/zookeeper_limits", "count=0,bytes=0=;countHardLimit=0"));
  EXPECT_EQ(Make("/q/c"), ZK_OK);
  EXPECT_EQ(Do(OP_CREATE, Create("/zookeeper/quota/zookeeper_limits", "countHardLimit=0")), ZK_OK);
  EXPECT_EQ(Do(OP_CREATE, Create("/zookeeper/quota/zookeeper_stats")), ZK_OK);
  EXPECT_EQ(Make("/root-has-none"), ZK_OK);
}

TEST_F(Quota, WithWarnAHardLimitIsALineOnly) {
  app->quota.warn_only = true;
  Limit("/q", "count=-1,bytes=-1=;countHardLimit=2");
  testing::internal::CaptureStderr();
  EXPECT_EQ(Make("/q/b"), ZK_OK);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Quota exceeded: /q [current count=3, hard limit=2]\n"), said.npos) << said;
}

TEST_F(Quota, StatsAreTheSameAfterReplayAndAfterASnapshot) {
  Limit("/q", "count=100,bytes=1000");
  Limit("/q/a", "count=100,bytes=1000");
  Make("/q/a/1", "1");
  Make("/q/b", "22");
  Leader replayed(0), restored(0);
  for (auto &t : log)
    replayed.self.ops->apply(&replayed.self, t.first, t.second.data(),
                             static_cast<uint32_t>(t.second.size()));
  ASSERT_TRUE(restored.Restore(Snapshot(), app->tree.applied));
  for (Leader *l : {&replayed, &restored}) {
    EXPECT_EQ(Stats("/q", l), "count=3,bytes=10");
    EXPECT_EQ(Stats("/q/a", l), "count=2,bytes=4");
  }
}

TEST_F(Quota, ARunningSnapshotHasTheStatsOfItsBeginning) {
  Limit("/q", "count=100,bytes=1000");
  zxid_t at = app->tree.applied;
  self.ops->snapshot_begin(&self);
  Make("/q/b", "22");
  std::string bytes, buf(4096, '\0');
  while (uint32_t n = self.ops->snapshot_next(&self, buf.data(), 4096)) bytes += buf.substr(0, n);
  self.ops->snapshot_end(&self);
  Leader restored(0);
  ASSERT_TRUE(restored.Restore(bytes, at));
  EXPECT_EQ(Stats("/q", &restored), "count=2,bytes=8");
}

/* ---- what is below a znode ---- */

TEST(TreeBelow, IsCountedThroughEveryChange) {
  Leader l;
  l.Session();
  auto below = [&](const char *path) {
    const znode *n = l.Find(path);
    return std::make_pair(static_cast<uint64_t>(n->below_cnt),
                          static_cast<uint64_t>(n->below_bytes));
  };
  size_t config = l.Find("/zookeeper/config")->data->len;
  EXPECT_EQ(below("/"), std::make_pair(uint64_t{3}, uint64_t{config}));
  l.Do(OP_CREATE, Create("/a", "1"));
  l.Do(OP_CREATE, Create("/a/b", "22"));
  l.Do(OP_CREATE, Create("/a/b/c", "333"));
  EXPECT_EQ(below("/a"), std::make_pair(uint64_t{2}, uint64_t{5}));
  EXPECT_EQ(below("/"), std::make_pair(uint64_t{6}, uint64_t{config + 6}));
  l.Do(OP_SET_DATA, SetData("/a/b/c", "1"));
  EXPECT_EQ(below("/a"), std::make_pair(uint64_t{2}, uint64_t{3}));
  Leader restored(0);
  ASSERT_TRUE(restored.Restore(l.Snapshot(), l.app->tree.applied));
  EXPECT_EQ(restored.Find("/a")->below_cnt, 2u);
  EXPECT_EQ(restored.Find("/a")->below_bytes, 3u);
  l.Do(OP_DELETE, Delete("/a/b/c"));
  l.Do(OP_DELETE, Delete("/a/b"));
  EXPECT_EQ(below("/a"), std::make_pair(uint64_t{0}, uint64_t{0}));
  EXPECT_EQ(below("/"), std::make_pair(uint64_t{4}, uint64_t{config + 1}));
}

}  // namespace
