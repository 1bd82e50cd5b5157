// ZooKeeper's tree: requests of any content prepared and applied, transactions of any content
// applied, snapshots of any content restored; and the digest is that of the znodes.
#include "test/fuzz/input.h"

#include <vector>

extern "C" {
#include "config/limits.h"
#include "proto/txn.h"
#include "service/tree/app_tree.h"
}

#define TXN_MAX 8192u
#define SESSION 0x0100000000000001

struct Tree {
  Tree() : t(app_tree_create("version=0", 60000)), app(app_tree_app(t)) {}
  ~Tree() { app_tree_destroy(t); }
  Tree(const Tree &) = delete;

  void Apply(const std::string &txn) {
    Exact bytes(txn);
    app.ops->apply(&app, zxid_make(1, ++counter), bytes.data.get(),
                   static_cast<uint32_t>(bytes.len));
  }
  /* The transaction, or "". */
  std::string Prepare(const std::string &request) {
    Exact bytes(request);
    std::string txn(TXN_MAX, '\0');
    struct app_request r = {zxid_make(1, counter + ahead + 1), 1000, bytes.data.get(),
                            static_cast<uint32_t>(bytes.len)};
    struct app_prepared p = app.ops->prepare(&app, &r, txn.data(), TXN_MAX);
    uint32_t len = p.reason ? app.ops->refuse(&app, &r, p.reason, txn.data()) : p.len;
    CHECK(len <= TXN_MAX);
    txn.resize(len);
    return txn;
  }
  void Check() const {
    uint64_t digest = 0, cnt = 0;
    for (const struct znode *n = t->tree.root; n; n = tree_next(n), cnt++)
      digest += n->in_zookeeper ? 0 : znode_digest(n->crc, &n->stat);
    CHECK(cnt == t->tree.node_cnt && digest == t->tree.digest);
  }
  std::string Snapshot() {
    std::string all;
    uint8_t buf[512];
    app.ops->snapshot_begin(&app);
    for (uint32_t n; (n = app.ops->snapshot_next(&app, buf, sizeof buf)) > 0;)
      all.append(reinterpret_cast<char *>(buf), n);
    app.ops->snapshot_end(&app);
    return all;
  }
  bool Restore(const std::string &bytes, zxid_t zxid, size_t step) {
    app.ops->restore_begin(&app);
    for (size_t at = 0; at < bytes.size(); at += step) {
      Exact part(bytes.substr(at, step));
      if (!app.ops->restore_next(&app, part.data.get(), static_cast<uint32_t>(part.len)))
        return false;
    }
    return app.ops->restore_end(&app, zxid);
  }
  struct app_tree *t;
  struct app app;
  uint32_t counter = 0, ahead = 0;
};

static std::string big(uint64_t v, int bytes) {
  std::string s;
  for (int i = bytes - 1; i >= 0; i--) s.push_back(static_cast<char>(v >> (8 * i)));
  return s;
}

static std::string text(const std::string &s) { return big(s.size(), 4) + s; }

/* A path near others, so that they meet. */
static std::string path(Input *in) {
  static const char *const odd[] = {"",    "/",  "a", "/zookeeper", "/zookeeper/quota",
                                    "/a/", "/.", "//"};
  if (in->below(12) == 0) return odd[in->below(8)];
  std::string p;
  for (uint32_t i = 1 + in->below(3); i; i--) p += std::string("/") + "abc"[in->below(3)];
  return p;
}

static std::string acl(Input *in) {
  std::string open = big(1, 4) + big(31, 4) + text("world") + text("anyone");
  if (in->below(4)) return open;
  std::string s = big(2, 4);
  for (int i = 0; i < 2; i++) {
    static const char *const schemes[] = {"world", "digest", "ip", "auth", "none"};
    s += big(in->u8(), 4) + text(schemes[in->below(5)]) + text(in->take(in->below(12)));
  }
  return s;
}

static std::string record(Input *in, int32_t type) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      return text(path(in)) + text(in->take(in->below(20))) + acl(in) + big(in->below(8), 4) +
             (type == OP_CREATE_TTL ? big(in->u16(), 8) : "");
    case OP_SET_DATA:
      return text(path(in)) + text(in->take(in->below(20))) + big(in->flag() ? ~0ull : in->u8(), 4);
    case OP_SET_ACL:
      return text(path(in)) + acl(in) + big(~0ull, 4);
    case OP_DELETE:
    case OP_CHECK:
      return text(path(in)) + big(in->flag() ? ~0ull : in->u8(), 4);
    case OP_CREATE_SESSION:
    case OP_REVALIDATE:
      return big(in->u16(), 4);
    default:
      return in->take(in->u8() % 64);
  }
}

static const int32_t types[] = {
    OP_CREATE,     OP_CREATE2,        OP_CREATE_CONTAINER, OP_CREATE_TTL,
    OP_SET_DATA,   OP_DELETE,         OP_SET_ACL,          OP_CHECK,
    OP_MULTI,      OP_CREATE_SESSION, OP_CLOSE_SESSION,    OP_SYNC,
    OP_REVALIDATE, OP_TOUCH,          OP_DELETE_CONTAINER, OP_RECONFIG};

