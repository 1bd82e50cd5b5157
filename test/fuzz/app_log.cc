// The application: transactions as a log may hold them, and a snapshot as a peer may send it.
#include "test/fuzz/input.h"

extern "C" {
#include "config/limits.h"
#include "proto/zxid.h"
#include "service/app_log.h"
}

static std::string snapshot(struct app *a) {
  std::string all;
  uint8_t buf[512];
  a->ops->snapshot_begin(a);
  for (uint32_t n; (n = a->ops->snapshot_next(a, buf, sizeof buf)) > 0;)
    all.append(reinterpret_cast<char *>(buf), n);
  a->ops->snapshot_end(a);
  return all;
}

static bool restore(struct app *a, const std::string &bytes, zxid_t zxid, size_t step) {
  a->ops->restore_begin(a);
  for (size_t at = 0; at < bytes.size(); at += step) {
    Exact part(bytes.substr(at, step));
    if (!a->ops->restore_next(a, part.data.get(), static_cast<uint32_t>(part.len))) return false;
  }
  return a->ops->restore_end(a, zxid);
}

/* Transactions of any content are applied, and the state survives a snapshot. */
static void transactions(Input in) {
  struct app_log *l = app_log_create(1 + in.below(8), 1u << 16);
  struct app a = app_log_app(l);
  uint32_t counter = 0;
  while (!in.empty()) {
    std::string txn = in.take(LIMIT_RECORD_MIN + in.u8());
    txn.resize(txn.size() < LIMIT_RECORD_MIN ? LIMIT_RECORD_MIN : txn.size());
    Exact exact(txn);
    a.ops->apply(&a, zxid_make(1, ++counter), exact.data.get(), static_cast<uint32_t>(exact.len));
  }
  std::string bytes = snapshot(&a);
  struct app_log *other = app_log_create(8, 1u << 16);
  struct app b = app_log_app(other);
  CHECK(restore(&b, bytes, a.ops->applied(&a), 1 + bytes.size() / 3));
  CHECK(b.ops->applied(&b) == a.ops->applied(&a) && b.ops->digest(&b) == a.ops->digest(&a));
  app_log_destroy(other);
  app_log_destroy(l);
}

/* A snapshot of any content is refused, or restored; then it can be taken again. */
static void restored(Input in) {
  struct app_log *l = app_log_create(8, 1u << 16);
  struct app a = app_log_app(l);
  zxid_t zxid = in.u64();
  size_t step = 1 + in.u8();
  if (restore(&a, in.take(in.len), zxid, step)) {
    CHECK(a.ops->applied(&a) == zxid);
    snapshot(&a);
  }
  app_log_destroy(l);
}

static void requests(Input in) {
  struct app_log *l = app_log_create(8, 1u << 16);
  struct app a = app_log_app(l);
  a.ops->lead(&a, 1);
  uint32_t counter = 0;
  uint8_t txn[512];
  while (!in.empty()) {
    Exact data(in.take(in.u8() % 64));
    struct app_request r = {zxid_make(1, counter + 1), 1, data.data.get(),
                            static_cast<uint32_t>(data.len)};
    struct app_prepared p = a.ops->prepare(&a, &r, txn, sizeof txn);
    uint32_t len = p.reason ? a.ops->refuse(&a, &r, p.reason, txn) : p.len;
    CHECK(len <= sizeof txn);
    if (!len) continue;
    counter++;
    a.ops->apply(&a, zxid_make(1, counter), txn, len);
  }
  a.ops->stop(&a);
  app_log_destroy(l);
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
