// The config file: every key, every relation, every kind of mistake, the samples.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
#include "config/config.h"
#include "config/config_key.h"
#include "config/memory.h"
#include "config/std_fds.h"
}

namespace {

const char kBase[] = R"({
  "cluster": "c", "id": 2, "data_dir": "d",
  "ports": [{"name": "p0"}, {"name": "p1"}],
  "peers": [
    {"id": 3, "address": "h3", "fast": {"ip": "10.0.0.3", "port": "p1"}},
    {"id": 1, "address": "h1", "fast": {"ip": "10.0.0.1", "port": "p0"}},
    {"id": 2, "address": "h2", "fast": {"ip": "10.0.0.2"}}
  ]})";

struct Result {
  int rc;
  std::string error;
  std::unique_ptr<config> c = std::make_unique<config>();
};

Result Parse(const std::string &text) {
  Result r;
  config_error e = {};
  r.rc = config_parse(r.c.get(), "F", text.c_str(), text.size(), &e);
  r.error = e.text;
  return r;
}

// Sets (or with an empty value deletes) the key at a path like peers[2].fast.ip.
std::string Edited(const std::string &path, const std::string &value) {
  cJSON *root = cJSON_Parse(kBase), *at = root;
  std::istringstream keys(path);
  std::string key, next;
  std::getline(keys, key, '.');
  while (std::getline(keys, next, '.') || !key.empty()) {
    std::string name = key.substr(0, key.find('['));
    bool last = next.empty();
    if (key.find('[') != std::string::npos) {
      cJSON *list = cJSON_GetObjectItem(at, name.c_str());
      int idx = std::stoi(key.substr(key.find('[') + 1));
      if (last) {
        cJSON_ReplaceItemInArray(list, idx, cJSON_Parse(value.c_str()));
        break;
      }
      at = cJSON_GetArrayItem(list, idx);
    } else if (last) {
      cJSON_DeleteItemFromObject(at, name.c_str());
      if (!value.empty()) cJSON_AddItemToObject(at, name.c_str(), cJSON_Parse(value.c_str()));
      break;
    } else {
      if (!cJSON_GetObjectItem(at, name.c_str())) cJSON_AddObjectToObject(at, name.c_str());
      at = cJSON_GetObjectItem(at, name.c_str());
    }
    key = next;
    next.clear();
  }
  char *text = cJSON_Print(root);
  std::string out = text;
  free(text);
  cJSON_Delete(root);
  return out;
}

Result ParseEdited(const std::string &path, const std::string &value) {
  return Parse(Edited(path, value));
}

// Calls f(path, key) for every row; lists and groups at their first element.
template <class F>
void EachKey(const key_table &table, const std::string &prefix, const F &f) {
  for (int i = 0; i < table.cnt; i++) {
    const key &k = table.keys[i];
    std::string path = prefix + k.name;
    f(path, k);
    if (k.sub) EachKey(*k.sub, path + (k.kind == KEY_OBJECTS ? "[0]." : "."), f);
  }
}

TEST(Config, AcceptsTheBaseFileAndSortsPeersById) {
  Result r = Parse(kBase);
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(3, r.c->peer_cnt);
  EXPECT_EQ(1, r.c->peers[0].id);
  EXPECT_EQ(2, r.c->peers[1].id);
  EXPECT_EQ(3, r.c->peers[2].id);
  EXPECT_EQ(1, r.c->self_idx);
  EXPECT_STREQ("F", r.c->file);
  EXPECT_EQ(0, r.c->peers[0].fast[0].port_idx);
  EXPECT_EQ(-1, r.c->peers[1].fast[0].port_idx);
  EXPECT_EQ(1, r.c->peers[2].fast[0].port_idx);
  EXPECT_EQ(0x0a000003u, r.c->peers[2].fast[0].ip);
}

TEST(Config, FillsEveryDefault) {
  Result r = Parse(kBase);
  ASSERT_EQ(0, r.rc) << r.error;
  const config &c = *r.c;
  EXPECT_EQ(DURABILITY_SYNC, c.durability);
  EXPECT_EQ(4, c.eal_cnt);
  EXPECT_STREQ("--no-huge", c.eal[0]);
  EXPECT_STREQ("--no-pci", c.eal[3]);
  EXPECT_EQ(1500, c.mtu);
  EXPECT_EQ(-1, c.cores.fast);
  EXPECT_EQ(-1, c.cores.app);
  EXPECT_EQ(IDLE_YIELD, c.idle);
  EXPECT_EQ(ROLE_VOTER, c.peers[0].role);
  EXPECT_EQ(2888, c.peers[0].quorum_port);
  EXPECT_EQ(3888, c.peers[0].election_port);
  EXPECT_EQ(2988, c.peers[0].fast[0].udp_port);
  const uint8_t mac[6] = {0x02, 0x5a, 0x42, 0, 0, 3};
  EXPECT_EQ(0, memcmp(mac, c.peers[2].fast[0].mac, 6));
  EXPECT_EQ(0xfffffffeu, c.counter_limit);
  EXPECT_STREQ("d/control.sock", c.control_socket);
  EXPECT_STREQ("", c.ports[0].args);
  EXPECT_STREQ("srvr, ruok, mntr, isro, stat", c.four_letter_words);
  EXPECT_STREQ("", c.super_digest);
  EXPECT_EQ(CONFIG_QUOTA_ENFORCE, c.quota);
}

