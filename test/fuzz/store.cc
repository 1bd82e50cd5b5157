// A data directory of which one file was damaged: recovery says what is wrong in one line, or
// opens; then a second recovery finds the same, everything can be read and a record appended.
//
//      u8 disk image | u8 file | u8: how (1: the file ends behind the bytes) | u16 sector | bytes
#include <vector>

#include "test/fuzz/input.h"
#include "test/storage/store_env.h"

using namespace env;

static Disk *prepare(int which) {
  Disk *d = new Disk;
  Model m;
  std::vector<Step> steps = {Accepted(1), Current(1), Append(Recs(1, 1, 20))};
  if (which >= 1) steps.insert(steps.end(), {SnapOwn(zxid_make(1, 10), 30000), Seal()});
  if (which >= 2) {
    steps.push_back(Truncate(zxid_make(1, 15)));
    steps.push_back(Accepted(2));
    steps.push_back(Append(Recs(2, 1, 30, 3000)));
    steps.push_back(Idle(50));
  }
  if (which >= 3) steps.push_back(SnapInstall(zxid_make(2, 40), 5000));
  Prepare(*d, m, steps);
  return d;
}

static void damage(Disk &d, Input in) {
  int cnt = 0;
  while (powercut_name(d.cut, cnt)) cnt++;
  std::string name = powercut_name(d.cut, in.u8() % cnt);
  uint8_t how = in.u8();
  size_t at = (in.u16() % 256u) * 512u, len;
  uint8_t *file = powercut_file(d.cut, name.c_str(), &len);
  if (how & 2) {
    powercut_remove(d.cut, name.c_str());
    return;
  }
  if (how & 1) powercut_resize(d.cut, name.c_str(), at + in.len);
  file = powercut_file(d.cut, name.c_str(), &len);
  for (size_t i = 0; i < in.len && at + i < len; i++) file[at + i] = in.data[i];
}

static void read_all(store *s) {
  static std::vector<uint8_t> buf(1u << 20);
  struct durable_state state = store_state(s);
  zxid_t zxid = state.log_base, floor = 0;
  store_lookup(s, state.last_zxid, &floor);
  for (int i = 0; i < 100; i++) {
    struct store_slice slice =
        store_read(s, zxid, UINT64_MAX, buf.data(), static_cast<uint32_t>(buf.size()));
    if (slice.reason || !slice.len) break;
    CHECK(slice.last_zxid > zxid && slice.last_zxid <= state.last_zxid);
    zxid = slice.last_zxid;
  }
  if (store_snap_open(s, STORE_SLOW, UINT64_MAX, &zxid)) return;
  uint64_t at = 0;
  for (int i = 0; i < 100; i++) {
    struct store_slice slice = store_snap_read(s, STORE_SLOW, at, buf.data(), 65536);
    if (slice.reason || !slice.len) break;
    at += slice.len;
  }
  store_snap_close(s, STORE_SLOW);
}

static void append_one(store *s) {
  struct durable_state state = store_state(s);
  if (state.accepted_epoch == UINT32_MAX || *store_error(s)) return;
  uint32_t above = zxid_epoch(state.last_zxid);
  uint32_t epoch = above > state.accepted_epoch ? above : state.accepted_epoch;
  if (epoch == UINT32_MAX || store_set_accepted(s, epoch + 1)) return;
  uint8_t rec[128], payload[40] = {};
  uint32_t len = record_write(rec, zxid_make(epoch + 1, 1), payload, sizeof payload);
  if (store_append(s, rec, len) == REASON_NONE)
    CHECK(store_state(s).last_zxid == zxid_make(epoch + 1, 1));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static Disk *const images[] = {prepare(0), prepare(1), prepare(2), prepare(3)};
  Input in = {data, len};
  Disk d(*images[in.u8() % 4]);
  damage(d, in);
  if (!d.Open()) {
    CHECK(d.error[0] && !strchr(d.error, '\n'));
    return 0;
  }
  struct durable_state first = store_state(d.s);
  d.Close();
  CHECK(d.Open());
  struct durable_state second = store_state(d.s);
  CHECK(first.last_zxid == second.last_zxid && first.accepted_epoch == second.accepted_epoch);
  CHECK(first.current_epoch == second.current_epoch && first.may_vote == second.may_vote);
  read_all(d.s);
  append_one(d.s);
  return 0;
}
