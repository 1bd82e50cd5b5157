/* The tree as an application: ZooKeeper's rules, bytes, order of checks; multi; snapshots. */
#include <random>
#include <set>

#include "test/service/tree_harness.h"

namespace {

std::string Header(int64_t session, int32_t cxid, zxid_t zxid, int64_t time, int32_t type) {
  return Jute().I8(session).I4(cxid).I8(static_cast<int64_t>(zxid)).I8(time).I4(type).s;
}

span Span(const std::string &s) {
  return span{reinterpret_cast<const uint8_t *>(s.data()), static_cast<int32_t>(s.size())};
}

bool Valid(const std::string &s) { return path_valid(Span(s)); }

struct Tree : testing::Test, Leader {
  void SetUp() override { Session(); }
  int32_t MakeAcl(const std::string &path, const std::vector<Jute::Entry> &acl) {
    return Do(OP_CREATE, Jute().Str(path).Str("").Acl(acl).I4(0).s);
  }
};

TEST(TreePath, FollowsZooKeepersRules) {
  for (const char *good :
       {"/", "/a", "/a/b", "/a b", "/...", "/a./b", "/\xc3\xa4", "/\xe2\x82\xac"})
    EXPECT_TRUE(Valid(good)) << good;
  for (const char *bad : {"",
                          "a",
                          "/a/",
                          "//",
                          "/a//b",
                          "/.",
                          "/..",
                          "/a/.",
                          "/a/../b",
                          "/./a",
                          "/a\x01",
                          "/\x7f",
                          "/\xc2\x80",
                          "/\xee\x80\x80" /* U+E000 */,
                          "/\xef\xbf\xb0" /* U+FFF0 */,
                          "/\xf0\x9f\x98\x80" /* supplementary */,
                          "/\xff",
                          "/\xc3",
                          "/\xe2\x82",
                          "/\xc0\x80"})
    EXPECT_FALSE(Valid(bad)) << bad;
  EXPECT_FALSE(Valid(std::string("/a\0b", 4)));
  EXPECT_TRUE(Valid("/\xc2\xa0"));      /* U+00A0 */
  EXPECT_TRUE(Valid("/\xef\xbf\xaf"));  /* U+FFEF */
  EXPECT_TRUE(Valid("/\xef\xa4\x80"));  /* U+F900 */
  EXPECT_FALSE(Valid("/\xef\xa3\xbf")); /* U+F8FF */
}

TEST(TreeDigest, OfTheInitialTreeIsZooKeepers) {
  Leader l;
  EXPECT_EQ(l.app->tree.digest, 1371985504u); /* storage.md 8 */
  EXPECT_EQ(l.app->tree.node_cnt, 4u);
}

TEST(SessionPassword, IsZooKeepers) {
  auto hex = [](int64_t id) {
    uint8_t b[16];
    char text[33];
    session_password(id, b);
    for (int i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", b[i]);
    return std::string(text);
  };
  EXPECT_EQ(hex(0x0100000000000000), "f22acd4a97e69d6d20a49bb638eadb38"); /* client.md 2.1 */
  EXPECT_EQ(hex(1), "054cc74a37327db215e702e20c73f005");
}

/* ---- bytes ---- */

TEST_F(Tree, TransactionsAreZooKeepersByteForByte) {
  auto digest = [this] { return Jute().I4(2).I8(static_cast<int64_t>(app->tree.digest)).s; };
  std::string txn = Prepare(OP_CREATE, Create("/a", "x"));
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 2, zxid_make(1, 2), 1000, 1) +
                     Jute().Str("/a").Str("x").Open().B(false).I4(2 - 1).s + digest());
  txn = Prepare(OP_CREATE2, Jute().Str("/a/e").Null().Open().I4(CREATE_EPHEMERAL_SEQUENTIAL).s);
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 3, zxid_make(1, 3), 1000, 15) +
                     Jute().Str("/a/e0000000000").Null().Open().B(true).I4(1).s + digest());
  txn = Prepare(OP_CREATE_TTL, Create("/t", "", CREATE_TTL) + Jute().I8(500).s);
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 4, zxid_make(1, 4), 1000, 21) +
                     Jute().Str("/t").Str("").Open().I4(2).I8(500).s + digest());
  txn = Prepare(OP_CREATE_CONTAINER, Create("/c", "", CREATE_CONTAINER));
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 5, zxid_make(1, 5), 1000, 19) +
                     Jute().Str("/c").Str("").Open().I4(3).s + digest());
  txn = Prepare(OP_SET_DATA, SetData("/a", "yy", 0));
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 6, zxid_make(1, 6), 1000, 5) +
                     Jute().Str("/a").Str("yy").I4(1).s + digest());
  txn = Prepare(OP_SET_ACL, Jute().Str("/c").Acl({{1, "world", "anyone"}}).I4(0).s);
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 7, zxid_make(1, 7), 1000, 7) +
                     Jute().Str("/c").Acl({{1, "world", "anyone"}}).I4(1).s + digest());
  txn = Prepare(OP_DELETE, Delete("/t", 0));
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 8, zxid_make(1, 8), 1000, 2) + Jute().Str("/t").s + digest());
  txn = Prepare(OP_DELETE, Delete("/t"));
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 9, zxid_make(1, 9), 1000, -1) + Jute().I4(ZK_NONODE).s);
  EXPECT_EQ(app->reply.err, ZK_NONODE);
  txn = Prepare(OP_CLOSE_SESSION, "");
  ApplyAll();
  EXPECT_EQ(txn, Header(kSession, 10, zxid_make(1, 10), 1000, -11) +
                     Jute().I4(1).Str("/a/e0000000000").s + digest());
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, ACreateSessionCarriesTheTimeoutAndTheUnchangedDigest) {
  EXPECT_EQ(log[0].second, Header(kSession, 1, zxid_make(1, 1), 1000, -10) +
                               Jute().I4(10000).I4(2).I8(1371985504).s);
}

