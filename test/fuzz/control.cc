// The control socket: one connection that says anything, to a node that leads; the node goes on.
#include "test/service/served_node.h"

#include "test/fuzz/input.h"

static ServedNode *node() {
  ServedNode *n = new ServedNode;
  n->Lead(1);
  n->Start();
  return n;
}

/* Everything that is answered is read, until the node closes or has nothing more to say. */
static void read_on(int fd, int patience_ms) {
  char buf[4096];
  struct pollfd p = {fd, POLLIN, 0};
  while (poll(&p, 1, patience_ms) > 0 && recv(fd, buf, sizeof buf, 0) > 0) continue;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static ServedNode *const n = node();
  if (len > 4096) return 0;
  Input in = {data, len};
  {
    Raw raw(n, in.flag());
    raw.Write(Bytes(in.data, in.data + in.len));
    shutdown(raw.fd, SHUT_WR);
    read_on(raw.fd, 20);
  }
  Raw after(n); /* says HELLO */
  return 0;
}