TEST(Config, ClusterIdIsTheCrc32cOfTheName) {
  Result r = ParseEdited("cluster", "\"123456789\"");  // the check value of CRC-32C
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(0xe3069283u, r.c->cluster_id);
}

TEST(Config, EveryNumberRefusesWhatIsOutsideItsRangeFractionalOrNoNumber) {
  int cnt = 0;
  EachKey(config_table, "", [&](const std::string &path, const key &k) {
    if (k.kind != KEY_NUMBER) return;
    cnt++;
    std::string allowed =
        "allowed: a whole number from " + std::to_string(k.min) + " to " + std::to_string(k.max);
    for (const std::string &value :
         {std::to_string(k.min - 1), std::to_string(k.max + 1), std::to_string(k.min) + ".5",
          std::string("\"1\""), std::string("null"), std::string("[]"), std::string("{}"),
          std::string("true"), std::string("1e999"), std::string("-1e300")}) {
      Result r = ParseEdited(path, value);
      EXPECT_EQ(-1, r.rc) << path << " " << value;
      EXPECT_EQ(0u, r.error.find("F: " + path + ": found ")) << r.error;
      EXPECT_NE(std::string::npos, r.error.find(allowed)) << r.error;
    }
  });
  EXPECT_GE(cnt, 25);
}

TEST(Config, EveryNumberTakesBothEndsOfItsRange) {
  EachKey(config_table, "", [&](const std::string &path, const key &k) {
    if (k.kind != KEY_NUMBER) return;
    for (int64_t value : {k.min, k.max}) {
      cJSON *item = cJSON_CreateNumber((double)value);
      config_error e = {};
      reader r = {};
      r.e = &e;
      r.file = "F";
      uint64_t field = 0;
      EXPECT_EQ(0, reader_scalar(&r, &k, item, &field)) << path << e.text;
      uint64_t mask = k.size == 8 ? ~0ull : (1ull << (8 * k.size)) - 1;
      EXPECT_EQ((uint64_t)value & mask, field) << path;
      cJSON_Delete(item);
    }
  });
}

TEST(Config, EveryTextRefusesWrongTypesControlCharactersAndTooMuch) {
  EachKey(config_table, "", [&](const std::string &path, const key &k) {
    if (k.kind != KEY_NAME && k.kind != KEY_HOST && k.kind != KEY_TEXT) return;
    for (const std::string &value : {std::string("1"), std::string("{}"), std::string("\"a\\nb\""),
                                     '"' + std::string(k.size, 'x') + '"'}) {
      Result r = ParseEdited(path, value);
      EXPECT_EQ(-1, r.rc) << path << " " << value;
      EXPECT_EQ(0u, r.error.find("F: " + path + ": found ")) << r.error;
      EXPECT_NE(std::string::npos, r.error.find(" to " + std::to_string(k.size - 1) + " "))
          << r.error;
    }
  });
}

TEST(Config, EveryKeyOfEveryObjectIsKnownOnceOnly) {
  EachKey(config_table, "", [&](const std::string &path, const key &k) {
    if (k.kind == KEY_OBJECT || k.kind == KEY_OBJECTS || k.kind == KEY_TEXTS) {
      Result r = ParseEdited(path, "7");
      EXPECT_EQ(-1, r.rc) << path;
      EXPECT_EQ(0u, r.error.find("F: " + path + ": found 7, allowed: ")) << r.error;
    }
    if (k.fallback == KEY_REQUIRED) {
      Result r = ParseEdited(path, "");
      EXPECT_EQ(-1, r.rc) << path;
      EXPECT_EQ(0u, r.error.find("F: " + path + ": found nothing, allowed: ")) << r.error;
    }
  });
}

struct Mistake {
  const char *path, *value, *error;
};

class ConfigMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistake, IsNamedInOneLine) {
  Result r = ParseEdited(GetParam().path, GetParam().value);
  EXPECT_EQ(-1, r.rc);
  EXPECT_EQ(std::string("F: ") + GetParam().error, r.error);
  EXPECT_EQ(std::string::npos, r.error.find('\n'));
}

