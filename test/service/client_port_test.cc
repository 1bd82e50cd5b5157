/* The client port, spoken to in bytes: what ZooKeeper's clients send, and what they never would. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <malloc.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "test/service/served_node.h"
#include "test/service/tree_harness.h"

namespace {

struct TreeNode : ServedNode {
  TreeNode() {
    tree = app_tree_create("version=0", 60000);
    app_self = app_tree_app(tree);
    uv.app = app_self;
    config.app = CONFIG_APP_TREE;
    config.tick_ms = 2000;
    config.max_client_cnxns = 60;
    config.global_outstanding_limit = 10000;
    strcpy(config.four_letter_words, "srvr, ruok, mntr, isro, stat");
    config.peer_cnt = 3;
    config.client_port = FreePort();
    config.largest_record = 1 << 20;
    config.ring_bytes = 4u << 20;
    ring.resize(2 * config.ring_bytes);
    uv.stream_ring = ring.data();
    uv.stream_mask = config.ring_bytes - 1;
  }
  ~TreeNode() {
    End();
    app_tree_destroy(tree);
  }
  /* Also the client port is open then, which comes after the control socket. */
  void Serve() {
    Start();
    while (!Listens() && code < 0) std::this_thread::yield();
  }
  sockaddr_in Address() const {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(config.client_port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
  }
  bool Listens() const {
    sockaddr_in a = Address();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char imok[5];
    bool good = connect(fd, reinterpret_cast<sockaddr *>(&a), sizeof a) == 0 &&
                send(fd, "ruok", 4, MSG_NOSIGNAL) == 4 &&
                recv(fd, imok, sizeof imok, MSG_WAITALL) == 4; /* and the end: it counts no more */
    close(fd);
    return good;
  }
  /* What is proposed is not committed, until CommitAll.  The app must be at rest then. */
  void HoldCommits() { instant = false; }
  void CommitAll() {
    instant = true;
    pos_t all = position_get(&positions.appended);
    position_set(&positions.durable, all);
    position_set(&positions.committed, all);
    Wake();
  }
  static uint16_t FreePort() {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    socklen_t len = sizeof a;
    a.sin_family = AF_INET;
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&a), sizeof a), 0);
    getsockname(fd, reinterpret_cast<sockaddr *>(&a), &len);
    close(fd);
    return ntohs(a.sin_port);
  }
  app_tree *tree;
};

struct Reply {
  int32_t xid = 0, err = 0;
  int64_t zxid = 0;
  std::string body;
  bool ended = false;
};

/* One connection. */
struct Zk {
  /* receive_bytes: a small socket buffer, so that what is not read stays at the node. */
  explicit Zk(const TreeNode &n, int receive_bytes = 0) {
    sockaddr_in a = n.Address();
    fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    if (receive_bytes) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr *>(&a), sizeof a), 0);
  }
  ~Zk() { close(fd); }
  Zk(const Zk &) = delete;
  void Send(const std::string &bytes) {
    for (size_t i = 0; i < bytes.size();) {
      ssize_t n = send(fd, bytes.data() + i, bytes.size() - i, MSG_NOSIGNAL);
      if (n <= 0) return;
      i += static_cast<size_t>(n);
    }
  }
  static std::string Frame(const std::string &s) { return Jute().Str(s).s; }
  bool Read(std::string *to, size_t len) {
    to->resize(len);
    for (size_t i = 0; i < len;) {
      ssize_t n = recv(fd, to->data() + i, len - i, 0);
      if (n <= 0) return false;
      i += static_cast<size_t>(n);
    }
    return true;
  }
  static int64_t At(const std::string &s, size_t at, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
      v = v << 8 | static_cast<uint8_t>(s.at(at + static_cast<size_t>(i)));
    return bytes == 4 ? static_cast<int32_t>(v) : static_cast<int64_t>(v);
  }
  /* The next packet; "": the connection has ended. */
  std::string Packet() {
    std::string len, body;
    if (!Read(&len, 4)) return "";
    return Read(&body, static_cast<size_t>(At(len, 0, 4))) ? body : "";
  }
  std::string Rest() {
    std::string all, c;
    while (Read(&c, 1)) all += c;
    return all;
  }
  bool Ended() {
    char c;
    return recv(fd, &c, 1, 0) <= 0;
  }
  static std::string Hello(int64_t session, const std::string &password, int32_t timeout_ms = 10000,
                           int64_t seen = 0) {
    return Jute().I4(0).I8(seen).I4(timeout_ms).I8(session).Str(password).s;
  }
  /* Connects; false: refused or ended. */
  bool Join(int64_t id = 0, std::string pass = std::string(16, '\0'), int32_t timeout_ms = 10000) {
    Send(Frame(Hello(id, pass, timeout_ms) + std::string(1, '\0')));
    std::string p = Packet();
    if (p.size() != 37) return false;
    timeout = static_cast<int32_t>(At(p, 4, 4));
    session = At(p, 8, 8);
    password = p.substr(20, 16);
    return timeout > 0;
  }
  static std::string Ask(int32_t xid, int32_t type, const std::string &record = "") {
    return Frame(Jute().I4(xid).I4(type).Raw(record).s);
  }
  Reply Next() {
    Reply r;
    std::string p = Packet();
    r.ended = p.size() < 16;
    if (r.ended) return r;
    r.xid = static_cast<int32_t>(At(p, 0, 4));
    r.zxid = At(p, 4, 8);
    r.err = static_cast<int32_t>(At(p, 12, 4));
    r.body = p.substr(16);
    return r;
  }
  Reply Do(int32_t type, const std::string &record = "") {
    Send(Ask(++xid, type, record));
    Reply r = Next();
    if (!r.ended) EXPECT_EQ(r.xid, type == OP_PING ? -2 : xid);
    return r;
  }
  static std::string Path(const std::string &path, bool watch = false) {
    return Jute().Str(path).B(watch).s;
  }
  /* The next packet is this event. */
  void Expect(int32_t type, const std::string &path) {
    Reply r = Next();
    EXPECT_EQ(r.xid, -1);
    EXPECT_EQ(r.body, Jute().I4(type).I4(3).Str(path).s);
  }
  int fd;
  int32_t xid = 0, timeout = 0;
  int64_t session = 0;
  std::string password;
};

std::string Word(const TreeNode &node, const std::string &word) {
  Zk s(node);
  s.Send(word);
  return s.Rest();
}

/* Waits until srvr has that line. */
void AwaitServer(const TreeNode &node, const std::string &line) {
  while (Word(node, "srvr").find("\n" + line + "\n") == std::string::npos)
    std::this_thread::yield();
}

/* What the node has read from its clients, with the four bytes of this question. */
uint64_t BytesRead(const TreeNode &node) {
  const std::string name = "\nzk_bytes_received_count\t";
  std::string mntr = Word(node, "mntr");
  return std::stoull(mntr.substr(mntr.find(name) + name.size()));
}