TEST_F(Tree, AnswersHaveWhatClientsSee) {
  Do(OP_CREATE, Create("/p"));
  now_ms = 2000;
  ASSERT_EQ(Do(OP_CREATE2, Create("/p/k", "abc", CREATE_EPHEMERAL)), ZK_OK);
  EXPECT_EQ(Body(), Jute()
                        .Str("/p/k")
                        .I8(0x100000003)
                        .I8(0x100000003)
                        .I8(2000)
                        .I8(2000)
                        .I4(0)
                        .I4(0)
                        .I4(0)
                        .I8(kSession)
                        .I4(3)
                        .I4(0)
                        .I8(0x100000003)
                        .s);
  Do(OP_CREATE, Create("/p/l"));
  Do(OP_DELETE, Delete("/p/l"));
  now_ms = 3000;
  ASSERT_EQ(Do(OP_SET_DATA, SetData("/p", "dd")), ZK_OK);
  EXPECT_EQ(Body(), Jute()
                        .I8(0x100000002)
                        .I8(0x100000006)
                        .I8(1000)
                        .I8(3000)
                        .I4(1)
                        .I4(3)
                        .I4(0)
                        .I8(0)
                        .I4(2)
                        .I4(1)
                        .I8(0x100000005)
                        .s); /* cversion: two creates, one delete */
  Do(OP_CREATE_CONTAINER, Create("/c", "", CREATE_CONTAINER));
  EXPECT_EQ(Body().substr(6 + 44, 8), std::string(8, '\0')); /* its owner is not shown */
}

/* ---- rules and their order ---- */

TEST_F(Tree, CreateChecksInZooKeepersOrder) {
  int64_t stranger = 99;
  EXPECT_EQ(Do(OP_CREATE, Create("x", "", 9), stranger), ZK_BADARGUMENTS); /* flags */
  EXPECT_EQ(Do(OP_CREATE, Create("x"), stranger), ZK_SESSIONEXPIRED);      /* then the session */
  node = 2;
  EXPECT_EQ(Do(OP_CREATE, Create("x")), ZK_SESSIONMOVED);
  node = 1;
  std::string no_acl = Jute().Str("x").Str("").Acl({}).I4(0).s;
  EXPECT_EQ(Do(OP_CREATE, no_acl), ZK_BADARGUMENTS); /* then the path's '/' */
  no_acl = Jute().Str("/x/y/").Str("").Acl({}).I4(0).s;
  EXPECT_EQ(Do(OP_CREATE, no_acl), ZK_INVALIDACL);      /* then the ACL */
  EXPECT_EQ(Do(OP_CREATE, Create("/x/y/")), ZK_NONODE); /* then the parent */
  ASSERT_EQ(MakeAcl("/x", {{PERM_READ, "world", "anyone"}}), ZK_OK);
  EXPECT_EQ(Do(OP_CREATE, Create("/x/\x01")), ZK_NOAUTH);     /* then CREATE on it */
  EXPECT_EQ(Do(OP_CREATE, Create("/\x01")), ZK_BADARGUMENTS); /* then the whole path */
  EXPECT_EQ(Do(OP_CREATE, Create("/x")), ZK_NODEEXISTS);
  Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL));
  EXPECT_EQ(Do(OP_CREATE, Create("/e/k")), ZK_NOCHILDRENFOREPHEMERALS);
  EXPECT_EQ(Do(OP_CREATE, std::string("\0\0\0\5/a", 6)), ZK_MARSHALLINGERROR);
}

TEST_F(Tree, TtlAndContainerFlagsFitTheirOperation) {
  EXPECT_EQ(Do(OP_CREATE, Create("/a", "", CREATE_TTL)), ZK_BADARGUMENTS);
  EXPECT_EQ(Do(OP_CREATE_TTL, Create("/a", "", CREATE_PERSISTENT) + Jute().I8(5).s),
            ZK_BADARGUMENTS);
  EXPECT_EQ(Do(OP_CREATE_TTL, Create("/a", "", CREATE_TTL) + Jute().I8(0).s), ZK_BADARGUMENTS);
  EXPECT_EQ(Do(OP_CREATE_TTL, Create("/a", "", CREATE_TTL) + Jute().I8(0x10000000000).s),
            ZK_BADARGUMENTS);
  EXPECT_EQ(Do(OP_CREATE_TTL, Create("/a", "", CREATE_TTL) + Jute().I8(0xffffffffff).s), ZK_OK);
  EXPECT_EQ(static_cast<uint64_t>(Find("/a")->stat.owner), 0xff0000ffffffffffu);
}