const Mistake kMistakes[] = {
    {"peer", "[]",
     "peer: found an unknown key, allowed: cluster, id, data_dir, durability, eal, "
     "ports, peers, mtu, cores, idle, idle_turns, ring_bytes, largest_record, "
     "heartbeat_us, timeout_us, tick_ms, init_limit, sync_limit, finalize_ms, "
     "disk_timeout_ms, min_free_bytes, segment_bytes, snapshot_log_bytes, "
     "snapshots_kept, counter_limit, app, client_port, max_client_cnxns, "
     "global_outstanding_limit, quota, super_digest, four_letter_words, "
     "container_check_ms, control_socket, app_keep"},
    {"peers[1].fast.Ip", "\"10.0.0.1\"",
     "peers[1].fast.Ip: found an unknown key, allowed: ip, udp_port, mac, port"},
    {"cores.fats", "1", "cores.fats: found an unknown key, allowed: fast, disk, slow, app"},
    {"peers[2].id", "3", "peers[2].id: found 3, which peers[0] has too, allowed: each id once"},
    {"quota", "\"no\"", "quota: found \"no\", allowed: enforce or warn"},
    {"super_digest", "\"super:secret\"",
     "super_digest: found a text of 12 bytes, allowed: USER:HASH, the HASH as `printf "
     "USER:PASSWORD | openssl sha1 -binary | base64` gives it"},
    {"super_digest", "\":D/InIHSb7yEEbrWz8b9l71RjZJU=\"",
     "super_digest: found a text of 29 bytes, allowed: USER:HASH, the HASH as `printf "
     "USER:PASSWORD | openssl sha1 -binary | base64` gives it"},
    {"super_digest", "\"super:D/InIHSb7yEEbrWz8b9l71RjZJ U\"",
     "super_digest: found a text of 34 bytes, allowed: USER:HASH, the HASH as `printf "
     "USER:PASSWORD | openssl sha1 -binary | base64` gives it"},
    {"four_letter_words", "\"srvr, ping\"",
     "four_letter_words: found ping, allowed: *, or some of conf cons crst dirs dump envi gtmk "
     "hash isro mntr ruok srst srvr stat stmk wchc wchp wchs"},
    {"four_letter_words", "\"srvr ruo\"",
     "four_letter_words: found ruo, allowed: *, or some of conf cons crst dirs dump envi gtmk "
     "hash isro mntr ruok srst srvr stat stmk wchc wchp wchs"},
    {"id", "4", "id: found 4, allowed: the id of one of peers[]"},
    {"id", "255", "id: found 255, allowed: a whole number from 1 to 254"},
    {"peers", "[]", "peers: found a list of 0, allowed: a list of 1 to 8 objects"},
    {"peers[1]", "\"h1\"", "peers[1]: found \"h1\", allowed: an object"},
    {"peers[0].role", "\"leader\"", "peers[0].role: found \"leader\", allowed: voter or observer"},
    {"durability", "\"none\"", "durability: found \"none\", allowed: sync or memory"},
    {"idle", "true", "idle: found true, allowed: spin, yield or sleep"},
    {"peers[2].fast.ip", "\"10.0.0\"",
     "peers[2].fast.ip: found \"10.0.0\", allowed: one host's IPv4 address, like 10.0.0.1"},
    {"peers[2].fast.ip", "\"0.0.0.0\"",
     "peers[2].fast.ip: found \"0.0.0.0\", allowed: one host's IPv4 address, like 10.0.0.1"},
    {"peers[2].fast.ip", "\"224.0.0.1\"",
     "peers[2].fast.ip: found \"224.0.0.1\", allowed: one host's IPv4 address, like 10.0.0.1"},
    {"peers[2].fast.ip", "", "peers[2].fast.ip: found nothing, allowed: one host's IPv4 address"},
    {"peers[2].fast.ip", "\"10.0.0.3\"",
     "peers[2].fast.ip: found that of peers[0], allowed: each address once"},
    {"peers[2].fast.mac", "\"02:5a:42:00:00:03\"",
     "peers[2].fast.mac: found that of peers[0], allowed: each address once"},
    {"peers[1].fast.mac", "\"01:00:5e:00:00:01\"",
     "peers[1].fast.mac: found \"01:00:5e:00:00:01\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"peers[1].fast.mac", "\"02:5a:42:00:00\"",
     "peers[1].fast.mac: found \"02:5a:42:00:00\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"peers[1].fast.mac", "\"02-5a-42-00-00-01\"",
     "peers[1].fast.mac: found \"02-5a-42-00-00-01\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"peers[1].fast.mac", "\"02:5a:42:00:00:0g\"",
     "peers[1].fast.mac: found \"02:5a:42:00:00:0g\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"peers[1].fast.mac", "\"02:5a:42:00:00:011\"",
     "peers[1].fast.mac: found \"02:5a:42:00:00:011\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"id", "{\"a\": 1}", "id: found an object, allowed: a whole number from 1 to 254"},
    {"id", "[1, 2]", "id: found a list of 2, allowed: a whole number from 1 to 254"},
    {"peers[1].fast.mac", "\"00:00:00:00:00:00\"",
     "peers[1].fast.mac: found \"00:00:00:00:00:00\", allowed: one host's MAC address, like "
     "02:5a:42:00:00:01"},
    {"peers[0].fast.port", "\"p2\"",
     "peers[0].fast.port: found \"p2\", allowed: the name of one of ports[]"},
    {"peers[0].fast.port", "",
     "peers[0].fast.port: found nothing, allowed: the name of one of ports[]"},
    {"ports[1].name", "\"p0\"",
     "peers[0].fast.port: found \"p1\", allowed: the name of one of ports[]"},
    {"peers[1].address", "\"h 1\"",
     "peers[1].address: found \"h 1\", allowed: a text of 1 to 255 letters, digits and . - _ :"},
    {"peers[1].address", "\"\"",
     "peers[1].address: found \"\", allowed: a text of 1 to 255 letters, digits and . - _ :"},
    {"peers[1].address", "\"h3\"",
     "peers[1].quorum_port: found h3:2888, which is peers[0].quorum_port, allowed: another port"},
    {"peers[1].quorum_port", "3888",
     "peers[1].election_port: found h1:3888, which is peers[1].quorum_port, allowed: another port"},
    {"client_port", "3888",
     "client_port: found 3888, which is peers[2].election_port, allowed: another port"},
    {"timeout_us", "14999", "timeout_us: found 14999, allowed: at least 3 x heartbeat_us = 15000"},
    {"mtu", "259", "mtu: found 259, allowed: a whole number from 260 to 9216"},
    {"ring_bytes", "4194305", "ring_bytes: found 4194305, allowed: a power of two"},
    {"ring_bytes", "2097152",
     "ring_bytes: found 2097152, allowed: at least 4 x largest_record = 4194304"},
    {"segment_bytes", "67108865", "segment_bytes: found 67108865, allowed: a multiple of 4096"},
    {"segment_bytes", "4190208",
     "segment_bytes: found 4190208, allowed: at least 2 x (1048576 + largest_record) = 4194304"},
    {"heartbeat_us", "5e-1",
     "heartbeat_us: found 0.5, allowed: a whole number from 10 to 60000000"},
    {"cluster", "\"a b\"",
     "cluster: found \"a b\", allowed: a text of 1 to 63 printable ASCII characters without "
     "spaces"},
    {"cluster", "\"\\u00e9\"",
     "cluster: found \"\xc3\xa9\", allowed: a text of 1 to 63 printable ASCII characters without "
     "spaces"},
    {"eal", "[\"-l\", 3]",
     "eal[1]: found 3, allowed: a text of 1 to 511 bytes without control characters"},
    {"ports", "[]", "peers[0].fast.port: found \"p1\", allowed: the name of one of ports[]"},
};
INSTANTIATE_TEST_SUITE_P(All, ConfigMistake, testing::ValuesIn(kMistakes));

TEST(Config, ErrorsOfRelationsNameTheIndexInTheFileNotTheSortedOne) {
  Result r = ParseEdited("peers[0].fast.ip", "");  // id 3: the last one after the sort
  EXPECT_EQ(0u, r.error.find("F: peers[0].fast.ip: ")) << r.error;
}

TEST(Config, RefusesAKeyGivenTwice) {
  std::string text = kBase;
  text.insert(1, "\"mtu\": 1500,\n\"mtu\": 1400,");
  EXPECT_EQ("F: mtu: found twice, allowed: once", Parse(text).error);
  text = kBase;
  text.insert(text.find("\"h1\"") + 4, ", \"address\": \"x\"");
  EXPECT_EQ("F: peers[1].address: found twice, allowed: once", Parse(text).error);
}

TEST(Config, RefusesTwoPortsOfOneName) {
  std::string text = Edited("peers[0].fast.port", "\"p0\"");
  text.replace(text.find("\"p1\""), 4, "\"p0\"");
  EXPECT_EQ("F: ports[1].name: found \"p0\", which ports[0] has too, allowed: each name once",
            Parse(text).error);
}

TEST(Config, RefusesPeersWithoutAnyPort) {
  EXPECT_EQ("F: ports: found nothing, allowed: at least one port when there are other peers",
            Parse(R"({"cluster": "c", "id": 1, "data_dir": "d", "peers": [
              {"id": 1, "address": "h1", "fast": {"ip": "10.0.0.1"}},
              {"id": 2, "address": "h2", "fast": {"ip": "10.0.0.2"}}]})")
                .error);
}

