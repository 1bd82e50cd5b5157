/* The turns of a lone voter's fast lcore and disk thread, called by hand: a store in a directory of
 * its own, real rings, no ports. */
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "dpdk_app/turn_disk.h"
#include "dpdk_app/turn_fast.h"
#include "proto/record.h"
#include "test/dpdk_app/pair_config.h"
}
#include "test/dpdk_app/ring_pair.h"

namespace {

constexpr uint32_t kLen = 100;

struct Turn : testing::Test {
  static void SetUpTestSuite() {
    struct open_error e;
    ASSERT_EQ(ring_pair_eal(&e), 0) << e.text;
  }
  void Open(enum config_durability durability) {
    char dir[] = "/tmp/zabline-test-XXXXXX";
    home = mkdtemp(dir);
    n = static_cast<node *>(calloc(1, sizeof *n));
    config *c = &n->config;
    pair_config(c, 0, 1500);
    c->peer_cnt = 1;
    c->durability = durability;
    c->idle = IDLE_YIELD;
    strcpy(c->cluster, "turns");
    snprintf(c->data_dir, sizeof c->data_dir, "%s/data", home.c_str());
    c->ring_bytes = LIMIT_RING_MIN;
    c->largest_record = 4096;
    c->segment_bytes = 1u << 20;
    c->snapshots_kept = 3;
    c->heartbeat_us = 5000;
    c->timeout_us = 40000;
    c->disk_timeout_ms = 500;
    c->sync_limit = 5;
    c->tick_ms = 100;
    c->counter_limit = UINT32_MAX - 1;
    c->app_keep = 1000;
    ASSERT_EQ(node_format(c, false), 0);
    ASSERT_EQ(node_open(n), 0);
    fast_init(&fast, n);
    disk_init(&disk, n);
  }
  void TearDown() override {
    if (!n) return;
    EXPECT_FALSE(disk.failed) << reason_text(disk.failed) << ": " << store_error(n->store);
    node_close(n);
    free(n);
    std::string rm = "rm -rf " + home;
    if (system(rm.c_str())) perror("rm");
  }

  /* ---- the threads around ---- */
  void Slow(fast_msg_type type, uint32_t epoch) {
    fast_msg m = {};
    m.type = type;
    m.epoch = epoch;
    topo_must_send(&n->topo, RING_SLOW_FAST, &m);
  }
  void Forward() {
    bytes_msg m = {};
    m.data = payload.data();
    m.len = kLen;
    topo_must_send(&n->topo, RING_APP_FAST, &m);
  }
  void Propose(uint32_t epoch, uint32_t number) {
    bytes_msg m = {};
    m.data = payload.data();
    m.len = kLen;
    m.is_proposal = 1;
    m.zxid = zxid_make(epoch, number);
    topo_must_send(&n->topo, RING_APP_FAST, &m);
  }
  void FastTurn() { fast_turn(&fast, now_ns += 10000); }
  void AskDisk(disk_msg_type type, pos_t pos = 0) {
    disk_msg m = {};
    m.type = type;
    m.pos = pos;
    m.epoch = 1;
    topo_must_send(&n->topo, RING_SLOW_DISK, &m);
  }
  /* As the fast lcore appends, cnt records more; where they end. */
  pos_t Append(int cnt) {
    pos_t at = position_get(&n->positions.appended);
    auto *ring = static_cast<uint8_t *>(n->bcast_memory.stream_ring);
    for (; cnt; cnt--) at += record_write(ring + at, zxid_make(1, ++counter), payload.data(), kLen);
    position_set(&n->positions.appended, at);
    return at;
  }
  bool DataHas(const char *name) const {
    return access((std::string(n->config.data_dir) + "/" + name).c_str(), F_OK) == 0;
  }
  pos_t Durable() const { return position_get(&n->positions.durable); }
  /* Epoch 1 is promised, and may be written. */
  void StartDisk() {
    AskDisk(DISK_ACCEPTED);
    AskDisk(DISK_START);
    while (disk_turn(&disk)) continue;
  }
  /* Nothing of the start is left to do: no segment to fill, no request, no trailer. */
  void SettleDisk() {
    StartDisk();
    for (int i = 0; i < 100000 && store_idle(n->store, true); i++) continue;
    disk_idle(&disk);
    disk_turn(&disk);
    ASSERT_FALSE(disk.failed) << store_error(n->store);
  }