TEST_F(Tree, DeleteChecksInZooKeepersOrder) {
  for (const char *special : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "a"})
    EXPECT_EQ(Do(OP_DELETE, Delete(special)), ZK_BADARGUMENTS) << special;
  EXPECT_EQ(Do(OP_DELETE, Delete("/n/o")), ZK_NONODE);
  MakeAcl("/r", {{PERM_READ | PERM_CREATE, "world", "anyone"}});
  EXPECT_EQ(Do(OP_DELETE, Delete("/r/none")), ZK_NOAUTH); /* before whether it is there */
  Do(OP_CREATE, Create("/r/k"));
  EXPECT_EQ(Do(OP_DELETE, Delete("/r", 7)), ZK_BADVERSION); /* before its children */
  EXPECT_EQ(Do(OP_DELETE, Delete("/r", 0)), ZK_NOTEMPTY);
  Do(OP_CREATE, Create("/s"));
  EXPECT_EQ(Do(OP_DELETE, Delete("/s", 0)), ZK_OK);
  EXPECT_FALSE(Find("/s"));
}

TEST_F(Tree, SetDataAndSetAclCheckVersionsLast) {
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/a/", "")), ZK_BADARGUMENTS);
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/a", "")), ZK_NONODE);
  MakeAcl("/a", {{PERM_READ, "world", "anyone"}});
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/a", "", 5)), ZK_NOAUTH);
  EXPECT_EQ(Do(OP_SET_ACL, Jute().Str("/none").Acl({}).I4(0).s), ZK_INVALIDACL);
  EXPECT_EQ(Do(OP_SET_ACL, Jute().Str("/a").Open().I4(5).s), ZK_NOAUTH);
  Do(OP_CREATE, Create("/b"));
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/b", "1", 1)), ZK_BADVERSION);
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/b", "1", -1)), ZK_OK);
  EXPECT_EQ(Do(OP_SET_ACL, Jute().Str("/b").Open().I4(1).s), ZK_BADVERSION);
  EXPECT_EQ(Do(OP_SET_ACL, Jute().Str("/b").Open().I4(0).s), ZK_OK);
  EXPECT_EQ(Find("/b")->stat.aversion, 1);
}

TEST_F(Tree, SequencesCountCreatesAndNotDeletes) {
  Do(OP_CREATE, Create("/s"));
  auto next = [this] {
    Do(OP_CREATE, Create("/s/q-", "", CREATE_SEQUENTIAL));
    return Body().substr(4);
  };
  EXPECT_EQ(next(), "/s/q-0000000000");
  EXPECT_EQ(next(), "/s/q-0000000001");
  Do(OP_DELETE, Delete("/s/q-0000000001"));
  EXPECT_EQ(next(), "/s/q-0000000002");
  Do(OP_CREATE, Create("/s/", "", CREATE_SEQUENTIAL));
  EXPECT_EQ(Body().substr(4), "/s/0000000003");
}

TEST_F(Tree, PipelinedWritesSeeEachOther) {
  Prepare(OP_CREATE, Create("/a"));
  Prepare(OP_CREATE, Create("/a/b"));
  Prepare(OP_SET_DATA, SetData("/a/b", "1", 0));
  Prepare(OP_SET_DATA, SetData("/a/b", "2", 1));
  Prepare(OP_DELETE, Delete("/a")); /* not empty */
  Prepare(OP_DELETE, Delete("/a/b", 2));
  Prepare(OP_DELETE, Delete("/a"));
  Prepare(OP_CREATE, Create("/a"));
  std::vector<int32_t> errors;
  while (!outstanding.empty()) {
    ApplyOne();
    errors.push_back(app->reply.err);
  }
  EXPECT_EQ(errors, (std::vector<int32_t>{0, 0, 0, 0, ZK_NOTEMPTY, 0, 0, 0}));
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
  EXPECT_FALSE(app->view.first); /* nothing is outstanding */
}

TEST_F(Tree, AStoppedLeaderForgetsWhatWasOutstanding) {
  Prepare(OP_CREATE, Create("/a"));
  outstanding.clear();
  self.ops->stop(&self);
  self.ops->lead(&self, 2);
  epoch = 2;
  counter = 0;
  EXPECT_EQ(Do(OP_CREATE, Create("/a")), ZK_OK);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, WhatIsTooLargeLeavesNothingBehind) {
  cap = 200;
  EXPECT_EQ(Prepare(OP_CREATE, Create("/a", std::string(300, 'x'))), "");
  EXPECT_EQ(prepared.reason, REASON_TOO_LARGE);
  EXPECT_FALSE(app->view.first);
  EXPECT_EQ(Do(OP_CREATE, Create("/a")), ZK_OK);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

/* ---- ACLs ---- */

TEST_F(Tree, AclsAreFixedUpAndChecked) {
  EXPECT_EQ(MakeAcl("/n", {{31, "world", "somebody"}}), ZK_INVALIDACL);
  EXPECT_EQ(MakeAcl("/n", {{31, "nonsense", "x"}}), ZK_INVALIDACL);
  EXPECT_EQ(MakeAcl("/n", {{31, "ip", "10.0.0.0/33"}}), ZK_INVALIDACL);
  EXPECT_EQ(MakeAcl("/n", {{31, "digest", "nocolon"}}), ZK_INVALIDACL);
  EXPECT_EQ(MakeAcl("/n", {{31, "auth", ""}}), ZK_INVALIDACL); /* an address is no proof */
  ids = Ids({{"ip", "10.1.2.3"}, {"digest", "u:hash"}});
  ASSERT_EQ(MakeAcl("/d", {{31, "auth", ""}, {1, "world", "anyone"}, {1, "world", "anyone"}}),
            ZK_OK);
  span list = acls_list(&app->tree.acls, Find("/d")->acl);
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(list.data), static_cast<size_t>(list.len)),
            Jute().Acl({{31, "digest", "u:hash"}, {1, "world", "anyone"}}).s);
  ids = Ids({{"ip", "10.1.2.3"}});
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/d", "x")), ZK_NOAUTH);
  ids = Ids({{"ip", "10.1.2.3"}, {"digest", "u:hash"}});
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/d", "x")), ZK_OK);
  ASSERT_EQ(MakeAcl("/i", {{PERM_WRITE, "ip", "10.1.0.0/16"}}), ZK_OK);
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/i", "x")), ZK_OK);
  ids = Ids({{"ip", "10.2.2.3"}});
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/i", "x")), ZK_NOAUTH);
  ids = Ids({{"super", ""}});
  EXPECT_EQ(Do(OP_SET_DATA, SetData("/i", "x")), ZK_OK);
}