TEST(Config, OnePortLeadsToEveryPeerWithoutBeingNamed) {
  Result r = Parse(R"({"cluster": "c", "id": 1, "data_dir": "d", "ports": [{"name": "n"}],
    "peers": [{"id": 1, "address": "h1", "fast": {"ip": "10.0.0.1"}},
              {"id": 2, "address": "h2", "fast": {"ip": "10.0.0.2"}}]})");
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(-1, r.c->peers[0].fast[0].port_idx);
  EXPECT_EQ(0, r.c->peers[1].fast[0].port_idx);
}

const char kTwoPaths[] = R"({
  "cluster": "c", "id": 2, "data_dir": "d",
  "ports": [{"name": "m0"}, {"name": "m1"}],
  "peers": [
    {"id": 3, "address": "h3", "fast": [{"ip": "10.0.0.3", "port": "m0"},
                                        {"ip": "10.0.1.3", "port": "m1"}]},
    {"id": 1, "address": "h1", "fast": [{"ip": "10.0.0.1", "port": "m0"},
                                        {"ip": "10.0.1.1", "port": "m1"}]},
    {"id": 2, "address": "h2", "fast": [{"ip": "10.0.0.2", "port": "m0"},
                                        {"ip": "10.0.1.2", "port": "m1"}]}
  ]})";

