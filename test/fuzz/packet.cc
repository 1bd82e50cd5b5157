// A stream of 2888: however it is split, the same packets come out of it.
#include <vector>

#include "test/fuzz/input.h"

extern "C" {
#include "proto/packet.h"
}

struct Seen {
  int32_t type;
  uint64_t zxid;
  long took;
  bool operator==(const Seen &o) const {
    return type == o.type && zxid == o.zxid && took == o.took;
  }
};

static std::vector<Seen> whole(const uint8_t *data, size_t len) {
  std::vector<Seen> seen;
  struct packet_reader r = {};
  for (size_t at = 0; at <= len;) {
    struct packet p;
    long took = packet_read(&r, &p, data + at, len - at);
    CHECK(took >= -1 && took <= static_cast<long>(len - at));
    if (took <= 0) {
      seen.push_back({0, 0, took});
      break;
    }
    CHECK(p.data.len <= took);
    if (p.type == PACKET_FOLLOWERINFO) {
      struct learner_info i;
      learner_info_read(&i, p.data);
    }
    packet_name(p.type);
    seen.push_back({p.type, p.zxid, took});
    at += static_cast<size_t>(took);
  }
  return seen;
}

static std::vector<Seen> in_parts(const uint8_t *data, size_t len, size_t step) {
  std::vector<Seen> seen;
  struct packet_reader r = {};
  size_t at = 0;
  for (size_t have = 0;;) {
    Exact part(data + at, have - at);
    struct packet p;
    long took = packet_read(&r, &p, part.data.get(), part.len);
    if (took > 0) {
      seen.push_back({p.type, p.zxid, took});
      at += static_cast<size_t>(took);
    } else if (took < 0 || have == len) {
      seen.push_back({0, 0, took});
      return seen;
    } else {
      have = have + step < len ? have + step : len;
    }
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len > 4096) return 0;
  std::vector<Seen> seen = whole(data, len);
  CHECK(seen == in_parts(data, len, 1 + len / 16));
  CHECK(len > 256 || seen == in_parts(data, len, 1));
  return 0;
}
