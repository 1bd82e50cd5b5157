// The real disk: the same contract on a directory of this machine's file system.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <csignal>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/storage/store_env.h"

using namespace env;

static std::string MakeDir() {
  const char *tmp = getenv("TMPDIR");
  std::string path = std::string(tmp ? tmp : "/tmp") + "/zabline-storage-XXXXXX";
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

class RealDisk : public testing::Test {
 protected:
  void SetUp() override {
    path_ = MakeDir();
    ASSERT_EQ(disk_real_open(&d_, path_.c_str()), 0);
    ASSERT_EQ(posix_memalign(&buf_, LIMIT_SECTOR, 4 * LIMIT_SECTOR), 0);
  }
  void TearDown() override {
    std::set<std::string> names;
    d_.ops->list(
        &d_,
        [](void *ctx, const char *name) {
          static_cast<std::set<std::string> *>(ctx)->insert(name);
        },
        &names);
    for (auto &name : names) d_.ops->unlink(&d_, name.c_str());
    disk_real_close(&d_);
    rmdir(path_.c_str());
    free(buf_);
  }
  std::string path_;
  struct disk d_ = {};
  void *buf_ = nullptr;
};

TEST_F(RealDisk, ReadsBackWhatWasWritten) {
  disk_file *f = nullptr;
  ASSERT_EQ(d_.ops->open(&d_, "a", DISK_CREATE, &f), 0);
  memset(buf_, 7, LIMIT_SECTOR);
  EXPECT_EQ(d_.ops->write(&d_, f, buf_, LIMIT_SECTOR, LIMIT_SECTOR), 0);
  memset(buf_, 9, LIMIT_SECTOR);
  EXPECT_EQ(d_.ops->write_durable(&d_, f, buf_, LIMIT_SECTOR, 0), 0);
  EXPECT_EQ(d_.ops->sync(&d_, f), 0);
  EXPECT_EQ(d_.ops->size(&d_, f), 2 * LIMIT_SECTOR);
  d_.ops->close(&d_, f);
  ASSERT_EQ(d_.ops->open(&d_, "a", DISK_READ_ONLY, &f), 0);
  EXPECT_EQ(d_.ops->read(&d_, f, buf_, 4 * LIMIT_SECTOR, 0), 2 * LIMIT_SECTOR);
  EXPECT_EQ(static_cast<uint8_t *>(buf_)[0], 9);
  EXPECT_EQ(static_cast<uint8_t *>(buf_)[LIMIT_SECTOR], 7);
  EXPECT_EQ(d_.ops->read(&d_, f, buf_, LIMIT_SECTOR, 4 * LIMIT_SECTOR), 0);
  EXPECT_LT(d_.ops->write(&d_, f, buf_, LIMIT_SECTOR, 0), 0);
  d_.ops->close(&d_, f);
}

TEST_F(RealDisk, ReportsErrnos) {
  disk_file *f = nullptr, *g = nullptr;
  EXPECT_EQ(d_.ops->open(&d_, "a", DISK_READ_WRITE, &f), -ENOENT);
  ASSERT_EQ(d_.ops->open(&d_, "a", DISK_CREATE, &f), 0);
  EXPECT_EQ(d_.ops->open(&d_, "a", DISK_CREATE, &g), -EEXIST);
  EXPECT_EQ(d_.ops->open(&d_, "a", DISK_READ_WRITE, &g), -EWOULDBLOCK);
  d_.ops->close(&d_, f);
  EXPECT_EQ(d_.ops->open(&d_, "a", DISK_READ_WRITE, &f), 0);
  d_.ops->close(&d_, f);
  EXPECT_EQ(d_.ops->rename(&d_, "b", "c"), -ENOENT);
  EXPECT_EQ(d_.ops->unlink(&d_, "b"), -ENOENT);
  EXPECT_EQ(d_.ops->rename(&d_, "a", "c"), 0);
  EXPECT_EQ(d_.ops->sync_dir(&d_), 0);
  EXPECT_GT(d_.ops->free_bytes(&d_), 0);
}

TEST_F(RealDisk, AFullFileSystemIsALine) { /* the kernel's own file size limit stands for it */
  pid_t child = fork();
  if (child == 0) {
    char error[LIMIT_TEXT_LEN];
    store_config c = Config();
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {20480, 20480};
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = store_format(&d_, &c, true, error);
    bool named = strstr(error, "write of tmp.log at offset") && strstr(error, strerror(EFBIG));
    _exit(rc == -1 && named ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(RealDisk, HoldsAStoreOverReopen) {
  char error[LIMIT_TEXT_LEN];
  store_config c = Config();
  ASSERT_EQ(store_format(&d_, &c, true, error), 0) << error;
  Model m;
  std::vector<Step> rounds[] = {
      {Accepted(3), Append(Recs(1, 1, 20, 9000)), SnapOwn(zxid_make(1, 11), 100000), Idle(100)},
      {Truncate(zxid_make(1, 15)), Append(Recs(2, 1, 30, 3000)), Seal(), Append(Recs(2, 31, 1))},
      {SnapInstall(zxid_make(3, 7), 200000), Append(Recs(3, 8, 5)), Idle(100), Clean()},
      {}};
  for (auto &steps : rounds) {
    store *s = store_open(&d_, &c, error).store;
    ASSERT_NE(s, nullptr) << error;
    EXPECT_EQ(Compare(s, m), "");
    for (auto &step : steps) {
      m.clean = false;
      ASSERT_EQ(step.run(s), REASON_NONE) << step.name << store_error(s);
      step.apply(m);
    }
    store_close(s);
  }
}

TEST_F(RealDisk, TwoProcessesCannotOpenOneDirectory) {
  char error[LIMIT_TEXT_LEN];
  store_config c = Config();
  ASSERT_EQ(store_format(&d_, &c, true, error), 0) << error;
  store *s = store_open(&d_, &c, error).store;
  ASSERT_NE(s, nullptr);
  struct disk second;
  ASSERT_EQ(disk_real_open(&second, path_.c_str()), 0);
  store_opened again = store_open(&second, &c, error);
  EXPECT_EQ(again.store, nullptr);
  EXPECT_EQ(again.reason, REASON_DATA_DIR_IN_USE);
  EXPECT_NE(std::string(error).find("in use by another process"), std::string::npos) << error;
  disk_real_close(&second);
  store_close(s);
}

TEST(RealDirectory, IsMadeAndExplained) {
  std::string path = MakeDir(), deep = path + "/x/y";
  struct disk d;
  char error[LIMIT_TEXT_LEN];
  int rc = disk_real_open(&d, deep.c_str());
  EXPECT_EQ(rc, -ENOENT);
  disk_real_explain(deep.c_str(), rc, error);
  EXPECT_NE(
      std::string(error).find(deep + ": No such file or directory; `zabd --config FILE --format`"),
      std::string::npos)
      << error;
  EXPECT_EQ(disk_real_create(deep.c_str()), 0);
  EXPECT_EQ(disk_real_create(deep.c_str()), 0);
  EXPECT_EQ(disk_real_open(&d, deep.c_str()), 0);
  disk_real_close(&d);
  EXPECT_EQ(disk_real_create(""), -ENAMETOOLONG);
  EXPECT_EQ(disk_real_create(std::string(5000, 'x').c_str()), -ENAMETOOLONG);
  rmdir(deep.c_str());
  rmdir((path + "/x").c_str());
  rmdir(path.c_str());
}