// kTwoPaths with the first `from` replaced.
std::string TwoPaths(const std::string &from, const std::string &to) {
  std::string text = kTwoPaths;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(ConfigFast, TwoAddressesAreReachedThroughTheirOwnPorts) {
  Result r = Parse(kTwoPaths);
  ASSERT_EQ(0, r.rc) << r.error;
  for (int i = 0; i < 3; i++) {
    ASSERT_EQ(2, r.c->peers[i].fast_cnt);
    for (int k = 0; k < 2; k++) {
      const config_fast &f = r.c->peers[i].fast[k];
      EXPECT_EQ(0x0a000000u + 256u * (unsigned)k + (unsigned)i + 1, f.ip);
      EXPECT_EQ(i == 1 ? -1 : k, f.port_idx);
      const uint8_t mac[6] = {0x02, 0x5a, 0x42, 0, (uint8_t)k, (uint8_t)(i + 1)};
      EXPECT_EQ(0, memcmp(mac, f.mac, 6));
      EXPECT_EQ(i != 1, f.mac_static);
    }
  }
  EXPECT_EQ(0, r.c->ports[0].fast_idx);
  EXPECT_EQ(1, r.c->ports[1].fast_idx);
  EXPECT_EQ(nullptr, config_warning(r.c.get(), 0));
}

TEST(ConfigFast, AListOfOneIsOneAddress) {
  Result r = ParseEdited("peers[0].fast", R"([{"ip": "10.0.0.3", "port": "p1"}])");
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(1, r.c->peers[2].fast_cnt);
  EXPECT_EQ(0x0a000003u, r.c->peers[2].fast[0].ip);
}

TEST(ConfigFast, OurOwnPortMayBeLeftOut) {
  Result r = Parse(TwoPaths(R"("10.0.0.2", "port": "m0")", R"("10.0.0.2")"));
  EXPECT_EQ(0, r.rc) << r.error;
}

TEST(ConfigFast, MistakesInAListNameTheEntry) {
  const struct {
    const char *from, *to, *error;
  } rows[] = {
      {"10.0.1.3", "10.0.0",
       "peers[0].fast[1].ip: found \"10.0.0\", allowed: one host's IPv4 "
       "address, like 10.0.0.1"},
      {"\"ip\": \"10.0.1.3\", ", "",
       "peers[0].fast[1].ip: found nothing, allowed: one host's "
       "IPv4 address"},
      {"10.0.1.3", "10.0.0.3",
       "peers[0].fast[1].ip: found that of peers[0].fast[0], allowed: each "
       "address once"},
      {"10.0.1.2", "10.0.0.1",
       "peers[2].fast[1].ip: found that of peers[1].fast[0], allowed: each "
       "address once"},
      {"\"10.0.1.2\"", "\"10.0.1.2\", \"mac\": \"02:5a:42:00:00:01\"",
       "peers[2].fast[1].mac: found that of peers[1].fast[0], allowed: each address once"},
      {", \"port\": \"m1\"", "",
       "peers[0].fast[1].port: found nothing, allowed: the name of one of "
       "ports[]"},
      {"\"m1\"}]}", "\"m0\"}]}",
       "peers[0].fast[1].port: found \"m0\", which leads to the other address of a peer, allowed: "
       "another port for each of the two"},
      {"\"10.0.1.2\", \"port\": \"m1\"", "\"10.0.1.2\", \"port\": \"m0\"",
       "peers[2].fast[1].port: found \"m0\", which leads to the other address of the peers, "
       "allowed: a port that leads to this one"},
      {"\"10.0.0.1\", \"port\": \"m0\"", "\"10.0.0.1\", \"port\": \"m1\"",
       "peers[1].fast[0].port: found \"m1\", which leads to the other address of a peer, allowed: "
       "another port for each of the two"},
  };
  for (auto &row : rows)
    EXPECT_EQ(std::string("F: ") + row.error, Parse(TwoPaths(row.from, row.to)).error);
}

TEST(ConfigFast, EveryPeerHasAsManyAddresses) {
  EXPECT_EQ(
      "F: peers[1].fast: found 1 of them, and peers[0] has 2, allowed: the same number for all "
      "peers",
      Parse(TwoPaths(R"([{"ip": "10.0.0.1", "port": "m0"},
                                        {"ip": "10.0.1.1", "port": "m1"}])",
                     R"({"ip": "10.0.0.1", "port": "m0"})"))
          .error);
}

TEST(ConfigFast, TakesOneObjectOrAListAndNothingElse) {
  EXPECT_EQ("F: peers[0].fast: found 5, allowed: an object or a list of 1 to 2 objects",
            ParseEdited("peers[0].fast", "5").error);
  EXPECT_EQ("F: peers[0].fast: found a list of 0, allowed: a list of 1 to 2 objects",
            ParseEdited("peers[0].fast", "[]").error);
  EXPECT_EQ("F: peers[0].fast: found a list of 3, allowed: a list of 1 to 2 objects",
            ParseEdited("peers[0].fast", "[{}, {}, {}]").error);
  EXPECT_EQ("F: peers[0].fast[0]: found 7, allowed: an object",
            ParseEdited("peers[0].fast", "[7]").error);
}

TEST(ConfigFast, MacsOfNicsAreLearntUnlessGiven) {
  for (const char *name : {"net_af_xdp0", "net_af_packet1", "net_tap0", "0000:03:00.0"}) {
    std::string text = kBase;
    for (size_t at; (at = text.find("\"p0\"")) != std::string::npos;)
      text.replace(at, 4, std::string("\"") + name + "\"");
    Result r = Parse(text);
    ASSERT_EQ(0, r.rc) << r.error;
    EXPECT_TRUE(r.c->ports[0].ethernet) << name;
    EXPECT_FALSE(r.c->ports[1].ethernet);
    EXPECT_FALSE(r.c->peers[0].fast[0].mac_static);
    EXPECT_TRUE(r.c->peers[2].fast[0].mac_static);
    text.insert(text.find("\"10.0.0.1\"") + 10, ", \"mac\": \"aa:00:00:00:00:01\"");
    r = Parse(text);
    ASSERT_EQ(0, r.rc) << r.error;
    EXPECT_TRUE(r.c->peers[0].fast[0].mac_static);
    EXPECT_EQ(0xaa, r.c->peers[0].fast[0].mac[0]);
  }
}

TEST(ConfigFast, VlanIsANumberOfThePort) {
  Result r = ParseEdited("ports[1].vlan", "4094");
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(4094, r.c->ports[1].vlan);
  EXPECT_EQ(0, r.c->ports[0].vlan);
  EXPECT_EQ("F: ports[1].vlan: found 4095, allowed: a whole number from 0 to 4094",
            ParseEdited("ports[1].vlan", "4095").error);
}