struct ClientPort : testing::Test {
  void SetUp() override {
    node.Lead(1);
    node.Serve();
  }
  TreeNode node;
};

TEST_F(ClientPort, MakesASessionWithATimeoutWithinItsTicks) {
  Zk a(node), b(node), c(node);
  ASSERT_TRUE(a.Join(0, std::string(16, '\0'), 1));
  EXPECT_EQ(a.timeout, 4000);
  ASSERT_TRUE(b.Join(0, std::string(16, '\0'), 1 << 30));
  EXPECT_EQ(b.timeout, 40000);
  EXPECT_EQ(a.session >> 56, node.config.id);
  EXPECT_NE(a.session, b.session);
  uint8_t right[16];
  session_password(a.session, right);
  EXPECT_EQ(a.password, std::string(reinterpret_cast<char *>(right), 16));
  c.Send(Zk::Frame(Zk::Hello(0, std::string(16, '\0')))); /* 44 bytes, of before 3.4 */
  EXPECT_EQ(c.Packet().size(), 36u);
  EXPECT_EQ(c.Do(OP_PING).xid, -2);
}

TEST_F(ClientPort, ASessionComesBackWithItsPasswordOnly) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  EXPECT_EQ(a.Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL)).err, ZK_OK);
  {
    Zk wrong(node);
    wrong.Send(Zk::Frame(Zk::Hello(a.session, std::string(16, 'x')) + std::string(1, '\0')));
    EXPECT_EQ(wrong.Packet(), Jute().I4(0).I4(0).I8(0).Str(std::string(16, '\0')).B(false).s);
    EXPECT_TRUE(wrong.Ended());
  }
  uint8_t of_unknown[16];
  session_password(12345, of_unknown);
  Zk unknown(node);
  EXPECT_FALSE(unknown.Join(12345, std::string(reinterpret_cast<char *>(of_unknown), 16)));
  EXPECT_TRUE(unknown.Ended());
  Zk b(node);
  ASSERT_TRUE(b.Join(a.session, a.password));
  EXPECT_EQ(b.session, a.session);
  EXPECT_TRUE(a.Ended()); /* the older connection */
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/e")).err, ZK_OK);
}

TEST_F(ClientPort, ASessionOutlivesItsLeaderAndItsConnectionDoesNot) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  EXPECT_EQ(a.Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL)).err, ZK_OK);
  node.ChangeLeader(2);
  EXPECT_TRUE(a.Ended());
  Zk b(node);
  while (true) {
    Zk t(node);
    if (t.Join(a.session, a.password)) break; /* as soon as it serves again */
  }
  ASSERT_TRUE(b.Join(a.session, a.password));
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/e")).err, ZK_OK);
}

TEST_F(ClientPort, AClientThatHasSeenMoreIsSentAway) {
  Zk a(node);
  a.Send(Zk::Frame(Zk::Hello(0, std::string(16, '\0'), 10000, 1ll << 40) + std::string(1, '\0')));
  EXPECT_TRUE(a.Ended());
}

TEST_F(ClientPort, AnswersComeInTheOrderOfTheRequests) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  std::string all;
  all += Zk::Ask(1, OP_CREATE, Create("/a", "1"));
  all += Zk::Ask(2, OP_GET_DATA, Zk::Path("/a"));
  all += Zk::Ask(3, OP_SET_DATA, SetData("/a", "2"));
  all += Zk::Ask(4, OP_SET_DATA, SetData("/a", "3", 7));
  all += Zk::Ask(5, OP_GET_DATA, Zk::Path("/a"));
  all += Zk::Ask(6, OP_SYNC, Jute().Str("/a").s);
  all += Zk::Ask(7, OP_PING);
  all += Zk::Ask(8, OP_DELETE, Delete("/a"));
  all += Zk::Ask(9, OP_GET_DATA, Zk::Path("/a"));
  a.Send(all);
  std::vector<Reply> r;
  for (int i = 0; i < 9; i++) r.push_back(a.Next());
  const int32_t xids[] = {1, 2, 3, 4, 5, 6, -2, 8, 9};
  const int32_t errors[] = {0, 0, 0, ZK_BADVERSION, 0, 0, 0, 0, ZK_NONODE};
  for (size_t i = 0; i < 9; i++) {
    EXPECT_EQ(r[i].xid, xids[i]);
    EXPECT_EQ(r[i].err, errors[i]);
    EXPECT_TRUE(i == 0 || r[i].zxid >= r[i - 1].zxid);
  }
  EXPECT_EQ(r[0].body, Jute().Str("/a").s);
  EXPECT_EQ(r[1].body.substr(0, 5), Jute().Str("1").s);
  EXPECT_EQ(r[2].body.size(), 68u);
  EXPECT_EQ(r[3].body, "");
  EXPECT_EQ(r[4].body.substr(0, 5), Jute().Str("2").s);
  EXPECT_EQ(r[5].body, Jute().Str("/a").s);
}

TEST_F(ClientPort, AWatchEventComesBeforeAnyAnswerThatShowsTheChange) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  a.Do(OP_CREATE, Create("/w"));
  EXPECT_EQ(b.Do(OP_GET_DATA, Zk::Path("/w", true)).err, ZK_OK);
  b.Send(Zk::Ask(7, OP_SET_DATA, SetData("/w", "x")) + Zk::Ask(8, OP_GET_DATA, Zk::Path("/w")));
  b.Expect(EVENT_DATA_CHANGED, "/w");
  EXPECT_EQ(b.Next().xid, 7);
  EXPECT_EQ(b.Next().xid, 8);
  b.Do(OP_SET_DATA, SetData("/w", "y")); /* once: the answer is the next packet */
}

TEST_F(ClientPort, WatchesFireAsInZooKeepersTable) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/p", true)).err, ZK_NONODE);
  EXPECT_EQ(b.Do(OP_GET_CHILDREN, Zk::Path("/", true)).err, ZK_OK);
  a.Do(OP_CREATE, Create("/p"));
  b.Expect(EVENT_CREATED, "/p");
  b.Expect(EVENT_CHILDREN_CHANGED, "/");
  EXPECT_EQ(b.Do(OP_GET_DATA, Zk::Path("/p", true)).err, ZK_OK);
  EXPECT_EQ(b.Do(OP_GET_CHILDREN2, Zk::Path("/p", true)).err, ZK_OK);
  a.Do(OP_DELETE, Delete("/p"));
  b.Expect(EVENT_DELETED, "/p"); /* once, though both tables have it */
  EXPECT_EQ(b.Do(OP_GET_CHILDREN, Zk::Path("/none", true)).err, ZK_NONODE); /* sets none */
  a.Do(OP_CREATE, Create("/none"));
  b.Do(OP_PING);
}

