// A frame as received, and the same frame with its checksum put right.
#include "test/fuzz/input.h"

extern "C" {
#include "proto/frame.h"
}

static void one(const uint8_t *data, size_t len) {
  struct frame_header h;
  if (frame_check(&h, data, len) != REASON_NONE) return;
  CHECK(len == sizeof h + h.payload_len && frame_sender(h.type) != 0);
  struct frame_header again = h;
  frame_seal(&again);
  CHECK(memcmp(&again, &h, sizeof h) == 0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct frame_header h;
  one(data, len);
  if (len < sizeof h) return 0;
  Exact sealed(data, len);
  memcpy(&h, sealed.data.get(), sizeof h);
  frame_seal(&h);
  memcpy(sealed.data.get(), &h, sizeof h);
  one(sealed.data.get(), sealed.len);
  frame_name(h.type);
  return 0;
}
