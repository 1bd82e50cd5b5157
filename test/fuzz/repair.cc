// What peers ask and answer about damaged records: what is read is what would have been written.
#include "test/fuzz/input.h"

extern "C" {
#include "proto/repair.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  Input in = {data, len};
  bool answer = in.flag();
  zxid_t after = len & 1 ? in.u64() : 1;
  Exact bytes(in.take(in.len));
  struct packet p = {};
  p.type = answer ? PACKET_ANSWER : PACKET_ASK;
  p.zxid = after;
  p.data = {bytes.data.get(), static_cast<int32_t>(bytes.len)};
  struct repair_msg m;
  if (repair_read(&m, &p) != REASON_NONE) return 0;
  CHECK(m.after == after && m.upto > after);
  std::string room(REPAIR_ANSWER_HEAD, '\0');
  if (m.record.len > 0)
    room.append(reinterpret_cast<const char *>(m.record.data), static_cast<size_t>(m.record.len));
  struct packet again =
      answer ? repair_answer(room.data(), &m) : repair_ask(room.data(), m.after, m.upto);
  CHECK(again.type == p.type && again.data.len == p.data.len);
  CHECK(memcmp(again.data.data, p.data.data, static_cast<size_t>(p.data.len)) == 0);
  return 0;
}