static std::string request(Input *in) {
  int32_t type = types[in->below(16)];
  std::string body;
  if (type == OP_MULTI) {
    for (uint32_t i = in->below(4); i; i--) {
      int32_t part = types[in->below(9)];
      body += big(static_cast<uint32_t>(part), 4) + '\0' + big(~0ull, 4) + record(in, part);
    }
    body += big(~0ull, 4) + '\1' + big(~0ull, 4);
  } else {
    body = record(in, type);
  }
  if (in->below(16) == 0) body = body.substr(0, in->u8());
  if (in->below(16) == 0 && body.size() > 3)
    body[in->u8() % body.size()] = static_cast<char>(in->u8());
  std::string ids = big(2, 4) + text("ip") + text("127.0.0.1") + text("digest") + text("u:x");
  return big(SESSION + in->below(2), 8) + big(1, 4) + big(static_cast<uint32_t>(type), 4) + '\1' +
         ids + body;
}

/* Some requests ahead of what is applied; what was prepared and what comes of it agree. */
static void requests(Input in) {
  Tree a, replay;
  std::vector<std::string> outstanding, log;
  a.app.ops->lead(&a.app, 1);
  for (int64_t s = 0; s < 2; s++)
    a.Apply(a.Prepare(big(SESSION + s, 8) + big(1, 4) +
                      big(static_cast<uint32_t>(OP_CREATE_SESSION), 4) + '\1' + big(0, 4) +
                      big(5000, 4)));
  a.Check();
  while (!in.empty()) {
    std::string txn = a.Prepare(request(&in));
    if (!txn.empty()) {
      outstanding.push_back(txn);
      a.ahead++;
    }
    while (!outstanding.empty() && (in.flag() || in.empty())) {
      a.ahead--;
      a.Apply(outstanding.front());
      outstanding.erase(outstanding.begin());
      CHECK(a.t->tree.digest_mismatches == 0); /* view and tree are one */
    }
  }
  a.Check();
  std::string bytes = a.Snapshot();
  CHECK(replay.Restore(bytes, a.t->tree.applied, 1 + bytes.size() / 3));
  CHECK(replay.app.ops->digest(&replay.app) == a.app.ops->digest(&a.app));
}

/* Of a log, or of a peer: no leader of ours has checked them. */
static void transactions(Input in) {
  Tree a;
  uint32_t cnt = 0;
  while (!in.empty() && cnt++ < 200) {
    int32_t type = types[in.below(16)];
    std::string body;
    if (type == OP_CREATE || type == OP_CREATE2)
      body = text(path(&in)) + text(in.take(in.below(20))) + acl(&in) + big(in.flag(), 1) +
             big(in.u8(), 4);
    else if (type == OP_CREATE_CONTAINER || type == OP_CREATE_TTL)
      body = text(path(&in)) + text(in.take(in.below(20))) + acl(&in) + big(in.u8(), 4) +
             big(in.u64(), 8);
    else
      body = record(&in, type);
    if (in.below(8) == 0) body = body.substr(0, in.u8());
    if (in.below(8) == 0) body = in.take(in.u8());
    a.Apply(big(SESSION + in.below(2), 8) + big(1, 4) + big(zxid_make(1, cnt), 8) + big(1000, 8) +
            big(static_cast<uint32_t>(type), 4) + body);
  }
  a.Check();
  for (const char *own : {"/zookeeper", "/zookeeper/quota", "/zookeeper/config"})
    if (!tree_find(&a.t->tree, span_of(own))) return; /* no leader lets them go */
  Tree b;
  std::string bytes = a.Snapshot();
  CHECK(b.Restore(bytes, a.t->tree.applied, 1 + bytes.size() / 2));
  b.Check();
}

/* A snapshot of any content is refused, or restored; then it can be taken again.  Most are made of
 * a good one, damaged. */
static void restored(Input in) {
  Tree a, b;
  zxid_t zxid = in.u16();
  size_t step = 1 + in.u8();
  std::string bytes;
  if (in.flag()) {
    a.Apply(big(SESSION, 8) + big(1, 4) + big(1, 8) + big(1, 8) + big(OP_CREATE, 4) + text("/a") +
            text("x") + acl(&in) + big(in.flag(), 1) + big(1, 4));
    zxid = a.t->tree.applied;
    bytes = a.Snapshot();
    for (uint32_t i = in.below(4); i; i--)
      bytes[in.u16() % bytes.size()] = static_cast<char>(in.u8());
    bytes = bytes.substr(0, bytes.size() - in.below(40));
  } else {
    bytes = in.take(in.len);
  }
  if (!b.Restore(bytes, zxid, step)) return;
  b.Check();
  b.Snapshot();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  switch (in.u8() % 3) {
    case 0:
      transactions(in);
      break;
    case 1:
      restored(in);
      break;
    default:
      requests(in);
  }
  return 0;
}