TEST_F(Tree, AnAclIsBoundedWithWhatItsAuthStandsFor) {
  cap = 1 << 20;
  std::vector<std::pair<std::string, std::string>> proven;
  std::vector<Jute::Entry> acl;
  for (int i = 0; i < 65; i++) proven.push_back({"digest", "u" + std::to_string(i) + ":hash"});
  for (int perms = 1; perms <= 16; perms++) acl.push_back({perms, "auth", ""});
  ids = Ids(proven);
  EXPECT_EQ(MakeAcl("/n", acl), ZK_INVALIDACL); /* 16 x 65 */
  acl.resize(15);
  EXPECT_EQ(MakeAcl("/n", acl), ZK_OK);
}

TEST_F(Tree, EachDistinctAclIsKeptOnceAndNotLonger) {
  for (int i = 0; i < 10; i++)
    MakeAcl("/n" + std::to_string(i), {{1, "world", "anyone"}, {2, "ip", "10.0.0.1"}});
  EXPECT_EQ(HASH_CNT(by_key, app->tree.acls.by_key), 2u); /* and that of /zookeeper/config */
  for (int i = 0; i < 10; i++) Do(OP_DELETE, Delete("/n" + std::to_string(i)));
  EXPECT_EQ(HASH_CNT(by_key, app->tree.acls.by_key), 1u);
}

/* ---- multi ---- */

TEST_F(Tree, AMultiIsDoneWholeWithOneZxid) {
  ASSERT_EQ(Do(OP_MULTI, Multi({{OP_CREATE, Create("/m", "1")},
                                {OP_CREATE2, Create("/m/k")},
                                {OP_SET_DATA, SetData("/m", "2", 0)},
                                {OP_CHECK, Delete("/m", 1)},
                                {OP_DELETE, Delete("/m/k")}})),
            ZK_OK);
  EXPECT_EQ(Find("/m")->stat.mzxid, zxid_make(1, 2));
  EXPECT_FALSE(Find("/m/k"));
  std::string body = Body();
  EXPECT_EQ(body.substr(0, 9 + 6), Jute().I4(1).B(false).I4(0).Str("/m").s);
  EXPECT_EQ(body.substr(15, 9 + 8), Jute().I4(1).B(false).I4(0).Str("/m/k").s);
  EXPECT_EQ(body.substr(15 + 17, 9), Jute().I4(5).B(false).I4(0).s);
  EXPECT_EQ(body.substr(15 + 17 + 9 + 68),
            Jute().I4(13).B(false).I4(0).I4(2).B(false).I4(0).I4(-1).B(true).I4(-1).s);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, AMultiThatFailsDoesNothingAndSaysWhere) {
  Do(OP_CREATE, Create("/x"));
  uint64_t digest = app->tree.digest;
  std::string txn = Prepare(
      OP_MULTI,
      Multi({{OP_CREATE, Create("/m")}, {OP_CREATE, Create("/x")}, {OP_DELETE, Delete("/x")}}));
  std::string first = Jute().Str("/m").Str("").Open().B(false).I4(2).s;
  EXPECT_EQ(txn.substr(32), Jute()
                                .I4(3)
                                .I4(1)
                                .Str(first)
                                .I4(-1)
                                .I4(4)
                                .I4(ZK_NODEEXISTS)
                                .I4(-1)
                                .I4(4)
                                .I4(-2)
                                .I4(2)
                                .I8(static_cast<int64_t>(digest))
                                .s);
  ApplyAll();
  EXPECT_EQ(app->reply.err, ZK_OK);
  EXPECT_EQ(Body(), Jute()
                        .I4(-1)
                        .B(false)
                        .I4(0)
                        .I4(0)
                        .I4(-1)
                        .B(false)
                        .I4(-110)
                        .I4(-110)
                        .I4(-1)
                        .B(false)
                        .I4(-2)
                        .I4(-2)
                        .I4(-1)
                        .B(true)
                        .I4(-1)
                        .s);
  EXPECT_FALSE(Find("/m"));
  EXPECT_EQ(app->tree.digest, digest);
  EXPECT_EQ(Do(OP_CREATE, Create("/m")), ZK_OK); /* nothing of it is left in the view */
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

/* As there: the answer has a body, and its first operation has met the end. */
TEST_F(Tree, AMultiOfASessionThatHasEndedSaysSoForItsFirstOperation) {
  constexpr int64_t kNobody = 77;
  std::string multi = Multi({{OP_CREATE, Create("/m")}, {OP_CREATE, Create("/n")}});
  EXPECT_EQ(Do(OP_MULTI, multi, kNobody), ZK_OK);
  Jute body;
  for (int32_t err : {ZK_SESSIONEXPIRED, ZK_RUNTIMEINCONSISTENCY})
    body.I4(-1).B(false).I4(err).I4(err);
  EXPECT_EQ(Body(), body.I4(-1).B(true).I4(-1).s);
  EXPECT_FALSE(Find("/m") || Find("/n"));
  EXPECT_EQ(Do(OP_MULTI, multi), ZK_OK);
  EXPECT_TRUE(Find("/m") && Find("/n"));
}

TEST_F(Tree, AFailedMultiBringsBackWhatWasOutstandingBefore) {
  Prepare(OP_CREATE, Create("/a", "1"));
  Prepare(OP_MULTI, Multi({{OP_SET_DATA, SetData("/a", "2")}, {OP_DELETE, Delete("/none")}}));
  Prepare(OP_SET_DATA, SetData("/a", "3", 0)); /* its version is still 0 */
  ApplyAll();
  EXPECT_EQ(app->reply.err, ZK_OK);
  EXPECT_EQ(Find("/a")->stat.version, 1);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, AMultiOfWhatCannotBeInOneIsMalformed) {
  EXPECT_EQ(Do(OP_MULTI, Multi({{OP_GET_DATA, Jute().Str("/").B(false).s}})), ZK_MARSHALLINGERROR);
  EXPECT_EQ(Do(OP_MULTI, Multi({{OP_CREATE, Create("/a")}}).substr(0, 40)), ZK_MARSHALLINGERROR);
  EXPECT_EQ(Do(OP_MULTI, Multi({})), ZK_OK);
  EXPECT_EQ(Body(), Jute().I4(-1).B(true).I4(-1).s);
}

/* ---- sessions ---- */

TEST_F(Tree, TheEndOfASessionTakesItsEphemeralsWithItAlsoThoseOutstanding) {
  Do(OP_CREATE, Create("/e1", "", CREATE_EPHEMERAL));
  Do(OP_CREATE, Create("/e0", "", CREATE_EPHEMERAL));
  Do(OP_CREATE, Create("/p"));
  Prepare(OP_CREATE, Create("/e2", "", CREATE_EPHEMERAL));
  Prepare(OP_DELETE, Delete("/e0"));
  Prepare(OP_CLOSE_SESSION, "");
  Prepare(OP_CREATE, Create("/late"));
  ApplyAll();
  EXPECT_EQ(app->reply.err, ZK_SESSIONEXPIRED);
  for (const char *gone : {"/e0", "/e1", "/e2", "/late"}) EXPECT_FALSE(Find(gone)) << gone;
  EXPECT_TRUE(Find("/p"));
  EXPECT_FALSE(tree_session(&app->tree, kSession));
  EXPECT_FALSE(app->tree.owners);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, OldTransactionsThatEndASessionListNothing) {
  Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL));
  std::string old = Header(kSession, 9, zxid_make(1, ++counter), 5, OP_CLOSE_SESSION);
  self.ops->apply(&self, zxid_make(1, counter), old.data(), static_cast<uint32_t>(old.size()));
  EXPECT_FALSE(Find("/e"));
}

