// store_env.h - a store on a power-cut disk, and what it must hold.
//
// struct Model is the state after everything acknowledged; compare() reads the whole store back and
// says what differs.  Payloads follow from (zxid, branch), so that a record of a truncated branch
// is told from its successor of the same zxid.
#ifndef ZABLINE_TEST_STORAGE_STORE_ENV_H
#define ZABLINE_TEST_STORAGE_STORE_ENV_H

#include <functional>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include "proto/record.h"
#include "storage/store.h"
}
#include "test/harness/disk_powercut.h"

namespace env {

inline store_config Config() {
  store_config c = {};
  c.cluster = "rack-1";
  c.id = 3;
  c.largest_record = 20000;
  c.segment_bytes = 65536;
  c.snapshots_kept = 2;
  return c;
}

struct Rec {
  zxid_t zxid;
  uint32_t len;
  uint32_t branch;
  bool operator==(const Rec &o) const {
    return zxid == o.zxid && len == o.len && branch == o.branch;
  }
};

std::vector<uint8_t> Bytes(const std::vector<Rec> &recs);
std::vector<uint8_t> SnapBytes(zxid_t zxid, uint32_t len);
std::vector<Rec> Recs(uint32_t epoch, uint32_t from, uint32_t cnt, uint32_t len = 100,
                      uint32_t branch = 0);

struct Model {
  uint32_t accepted = 0, current = 0;
  bool may_vote = true;
  bool clean = false;  // the last step was a clean stop
  zxid_t base = 0;
  std::vector<Rec> recs;
  std::map<zxid_t, uint32_t> snaps;  // zxid -> bytes
  zxid_t last() const { return recs.empty() ? base : recs.back().zxid; }
};

// One acknowledged operation: run returns its reason; apply says what it changes.
struct Step {
  std::string name;
  std::function<reason(store *)> run;
  std::function<void(Model &)> apply;
  std::vector<Rec> appended;  // an interrupted append may leave a beginning of these
};

Step Accepted(uint32_t epoch);
Step Current(uint32_t epoch);
Step MayVote(bool may);
Step Append(std::vector<Rec> recs);
Step Truncate(zxid_t zxid);
Step SnapOwn(zxid_t zxid, uint32_t len);
Step SnapInstall(zxid_t zxid, uint32_t len);
Step Idle(int turns);
Step Seal();
Step Clean();

// "" or what is wrong.  compare changes nothing but what reading changes.
std::string Compare(store *s, const Model &m);
class Disk;
// Of a store that was opened on a damaged disk and must know m, or have given up its vote: nothing
// wrong is read or told to peers, and with m's records as a peer's it ends up holding m again.
std::string SafeAndRepairable(Disk &d, const Model &m);
// What a peer that holds m answers.
std::vector<uint8_t> PeerRecord(const Model &m, zxid_t after);
// What the store may hold if the power goes during step.
std::vector<Model> Outcomes(const Model &before, const Step &step);
std::string CompareAny(store *s, const std::vector<Model> &models);

class Disk {
 public:
  Disk() : cut(powercut_new()) { powercut_disk(cut, &disk); }
  explicit Disk(const Disk &o) : cut(powercut_clone(o.cut)) { powercut_disk(cut, &disk); }
  Disk &operator=(const Disk &) = delete;
  ~Disk() {
    Close();
    powercut_free(cut);
  }
  int Format(bool may_vote = true);
  bool Open();
  void Close();
  reason Do(const Step &step, Model &m);  // applies to the model if it went well
  powercut *cut;
  struct disk disk = {};
  store *s = nullptr;
  store_config config = Config();
  char error[LIMIT_TEXT_LEN] = "";
};

// A formatted disk on which steps were done, closed again.
void Prepare(Disk &d, Model &m, const std::vector<Step> &steps);

}  // namespace env

#endif