  node *n = nullptr;
  struct fast fast;
  struct diskd disk;
  std::string home;
  std::vector<uint8_t> payload = std::vector<uint8_t>(kLen, 0);
  uint64_t now_ns = 1000000000;
  uint32_t counter = 0;
};

TEST_F(Turn, ALoneVotersFirstProposalWaitsForItsLead) {
  Open(DURABILITY_MEMORY);
  Propose(1, 1);
  FastTurn(); /* between two looks: the proposal is there, LEAD is not seen yet */
  Slow(FAST_LEAD, 1);
  Slow(FAST_ESTABLISH, 1);
  FastTurn();
  FastTurn();
  EXPECT_EQ(bcast_appended(&n->bcast), record_size(kLen));
}

TEST_F(Turn, WhatTheEndedEpochsAppProposedIsDropped) {
  Open(DURABILITY_MEMORY);
  Slow(FAST_LEAD, 1);
  FastTurn();
  Propose(1, 1);
  FastTurn(); /* held: it is not established */
  Slow(FAST_CLOSE, 1);
  FastTurn();
  Propose(1, 2);
  FastTurn();
  Propose(1, 3); /* comes in the turn of LEAD */
  Propose(2, 1);
  Slow(FAST_LEAD, 2);
  Slow(FAST_ESTABLISH, 2);
  FastTurn();
  FastTurn();
  EXPECT_EQ(bcast_appended(&n->bcast), record_size(kLen));
  EXPECT_EQ(n->bcast.stream.last_zxid, zxid_make(2, 1));
  EXPECT_EQ(counters_get(&n->counters[THREAD_FAST], REASON_WRONG_ROLE), 0u) << "the second lock";
}

/* The next epoch in place: what clients have submitted waits in the ring for the next OPEN. */
TEST_F(Turn, WhatIsSubmittedWhileAnEpochIsChangedInPlaceIsKept) {
  Open(DURABILITY_MEMORY);
  fast_msg m = {};
  m.type = FAST_CLOSE;
  m.keeps = 1;
  topo_must_send(&n->topo, RING_SLOW_FAST, &m);
  Forward();
  FastTurn();
  FastTurn();
  EXPECT_EQ(topo_count(&n->topo, RING_APP_FAST), 1u);
  Slow(FAST_CLOSE, 1); /* given up */
  FastTurn();
  EXPECT_EQ(topo_count(&n->topo, RING_APP_FAST), 0u);
}

TEST_F(Turn, InMemoryALittleOfTheLogGathersForOneRest) {
  Open(DURABILITY_MEMORY);
  SettleDisk();
  pos_t to = Append(3);
  EXPECT_FALSE(disk_turn(&disk));
  EXPECT_EQ(Durable(), 0u);
  disk_idle(&disk); /* sleeps */
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_EQ(Durable(), to);
}

TEST_F(Turn, InMemoryMuchOfTheLogIsWrittenAtOnce) {
  Open(DURABILITY_MEMORY);
  SettleDisk();
  Append(static_cast<int>(positions_much(n->config.ring_bytes) / record_size(kLen)) + 1);
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_GT(Durable(), 0u);
}

/* Else a sync that reads on and on, or a segment that is filled with zeros, would look like a disk
 * that stands still, and depose the leader (F11). */
TEST_F(Turn, InMemoryOtherWorkDoesNotHoldTheLogUp) {
  Open(DURABILITY_MEMORY);
  SettleDisk();
  pos_t to = Append(3);
  AskDisk(DISK_FREE);
  EXPECT_TRUE(disk_turn(&disk));
  AskDisk(DISK_FREE);
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_EQ(Durable(), to);
}

TEST_F(Turn, InMemoryAStepInTheBackgroundDoesNotHoldTheLogUp) {
  Open(DURABILITY_MEMORY);
  StartDisk();
  disk_idle(&disk);
  disk_turn(&disk);
  pos_t to = Append(3);
  EXPECT_FALSE(disk_turn(&disk));
  disk_idle(&disk); /* the next segment is not filled yet */
  ASSERT_TRUE(store_idle(n->store, false)) << "there was nothing in the background";
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_EQ(Durable(), to);
}

/* Else nothing would be purged, and no segment filled, while there is always a group to write. */
TEST_F(Turn, ADiskThatIsNeverIdleDoesItsBackgroundWorkToo) {
  Open(DURABILITY_SYNC);
  StartDisk();
  for (int i = 0; i < 100; i++) { /* not yet half of the segment, from where on appending fills */
    Append(1);
    ASSERT_TRUE(disk_turn(&disk));
  }
  EXPECT_TRUE(DataHas("tmp.log"));
}

TEST_F(Turn, AtRestTheNextSegmentIsFilledAheadOfItsTime) {
  Open(DURABILITY_SYNC);
  StartDisk();
  for (int i = 0; i < 60 && !DataHas("log.00000002"); i++) disk_idle(&disk);
  EXPECT_TRUE(DataHas("log.00000002"));
}

TEST_F(Turn, ADrainWritesAllInMemoryToo) {
  Open(DURABILITY_MEMORY);
  SettleDisk();
  pos_t to = Append(3);
  AskDisk(DISK_DRAIN, to);
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_EQ(Durable(), to);
  disk_msg m;
  do ASSERT_TRUE(topo_receive(&n->topo, RING_DISK_SLOW, &m));
  while (m.type != DISK_DRAIN);
  EXPECT_EQ(m.state.last_zxid, zxid_make(1, 3));
}

TEST_F(Turn, InSyncTheLogIsWrittenAtOnce) {
  Open(DURABILITY_SYNC);
  SettleDisk();
  pos_t to = Append(1);
  EXPECT_TRUE(disk_turn(&disk));
  EXPECT_EQ(Durable(), to);
}

}  // namespace