/* Else it would never end, and no session behind it. */
TEST_F(Tree, ASessionWithMoreEphemeralsThanARecordCanListEndsToo) {
  for (int i = 0; i < 20; i++)
    Do(OP_CREATE, Create("/" + std::string(50, static_cast<char>('a' + i)), "", CREATE_EPHEMERAL));
  Prepare(OP_CREATE, Create("/outstanding", "", CREATE_EPHEMERAL));
  cap = 200;
  Prepare(OP_CLOSE_SESSION, "");
  EXPECT_EQ(prepared.reason, REASON_NONE);
  ApplyAll();
  EXPECT_FALSE(tree_session(&app->tree, kSession));
  EXPECT_FALSE(app->tree.owners);
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

/* The owners of containers and TTL nodes are no sessions: a peer that says so ends none of them. */
TEST_F(Tree, WhatIsNoSessionIsNeitherMadeNorEnded) {
  Do(OP_CREATE_CONTAINER, Create("/c", "", CREATE_CONTAINER));
  Do(OP_CREATE, Create("/c/k"));
  for (int64_t no : {OWNER_CONTAINER, static_cast<int64_t>(OWNER_TTL_BITS), int64_t{0}}) {
    EXPECT_EQ(Do(OP_CLOSE_SESSION, "", no), ZK_BADARGUMENTS) << no;
    EXPECT_EQ(Do(OP_CREATE_SESSION, Jute().I4(4000).s, no), ZK_BADARGUMENTS) << no;
  }
  EXPECT_TRUE(Find("/c/k"));
}

struct Tick {
  int64_t session = 0;
  int32_t type = 0;
  std::string record;
};

/* The requests of one tick, applied; the last one is returned. */
Tick TickOnce(Leader *l, int64_t ms, bool held = false) {
  Tick last;
  l->now_ms += ms;
  for (;;) {
    app_work w = l->self.ops->tick(&l->self, l->now_ms, held);
    request q;
    if (!w.len) return last;
    EXPECT_TRUE(request_read(&q, w.data, w.len));
    EXPECT_EQ(q.cxid, 0);
    last = Tick{q.session, q.type,
                std::string(reinterpret_cast<const char *>(q.record.data),
                            static_cast<size_t>(q.record.len))};
    l->cxid = -1;
    l->Prepare(q.type, last.record, q.session);
    l->ApplyAll();
  }
}

TEST_F(Tree, SessionsExpireWhenSilentAndNeverByOurOwnStall) {
  for (int i = 0; i < 95; i++) ASSERT_EQ(TickOnce(this, 100).type, 0);
  ASSERT_EQ(TickOnce(this, 3600 * 1000).type, 0); /* the clock jumped, or we stood still: a tick */
  for (int i = 0; i < 100; i++) ASSERT_EQ(TickOnce(this, 100, true).type, 0);
  for (int i = 0; i < 5; i++) ASSERT_EQ(TickOnce(this, 100).type, 0);
  Tick t = TickOnce(this, 100); /* the first only starts the count; 9.4 + 0.1 + 0.5 + 0.1 s */
  EXPECT_EQ(t.session, kSession);
  EXPECT_EQ(t.type, OP_CLOSE_SESSION);
  EXPECT_FALSE(tree_session(&app->tree, kSession));
  EXPECT_EQ(TickOnce(this, 100).type, 0); /* once */
}

TEST_F(Tree, ATouchKeepsASessionAlive) {
  for (int i = 0; i < 300; i++) {
    ASSERT_EQ(TickOnce(this, 100).type, 0);
    if (i % 50) continue;
    EXPECT_EQ(Prepare(OP_TOUCH, Jute().I8(77).I8(kSession).s, 0), "");
    EXPECT_EQ(prepared.reason, REASON_NONE); /* and no transaction */
  }
}

/* Without space the leader refuses: not that, which writes nothing, or the sessions of followers
 * would starve behind it. */
TEST_F(Tree, ATouchIsTakenAlsoWhereRequestsAreRefused) {
  for (int i = 0; i < 300; i++) {
    ASSERT_EQ(TickOnce(this, 100).type, 0);
    if (i % 50) continue;
    EXPECT_EQ(Refuse(OP_TOUCH, Jute().I8(77).I8(kSession).s, 0), 0u);
  }
  EXPECT_GT(Refuse(OP_SYNC, Jute().Str("/").s, kSession), 0u);
}

/* A list that nobody holds any more uses up a key for good, until there are no more. */
TEST(Acls, KeysAreUsedAgainWhenTheyHaveRunOut) {
  struct acls a = {};
  auto list = [](int i) { return Jute().Acl({{PERM_READ, "digest", "u" + std::to_string(i)}}).s; };
  auto take = [&](const std::string &s) {
    return acls_take(&a, {reinterpret_cast<const uint8_t *>(s.data()), (int32_t)s.size()});
  };
  int32_t held = take(list(0));
  EXPECT_EQ(held, 1);
  a.last_key = INT32_MAX - 1;
  std::set<int32_t> keys = {held};
  for (int i = 1; i <= 5; i++) keys.insert(take(list(i)));
  EXPECT_EQ(keys, (std::set<int32_t>{1, 2, 3, 4, 5, INT32_MAX}));
  for (int i = 0; i <= 5; i++) {
    std::string want = list(i);
    struct span is = acls_list(&a, take(want));
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(is.data), (size_t)is.len), want);
  }
  acls_clear(&a);
}

