/* zabctl against the real app thread: what a user sees. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include "test/service/served_node.h"

namespace {

struct Zabctl_ : testing::Test {
  void Serve() {
    node.Lead(1);
    node.Start();
  }
  ServedNode node;
};
using ZabctlTest = Zabctl_;

double Number(const std::string &json, const char *name) {
  cJSON *o = cJSON_Parse(json.c_str());
  cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
  double d = cJSON_IsNumber(v) ? v->valuedouble : -1;
  cJSON_Delete(o);
  return d;
}

TEST_F(ZabctlTest, SubmitsEachLineOnceInOrderAndTailReadsThemBack) {
  Serve();
  std::string lines = Lines(1, 5000);
  Ran s = Zabctl(node, {"submit", "--json"}, lines);
  EXPECT_EQ(s.code, 0) << s.err;
  EXPECT_EQ(Number(s.out, "submitted"), 5000);
  EXPECT_EQ(Number(s.out, "acknowledged"), 5000);
  EXPECT_EQ(s.err, "");
  Ran t = Zabctl(node, {"tail"});
  EXPECT_EQ(t.code, 0);
  EXPECT_EQ(t.out, lines);
}

TEST_F(ZabctlTest, SubmitsBinaryEmptyAndUnterminatedLines) {
  Serve();
  std::string lines("a\0b\n\n\xff\xfe\nlast", 12);
  EXPECT_EQ(Zabctl(node, {"submit"}, lines).code, 0);
  EXPECT_EQ(Zabctl(node, {"tail"}).out, lines + "\n");
  Ran j = Zabctl(node, {"tail", "--json"});
  EXPECT_NE(j.out.find("\"data\":\"a\\u0000b\""), std::string::npos) << j.out;
  EXPECT_NE(j.out.find("\"data_hex\":\"fffe\""), std::string::npos) << j.out;
}

TEST_F(ZabctlTest, EmptyInputIsDoneAtOnce) {
  Serve();
  Ran s = Zabctl(node, {"submit", "--json"});
  EXPECT_EQ(s.code, 0);
  EXPECT_EQ(Number(s.out, "submitted"), 0);
}

TEST_F(ZabctlTest, ALineThatIsTooLongIsNamedAndNothingBehindItIsSubmitted) {
  Serve();
  std::string ok(node.config.largest_record - APP_LOG_TXN_OVERHEAD, 'y');
  Ran s = Zabctl(node, {"submit"}, "one\n" + ok + "\n" + ok + "z\nfour\n");
  EXPECT_EQ(s.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(s.err.find("line 3"), std::string::npos) << s.err;
  EXPECT_EQ(Zabctl(node, {"tail"}).out.find("four"), std::string::npos);
}

TEST_F(ZabctlTest, ResendsAfterALeaderChangeWithoutDuplicatesOrReordering) {
  Serve();
  std::string lines = Lines(1, 5000);
  node.swallow_after = 100; /* in each epoch some are committed, then the rest is lost */
  std::thread changes([&] {
    for (uint32_t epoch = 2; epoch < 12; epoch++) {
      while (!node.swallow) std::this_thread::yield();
      node.swallow_after = epoch < 11 ? static_cast<int>(60 * epoch) : 0;
      node.ChangeLeader(epoch);
    }
  });
  Ran s = Zabctl(node, {"submit", "--json", "--outstanding", "50", "--acks", node.home + "/acks"},
                 lines);
  changes.join();
  EXPECT_EQ(s.code, 0) << s.err;
  EXPECT_EQ(Number(s.out, "resends"), 10);
  EXPECT_EQ(Zabctl(node, {"tail"}).out, lines);
  std::ifstream acks(node.home + "/acks");
  uint64_t ns, sequence, expected = 1, before = 0;
  std::string zxid;
  while (acks >> ns >> sequence >> zxid) {
    EXPECT_EQ(sequence, expected++);
    EXPECT_NE(zxid, "0x0") << sequence; /* each is known, also those learned by START */
    EXPECT_GE(ns, before);
    before = ns;
  }
  EXPECT_EQ(expected, 5001u);
}

