// ZooKeeper's client port without its sockets: one client sends anything, in pieces; another one
// watches.  The node follows: what is forwarded is prepared and applied at once or a little later.
#include "test/fuzz/input.h"

#include <deque>

extern "C" {
#include "proto/txn.h"
#include "service/client/client.h"
}

#define TXN_MAX (1u << 14)

struct Node {
  Node() : tree(app_tree_create("version=0", 60000)) {
    core.config = &config;
    core.own_counters = &own;
    config.id = 1;
    config.largest_record = TXN_MAX;
    config.tick_ms = 2000;
    core.rings.self = this;
    core.rings.forward = Forward;
    thread.c = &core;
    thread.app = app_tree_app(tree);
    thread.state = APP_SERVING;
    thread.now_ms = 1000;
    thread.app.ops->lead(&thread.app, 1);
    port.thread = &thread;
    port.app = tree;
    uv_loop_init(&loop);
    port.loop = &loop;
    tree->tree.listener = {&port, client_heard_event};
  }
  ~Node() {
    while (port.client_cnt) client_close(port.clients[port.client_cnt - 1]);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    buffer_free(&port.scratch);
    app_tree_destroy(tree);
  }
  Node(const Node &) = delete;

  static bool Forward(void *self, const void *request, uint32_t len) {
    Node *n = static_cast<Node *>(self);
    if (n->outstanding.size() == 8) return false; /* the ring is full */
    std::string txn(TXN_MAX, '\0');
    struct app_request r = {zxid_make(1, n->counter + 1), 1000, request, len};
    struct app_prepared p = n->thread.app.ops->prepare(&n->thread.app, &r, txn.data(), TXN_MAX);
    uint32_t used =
        p.reason ? n->thread.app.ops->refuse(&n->thread.app, &r, p.reason, txn.data()) : p.len;
    CHECK(used <= TXN_MAX);
    if (!used) return true;
    txn.resize(used);
    n->counter++;
    n->outstanding.push_back({r.zxid, txn});
    return true;
  }
  void Apply() {
    auto t = outstanding.front();
    outstanding.pop_front();
    thread.app.ops->apply(&thread.app, t.first, t.second.data(),
                          static_cast<uint32_t>(t.second.size()));
    CHECK(tree->tree.digest_mismatches == 0);
    client_heard_applied(&port, t.first, t.second.data(), static_cast<uint32_t>(t.second.size()));
  }
  struct client *Client() {
    struct client *c = static_cast<struct client *>(calloc(1, sizeof *c));
    c->port = &port;
    uv_tcp_init(&loop, &c->tcp);
    c->tcp.data = c;
    strcpy(c->address, "127.0.0.1");
    client_ids_init(c);
    c->idx = port.client_cnt;
    port.clients[port.client_cnt++] = c;
    return c;
  }
  bool Lives(const struct client *c) const {
    for (int i = 0; i < port.client_cnt; i++)
      if (port.clients[i] == c) return true;
    return false;
  }
  /* A turn as client_port.c makes it, and all answers are read. */
  void Turn(struct client *c) {
    if (!Lives(c)) return;
    client_frames(c);
    if (!c->closing) client_asks(c);
    if (c->closing || (c->last_words && !c->first)) {
      client_close(c);
      return;
    }
    buffer_consume(&c->out, buffer_len(&c->out));
  }
  void Send(struct client *c, const std::string &bytes) {
    if (!Lives(c)) return;
    buffer_append(&c->in, bytes.data(), bytes.size());
    Turn(c);
  }
  void Settle(struct client *c) {
    for (int i = 0; i < 50 && Lives(c); i++) {
      Turn(c);
      if (!outstanding.empty()) Apply();
    }
  }
  struct config config = {};
  struct app_uv_config core = {};
  struct counters own = {};
  struct app_thread thread = {};
  struct client_port port = {};
  uv_loop_t loop;
  struct app_tree *tree;
  uint32_t counter = 0;
  std::deque<std::pair<zxid_t, std::string>> outstanding;
};

