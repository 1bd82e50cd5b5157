/* log_line never waits for whoever reads it (C3). */
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

extern "C" {
#include "config/log.h"
}

TEST(Log, ALineThatNobodyTakesIsLeftOutAndWaitsForNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  int kept = dup(STDERR_FILENO);
  ASSERT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  alarm(10); /* it would wait for ever */
  for (int i = 0; i < 5000; i++) log_line(LEVEL_INFO, 7, "line %d", i);
  alarm(0);
  ASSERT_EQ(dup2(kept, STDERR_FILENO), STDERR_FILENO);
  close(kept);
  close(ends[1]);
  std::string all;
  char some[4096];
  for (ssize_t n; (n = read(ends[0], some, sizeof some)) > 0;)
    all.append(some, static_cast<size_t>(n));
  close(ends[0]);
  EXPECT_NE(all.find("INFO  7 line 0\n"), all.npos);
  EXPECT_NE(all.find("INFO  7 line 500\n"), all.npos);
  EXPECT_EQ(all.back(), '\n') << "no line is cut";
  EXPECT_EQ(all.find("line 4999\n"), all.npos) << "the pipe was full";
}