TEST_F(ClientPort, PersistentWatchesStayUntilTheyAreRemoved) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  EXPECT_EQ(b.Do(OP_ADD_WATCH, Jute().Str("/r").I4(1).s).body, Jute().I4(0).s);
  EXPECT_EQ(b.Do(OP_ADD_WATCH, Jute().Str("/r/k").I4(0).s).err, ZK_OK);
  a.Do(OP_CREATE, Create("/r"));
  a.Do(OP_CREATE, Create("/r/k"));
  a.Do(OP_CREATE, Create("/r/k/x"));
  a.Do(OP_SET_DATA, SetData("/r/k", "1"));
  b.Expect(EVENT_CREATED, "/r");
  b.Expect(EVENT_CREATED, "/r/k"); /* once, though it watches there and above */
  b.Expect(EVENT_CREATED, "/r/k/x");
  b.Expect(EVENT_CHILDREN_CHANGED, "/r/k"); /* not to a recursive one */
  b.Expect(EVENT_DATA_CHANGED, "/r/k");
  EXPECT_EQ(b.Do(OP_CHECK_WATCHES, Jute().Str("/r").I4(5).s).err, ZK_OK);
  EXPECT_EQ(b.Do(OP_CHECK_WATCHES, Jute().Str("/r").I4(2).s).err, ZK_NOWATCHER);
  EXPECT_EQ(b.Do(OP_REMOVE_WATCHES, Jute().Str("/r").I4(3).s).err, ZK_OK);
  EXPECT_EQ(b.Do(OP_REMOVE_WATCHES, Jute().Str("/r").I4(3).s).err, ZK_NOWATCHER);
  a.Do(OP_SET_DATA, SetData("/r", "1"));
  b.Do(OP_PING);
}

TEST_F(ClientPort, SetWatchesTellsWhatWasMissedAndWatchesTheRest) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  a.Do(OP_CREATE, Create("/d"));
  a.Do(OP_CREATE, Create("/c"));
  int64_t seen = a.Do(OP_CREATE, Create("/same")).zxid;
  a.Do(OP_SET_DATA, SetData("/d", "x"));
  a.Do(OP_CREATE, Create("/c/k"));
  a.Do(OP_CREATE, Create("/new"));
  auto list = [](const std::vector<std::string> &paths) {
    Jute j;
    j.I4(static_cast<int32_t>(paths.size()));
    for (auto &p : paths) j.Str(p);
    return j.s;
  };
  b.Send(Zk::Ask(-8, OP_SET_WATCHES,
                 Jute()
                     .I8(seen)
                     .Raw(list({"/d", "/gone", "/same"}))
                     .Raw(list({"/new", "/later"}))
                     .Raw(list({"/c", "/same"}))
                     .s));
  b.Expect(EVENT_DATA_CHANGED, "/d");
  b.Expect(EVENT_DELETED, "/gone");
  b.Expect(EVENT_CREATED, "/new");
  b.Expect(EVENT_CHILDREN_CHANGED, "/c");
  EXPECT_EQ(b.Next().xid, -8);
  a.Do(OP_CREATE, Create("/later"));
  a.Do(OP_CREATE, Create("/same/k"));
  b.Expect(EVENT_CREATED, "/later");
  b.Expect(EVENT_CHILDREN_CHANGED, "/same");
  b.Send(Zk::Ask(-8, OP_SET_WATCHES2,
                 Jute()
                     .I8(seen)
                     .Raw(list({}))
                     .Raw(list({}))
                     .Raw(list({}))
                     .Raw(list({"/same"}))
                     .Raw(list({"/c"}))
                     .s));
  EXPECT_EQ(b.Next().err, ZK_OK);
  a.Do(OP_SET_DATA, SetData("/c/k", "x"));
  b.Expect(EVENT_DATA_CHANGED, "/c/k");
}

TEST_F(ClientPort, WatchEventsAreOnlyForThoseWhoMayRead) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  b.Do(OP_ADD_WATCH, Jute().Str("/").I4(1).s);
  EXPECT_EQ(a.Do(OP_CREATE, Jute().Str("/s").Str("").Acl({{31, "ip", "10.0.0.1"}}).I4(0).s).err,
            ZK_OK);
  a.Do(OP_CREATE, Create("/open"));
  b.Expect(EVENT_CREATED, "/open");
}

TEST_F(ClientPort, ReadsAreChecked) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  std::string record =
      Jute().Str("/s").Str("x").Acl({{31, "digest", "u:abc"}, {1, "ip", "10.0.0.1"}}).I4(0).s;
  ASSERT_EQ(a.Do(OP_CREATE, record).err, ZK_OK);
  for (int32_t type : {OP_EXISTS, OP_GET_DATA, OP_GET_CHILDREN, OP_GET_CHILDREN2})
    EXPECT_EQ(a.Do(type, Zk::Path("/s")).err, ZK_NOAUTH) << type;
  for (int32_t type : {OP_GET_ACL, OP_GET_ALL_CHILDREN_NUMBER})
    EXPECT_EQ(a.Do(type, Jute().Str("/s").s).err, ZK_NOAUTH) << type;
  record = Jute().Str("/r").Str("x").Acl({{31, "digest", "u:abc"}, {1, "world", "anyone"}}).I4(0).s;
  ASSERT_EQ(a.Do(OP_CREATE, record).err, ZK_OK);
  std::string acl = a.Do(OP_GET_ACL, Jute().Str("/r").s).body; /* hashes only to ADMIN */
  EXPECT_EQ(acl.substr(0, acl.size() - 68),
            Jute().Acl({{31, "digest", "u:x"}, {1, "world", "anyone"}}).s);
  a.Send(Zk::Ask(-4, OP_AUTH, Jute().I4(0).Str("digest").Str("super:duper").s));
  Reply r = a.Next();
  EXPECT_EQ(r.xid, -4);
  EXPECT_EQ(r.err, ZK_OK);
  EXPECT_EQ(a.Do(OP_WHO_AM_I).body,
            Jute().I4(2).Str("ip").Str("127.0.0.1").Str("digest").Str("super").s);
  a.Send(Zk::Ask(-4, OP_AUTH, Jute().I4(0).Str("nonsense").Str("x").s));
  EXPECT_EQ(a.Next().err, ZK_AUTHFAILED);
  EXPECT_TRUE(a.Ended());
}

