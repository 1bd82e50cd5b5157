// The disk whose power can go, by itself: which of the unsynced survives, and what is left of it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "test/harness/disk_powercut.h"

namespace {

constexpr size_t kSector = LIMIT_SECTOR;
constexpr uint32_t kItems = kSector / 512 + 2;  // its blocks, its size, its name

class Cut {
 public:
  Cut() : cut(powercut_new()) { powercut_disk(cut, &disk); }
  ~Cut() { powercut_free(cut); }
  struct powercut *cut;
  struct disk disk = {};
};

// A file of one sector of `byte`; not synced.
void WriteFile(Cut &c, const char *name, int byte, bool sync) {
  disk_file *f;
  ASSERT_EQ(c.disk.ops->open(&c.disk, name, DISK_CREATE, &f), 0);
  void *bytes = aligned_alloc(kSector, kSector);
  memset(bytes, byte, kSector);
  ASSERT_EQ(c.disk.ops->write(&c.disk, f, bytes, kSector, 0), 0);
  if (sync) {
    ASSERT_EQ(c.disk.ops->sync(&c.disk, f), 0);
    ASSERT_EQ(c.disk.ops->sync_dir(&c.disk), 0);
  }
  c.disk.ops->close(&c.disk, f);
  free(bytes);
}

// "-" without a file; else its bytes, one a block.
std::string Content(powercut *p, const char *name) {
  size_t len;
  const uint8_t *bytes = powercut_file(p, name, &len);
  std::string s;
  if (!bytes) return "-";
  for (size_t at = 0; at < len; at += 512) s += bytes[at] ? static_cast<char>(bytes[at]) : '.';
  return s;
}

TEST(DiskPowercut, EverySubsetOfWhatIsUnsyncedCanSurvive) {
  std::set<std::string> seen;
  for (uint32_t kept = 0; kept < 1u << kItems; kept++) {
    Cut c;
    WriteFile(c, "f", 'x', false);
    ASSERT_EQ(powercut_unsynced(c.cut), kItems);
    powercut_restore_groups(c.cut, kept, kItems);
    EXPECT_EQ(powercut_unsynced(c.cut), 0u);
    seen.insert(Content(c.cut, "f"));
  }
  // No file; an empty one; each subset of blocks but the empty one; a grown file without data.
  EXPECT_EQ(seen.size(), 2u + (1u << kSector / 512));
  EXPECT_TRUE(seen.count("-") && seen.count("") && seen.count("xxxxxxxx") &&
              seen.count("........"));
}

TEST(DiskPowercut, FewGroupsHoldNeighbours) {
  Cut c;
  WriteFile(c, "f", 'x', true);
  WriteFile(c, "g", 'y', false);
  EXPECT_EQ(powercut_unsynced(c.cut), kItems);
  powercut_restore_groups(c.cut, 1, 2);  // the first half: blocks, not the name
  EXPECT_EQ(Content(c.cut, "g"), "-");
  EXPECT_EQ(Content(c.cut, "f"), "xxxxxxxx");
}

TEST(DiskPowercut, WhatIsDurableIsLookedAtWithoutTouchingIt) {
  Cut c;
  WriteFile(c, "f", 'x', true);
  WriteFile(c, "g", 'y', false);
  Cut seen;
  powercut_free(seen.cut);
  seen.cut = powercut_durable(c.cut);
  powercut_disk(seen.cut, &seen.disk);
  EXPECT_EQ(powercut_unsynced(seen.cut), 0u);
  EXPECT_EQ(Content(seen.cut, "g"), "-");
  WriteFile(seen, "h", 'z', true);
  disk_file *f;
  ASSERT_EQ(seen.disk.ops->open(&seen.disk, "f", DISK_READ_WRITE, &f), 0);
  void *bytes = aligned_alloc(kSector, kSector);
  memset(bytes, 'w', kSector);
  ASSERT_EQ(seen.disk.ops->write_durable(&seen.disk, f, bytes, kSector, 0), 0);
  seen.disk.ops->close(&seen.disk, f);
  free(bytes);
  EXPECT_EQ(Content(seen.cut, "f"), "wwwwwwww");
  EXPECT_EQ(Content(c.cut, "f"), "xxxxxxxx");
  EXPECT_EQ(Content(c.cut, "h"), "-");
  EXPECT_EQ(Content(c.cut, "g"), "yyyyyyyy");
}

TEST(DiskPowercut, ADeletedFileCanBeReadWhileItIsOpen) {
  Cut c;
  WriteFile(c, "f", 'x', true);
  disk_file *f;
  ASSERT_EQ(c.disk.ops->open(&c.disk, "f", DISK_READ_ONLY, &f), 0);
  ASSERT_EQ(c.disk.ops->unlink(&c.disk, "f"), 0);
  ASSERT_EQ(c.disk.ops->sync_dir(&c.disk), 0);
  auto *bytes = static_cast<uint8_t *>(aligned_alloc(kSector, kSector));
  EXPECT_EQ(c.disk.ops->read(&c.disk, f, bytes, kSector, 0), static_cast<ssize_t>(kSector));
  EXPECT_EQ(bytes[0], 'x');
  free(bytes);
  c.disk.ops->close(&c.disk, f);
}

}  // namespace
