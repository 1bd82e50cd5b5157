/* Where the lcores run: cores.fast of the config, if this process may use it. */
#include <gtest/gtest.h>

#include <sched.h>

#include <cstring>
#include <memory>
#include <string>

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

int OneOfOurs() {
  cpu_set_t set;
  EXPECT_EQ(0, sched_getaffinity(0, sizeof set, &set));
  int core = 0;
  while (!CPU_ISSET(static_cast<size_t>(core), &set)) core++;
  return core;
}

TEST(EalArgs, TheFastLcoreIsPinnedToTheCoreOfTheConfig) {
  int core = OneOfOurs();
  std::string lcores = Argument(*FastOn(core), "--lcores");
  EXPECT_TRUE(EndsIn(lcores, ",1@" + std::to_string(core))) << lcores;
}

TEST(EalArgs, ACoreThatTheProcessMayNotUseLeavesItUnpinnedAndSaysSo) {
  cpu_set_t before, after;
  ASSERT_EQ(0, sched_getaffinity(0, sizeof before, &before));
  testing::internal::CaptureStderr();
  std::string lcores = Argument(*FastOn(LIMIT_CORE), "--lcores");
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(std::string::npos, lcores.find(",1@(")) << lcores;
  EXPECT_NE(std::string::npos, said.find("cores.fast")) << said;
  EXPECT_NE(std::string::npos, said.find(std::to_string(LIMIT_CORE))) << said;
  ASSERT_EQ(0, sched_getaffinity(0, sizeof after, &after));
  EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "trying leaves the thread where it was";
}

TEST(EalArgs, TryingACoreLeavesTheThreadWhereItWas) {
  cpu_set_t before, after;
  ASSERT_EQ(0, sched_getaffinity(0, sizeof before, &before));
  Argument(*FastOn(OneOfOurs()), "--lcores");
  ASSERT_EQ(0, sched_getaffinity(0, sizeof after, &after));
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