TEST_F(ZabctlTest, SubmitWaitsWhileThereIsNoLeaderAndGoesOn) {
  node.Start(); /* no role yet */
  std::thread later([&] {
    for (int i = 0; i < 1000; i++) std::this_thread::yield();
    node.Lead(1);
  });
  Ran s = Zabctl(node, {"submit"}, Lines(1, 10));
  later.join();
  EXPECT_EQ(s.code, 0) << s.err;
}

TEST_F(ZabctlTest, SubmitGivesUpAfterTheTimeoutWithoutProgress) {
  node.Start();
  Ran s = Zabctl(node, {"submit", "--timeout", "1"}, Lines(1, 10));
  EXPECT_EQ(s.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(s.err.find("no acknowledgement for 1 s: this node has no established leader"),
            std::string::npos)
      << s.err;
}

TEST_F(ZabctlTest, SubmitThatWaitsSaysWhatFor) {
  node.Start();
  Ran s = Zabctl(node, {"submit", "--timeout", "3"}, Lines(1, 10));
  EXPECT_EQ(s.err.find("zabctl: waiting: this node has no established leader"), 0u) << s.err;
  EXPECT_EQ(s.err.find("waiting:", 20), std::string::npos) << "once: " << s.err;
}

TEST_F(ZabctlTest, SubmitReconnectsWhenTheNodeRestarts) {
  Serve();
  std::string lines = Lines(1, 2000);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::thread restarts([&] {
    ssize_t n = write(fds[1], lines.data(), lines.size() / 2);
    while (position_get(&node.positions.applied) == 0) std::this_thread::yield();
    node.swallow = true;
    n = write(fds[1], lines.data() + lines.size() / 2, lines.size() - lines.size() / 2);
    (void)n;
    close(fds[1]);
    node.End();
    app_log_destroy(node.log); /* a new process: all from the log */
    node.log = app_log_create(1000000, 64u << 20);
    node.uv.app = node.app_self = app_log_app(node.log);
    node.swallow = false;
    node.code = -1;
    node.Lead(2);
    node.Start();
  });
  FILE *out = tmpfile(), *err = tmpfile();
  std::string socket = node.config.control_socket;
  char *argv[] = {
      const_cast<char *>("zabctl"), const_cast<char *>("--socket"),      socket.data(),
      const_cast<char *>("submit"), const_cast<char *>("--outstanding"), const_cast<char *>("30")};
  EXPECT_EQ(zabctl_run(6, argv, ctl_io{fds[0], out, err}), 0);
  restarts.join();
  close(fds[0]);
  fclose(out);
  fclose(err);
  EXPECT_EQ(Zabctl(node, {"tail"}).out, lines);
}

TEST_F(ZabctlTest, AFollowerForwardsAndAcknowledgesWhenItHasApplied) {
  FakeNode leader(2);
  node.leader = &leader;
  node.config.peers[1].id = 2; /* whom FOLLOW names */
  node.Follow(1, 0);
  node.Start();
  EXPECT_EQ(Zabctl(node, {"submit"}, Lines(1, 500)).code, 0);
  EXPECT_EQ(Zabctl(node, {"submit"}, Lines(501, 900)).code, 0);
  EXPECT_EQ(Zabctl(node, {"tail"}).out, Lines(1, 900));
  for (const char *command : {"step-down", "bench"}) {
    Ran r = Zabctl(node, {command});
    EXPECT_EQ(r.code, EXIT_CODE_UNEXPECTED);
    EXPECT_EQ(r.err, "zabctl: this node does not lead: node 2 does\n");
  }
}

TEST_F(ZabctlTest, AnEvictedClientIsToldInsteadOfDoublingItsLines) {
  Serve();
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ASSERT_EQ(write(fds[1], "first\n", 6), 6);
  std::thread others([&] {
    while (position_get(&node.positions.applied) == 0) std::this_thread::yield();
    Raw raw(&node);
    for (uint64_t c = 1; c <= LIMIT_CLIENTS; c++) {
      raw.StartAs(c);
      raw.Submit(c, 1);
      EXPECT_EQ(raw.Next().type, CONTROL_ACKS);
    }
    node.ChangeLeader(2);
  });
  FILE *out = tmpfile(), *err = tmpfile();
  std::string socket = node.config.control_socket;
  char *argv[] = {const_cast<char *>("zabctl"), const_cast<char *>("--socket"), socket.data(),
                  const_cast<char *>("submit")};
  EXPECT_EQ(zabctl_run(4, argv, ctl_io{fds[0], out, err}), EXIT_CODE_UNEXPECTED);
  others.join();
  char line[300] = "";
  rewind(err);
  EXPECT_NE(fgets(line, sizeof line, err), nullptr);
  EXPECT_NE(strstr(line, "no longer knows our client id"), nullptr) << line;
  fclose(out);
  fclose(err);
  close(fds[0]);
  close(fds[1]);
}

TEST_F(ZabctlTest, TailFromAZxidAndPurgedBefore) {
  app_log_destroy(node.log);
  node.log = app_log_create(100, 1 << 20);
  node.uv.app = node.app_self = app_log_app(node.log);
  Serve();
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 250)).code, 0);
  Ran t = Zabctl(node, {"tail"});
  EXPECT_EQ(t.code, 0);
  EXPECT_EQ(t.out, Lines(151, 250));
  EXPECT_EQ(t.err, "zabctl: purged before 0x100000097\n");
  Ran j = Zabctl(node, {"tail", "--json"});
  EXPECT_EQ(j.out.substr(0, j.out.find('\n')), "{\"purged_before\":\"0x100000097\"}");
  t = Zabctl(node, {"tail", "--from", "0x100000097"});
  EXPECT_EQ(t.out, Lines(151, 250));
  EXPECT_EQ(t.err, "");
  EXPECT_EQ(Zabctl(node, {"tail", "--from", "0x1000000fa"}).out, Lines(250, 250));
  EXPECT_EQ(Zabctl(node, {"tail", "--from", "0x200000000"}).out, "");
}