TEST_F(ClientPort, CountsAndListsWhatIsBelowAndWhatASessionOwns) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  a.Do(OP_CREATE, Create("/t"));
  a.Do(OP_CREATE, Create("/t/e", "", CREATE_EPHEMERAL));
  b.Do(OP_CREATE, Create("/t/f", "", CREATE_EPHEMERAL));
  EXPECT_EQ(a.Do(OP_GET_ALL_CHILDREN_NUMBER, Jute().Str("/t").s).body, Jute().I4(2).s);
  EXPECT_EQ(a.Do(OP_GET_ALL_CHILDREN_NUMBER, Jute().Str("/").s).body, Jute().I4(6).s);
  EXPECT_EQ(a.Do(OP_GET_EPHEMERALS, Jute().Str("").s).body, Jute().I4(1).Str("/t/e").s);
  EXPECT_EQ(a.Do(OP_GET_EPHEMERALS, Jute().Str("/x").s).body, Jute().I4(0).s);
  std::string ops = Jute()
                        .I4(OP_GET_DATA)
                        .B(false)
                        .I4(-1)
                        .Raw(Zk::Path("/none"))
                        .I4(OP_GET_CHILDREN)
                        .B(false)
                        .I4(-1)
                        .Raw(Zk::Path("/zookeeper/config"))
                        .I4(-1)
                        .B(true)
                        .I4(-1)
                        .s;
  EXPECT_EQ(
      a.Do(OP_MULTI_READ, ops).body,
      Jute().I4(-1).B(false).I4(-101).I4(-101).I4(8).B(false).I4(0).I4(0).I4(-1).B(true).I4(-1).s);
}

/* As there: a read in a multiRead cannot watch, whatever its flag says. */
TEST_F(ClientPort, AMultiReadSetsNoWatch) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  a.Do(OP_CREATE, Create("/w"));
  Jute reads;
  for (int32_t type : {OP_GET_DATA, OP_GET_CHILDREN})
    reads.I4(type).B(false).I4(-1).Raw(Zk::Path("/w", true));
  EXPECT_EQ(b.Do(OP_MULTI_READ, reads.I4(-1).B(true).I4(-1).s).err, ZK_OK);
  a.Do(OP_SET_DATA, SetData("/w", "x"));
  a.Do(OP_CREATE, Create("/w/k"));
  EXPECT_EQ(b.Do(OP_PING).xid, -2); /* and no event before it */
}

/* As there: zxids of clients are signed, and -1 is before all. */
TEST_F(ClientPort, AClientThatHasSeenNothingSaysMinusOne) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join());
  a.Do(OP_CREATE, Create("/d"));
  b.Send(Zk::Frame(Zk::Hello(0, std::string(16, '\0'), 10000, -1) + std::string(1, '\0')));
  ASSERT_EQ(b.Packet().size(), 37u);
  b.Send(Zk::Ask(-8, OP_SET_WATCHES, Jute().I8(-1).I4(1).Str("/d").I4(0).I4(1).Str("/d").s));
  b.Expect(EVENT_DATA_CHANGED, "/d");
  b.Expect(EVENT_CHILDREN_CHANGED, "/d");
  EXPECT_EQ(b.Next().xid, -8);
}

TEST_F(ClientPort, CloseSessionIsAnsweredAndTakesTheEphemerals) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  a.Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL));
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/e", true)).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_CLOSE_SESSION).err, ZK_OK);
  EXPECT_TRUE(a.Ended());
  b.Expect(EVENT_DELETED, "/e");
  Zk c(node);
  EXPECT_FALSE(c.Join(a.session, a.password));
}

TEST_F(ClientPort, WhatCannotBeIsAnsweredOnceAndTheConnectionEnds) {
  for (int32_t type : {0, 13, 10, 999, -3}) {
    Zk a(node);
    ASSERT_TRUE(a.Join());
    EXPECT_EQ(a.Do(type).err, ZK_UNIMPLEMENTED) << type;
    EXPECT_TRUE(a.Ended());
  }
  Zk b(node);
  ASSERT_TRUE(b.Join());
  EXPECT_EQ(b.Do(OP_RECONFIG, "").err, ZK_RECONFIGDISABLED);
  EXPECT_EQ(b.Do(OP_PING).xid, -2);
}

TEST_F(ClientPort, LengthsThatCannotBeEndTheConnectionAndNobodyElses) {
  Zk other(node);
  ASSERT_TRUE(other.Join());
  for (int32_t len : {-1, INT32_MIN, 1048576, INT32_MAX, 0, 7}) {
    Zk a(node), b(node);
    a.Send(Jute().I4(len).Raw(std::string(8, 'x')).s); /* instead of a connect request */
    EXPECT_TRUE(a.Ended()) << len;
    ASSERT_TRUE(b.Join());
    b.Send(Jute().I4(len).Raw(std::string(8, 'x')).s);
    EXPECT_TRUE(b.Ended()) << len;
  }
  EXPECT_EQ(other.Do(OP_PING).xid, -2);
  std::string hello = Zk::Hello(0, std::string(16, '\0'));
  for (size_t i = 8; i < hello.size(); i++) {
    Zk a(node);
    a.Send(Zk::Frame(hello.substr(0, i)));
    EXPECT_TRUE(a.Ended()) << i;
  }
}

TEST_F(ClientPort, EveryTruncationOfARequestIsAMarshallingError) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  std::string lists = Jute().I8(0).I4(1).Str("/d").I4(0).I4(1).Str("/c").s;
  const std::pair<int32_t, std::string> requests[] = {
      {OP_EXISTS, Zk::Path("/a", true)},
      {OP_GET_DATA, Zk::Path("/")},
      {OP_GET_CHILDREN, Zk::Path("/")},
      {OP_GET_CHILDREN2, Zk::Path("/")},
      {OP_GET_ACL, Jute().Str("/").s},
      {OP_GET_ALL_CHILDREN_NUMBER, Jute().Str("/").s},
      {OP_GET_EPHEMERALS, Jute().Str("/").s},
      {OP_ADD_WATCH, Jute().Str("/").I4(0).s},
      {OP_CHECK_WATCHES, Jute().Str("/").I4(3).s},
      {OP_REMOVE_WATCHES, Jute().Str("/").I4(3).s},
      {OP_SET_WATCHES, lists},
      {OP_SET_WATCHES2, lists + Jute().I4(0).I4(0).s},
      {OP_MULTI_READ, Jute().I4(4).B(false).I4(-1).Raw(Zk::Path("/")).I4(-1).B(true).I4(-1).s},
      {OP_CREATE, Create("/a")}};
  for (auto &q : requests) {
    for (size_t i = 0; i < q.second.size(); i++)
      EXPECT_EQ(a.Do(q.first, q.second.substr(0, i)).err, ZK_MARSHALLINGERROR)
          << q.first << " " << i;
  }
  EXPECT_EQ(a.Do(OP_PING).xid, -2);
}