/* 99 ms behind a tick: the next one, 1 ms later, counts 100 ms. */
TEST_F(Tree, ASessionHasItsWholeTimeoutFromAnySignOfLife) {
  for (int i = 0; i < 50; i++) ASSERT_EQ(TickOnce(this, 100).type, 0);
  Prepare(OP_TOUCH, Jute().I8(kSession).s, 0);
  for (int i = 0; i < 100; i++) ASSERT_EQ(TickOnce(this, 100).type, 0) << i;
  EXPECT_EQ(TickOnce(this, 100).session, kSession);
}

TEST_F(Tree, ContainersGoWhenTheirLastChildHasGoneAndTtlNodesWhenTheirTimeIsOver) {
  Do(OP_CREATE_CONTAINER, Create("/c", "", CREATE_CONTAINER));
  Do(OP_CREATE_CONTAINER, Create("/unused", "", CREATE_CONTAINER));
  Do(OP_CREATE, Create("/c/k"));
  Do(OP_CREATE_TTL, Create("/t", "", CREATE_TTL) + Jute().I8(70000).s);
  auto minute = [this] {
    for (int i = 0; i < 601; i++) {
      TickOnce(this, 100);
      if (i % 50 == 0) Prepare(OP_TOUCH, Jute().I8(kSession).s, 0);
    }
  };
  minute();
  EXPECT_TRUE(Find("/c") && Find("/t"));
  Do(OP_DELETE, Delete("/c/k"));
  Do(OP_SET_DATA, SetData("/t", "again")); /* its time begins again */
  minute();
  EXPECT_FALSE(Find("/c"));
  EXPECT_TRUE(Find("/t"));
  minute();
  EXPECT_FALSE(Find("/t"));
  EXPECT_TRUE(Find("/unused"));
  EXPECT_EQ(app->tree.digest_mismatches, 0u);
}

TEST_F(Tree, ATtlNodeWrittenSinceItWasFoundStays) {
  Do(OP_CREATE_TTL, Create("/t", "", CREATE_TTL) + Jute().I8(1000).s);
  now_ms += 5000;
  Do(OP_SET_DATA, SetData("/t", "again"));
  EXPECT_EQ(Do(OP_DELETE_CONTAINER, Jute().Str("/t").s, 0), ZK_BADVERSION);
  now_ms += 5000;
  EXPECT_EQ(Do(OP_DELETE_CONTAINER, Jute().Str("/t").s, 0), ZK_OK);
}