TEST_F(ZabctlTest, TailFollowShowsWhatComesLater) {
  Serve();
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 10)).code, 0);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::thread follow([&] {
    FILE *out = fdopen(fds[1], "w"), *err = tmpfile();
    std::string socket = node.config.control_socket;
    char *argv[] = {const_cast<char *>("zabctl"), const_cast<char *>("--socket"), socket.data(),
                    const_cast<char *>("tail"), const_cast<char *>("--follow")};
    zabctl_run(5, argv, ctl_io{-1, out, err}); /* ends when the node does */
    fclose(out);
    fclose(err);
  });
  std::string got, all = Lines(1, 20);
  char c;
  while (got.size() < Lines(1, 10).size() && read(fds[0], &c, 1) == 1) got.push_back(c);
  EXPECT_EQ(got, Lines(1, 10));
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(11, 20)).code, 0);
  while (got.size() < all.size() && read(fds[0], &c, 1) == 1) got.push_back(c);
  EXPECT_EQ(got, all);
  node.End();
  follow.join();
  close(fds[0]);
}

TEST_F(ZabctlTest, StatusAsTextAndAsJson) {
  Serve();
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 3)).code, 0);
  Ran j = Zabctl(node, {"status", "--json"});
  ASSERT_EQ(j.code, 0) << j.err;
  cJSON *o = cJSON_Parse(j.out.c_str());
  ASSERT_NE(o, nullptr);
  for (const char *name :
       {"id", "state", "phase", "epoch", "leader", "last_logged", "committed", "applied",
        "durability", "serving", "commit_latency_us", "peers", "counters", "free_bytes", "build"})
    EXPECT_NE(cJSON_GetObjectItemCaseSensitive(o, name), nullptr) << name;
  for (const char *name : {"applied", "committed", "last_logged"})
    EXPECT_STREQ(cJSON_GetObjectItem(o, name)->valuestring, "0x100000003") << name;
  EXPECT_STREQ(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(o, "peers"), 0), "build")
                   ->valuestring,
               "zabline-peer");
  cJSON_Delete(o);
  Ran t = Zabctl(node, {"status"});
  EXPECT_NE(t.out.find("applied          0x100000003\n"), std::string::npos) << t.out;
  EXPECT_EQ(t.out.find("frame_crc"), std::string::npos); /* zero counters are not shown */
}

