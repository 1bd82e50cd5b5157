/* Where the lcores run: cores.fast of the config, if this process may use it. */
#include <gtest/gtest.h>

#include <sched.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "dpdk_app/eal.h"
}

namespace {

/* The argument that begins with `option`, "" if there is none. */
std::string Argument(const config &c, const char *option) {
  auto e = std::make_unique<eal>();
  struct open_error error = {};
  EXPECT_EQ(0, eal_args(e.get(), &c, &error)) << error.text;
  for (int i = 0; i < e->argc; i++)
    if (!strncmp(e->argv[i], option, strlen(option))) return e->argv[i];
  return "";
}

std::unique_ptr<config> FastOn(int core) {
  auto c = std::make_unique<config>();
  c->id = 1;
  c->cores = {core, -1, -1, -1};
  return c;
}

bool EndsIn(const std::string &s, const std::string &end) {
  return s.size() >= end.size() && !s.compare(s.size() - end.size(), end.size(), end);
}

std::vector<int> Ours() {
  cpu_set_t set;
  std::vector<int> cores;
  EXPECT_EQ(0, sched_getaffinity(0, sizeof set, &set));
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(static_cast<size_t>(i), &set)) cores.push_back(i);
  return cores;
}

void GoTo(const std::vector<int> &cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int c : cores) CPU_SET(static_cast<size_t>(c), &set);
  EXPECT_EQ(0, sched_setaffinity(0, sizeof set, &set));
}

TEST(EalArgs, TheFastLcoreIsPinnedToTheCoreOfTheConfig) {
  int core = Ours().back();
  std::string lcores = Argument(*FastOn(core), "--lcores");
  EXPECT_TRUE(EndsIn(lcores, ",1@" + std::to_string(core))) << lcores;
}

/* As with isolcpus. */
TEST(EalArgs, ACoreOutsideOurSetMayBeHadAndTryingItLeavesTheThreadWhereItWas) {
  const std::vector<int> before = Ours();
  if (before.size() < 2) GTEST_SKIP() << "one core only";
  GoTo({before[0]});
  std::string lcores = Argument(*FastOn(before[1]), "--lcores");
  EXPECT_EQ(Ours(), std::vector<int>{before[0]});
  GoTo(before);
  EXPECT_EQ(lcores,
            "--lcores=0@(" + std::to_string(before[0]) + "),1@" + std::to_string(before[1]));
}

TEST(EalArgs, ACoreThatTheProcessMayNotUseLeavesItUnpinnedAndSaysSo) {
  const std::vector<int> before = Ours();
  testing::internal::CaptureStderr();
  std::string lcores = Argument(*FastOn(LIMIT_CORE), "--lcores");
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(std::string::npos, lcores.find(",1@(")) << lcores;
  EXPECT_NE(std::string::npos, said.find("cores.fast")) << said;
  EXPECT_NE(std::string::npos, said.find(std::to_string(LIMIT_CORE))) << said;
  EXPECT_EQ(Ours(), before);
}

}  // namespace