TEST_F(Tree, ASessionMovesToTheNodeThatItsClientComesTo) {
  node = 2;
  std::string timeout = Jute().I4(4000).s;
  EXPECT_EQ(Do(OP_REVALIDATE, timeout), ZK_OK);
  EXPECT_EQ(Do(OP_CREATE, Create("/a")), ZK_OK);
  node = 1;
  EXPECT_EQ(Do(OP_CREATE, Create("/b")), ZK_SESSIONMOVED);
  EXPECT_EQ(Do(OP_SYNC, Jute().Str("/").s), ZK_SESSIONMOVED);
  EXPECT_EQ(Do(OP_REVALIDATE, timeout, 77), ZK_SESSIONEXPIRED);
  EXPECT_EQ(Do(OP_REVALIDATE, ""), ZK_MARSHALLINGERROR);
  self.ops->stop(&self);
  self.ops->lead(&self, 2); /* a new leader takes whoever asks first */
  epoch = 2, counter = 0;
  EXPECT_EQ(Do(OP_CREATE, Create("/b")), ZK_OK);
}

TEST_F(Tree, ASessionThatComesBackHasTheTimeoutThatItIsPromisedThen) {
  ASSERT_EQ(Do(OP_REVALIDATE, Jute().I4(40000).s), ZK_OK);
  for (int i = 0; i < 390; i++) ASSERT_EQ(TickOnce(this, 100).type, 0) << i;
}

/* Its clients keep their connections, and nobody tells the leader again what it has promised. */
TEST_F(Tree, TheNextEpochInPlaceKeepsWhatSessionsWerePromisedAndWhereTheyAre) {
  constexpr int64_t kGone = kSession + 1, kNew = kSession + 2;
  node = 2;
  ASSERT_EQ(Do(OP_REVALIDATE, Jute().I4(40000).s), ZK_OK);
  Session(kGone);
  ASSERT_EQ(Do(OP_CLOSE_SESSION, "", kGone), ZK_OK);
  Prepare(OP_CREATE_SESSION, Jute().I4(10000).s, kNew); /* of which only its preparation is known */
  outstanding.clear();
  self.ops->lead(&self, 2);
  epoch = 2, counter = 0;
  EXPECT_EQ(Do(OP_CREATE, Create("/a"), kNew), ZK_SESSIONEXPIRED);
  node = 1;
  EXPECT_EQ(Do(OP_CREATE, Create("/b")), ZK_SESSIONMOVED);
  for (int i = 0; i < 400; i++) ASSERT_EQ(TickOnce(this, 100).type, 0) << i;
  for (int i = 0; i < 3; i++) TickOnce(this, 100);
  EXPECT_FALSE(tree_session(&app->tree, kSession)) << "40 s from the beginning of the epoch";
}

TEST_F(Tree, ANewLeaderKnowsOnlyWhatSessionsWereMadeWith) {
  node = 2;
  ASSERT_EQ(Do(OP_REVALIDATE, Jute().I4(40000).s), ZK_OK);
  self.ops->stop(&self);
  self.ops->lead(&self, 2);
  epoch = 2, counter = 0;
  for (int i = 0; i < 103; i++) TickOnce(this, 100);
  EXPECT_FALSE(tree_session(&app->tree, kSession)) << "the 10 s that it was made with";
}

/* A transaction names session and cxid, not the node: a late multi must not answer another one. */
TEST_F(Tree, AMultiOfASessionThatMovedIsAnErrorAndNoTransaction) {
  ASSERT_EQ(Do(OP_REVALIDATE, Jute().I4(4000).s), ZK_OK);
  node = 2;
  EXPECT_EQ(Do(OP_MULTI, Multi({{OP_CREATE, Create("/m")}})), ZK_SESSIONMOVED);
  EXPECT_FALSE(Find("/m"));
}

/* ---- snapshots ---- */

TEST_F(Tree, ASnapshotIsZooKeepersStreamAndComesBack) {
  Do(OP_CREATE, Create("/a", "x"));
  Do(OP_CREATE, Create("/a/e", "", CREATE_EPHEMERAL));
  MakeAcl("/a/r", {{1, "world", "anyone"}, {2, "ip", "10.0.0.1"}});
  std::string s = Snapshot(16);
  EXPECT_EQ(s.substr(0, 16 + 16),
            Jute().I4(0x5a4b534e).I4(2).I8(-1).I4(1).I8(kSession).I4(10000).s);
  EXPECT_EQ(s.substr(s.size() - 5), Jute().Str("/").s);
  for (size_t slice : {1ul, 7ul, 4096ul}) {
    Leader other(0);
    ASSERT_TRUE(other.Restore(s, zxid_make(1, counter), slice));
    EXPECT_EQ(other.Digest(), Digest());
    EXPECT_EQ(other.app->tree.node_cnt, app->tree.node_cnt);
    EXPECT_EQ(other.Find("/a/e")->stat.owner, kSession);
    EXPECT_EQ(tree_owner(&other.app->tree, kSession)->cnt, 1u);
    EXPECT_EQ(other.app->tree.applied, zxid_make(1, counter));
  }
}

TEST_F(Tree, ASnapshotThatIsDamagedOrCutIsRefused) {
  Do(OP_CREATE, Create("/a", "x"));
  std::string s = Snapshot();
  zxid_t zxid = zxid_make(1, counter);
  Leader other(0);
  size_t seals[2] = {s.size() - 13 - 8 - 13 - 20, s.size() - 13 - 8}; /* an older writer's ends */
  for (size_t i = 0; i < s.size(); i++) {
    if (i != seals[0] && i != seals[1])
      EXPECT_FALSE(other.Restore(s.substr(0, i), zxid)) << "cut at " << i;
    std::string bad = s;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(other.Restore(bad, zxid)) << "flipped at " << i;
  }
  EXPECT_FALSE(other.Restore(s + "x", zxid));
  EXPECT_FALSE(other.Restore(s, zxid + 1));
  EXPECT_TRUE(other.Restore(s, zxid));
}