TEST_F(ClientPort, FourLetterWordsAreAnsweredAndTheConnectionEnds) {
  auto word = [this](const std::string &w) {
    Zk a(node);
    a.Send(w);
    return a.Rest();
  };
  Zk other(node);
  ASSERT_TRUE(other.Join());
  EXPECT_EQ(word("ruok"), "imok");
  EXPECT_EQ(word("isro"), "rw");
  std::string srvr = word("srvr");
  EXPECT_EQ(srvr.find("Zookeeper version: 3.9.5-zabline-"), 0u);
  EXPECT_NE(srvr.find("\nMode: leader\nNode count: 5\n"), std::string::npos) << srvr;
  EXPECT_NE(word("stat").find("\nClients:\n /127.0.0.1:"), std::string::npos);
  EXPECT_NE(word("mntr").find("\nzk_znode_count\t5\n"), std::string::npos);
  EXPECT_EQ(word("conf"), "conf is not executed because it is not in the whitelist.\n");
  node.Stop();
  while (!node.Said(APP_STOPPED)) std::this_thread::yield();
  EXPECT_EQ(word("srvr"), "This ZooKeeper instance is not currently serving requests\n");
  EXPECT_EQ(word("ruok"), "imok");
  EXPECT_EQ(word("isro"), "null");
}

std::string MultiRead(const std::string &path, int cnt) {
  Jute j;
  for (int i = 0; i < cnt; i++) j.I4(OP_GET_DATA).B(false).I4(-1).Raw(Zk::Path(path));
  return j.I4(-1).B(true).I4(-1).s;
}

TEST_F(ClientPort, OneAnswerHasABound) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/big", std::string(1000000, 'x'))).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_MULTI_READ, MultiRead("/big", 10)).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_MULTI_READ, MultiRead("/big", 1000)).err, ZK_BADARGUMENTS);
  EXPECT_EQ(a.Do(OP_EXISTS, Zk::Path("/big")).err, ZK_OK);
}

TEST_F(ClientPort, ASlowReaderIsNoLongerReadFromAndLosesNothing) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/big", std::string(200000, 'x'))).err, ZK_OK);
  int most = 3000, sent = 0;
  std::string ask = Zk::Ask(0, OP_GET_DATA, Zk::Path("/big"));
  std::string all;
  for (int i = 0; i < most; i++) all += ask;
  std::thread writer([&] { a.Send(all); });
  for (int i = 0; i < most; i++, sent++) { /* 600 MB go through, a megabyte at a time */
    Reply r = a.Next();
    if (r.ended || r.body.size() != 200004 + 68) break;
  }
  writer.join();
  EXPECT_EQ(sent, most);
}

/* One that has as much unread as it may asks once more: its question waits at the node, and nothing
 * comes behind it that would wake it. */