std::string Ensemble(int voters, int observers) {
  std::ostringstream out;
  out << R"({"cluster": "c", "id": 1, "data_dir": "d", "ports": [{"name": "n"}], "peers": [)";
  for (int i = 1; i <= voters + observers; i++)
    out << (i > 1 ? "," : "") << "{\"id\": " << i << ", \"address\": \"h" << i
        << "\", \"fast\": {\"ip\": \"10.0.0." << i << "\"}, \"role\": \""
        << (i <= voters ? "voter" : "observer") << "\"}";
  return out.str() + "]}";
}

TEST(Config, TakesOneToSevenVoters) {
  EXPECT_EQ(0, Parse(Ensemble(1, 0)).rc);
  Result seven = Parse(Ensemble(7, 1));
  EXPECT_EQ(0, seven.rc) << seven.error;
  EXPECT_EQ(7, config_voter_cnt(seven.c.get()));
  EXPECT_EQ("F: peers: found 8 voters, allowed: 1 to 7", Parse(Ensemble(8, 0)).error);
  EXPECT_EQ("F: peers: found 0 voters, allowed: 1 to 7", Parse(Ensemble(0, 2)).error);
  EXPECT_EQ("F: peers: found a list of 9, allowed: a list of 1 to 8 objects",
            Parse(Ensemble(7, 2)).error);
}

TEST(Config, OneNodeAloneNeedsNoFastPath) {
  Result r = Parse(R"({"cluster": "c", "id": 9, "data_dir": "d",
                       "peers": [{"id": 9, "address": "localhost"}]})");
  ASSERT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(0, r.c->port_cnt);
  EXPECT_EQ(nullptr, config_warning(r.c.get(), 0));
}

TEST(Config, RefusesPathsThatAreTooLongForTheirUse) {
  Result r = ParseEdited("data_dir", '"' + std::string(960, 'x') + '"');
  EXPECT_EQ("F: data_dir: found a text of 960 bytes, allowed: at most 959", r.error);
  r = ParseEdited("data_dir", '"' + std::string(95, 'x') + '"');
  EXPECT_EQ(
      "F: control_socket: found nothing, and data_dir/control.sock is too long for a socket, "
      "allowed: a path of at most 107 bytes",
      r.error);
  r = ParseEdited("data_dir", '"' + std::string(94, 'x') + '"');
  EXPECT_EQ(0, r.rc) << r.error;
  EXPECT_EQ(107u, strlen(r.c->control_socket));
}

TEST(Config, KeepsWhatIsGivenInsteadOfADefault) {
  Result r = ParseEdited("control_socket", "\"x.sock\"");
  EXPECT_STREQ("x.sock", r.c->control_socket);
  r = ParseEdited("eal", "[\"-l\", \"0\"]");
  EXPECT_EQ(2, r.c->eal_cnt);
  EXPECT_STREQ("-l", r.c->eal[0]);
  r = ParseEdited("eal", "[]");
  EXPECT_EQ(0, r.c->eal_cnt);
  r = ParseEdited("peers[1].fast.mac", "\"aE:00:00:00:00:fF\"");
  const uint8_t mac[6] = {0xae, 0, 0, 0, 0, 0xff};
  EXPECT_EQ(0, memcmp(mac, r.c->peers[0].fast[0].mac, 6));
  r = ParseEdited("ports[0].args", "\"role=server\"");
  EXPECT_STREQ("role=server", r.c->ports[0].args);
  r = ParseEdited("super_digest", "\"super:D/InIHSb7yEEbrWz8b9l71RjZJU=\"");
  EXPECT_STREQ("super:D/InIHSb7yEEbrWz8b9l71RjZJU=", r.c->super_digest);
  for (const char *words : {"", "*", "ruok", " wchs,cons , srvr"}) {
    r = ParseEdited("four_letter_words", std::string("\"") + words + '"');
    EXPECT_STREQ(words, r.c->four_letter_words) << r.error;
  }
}

TEST(Config, NamesANumberThatNoDoubleHolds) {
  std::string text = kBase;
  text.replace(text.find("\"id\": 2") + 6, 1, "1e999");
  EXPECT_EQ("F: id: found a number too large to read, allowed: a whole number from 1 to 254",
            Parse(text).error);
}

TEST(Config, RefusesAFileNameThatDoesNotFit) {
  auto c = std::make_unique<config>();
  config_error e;
  std::string name(LIMIT_PATH_LEN, 'n');
  EXPECT_EQ(-1, config_parse(c.get(), name.c_str(), kBase, sizeof kBase - 1, &e));
  EXPECT_NE(nullptr, strstr(e.text, "found a path of 1024 bytes, allowed: 1023")) << e.text;
}

TEST(Config, ShowsALongValueByItsLength) {
  Result r = ParseEdited("cluster", '"' + std::string(1000, 'x') + '"');
  EXPECT_EQ(0u, r.error.find("F: cluster: found a text of 1000 bytes, allowed: ")) << r.error;
}

TEST(Config, NamesTheLineOfASyntaxError) {
  EXPECT_EQ("F: line 3: found \"oops\", allowed: JSON", Parse("{\n\"id\": 1,\noops\n}").error);
  EXPECT_EQ("F: line 2: found \"}\", allowed: JSON", Parse("{}\n}").error);
  EXPECT_EQ("F: line 1: found the end of the file, allowed: JSON", Parse("").error);
  EXPECT_EQ("F: line 2: found the end of the file, allowed: JSON", Parse("{\"a\":\n").error);
  EXPECT_EQ("F: (whole file): found a list of 0, allowed: an object", Parse("[]").error);
  EXPECT_EQ(-1, Parse(std::string(kBase) + std::string("\0 x", 3)).rc);
  std::string inside = kBase;
  inside[inside.find("\"d\"") + 1] = '\0';
  EXPECT_EQ("F: line 2: found \"\", allowed: JSON", Parse(inside).error);
}