/* ---- random ---- */

struct Random {
  explicit Random(uint32_t seed) : rng(seed) {}
  uint32_t Below(uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(rng); }
  std::string Path() {
    std::string p;
    for (uint32_t i = Below(3) + 1; i; i--)
      p += "/" + std::string(1, static_cast<char>('a' + Below(3)));
    return p;
  }
  std::pair<int32_t, std::string> Op() {
    switch (Below(5)) {
      case 0:
        return {OP_DELETE, Delete(Path(), Below(2) ? -1 : static_cast<int32_t>(Below(3)))};
      case 1:
        return {OP_SET_DATA, SetData(Path(), std::string(Below(40), 'd'), -1)};
      default:
        return {OP_CREATE, Create(Path(), "data", static_cast<int32_t>(Below(4)))};
    }
  }
  std::pair<int32_t, std::string> Request() {
    if (Below(4)) return Op();
    std::vector<std::pair<int32_t, std::string>> ops;
    for (uint32_t i = Below(4); i; i--) ops.push_back(Op());
    return {OP_MULTI, Multi(ops)};
  }
  std::mt19937 rng;
};

/* Outstanding changes of any depth never lead prepare astray: each transaction's digest is that of
 * the tree when it has been applied.  And a snapshot taken while all goes on is the tree as it was
 * when it began: the rest of the log applied to it gives the same tree. */
TEST(TreeRandom, DigestsHoldAndSnapshotsAreExactWhileChangesGoOn) {
  for (uint32_t seed = 0; seed < 60; seed++) {
    Random r(seed);
    Leader l;
    l.cap = 65536;
    for (int64_t s = 1; s <= 3; s++) l.Session(s);
    std::string snapshot, buf(64, '\0');
    zxid_t at = 0;
    size_t applied_at = 0;
    bool taking = false;
    for (int i = 0; i < 600; i++) {
      auto q = r.Request();
      l.Prepare(q.first, q.second, 1 + r.Below(3));
      if (r.Below(100) == 0) {
        l.Prepare(OP_CLOSE_SESSION, "", 3);
        l.Prepare(OP_CREATE_SESSION, Jute().I4(1000).s, 3);
      }
      while (l.outstanding.size() > r.Below(12)) l.ApplyOne();
      if (i == 150 + static_cast<int>(r.Below(100))) continue;
      if (i == 300) {
        l.self.ops->snapshot_begin(&l.self);
        at = l.app->tree.applied;
        applied_at = l.log.size();
        taking = true;
      }
      if (!taking) continue;
      uint32_t n = l.self.ops->snapshot_next(&l.self, buf.data(), 64);
      snapshot += buf.substr(0, n);
      taking = n > 0;
      if (!n) l.self.ops->snapshot_end(&l.self);
    }
    while (taking) {
      uint32_t n = l.self.ops->snapshot_next(&l.self, buf.data(), 64);
      snapshot += buf.substr(0, n);
      taking = n > 0;
      if (!n) l.self.ops->snapshot_end(&l.self);
    }
    l.ApplyAll();
    ASSERT_EQ(l.app->tree.digest_mismatches, 0u) << "seed " << seed;
    Leader follower(0);
    ASSERT_TRUE(follower.Restore(snapshot, at)) << "seed " << seed;
    for (size_t i = applied_at; i < l.log.size(); i++) {
      auto &t = l.log[i];
      follower.self.ops->apply(&follower.self, t.first, t.second.data(),
                               static_cast<uint32_t>(t.second.size()));
    }
    ASSERT_EQ(follower.app->tree.digest_mismatches, 0u) << "seed " << seed;
    ASSERT_EQ(follower.Digest(), l.Digest()) << "seed " << seed;
  }
}

/* Malformed requests get an error, never more. */
TEST(TreeRandom, EveryTruncationOfARequestIsAnError) {
  const std::pair<int32_t, std::string> requests[] = {
      {OP_CREATE, Create("/a", "x")},
      {OP_CREATE_TTL, Create("/t", "", CREATE_TTL) + Jute().I8(5).s},
      {OP_DELETE, Delete("/a")},
      {OP_SET_DATA, SetData("/a", "x")},
      {OP_SET_ACL, Jute().Str("/a").Open().I4(0).s},
      {OP_MULTI, Multi({{OP_CREATE, Create("/m")}, {OP_SET_DATA, SetData("/m", "x")}})}};
  Leader l;
  l.Session();
  for (auto &q : requests) {
    for (size_t i = 0; i < q.second.size(); i++) {
      EXPECT_EQ(l.Do(q.first, q.second.substr(0, i)), ZK_MARSHALLINGERROR)
          << q.first << " at " << i;
      std::string bad = q.second;
      bad[i] = static_cast<char>(0xff);
      l.Do(q.first, bad); /* whatever it means now */
    }
  }
  EXPECT_EQ(l.app->tree.digest_mismatches, 0u);
  std::string whole = l.Request(1, 1, OP_CREATE, "");
  for (size_t i = 0; i < whole.size(); i++) {
    app_request r{zxid_make(1, 9999), 1, whole.data(), static_cast<uint32_t>(i)};
    uint8_t txn[256];
    EXPECT_EQ(l.self.ops->prepare(&l.self, &r, txn, sizeof txn).reason, REASON_CONTROL_BAD);
  }
}

}  // namespace
