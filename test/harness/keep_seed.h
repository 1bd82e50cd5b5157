// keep_seed.h - the unit tests as the source of the fuzzers' seeds.
//
// Run with ZABLINE_SEEDS=DIR, a test program keeps what it hands to a decoder as DIR/<kind>/<hash>.
// test/fuzz/run.py does so; there are no other copies of golden bytes.
#ifndef ZABLINE_TEST_HARNESS_KEEP_SEED_H
#define ZABLINE_TEST_HARNESS_KEEP_SEED_H

#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

inline void keep_seed(const std::string &kind, const std::string &bytes) {
  static const char *const dir = getenv("ZABLINE_SEEDS");
  if (!dir || bytes.size() > 4096) return;
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : bytes) hash = (hash ^ c) * 0x100000001b3;
  std::string where = std::string(dir) + "/" + kind;
  mkdir(dir, 0755);
  mkdir(where.c_str(), 0755);
  char name[24];
  snprintf(name, sizeof name, "/%016llx", static_cast<unsigned long long>(hash));
  FILE *f = fopen((where + name).c_str(), "w");
  if (!f) return;
  fwrite(bytes.data(), 1, bytes.size(), f);
  fclose(f);
}

#endif