TEST_F(ZabctlTest, StatusSaysHowFarTheLogIsWhenItIsBehindTheApplied) {
  Serve(); /* durability memory */
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 3)).code, 0);
  auto logged = [&](pos_t durable) {
    position_set(&node.positions.durable, durable);
    std::string text = Zabctl(node, {"status"}).out;
    size_t at = text.find("last_logged      ");
    return at == std::string::npos ? text : text.substr(at + 17, text.find('\n', at) - at - 17);
  };
  pos_t end = position_get(&node.positions.applied);
  ASSERT_EQ(end % 3, 0u) << "three records of one size";
  EXPECT_EQ(logged(end), "0x100000003");
  EXPECT_EQ(logged(end / 3 * 2), "0x100000002");
  EXPECT_EQ(logged(0), "0x0");
}

TEST_F(ZabctlTest, StatusExplainsItself) {
  Serve();
  counters_add(&node.counters, REASON_STALE_SLICE, 1);
  std::string text = Zabctl(node, {"status"}).out;
  for (const char *line : {"leader           none\n", "last_loss        none\n",
                           "commit latency   none measured (only a leader measures)\n",
                           "2    following    0            fast   zabline-peer\n",
                           "stale_slice                   1  slice of the stream that is already"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
}

TEST_F(ZabctlTest, StatusNamesEachPathThatIsSilent) {
  struct {
    path_state states[LIMIT_PATHS];
    const char *text, *json;
  } cases[] = {
      {{PATH_ANSWERS, PATH_ANSWERS, PATH_UNASKED},
       " fast   zabline-peer\n",
       R"("paths":{"fast":"answers","fast2":"answers","tcp":"unasked"})"},
      {{PATH_ANSWERS, PATH_SILENT, PATH_UNASKED},
       " fast (fast2 silent) zabline-peer\n",
       R"("paths":{"fast":"answers","fast2":"silent","tcp":"unasked"})"},
      {{PATH_SILENT, PATH_SILENT, PATH_NONE},
       " fast (silent, fast2 silent) zabline-peer\n",
       R"("paths":{"fast":"silent","fast2":"silent"})"},
      {{PATH_ANSWERS, PATH_NONE, PATH_NONE}, " fast   zabline", R"("paths":{"fast":"answers"})"},
  };
  Serve();
  for (auto &c : cases) {
    for (int i = 0; i < LIMIT_PATHS; i++) node.paths[i] = static_cast<uint8_t>(c.states[i]);
    std::string text = Zabctl(node, {"status"}).out, json = Zabctl(node, {"status", "--json"}).out;
    EXPECT_NE(text.find(c.text), std::string::npos) << c.text << " is not in\n" << text;
    EXPECT_NE(json.find(c.json), std::string::npos) << c.json << " is not in\n" << json;
  }
}

TEST_F(ZabctlTest, StatusSaysFromWhomDroppedFramesCame) {
  static struct drops drops;
  node.uv.drops = &drops;
  node.config.port_cnt = node.config.peer_cnt = 1;
  node.config.peers[0].id = 2;
  snprintf(node.config.ports[0].name, LIMIT_NAME_LEN, "net_memif2");
  Serve();
  EXPECT_EQ(Zabctl(node, {"status"}).out.find("frames dropped"), std::string::npos);
  drops.stranger[0].mac = 0x02deadbeef07;
  drops.stranger[0].udp = uint64_t{0x0a630909} << 16 | 4660;
  counters_add(drops_of(&drops, 0, DROPS_STRANGER), REASON_FRAME_ADDRESS, 3);
  counters_add(drops_of(&drops, 0, 0), REASON_FRAME_CRC, 2);
  counters_add(drops_of(&drops, 0, 0), REASON_STALE_EPOCH, 5);
  std::string text = Zabctl(node, {"status"}).out;
  for (const char *line :
       {"net_memif2           from strangers, the last 02:de:ad:be:ef:07 10.99.9.9:4660: "
        "frame_address 3\n",
        "net_memif2           from node 2: frame_crc 2, stale_epoch 5\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
}

TEST_F(ZabctlTest, AFullDiskBehindStandardOutputIsNamed) {
  Serve();
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 5000)).code, 0);
  for (const char *command : {"tail", "status"}) {
    std::string words[] = {"zabctl", "--socket", node.config.control_socket, command};
    char *argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data()};
    FILE *full = fopen("/dev/full", "w"), *err = tmpfile();
    EXPECT_EQ(zabctl_run(4, argv, ctl_io{STDIN_FILENO, full, err}), EXIT_CODE_UNEXPECTED);
    char line[200] = "";
    rewind(err);
    EXPECT_TRUE(fgets(line, sizeof line, err));
    EXPECT_STREQ(line, "zabctl: standard output: No space left on device\n") << command;
    EXPECT_FALSE(fgets(line, sizeof line, err)) << "more than one line: " << line;
    fclose(full);
    fclose(err);
  }
}