TEST(Config, RefusesEveryTruncationOfAFile) {
  for (size_t len = 0; len < sizeof kBase - 1; len++)
    EXPECT_EQ(-1, Parse(std::string(kBase, len)).rc) << len;
}

TEST(Config, SurvivesEveryFlippedBitWithAtMostOneLine) {
  for (size_t i = 0; i < sizeof kBase - 1; i++)
    for (int bit = 0; bit < 8; bit++) {
      std::string text = kBase;
      text[i] = (char)(text[i] ^ (1 << bit));
      Result r = Parse(text);
      EXPECT_EQ(r.rc == 0, r.error.empty());
      for (char ch : r.error) EXPECT_TRUE((unsigned char)ch >= ' ' && ch != 0x7f);
    }
}

TEST(Config, SurvivesDeepNesting) {
  EXPECT_EQ(-1, Parse(std::string(100000, '[')).rc);
  EXPECT_EQ(-1, Parse("{\"id\":" + std::string(900, '[') + std::string(900, ']') + "}").rc);
}

TEST(Config, NamesAFileThatIsMissingADirectoryOrTooLarge) {
  auto c = std::make_unique<config>();
  config_error e;
  EXPECT_EQ(-1, config_load(c.get(), "build/no/such.json", &e));
  EXPECT_STREQ(
      "build/no/such.json: found no readable file (No such file or directory), allowed: a "
      "node's JSON file",
      e.text);
  EXPECT_EQ(-1, config_load(c.get(), "config", &e));
  EXPECT_NE(nullptr, strstr(e.text, "config: found no readable file (Is a directory)")) << e.text;
  EXPECT_EQ(-1, config_load(c.get(), "/dev/zero", &e));
  EXPECT_STREQ("/dev/zero: found a larger file, allowed: at most 1048576 bytes", e.text);
  std::string path(5000, 'x');
  EXPECT_EQ(-1, config_load(c.get(), path.c_str(), &e));
  EXPECT_LT(strlen(e.text), sizeof e.text);
}

std::vector<std::string> Warnings(const config *c) {
  std::vector<std::string> out;
  while (const char *line = config_warning(c, (int)out.size())) out.push_back(line);
  return out;
}

TEST(Config, WarnsOfWhatIsProbablyNotMeant) {
  Result r = Parse(kBase);
  EXPECT_EQ(0u, Warnings(r.c.get()).size());
  r = Parse(Ensemble(4, 1));
  ASSERT_EQ(1u, Warnings(r.c.get()).size());
  EXPECT_EQ(0u, Warnings(r.c.get())[0].find("peers: an even number of voters"));
  r.c->durability = DURABILITY_MEMORY;
  EXPECT_EQ(1u, Warnings(r.c.get()).size());
  r = Parse(Ensemble(2, 0));
  r.c->durability = DURABILITY_MEMORY;
  EXPECT_EQ(2u, Warnings(r.c.get()).size());
  r = ParseEdited("idle", "\"spin\"");
  ASSERT_EQ(1u, Warnings(r.c.get()).size());
  EXPECT_EQ(0u, Warnings(r.c.get())[0].find("idle: spin"));
  r.c->cores = {1, 2, 0, 3};
  EXPECT_EQ(0u, Warnings(r.c.get()).size());
  r.c->cores = {1, 2, 0, 1};
  EXPECT_EQ(0u, Warnings(r.c.get())[0].find("cores:"));
  r = ParseEdited("peers[0].fast.port", "\"p0\"");
  EXPECT_EQ(0u, Warnings(r.c.get())[0].find("ports:"));
}

TEST(Config, QuorumTextIsTheServerListAsZooKeeperPrintsIt) {
  Result r = ParseEdited("peers[0].role", "\"observer\"");
  char text[LIMIT_CONFIG_TEXT];
  int len = config_quorum_text(r.c.get(), text);
  EXPECT_STREQ(
      "server.1=h1:2888:3888:participant\nserver.2=h2:2888:3888:participant\n"
      "server.3=h3:2888:3888:observer\nversion=0",
      text);
  EXPECT_EQ(len, (int)strlen(text));
  r = ParseEdited("peers[0].address", "\"fe80::1\"");
  config_quorum_text(r.c.get(), text);
  EXPECT_NE(nullptr, strstr(text, "server.3=[fe80::1]:2888:3888:participant\n"));
}

TEST(Config, PeerIdxFindsPeersById) {
  Result r = Parse(kBase);
  EXPECT_EQ(0, config_peer_idx(r.c.get(), 1));
  EXPECT_EQ(2, config_peer_idx(r.c.get(), 3));
  EXPECT_EQ(-1, config_peer_idx(r.c.get(), 4));
}

class ConfigDev3 : public testing::TestWithParam<int> {};

