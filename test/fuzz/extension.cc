// The extension, the server list, LearnerInfo and a transaction's header.
#include "test/fuzz/input.h"

extern "C" {
#include "proto/extension.h"
#include "proto/packet.h"
#include "proto/server_list.h"
#include "proto/txn.h"
#include "service/app_log.h"
}

static void extension(const uint8_t *data, size_t len) {
  struct extension e, again;
  if (extension_read(&e, data, len) != REASON_NONE || !e.present) return;
  uint8_t bytes[LIMIT_EXTENSION];
  size_t written = extension_write(bytes, sizeof bytes, &e);
  CHECK(written > 0 && extension_read(&again, bytes, written) == REASON_NONE);
  CHECK(strcmp(e.build, again.build) == 0 && strcmp(e.cluster, again.cluster) == 0);
  CHECK(e.iteration == again.iteration && e.position == again.position);
  CHECK(e.features == again.features && e.largest_record == again.largest_record);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  extension(data, len);
  struct learner_info info;
  learner_info_read(&info, {data, static_cast<int32_t>(len)});
  app_log_txn_read(data, static_cast<uint32_t>(len));
  std::string text(reinterpret_cast<const char *>(data), len);
  std::string a = text.substr(0, len / 2), b = text.substr(len / 2);
  CHECK(server_list_same(a.c_str(), b.c_str()) == server_list_same(b.c_str(), a.c_str()));
  CHECK(server_list_same(text.c_str(), text.c_str()));
  return 0;
}