TEST_F(ZabctlTest, DigestStepDownRecoverBench) {
  Serve();
  ASSERT_EQ(Zabctl(node, {"submit"}, Lines(1, 3)).code, 0);
  Ran d = Zabctl(node, {"digest"});
  EXPECT_EQ(d.out.substr(0, 12), "0x100000003 ");
  EXPECT_EQ(d.out.size(), 12u + 16 + 1);
  Ran b = Zabctl(node, {"bench", "--count", "500", "--outstanding", "4", "--json"});
  EXPECT_EQ(b.code, 0) << b.err;
  EXPECT_EQ(Number(b.out, "count"), 500);
  EXPECT_GT(Number(b.out, "throughput_per_s"), 0);
  EXPECT_EQ(Zabctl(node, {"bench", "--count", "5"}).code, 0); /* again: its sequence goes on */
  Ran r = Zabctl(node, {"recover", "--accept-loss"}, "other\n");
  EXPECT_EQ(r.code, EXIT_CODE_UNEXPECTED);
  EXPECT_EQ(node.Said(APP_RECOVER), 0);
  EXPECT_EQ(Zabctl(node, {"recover"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"recover", "--accept-loss"}, "test\n").code, 0);
  EXPECT_EQ(node.Said(APP_RECOVER), 1);
  std::thread step([&] {
    while (!node.Said(APP_STEP_DOWN)) std::this_thread::yield();
    node.Stop();
  });
  EXPECT_EQ(Zabctl(node, {"step-down"}).out, "stepped down\n");
  step.join();
  Ran again = Zabctl(node, {"step-down"});
  EXPECT_EQ(again.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(again.err.find("does not lead"), std::string::npos) << again.err;
  EXPECT_EQ(Zabctl(node, {"bench"}).code, EXIT_CODE_UNEXPECTED);
}

TEST_F(ZabctlTest, ABenchThatLosesItsLeadershipEndsWithAnError) {
  Serve();
  node.swallow = true;
  std::thread stop([&] {
    Ran r = Zabctl(node, {"status", "--json"});
    EXPECT_EQ(r.code, 0);
    while (!node.Said(APP_STATUS)) std::this_thread::yield();
    node.Stop();
  });
  Ran b = Zabctl(node, {"bench", "--count", "100000"});
  EXPECT_EQ(b.code, EXIT_CODE_UNEXPECTED);
  stop.join();
}

TEST_F(ZabctlTest, ClearErrorsForWhatIsNotThere) {
  Ran gone = Zabctl(node, {"status"});
  EXPECT_EQ(gone.code, EXIT_CODE_PORT);
  EXPECT_NE(gone.err.find("zabd is not running?"), std::string::npos) << gone.err;
  EXPECT_EQ(Zabctl(node, {"frobnicate"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"submit", "--outstanding", "0"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"submit", "--outstanding", "1x"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"submit", "--outstanding", "-1"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"tail", "--from"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"tail", "--outstanding", "3"}).err,
            "zabctl: --outstanding does not go with tail (see --help)\n");
  EXPECT_EQ(Zabctl(node, {"status", "--follow"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"", "--follow"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"--help"}).code, 0);
  EXPECT_EQ(Zabctl(node, {"--version"}).out, std::string("zabctl ") + ZABLINE_VERSION + "\n");
}

TEST_F(ZabctlTest, ANodeThatDoesNotAnswerStatusIsReportedAfterTheTimeout) {
  node.instant = false;
  node.Start();
  Ran s = Zabctl(node, {"status", "--timeout", "1"});
  EXPECT_EQ(s.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(s.err.find("did not answer within 1 s"), std::string::npos) << s.err;
  std::lock_guard<std::mutex> g(node.lock);
  for (auto &m : node.app_slow) /* answer, so that nothing stays lent */
    if (m.type == APP_STATUS) node.slow_app.push_back(m);
}

}  // namespace