static std::string big(uint64_t v, int bytes) {
  std::string s;
  for (int i = bytes - 1; i >= 0; i--) s.push_back(static_cast<char>(v >> (8 * i)));
  return s;
}
static std::string text(const std::string &s) { return big(s.size(), 4) + s; }
static std::string hello() {
  return text(big(0, 4) + big(0, 8) + big(10000, 4) + big(0, 8) + text(std::string(16, '\0')) +
              '\0');
}
static std::string path(Input *in) {
  static const char *const paths[] = {"/", "", "/a", "/a/b", "/b", "/zookeeper", "x", "/a/"};
  return text(paths[in->below(8)]);
}

/* One request, whole or not quite. */
static std::string request(Input *in) {
  static const int32_t types[] = {1,   2,   3,   4,   5,   6,   7,   8,   9,  11, 12,
                                  13,  14,  15,  16,  17,  18,  19,  20,  21, 22, 100,
                                  101, 102, 103, 104, 105, 106, 107, -11, 0,  -10};
  int32_t type = types[in->below(32)];
  std::string open = big(1, 4) + big(31, 4) + text("world") + text("anyone");
  std::string body = in->below(8) ? path(in) : "";
  if (type == 1 || type == 15 || type == 19 || type == 21)
    body += text(in->take(in->below(20))) + open + big(in->below(8), 4) +
            (type == 21 ? big(5000, 8) : "");
  else if (type == 5)
    body += text(in->take(in->below(20))) + big(~0ull, 4);
  else if (type == 3 || type == 4 || type == 8 || type == 12)
    body += static_cast<char>(in->flag());
  else if (type == 7)
    body += open + big(~0ull, 4);
  else if (type == 100)
    body = big(0, 4) + text("digest") + text(in->take(in->below(12)));
  else if (type == 101 || type == 105)
    body = big(in->u8(), 8) + big(1, 4) + path(in) + big(1, 4) + path(in) + big(1, 4) + path(in) +
           (type == 105 ? big(1, 4) + path(in) + big(1, 4) + path(in) : "");
  else if (type == 14 || type == 22)
    body = big(type == 14 ? 5 : 4, 4) + '\0' + big(~0ull, 4) + path(in) +
           (type == 14 ? text("x") + big(~0ull, 4) : std::string(1, '\0')) + big(~0ull, 4) + '\1' +
           big(~0ull, 4);
  else
    body += big(in->below(6), 4);
  if (in->below(8) == 0) body += in->take(in->u8());
  if (in->below(8) == 0) body = body.substr(0, in->u8());
  if (in->below(8) == 0 && body.size() > 3)
    body[in->u8() % body.size()] = static_cast<char>(in->u8());
  return text(big(1, 4) + big(static_cast<uint32_t>(type), 4) + body);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  Node n;
  struct client *watcher = n.Client(), *c = n.Client();
  n.Send(watcher, hello());
  n.Settle(watcher);
  for (const char *p : {"/", "/a", "/a/b"})
    n.Send(watcher, text(big(1, 4) + big(106, 4) + text(p) + big(in.flag(), 4)));
  if (in.below(8)) n.Send(c, hello());
  n.Settle(c);
  while (!in.empty()) {
    std::string bytes = in.below(8) ? request(&in) : in.take(in.u8());
    for (size_t at = 0, step = in.below(4) ? bytes.size() + 1 : 1 + in.u8(); at < bytes.size();
         at += step)
      n.Send(c, bytes.substr(at, step));
    while (!n.outstanding.empty() && in.flag()) n.Apply();
    if (!n.Lives(c)) {
      c = n.Client();
      n.Send(c, hello());
      n.Settle(c);
    }
  }
  n.Settle(c);
  CHECK(n.Lives(watcher)); /* nobody else's connection ends */
  n.Send(watcher, text(big(7, 4) + big(3, 4) + text("/") + '\0'));
  n.Settle(watcher);
  CHECK(n.Lives(watcher) && n.port.outstanding == 0);
  return 0;
}