TEST_F(ClientPort, WhatASlowReaderAskedLastIsAnsweredWhenItReads) {
  Zk a(node, 4096);
  ASSERT_TRUE(a.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/big", std::string(1000000, 'x'))).err, ZK_OK);
  a.Send(Zk::Ask(1, OP_MULTI_READ, MultiRead("/big", 12)));
  AwaitServer(node, "Outstanding: 0");
  uint64_t before = BytesRead(node);
  while (BytesRead(node) - before != 4) before = BytesRead(node);
  std::string late = Zk::Ask(2, OP_EXISTS, Zk::Path("/big"));
  a.Send(late);
  for (uint64_t words = 2; BytesRead(node) < before + late.size() + 4 * words; words++)
    std::this_thread::yield();
  Reply r = a.Next();
  EXPECT_EQ(r.xid, 1);
  EXPECT_GT(r.body.size(), 12000000u);
  EXPECT_EQ(a.Next().xid, 2);
}

/* The second of these reads is answered before the write behind it shows, while the first answer is
 * still being written: 17 MB are unread then, and no watch event, of which 16 MB may be. */
TEST_F(ClientPort, WhoReadsALargeAnswerIsNotClosedForUnreadWatchEvents) {
  Zk a(node, 4096);
  ASSERT_TRUE(a.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/big", std::string(1000000, 'x'))).err, ZK_OK);
  ASSERT_EQ(a.Do(OP_CREATE, Create("/x")).err, ZK_OK);
  a.Send(Zk::Ask(1, OP_MULTI_READ, MultiRead("/big", 12)) +
         Zk::Ask(2, OP_SET_DATA, SetData("/x", "1")) +
         Zk::Ask(3, OP_MULTI_READ, MultiRead("/big", 17)) +
         Zk::Ask(4, OP_SET_DATA, SetData("/x", "2")));
  Zk b(node);
  ASSERT_TRUE(b.Join());
  while (b.Do(OP_GET_DATA, Zk::Path("/x")).body.substr(4, 1) != "2") continue;
  EXPECT_EQ(a.Next().xid, 1);
  EXPECT_EQ(a.Next().xid, 2);
  Reply r = a.Next();
  EXPECT_EQ(r.xid, 3);
  EXPECT_GT(r.body.size(), LIMIT_CLIENT_EVENTS);
  EXPECT_EQ(a.Next().xid, 4);
}

/* Some read at once, some so slowly that the answer has to wait at the node: no buffer stays. */
TEST_F(ClientPort, WhoHasReadSomethingLargeKeepsNoLargeBuffers) {
  Zk first(node);
  ASSERT_TRUE(first.Join());
  std::string data(600000, 'x');
  ASSERT_EQ(first.Do(OP_CREATE, Create("/big", data)).err, ZK_OK);
  ASSERT_EQ(first.Do(OP_GET_DATA, Zk::Path("/big")).err, ZK_OK);
  auto used = [] {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
  };
  size_t before = used();
  std::vector<std::unique_ptr<Zk>> clients;
  for (int i = 0; i < 50; i++) {
    clients.push_back(std::make_unique<Zk>(node, i % 2 ? 4096 : 0));
    ASSERT_TRUE(clients.back()->Join());
    ASSERT_EQ(clients.back()->Do(OP_GET_DATA, Zk::Path("/big")).body.size(), 600004u + 68);
    ASSERT_EQ(clients.back()->Do(OP_PING).xid, -2);
  }
  EXPECT_LT(used(), before + 50 * 200000) << "of 50 clients, 64 KB for what each may send next";
}

/* Its write is on its way to the leader: what stands before it is answered before it shows, though
 * the client reads nothing and has more unread than it may. */
TEST_F(ClientPort, AReadBeforeAWriteShowsWhatWasBeforeItAlsoToASlowReader) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/big", std::string(200000, 'x'))).err, ZK_OK);
  ASSERT_EQ(a.Do(OP_CREATE, Create("/x", "before")).err, ZK_OK);
  std::string all;
  for (int i = 0; i < 50; i++) all += Zk::Ask(i, OP_GET_DATA, Zk::Path("/big"));
  a.Send(all + Zk::Ask(50, OP_GET_DATA, Zk::Path("/x")) +
         Zk::Ask(51, OP_SET_DATA, SetData("/x", "behind")));
  while (b.Do(OP_GET_DATA, Zk::Path("/x")).body.substr(4, 6) != "behind") continue;
  for (int i = 0; i < 50; i++) ASSERT_EQ(a.Next().xid, i);
  EXPECT_EQ(a.Next().body.substr(4, 6), "before");
  EXPECT_EQ(a.Next().xid, 51);
}

/* The one too many is in the middle of a request, which is read on: its client goes behind it. */
TEST_F(ClientPort, AClientWithTooManyWatchesIsClosedAndNobodyElse) {
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  auto path = [](int number, size_t len) {
    std::string digits = std::to_string(number);
    return "/" + digits + std::string(len - 1 - digits.size(), 'x');
  };
  int cnt = static_cast<int>(LIMIT_CLIENT_WATCH_BYTES / 1000000);
  for (int i = 0; i < cnt; i++)
    ASSERT_EQ(a.Do(OP_EXISTS, Zk::Path(path(i, 1000000), true)).err, ZK_NONODE) << i;
  /* There is no room for another one of that length, and one that it has needs none. */
  ASSERT_EQ(a.Do(OP_EXISTS, Zk::Path(path(0, 1000000), true)).err, ZK_NONODE);
  ASSERT_EQ(a.Do(OP_PING).xid, -2);
  for (int k = 0; k < 3; k++) {
    Jute lists;
    lists.I8(0).I4(0).I4(200);
    for (int i = 0; i < 200; i++) lists.Str(path(200 * k + i, 5000));
    a.Send(Zk::Ask(1, OP_SET_WATCHES, lists.I4(0).s));
  }
  EXPECT_EQ(b.Do(OP_CREATE, Create("/still")).err, ZK_OK);
  int answers = 0; /* else all three are answered, and only its silence ends it */
  while (!a.Next().ended) answers++;
  EXPECT_LT(answers, 3);
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/still")).err, ZK_OK);
}

TEST(ClientPortLimits, SoManyConnectionsFromOneAddress) {
  TreeNode node;
  node.config.max_client_cnxns = 3;
  node.Lead(1);
  node.Serve();
  Zk a(node), b(node), c(node);
  ASSERT_TRUE(a.Join() && b.Join() && c.Join());
  Zk d(node);
  EXPECT_TRUE(d.Ended());
  EXPECT_EQ(a.Do(OP_CLOSE_SESSION).err, ZK_OK);
  EXPECT_TRUE(a.Ended());
  Zk e(node);
  EXPECT_TRUE(e.Join());
}

TEST(ClientPortLimits, AConnectionWithoutALeaderEnds) {
  TreeNode node;
  node.Serve();
  Zk a(node);
  EXPECT_FALSE(a.Join());
}

/* ---- signs of life ---- */

/* A follower, whose leader hears what it forwards; which sessions it tells to be alive is noted. */
struct FollowingNode : TreeNode {
  FollowingNode() {
    leader = &other;
    other.app_self.ops->lead(&other.app_self, 1);
    uv.rings.forward = [](void *s, const void *q, uint32_t len) {
      auto *n = static_cast<FollowingNode *>(static_cast<FakeNode *>(s));
      n->Note(q, len);
      return n->LeaderTakes(q, len);
    };
    Follow(1, 0);
    Serve();
  }
  ~FollowingNode() { End(); }
  void Note(const void *bytes, uint32_t len) {
    request q;
    ASSERT_TRUE(request_read(&q, bytes, len));
    if (q.type != OP_TOUCH) return;
    std::lock_guard<std::mutex> g(touch_lock);
    for (int32_t i = 0; i < q.record.len; i += 8)
      touched.insert(Zk::At(std::string(q.record.data, q.record.data + q.record.len),
                            static_cast<size_t>(i), 8));
  }
  bool Touched(int64_t session) {
    std::lock_guard<std::mutex> g(touch_lock);
    return touched.count(session);
  }
  TreeNode other;
  std::mutex touch_lock;
  std::set<int64_t> touched;
};

/* Touches are a second apart, and few of these twenty connections see one: but the leader hears of
 * each, else it would count the session's time from before its last ping. */
TEST(ClientPortTouches, WhatWasHeardBeforeAConnectionBrokeReachesTheLeader) {
  FollowingNode node;
  std::vector<int64_t> sessions;
  for (int i = 0; i < 20; i++) {
    Zk a(node);
    ASSERT_TRUE(a.Join());
    EXPECT_EQ(a.Do(OP_PING).xid, -2);
    sessions.push_back(a.session);
  }
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int64_t s : sessions) {
    while (!node.Touched(s) && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_TRUE(node.Touched(s));
  }
}

/* ---- who is who ---- */

TEST(ClientPortSuper, MayDoEverythingWithTheRightPasswordOnly) {
  TreeNode node;
  strcpy(node.config.super_digest, "super:lK75jTNcA+U9vtVEw5vB51mj/w4="); /* of super:secret */
  node.Lead(1);
  node.Serve();
  Zk a(node), s(node), wrong(node);
  ASSERT_TRUE(a.Join() && s.Join() && wrong.Join());
  std::string locked = Jute().Str("/mine").Str("x").Acl({{31, "ip", "10.9.9.9"}}).I4(0).s;
  EXPECT_EQ(a.Do(OP_CREATE, locked).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_GET_DATA, Zk::Path("/mine")).err, ZK_NOAUTH);
  auto auth = [](Zk *k, const std::string &who) {
    k->Send(Zk::Ask(-4, OP_AUTH, Jute().I4(0).Str("digest").Str(who).s));
    return k->Next().err;
  };
  EXPECT_EQ(auth(&wrong, "super:guess"), ZK_OK);
  EXPECT_EQ(wrong.Do(OP_GET_DATA, Zk::Path("/mine")).err, ZK_NOAUTH);
  EXPECT_EQ(auth(&s, "super:secret"), ZK_OK);
  EXPECT_EQ(auth(&s, "super:secret"), ZK_OK);
  EXPECT_EQ(s.Do(OP_GET_DATA, Zk::Path("/mine")).err, ZK_OK);
  EXPECT_EQ(s.Do(OP_SET_DATA, SetData("/zookeeper/config", "x")).err, ZK_OK);
  EXPECT_EQ(
      s.Do(OP_WHO_AM_I).body,
      Jute().I4(3).Str("ip").Str("127.0.0.1").Str("super").Str("").Str("digest").Str("super").s);
  /* "auth" names what was proven: digest, as "super" is no scheme of ACLs. */
  EXPECT_EQ(s.Do(OP_CREATE, Jute().Str("/au").Str("").Acl({{31, "auth", ""}}).I4(0).s).err, ZK_OK);
  Reply r = s.Do(OP_GET_ACL, Jute().Str("/au").s);
  EXPECT_EQ(r.body.substr(0, r.body.size() - 68),
            Jute().Acl({{31, "digest", "super:lK75jTNcA+U9vtVEw5vB51mj/w4="}}).s);
}

