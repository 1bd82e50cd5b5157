// A notification's body, and the hello before it.
#include "test/fuzz/input.h"

extern "C" {
#include "proto/notification.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static struct notification n, again;
  memset(&n, 0, sizeof n);
  if (notification_read(&n, data, len) == REASON_NONE && n.version == 2) {
    static uint8_t bytes[LIMIT_CONFIG_TEXT + 256];
    size_t written = notification_write(bytes, sizeof bytes, &n);
    CHECK(written > 4);
    CHECK(notification_read(&again, bytes + 4, written - 4) == REASON_NONE);
    CHECK(again.state == n.state && again.vote.leader == n.vote.leader);
    CHECK(again.vote.zxid == n.vote.zxid && again.vote.peer_epoch == n.vote.peer_epoch);
    CHECK(strcmp(again.config, n.config) == 0);
  }
  struct hello h;
  int took = hello_read(&h, data, len);
  CHECK(took >= -1 && took <= static_cast<int>(len));
  if (took > 0) CHECK(memchr(h.address, 0, sizeof h.address));
  for (size_t part = 0; took > 0 && part < static_cast<size_t>(took); part++)
    CHECK(hello_read(&h, Exact(data, part).data.get(), part) == 0);
  return 0;
}
