/* net_fixture.h - for googletest: a cluster of broadcast machines (fast_net.h) for one test. */
#ifndef ZABLINE_TEST_FASTPATH_NET_FIXTURE_H
#define ZABLINE_TEST_FASTPATH_NET_FIXTURE_H

#include <gtest/gtest.h>

#include <cstdlib>

#include "test/fastpath/fast_net.h"

struct Net {
  explicit Net(uint64_t seed, net_options o = {}) : net(net_open(seed, o)) {}
  ~Net() { net_close(net); }
  Net(const Net &) = delete;
  fast_net *operator->() const { return net; }
  fast_net *net;
};

/* How many of cnt seeds to run: ZABLINE_RUNS percent. */
inline int Runs(int cnt) {
  const char *factor = getenv("ZABLINE_RUNS");
  return factor ? cnt * atoi(factor) / 100 : cnt;
}

/* An established, idle cluster. */
inline void Settle(const Net &n, int leader = 0) {
  net_elect(n.net, leader);
  net_run(n.net, 1500);
  ASSERT_TRUE(n->established);
  ASSERT_TRUE(net_quiet(n.net, 5000)) << n->error;
}

#endif