TEST_F(ClientPort, NobodyIsSuperWithoutItsDigest) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  a.Send(Zk::Ask(-4, OP_AUTH, Jute().I4(0).Str("digest").Str("super:secret").s));
  EXPECT_EQ(a.Next().err, ZK_OK);
  EXPECT_EQ(a.Do(OP_SET_DATA, SetData("/zookeeper/config", "x")).err, ZK_NOAUTH);
}

TEST_F(ClientPort, AnswersSaslAsAServerWithoutIt) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  Reply r = a.Do(OP_SASL, Jute().Str("token").s);
  EXPECT_EQ(r.err, ZK_OK);
  EXPECT_EQ(r.body, Jute().Null().s);
  EXPECT_EQ(a.Do(OP_PING).err, ZK_OK);
  for (const char *scheme : {"sasl", "x509", "super", "none"}) {
    Zk b(node);
    ASSERT_TRUE(b.Join());
    b.Send(Zk::Ask(-4, OP_AUTH, Jute().I4(0).Str(scheme).Str("a:b").s));
    EXPECT_EQ(b.Next().err, ZK_AUTHFAILED) << scheme;
    EXPECT_TRUE(b.Ended());
  }
}

/* ---- limits are named ---- */

TEST_F(ClientPort, ATooLongPacketIsNamedWithItsPathAndLimit) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  testing::internal::CaptureStderr();
  a.Send(Zk::Ask(1, OP_CREATE, Create("/much/too\n long", std::string(1100000, 'x'))));
  EXPECT_TRUE(a.Next().ended);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Len error 1100062: a packet may have 1048575 bytes (ZooKeeper's "
                      "jute.maxbuffer, fixed here): create of /much/too? long; closing"),
            said.npos)
      << said;
}

TEST_F(ClientPort, APacketOfMoreThanHalfTheLimitIsWarnedOfOnce) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  testing::internal::CaptureStderr();
  EXPECT_EQ(a.Do(OP_CREATE, Create("/a", std::string(500000, 'x'))).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_SET_DATA, SetData("/a", std::string(600000, 'x'))).err, ZK_OK);
  EXPECT_EQ(a.Do(OP_SET_DATA, SetData("/a", std::string(600000, 'y'))).err, ZK_OK);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("setData of /a has 600022 bytes, more than half of the 1048575"), said.npos)
      << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

TEST_F(ClientPort, AnAnswerThatClientsRefuseIsNamed) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  std::string name(1000, 'n'), all;
  for (int i = 0; i < 1100; i++)
    all += Zk::Ask(i, OP_CREATE, Create("/" + name + std::to_string(i)));
  a.Send(all);
  for (int i = 0; i < 1100; i++) ASSERT_EQ(a.Next().err, ZK_OK);
  testing::internal::CaptureStderr();
  EXPECT_EQ(a.Do(OP_GET_CHILDREN, Zk::Path("/")).err, ZK_OK);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("the answer to getChildren of / has 11"), said.npos) << said;
  EXPECT_NE(said.find("a client refuses more than its jute.maxbuffer, 1048575"), said.npos) << said;
}

TEST(ClientPortLimits, ARequestThatIsTooLargeForTheLogNamesLargestRecord) {
  TreeNode node;
  node.config.largest_record = 1000;
  node.Lead(1);
  node.Serve();
  Zk a(node);
  ASSERT_TRUE(a.Join());
  testing::internal::CaptureStderr();
  EXPECT_EQ(a.Do(OP_CREATE, Create("/big", std::string(2000, 'x'))).err, ZK_BADARGUMENTS);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("create of /big has 20"), said.npos) << said;
  EXPECT_NE(said.find("largest_record in the config allows 1000: refused"), said.npos) << said;
}

/* The leader's log is held back: what is asked waits. */
TEST(ClientPortLimits, WhoHasRequestsOutstandingIsNotReadFromAboveTheGlobalLimit) {
  TreeNode node;
  node.config.global_outstanding_limit = 10;
  node.Lead(1);
  node.Serve();
  Zk a(node), b(node);
  ASSERT_TRUE(a.Join() && b.Join());
  node.HoldCommits();
  std::string all;
  for (int i = 0; i < 5000; i++)
    all += Zk::Ask(i, OP_CREATE, Create("/a" + std::to_string(i), "x"));
  a.Send(Zk::Ask(-2, OP_PING));
  testing::internal::CaptureStderr();
  a.Send(all);
  EXPECT_EQ(a.Next().xid, -2);
  AwaitServer(node, "Outstanding: 10");
  EXPECT_EQ(b.Do(OP_EXISTS, Zk::Path("/")).err, ZK_OK) << "who has none is served";
  EXPECT_NE(Word(node, "srvr").find("Outstanding: 10\n"), std::string::npos);
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("10 requests of clients wait"), said.npos) << said;
  EXPECT_NE(said.find("global_outstanding_limit in the config is 10"), said.npos) << said;
  node.CommitAll();
  for (int i = 0; i < 5000; i++) ASSERT_EQ(a.Next().xid, i);
}

/* 1024 of them may wait for their commit; the rest has been read by then, and no more comes. */
TEST_F(ClientPort, WhatWaitsBehindTheAsksOfAClientIsTakenWhenTheyAreAnswered) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  node.HoldCommits();
  std::string all;
  for (int i = 0; i < 5000; i++)
    all += Zk::Ask(i, OP_CREATE, Create("/a" + std::to_string(i), "x"));
  a.Send(all);
  AwaitServer(node, "Outstanding: 1024");
  node.CommitAll();
  for (int i = 0; i < 5000; i++) ASSERT_EQ(a.Next().xid, i);
}

/* ---- four-letter words ---- */

TEST_F(ClientPort, OnlyTheWordsOfTheConfigAreAnswered) {
  for (const char *word : {"conf", "cons", "crst", "dump", "envi", "srst", "wchc", "wchp", "wchs",
                           "dirs", "gtmk", "hash", "stmk"})
    EXPECT_EQ(Word(node, word),
              word + std::string(" is not executed because it is not in the whitelist.\n"));
  EXPECT_EQ(Word(node, "ruok"), "imok");
}