TEST_P(ConfigDev3, IsCompleteAndWithoutWarning) {
  int id = GetParam();
  std::string n = std::to_string(id);
  auto c = std::make_unique<config>();
  config_error e = {};
  ASSERT_EQ(0, config_load(c.get(), ("config/dev3/" + n + ".json").c_str(), &e)) << e.text;
  EXPECT_EQ(nullptr, config_warning(c.get(), 0));
  EXPECT_EQ(id, c->id);
  EXPECT_EQ(id - 1, c->self_idx);
  EXPECT_EQ(2180 + id, c->client_port);
  EXPECT_EQ(0, strncmp(c->data_dir, ("build/dev3/" + n + "/").c_str(), 13));
  EXPECT_EQ(0, strncmp(c->control_socket, ("build/dev3/" + n + "/").c_str(), 13));
  for (int i = 0; i < 3; i++) {
    const config_peer &p = c->peers[i];
    EXPECT_EQ(2881 + i, p.quorum_port);
    EXPECT_EQ(3881 + i, p.election_port);
    if (i + 1 == id) continue;
    // both ends of a memif name the same socket; the smaller id is its server
    const config_port &port = c->ports[p.fast[0].port_idx];
    int low = std::min(id, (int)p.id), high = std::max(id, (int)p.id);
    std::string socket = "memif-" + std::to_string(low) + "-" + std::to_string(high) + ".sock";
    EXPECT_NE(nullptr, strstr(port.args, socket.c_str())) << port.args;
    EXPECT_NE(nullptr, strstr(port.args, id == low ? "role=server" : "role=client")) << port.args;
  }
}
INSTANTIATE_TEST_SUITE_P(All, ConfigDev3, testing::Values(1, 2, 3));

/* What a rack begins with is good without a warning, and the files of one ensemble differ in `id`
 * alone. */
TEST(Config, SamplesForRacksAreGood) {
  const struct {
    const char *name;
    int nodes, networks;
  } samples[] = {
      {"rack3/mlx5", 3, 1}, {"rack3/vfio", 3, 1}, {"rack5/mlx5", 5, 2}, {"rack5/vfio", 5, 2}};
  for (auto &s : samples) {
    std::string first;
    for (int id = 1; id <= s.nodes; id++) {
      std::string file = "config/" + std::string(s.name) + "-" + std::to_string(id) + ".json";
      auto c = std::make_unique<config>();
      config_error e = {};
      ASSERT_EQ(0, config_load(c.get(), file.c_str(), &e)) << e.text;
      EXPECT_EQ(nullptr, config_warning(c.get(), 0)) << file;
      EXPECT_EQ(id, c->id);
      EXPECT_EQ(s.nodes, c->peer_cnt);
      EXPECT_EQ(s.networks, c->peers[0].fast_cnt);
      std::ifstream in(file);
      std::string line, rest;
      while (std::getline(in, line))
        if (line != "  \"id\": " + std::to_string(id) + ",") rest += line + "\n";
      if (id == 1) first = rest;
      EXPECT_EQ(first, rest) << file;
    }
  }
}

TEST(Config, Dev1IsOneNodeAlone) {
  auto c = std::make_unique<config>();
  config_error e = {};
  ASSERT_EQ(0, config_load(c.get(), "config/dev1/1.json", &e)) << e.text;
  EXPECT_EQ(1, c->peer_cnt);
  EXPECT_EQ(nullptr, config_warning(c.get(), 0));
}

TEST(Config, ReadmeNamesEveryKeyWithItsDefault) {
  std::ifstream in("config/README.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(line);
  EachKey(config_table, "", [&](const std::string &path, const key &k) {
    if (path.find("cores.") == 0) return;  // one row for the four
    std::string name = path.substr(path.find("].") == std::string::npos ? 0 : path.find("].") + 2);
    std::string want = k.fallback == KEY_REQUIRED ? "| required |"
                       : k.kind == KEY_NUMBER     ? "| " + std::to_string(k.fallback) + " |"
                       : k.kind == KEY_CHOICE ? "| `" + std::string(k.choices[k.fallback]) + "` |"
                                              : "|";
    bool found = false;
    for (const std::string &row : rows)
      found |= row.find("| `" + name + "` |") == 0 && row.size() > want.size() &&
               row.compare(row.size() - want.size(), want.size(), want) == 0;
    EXPECT_TRUE(found) << name << " " << want;
  });
}

TEST(Memory, WithoutItTheProcessEndsWithOneLine) {
  int some = 0;
  EXPECT_EQ(memory_or_end(&some, 4), &some);
  EXPECT_EXIT(memory_or_end(nullptr, 77), testing::ExitedWithCode(1),
              "^[^\n]* ERROR - no memory for 77 bytes; stopping\n$");
  EXPECT_EXIT(memory_or_end(nullptr, 0), testing::ExitedWithCode(1), "ERROR - no memory; stopping");
}

void without_standard_descriptors() {
  dup2(2, 50); /* where gtest looks */
  for (int fd = 0; fd < 3; fd++) close(fd);
  int failed = std_fds_keep();
  bool is_ours = open("/dev/null", O_RDWR) > 2;
  char c = 0;
  bool works = read(0, &c, 1) >= 0 || write(1, &c, 1) >= 0 || write(2, &c, 1) >= 0;
  dup2(50, 2);
  fprintf(stderr, "failed %d, ours %d, works %d\n", failed, is_ours, works);
  _exit(0);
}

TEST(StdFds, ClosedOnesAreTakenSoThatNoFileGetsThem) {
  EXPECT_EXIT(without_standard_descriptors(), testing::ExitedWithCode(0),
              "failed 0, ours 1, works 0");
}

}  // namespace