TEST(ClientPortWords, HaveZooKeepersFormat) {
  TreeNode node;
  strcpy(node.config.four_letter_words, "*");
  strcpy(node.config.data_dir, "d");
  node.Lead(1);
  node.Serve();
  auto sizes =
      [&node](const std::string &text) { /* of a leader, at the end */
                                         std::string srvr = Word(node, "srvr"),
                                                     line =
                                                         "\nProposal sizes last/min/max: " + text +
                                                         "\n";
                                         EXPECT_EQ(srvr.find(line), srvr.size() - line.size())
                                             << srvr;
      };
  sizes("-1/-1/-1");
  Zk a(node);
  ASSERT_TRUE(a.Join());
  sizes("48/48/48"); /* TxnHeader, timeout, TxnDigest */
  ASSERT_EQ(a.Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL)).err, ZK_OK);
  sizes("86/48/86");
  ASSERT_EQ(a.Do(OP_SYNC, Jute().Str("/e").s).err, ZK_OK);
  sizes("36/36/86");
  ASSERT_EQ(a.Do(OP_GET_DATA, Zk::Path("/e", true)).err, ZK_OK);
  char id[32];
  snprintf(id, sizeof id, "0x%llx", static_cast<unsigned long long>(a.session));
  EXPECT_EQ(Word(node, "wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
  EXPECT_EQ(Word(node, "wchc"), std::string(id) + "\n\t/e\n\n");
  EXPECT_EQ(Word(node, "wchp"), std::string("/e\n\t") + id + "\n\n");
  EXPECT_NE(
      Word(node, "dump").find(std::string("Sessions with Ephemerals (1):\n") + id + ":\n\t/e\n"),
      std::string::npos);
  EXPECT_NE(Word(node, "conf").find("tickTime=2000\nmaxClientCnxns=60\nminSessionTimeout=4000\n"),
            std::string::npos);
  EXPECT_EQ(Word(node, "envi").find("Environment:\nzookeeper.version=3.9.5-zabline-"), 0u);
  std::string cons = Word(node, "cons");
  EXPECT_NE(cons.find(std::string(",sid=") + id + ",lop=GETD,est="), std::string::npos) << cons;
  const std::pair<int32_t, std::string> asked[] = {
      {OP_PING, "PING"}, {OP_EXISTS, "EXIS"}, {OP_GET_CHILDREN2, "GETC"}, {OP_SET_DATA, "SETD"},
      {OP_SYNC, "SYNC"}, {OP_DELETE, "DELE"}, {OP_DELETE, "NA"}}; /* it is gone */
  for (auto &q : asked) {
    std::string record = q.first == OP_SET_DATA ? SetData("/e", "x")
                         : q.first == OP_DELETE ? Delete("/e")
                                                : Zk::Path("/e");
    a.Send(Zk::Ask(1, q.first, record));
    while (a.Next().xid == -1) continue; /* of its watch */
    cons = Word(node, "cons");
    EXPECT_NE(cons.find(",lop=" + q.second + ","), std::string::npos) << cons;
  }
  EXPECT_EQ(Word(node, "crst"), "Connection stats reset.\n");
  EXPECT_EQ(Word(node, "srst"), "Server stats reset.\n");
  EXPECT_EQ(Word(node, "srvr").find("Zookeeper version: 3.9.5-zabline-"), 0u);
  EXPECT_NE(Word(node, "srvr").find("\nLatency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\n"),
            std::string::npos)
      << "after srst";
}

TEST(ClientPortWords, SayWhatToolsAskForBesides) {
  TreeNode node;
  strcpy(node.config.four_letter_words, "*");
  char dir[] = "/tmp/zabline.words.XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  strcpy(node.config.data_dir, dir);
  for (const char *name : {"/log.1", "/snap.1"})
    std::ofstream(dir + std::string(name)) << std::string(5000, 'x');
  node.Lead(1);
  node.Serve();
  EXPECT_EQ(Word(node, "dirs"), "datadir_size: 10000\nlogdir_size: 10000\n");
  std::string conf = Word(node, "conf"), path = dir;
  EXPECT_NE(conf.find("\ndataDir=" + path + "\ndataDirSize=10000\ndataLogDir=" + path +
                      "\ndataLogSize=10000\ntickTime="),
            conf.npos)
      << conf;
  std::filesystem::remove_all(dir);
  EXPECT_EQ(Word(node, "gtmk"), "306");
  EXPECT_EQ(Word(node, std::string("stmk\0\0\0\1\0\0\0\2", 12)), "4294967298");
  EXPECT_EQ(Word(node, "gtmk"), "4294967298");
  Zk slow(node); /* the mask comes later */
  slow.Send("stmk");
  slow.Send(std::string("\0\0\0", 3));
  EXPECT_EQ(Word(node, "ruok"), "imok");
  slow.Send(std::string("\0\0\0\0\7", 5));
  EXPECT_EQ(slow.Rest(), "7");

  EXPECT_EQ(Word(node, "hash"), "");
  Zk a(node);
  ASSERT_TRUE(a.Join());
  std::string expected;
  for (uint32_t counter = 2; counter <= 300; counter++) { /* 1 was the session */
    ASSERT_EQ(a.Do(OP_CREATE, Create("/n" + std::to_string(counter), "x")).err, ZK_OK);
    char line[64];
    snprintf(line, sizeof line, "%llx: %lld\n",
             static_cast<unsigned long long>(zxid_make(1, counter)),
             static_cast<long long>(node.tree->tree.digest));
    if (counter % 128 == 0) expected += line;
  }
  EXPECT_EQ(Word(node, "hash"), expected);
}

TEST_F(ClientPort, MntrCountsWhatWasDone) {
  Zk a(node);
  ASSERT_TRUE(a.Join());
  ASSERT_EQ(a.Do(OP_CREATE, Create("/e", "", CREATE_EPHEMERAL)).err, ZK_OK);
  ASSERT_EQ(a.Do(OP_GET_DATA, Zk::Path("/e", true)).err, ZK_OK);
  ASSERT_EQ(a.Do(OP_EXISTS, Zk::Path("/e")).err, ZK_OK);
  a.Send(Zk::Ask(9, OP_DELETE, Delete("/e")));
  a.Expect(EVENT_DELETED, "/e");
  ASSERT_EQ(a.Next().err, ZK_OK);
  std::string mntr = Word(node, "mntr");
  EXPECT_EQ(mntr.find("zk_version\t3.9.5-zabline-"), 0u) << mntr;
  for (const char *line : {"zk_server_state\tleader",
                           "zk_ephemerals_count\t0",
                           "zk_znode_count\t5",
                           "zk_watch_count\t0",
                           "zk_global_sessions\t1",
                           "zk_local_sessions\t0",
                           "zk_cnt_readlatency\t2",
                           "zk_cnt_updatelatency\t2",
                           "zk_node_deleted_watch_count\t1",
                           "zk_node_created_watch_count\t0",
                           "zk_auth_failed_count\t0",
                           "zk_connection_drop_probability\t0.0",
                           "zk_digest_mismatches_count\t0",
                           "zk_peer_state\tleading - broadcast",
                           "zk_synced_followers\t",
                           "zk_learners\t",
                           "zk_stale_sessions_expired\t0",
                           "zk_max_client_response_size\t",
                           "zk_proposal_count\t3\n",
                           "zk_commit_count\t3\n",
                           "zk_diff_count\t3\n",
                           "zk_snap_count\t2\n",
                           "zk_max_proposal_size\t86\n",
                           "zk_min_proposal_size\t48\n",
                           "zk_last_proposal_size\t50\n"})
    EXPECT_NE(mntr.find(std::string("\n") + line), std::string::npos) << line << "\n" << mntr;
}

}  // namespace
