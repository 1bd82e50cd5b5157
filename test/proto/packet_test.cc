#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "test/proto/bytes.h"

extern "C" {
#include "config/limits.h"
#include "proto/crc32c.h"
#include "proto/packet.h"
}

namespace {

struct packet make(int32_t type, zxid_t zxid, const std::string *data) {
  struct packet p;
  memset(&p, 0, sizeof p);
  p.type = type;
  p.zxid = zxid;
  p.data.data = data ? reinterpret_cast<const uint8_t *>(data->data()) : nullptr;
  p.data.len = data ? static_cast<int32_t>(data->size()) : -1;
  return p;
}

std::string write(const struct packet &p) {
  std::vector<uint8_t> out(LIMIT_PACKET_DATA + 4096);
  size_t len = packet_write(out.data(), out.size(), &p);
  return std::string(out.begin(), out.begin() + static_cast<long>(len));
}

/* What the reader made of bytes: the packet and its data, copied out. */
struct Read {
  long took;
  struct packet p;
  std::string data;
};

Read read(const std::string &bytes, bool in_snap = false) {
  Block b(bytes);
  Read r;
  struct packet_reader reader = {in_snap};
  memset(&r.p, 0xee, sizeof r.p);
  r.took = packet_read(&reader, &r.p, b.data.get(), b.len);
  if (r.took > 0 && r.p.data.len > 0)
    r.data.assign(reinterpret_cast<const char *>(r.p.data.data), static_cast<size_t>(r.p.data.len));
  return r;
}

TEST(Packet, WithoutDataHas20Bytes) {
  /* quorum.md 1: UPTODATE 12, zxid -1, data null, authinfo null */
  std::string bytes = write(make(PACKET_UPTODATE, ZXID_NONE, nullptr));
  EXPECT_EQ(show(bytes), show(hex("00 00 00 0c ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff")));
}

TEST(Packet, LeaderinfoIsZooKeepersByteForByte) {
  /* quorum.md 3: type 17, newEpoch 5 << 32, data i4 0x10000 */
  std::string data = hex("00 01 00 00");
  EXPECT_EQ(
      show(write(make(PACKET_LEADERINFO, 5ull << 32, &data))),
      show(hex("00 00 00 11  00 00 00 05 00 00 00 00  00 00 00 04 00 01 00 00  ff ff ff ff")));
}

TEST(Packet, FollowerinfoCarriesLearnerInfo) {
  /* type 11, acceptedEpoch 4 << 32, i8 sid 3, i4 0x10000, i8 configVersion 0 */
  struct learner_info info = {3, PROTOCOL_VERSION, 0}, back;
  uint8_t raw[LEARNER_INFO_LEN];
  learner_info_write(raw, &info);
  std::string data(raw, raw + sizeof raw);
  std::string bytes = write(make(PACKET_FOLLOWERINFO, 4ull << 32, &data));
  EXPECT_EQ(show(bytes), show(hex("00 00 00 0b  00 00 00 04 00 00 00 00  00 00 00 14"
                                  "00 00 00 00 00 00 00 03  00 01 00 00  00 00 00 00 00 00 00 00"
                                  "ff ff ff ff")));
  struct span s = {raw, LEARNER_INFO_LEN};
  ASSERT_EQ(learner_info_read(&back, s), REASON_NONE);
  EXPECT_EQ(back.sid, 3);
  EXPECT_EQ(back.protocol, PROTOCOL_VERSION);
  EXPECT_EQ(back.config_version, 0);
}

TEST(Packet, ChecksumTravelsAsOneAuthinfoId) {
  /* design 3: one Id{"crc32c", 8 hex digits}: vec count 1, str, str */
  std::string data = "txn";
  struct packet p = make(PACKET_PROPOSAL, 0x200000001, &data);
  p.has_crc = true;
  p.crc = 0xe3069283;
  std::string bytes = write(p);
  EXPECT_EQ(show(bytes), show(hex("00 00 00 02  00 00 00 02 00 00 00 01  00 00 00 03 'txn'"
                                  "00 00 00 01  00 00 00 06 'crc32c'  00 00 00 08 'e3069283'")));
  Read r = read(bytes);
  EXPECT_EQ(r.took, static_cast<long>(bytes.size()));
  EXPECT_TRUE(r.p.has_crc);
  EXPECT_EQ(r.p.crc, 0xe3069283u);
  EXPECT_EQ(r.data, "txn");
}

std::vector<std::string> samples() {
  std::string text = "some data", empty;
  std::vector<std::string> all;
  for (int32_t type = PACKET_REQUEST; type <= PACKET_INFORMANDACTIVATE; type++) {
    all.push_back(write(make(type, 0x0102030405060708, &text)));
    all.push_back(write(make(type, ZXID_NONE, nullptr)));
    struct packet p = make(type, 0, &empty);
    p.has_crc = true;
    p.crc = static_cast<uint32_t>(type) * 0x01234567u;
    all.push_back(write(p));
  }
  /* a ZooKeeper client's ids, a null string, an empty vector */
  all.push_back(
      hex("00 00 00 01 ff ff ff ff ff ff ff ff ff ff ff ff 00 00 00 02"
          "00 00 00 02 'ip' 00 00 00 08 '10.0.0.1' 00 00 00 06 'digest' ff ff ff ff"));
  all.push_back(hex("00 00 00 01 ff ff ff ff ff ff ff ff ff ff ff ff 00 00 00 00"));
  return all;
}

TEST(Packet, EveryTypeRoundTripsAndTakesExactlyItsBytes) {
  for (const std::string &bytes : samples()) {
    Read r = read(bytes + "next packet");
    ASSERT_EQ(r.took, static_cast<long>(bytes.size())) << show(bytes);
    if (r.p.type == PACKET_REQUEST) continue; /* foreign ids are not written again */
    if (r.p.data.len > 0) r.p.data.data = reinterpret_cast<const uint8_t *>(r.data.data());
    EXPECT_EQ(show(write(r.p)), show(bytes));
  }
}

TEST(Packet, EveryTruncationAsksForMore) {
  for (const std::string &bytes : samples())
    for (size_t len = 0; len < bytes.size(); len++)
      ASSERT_EQ(read(bytes.substr(0, len)).took, 0) << len << " of " << show(bytes);
}

TEST(Packet, AFrameIsNoLargerThanANetworksPacket) {
  std::string head = hex("00 00 00 64 ff ff ff ff ff ff ff ff");
  EXPECT_EQ(read(head + hex("00 00 24 00")).took, 0) << "9216";
  EXPECT_EQ(read(head + hex("00 00 24 01")).took, -1);
  Read r = read(head + hex("00 00 00 03 'abc' ff ff ff ff"));
  EXPECT_EQ(PACKET_FRAME, r.p.type);
  EXPECT_EQ("abc", r.data);
  EXPECT_STREQ("FRAME", packet_name(r.p.type));
}

TEST(Packet, UnknownTypesAreRefusedAtOnce) {
  EXPECT_EQ(read(hex("00 00 00 00")).took, -1);
  EXPECT_EQ(read(hex("00 00 00 14")).took, -1);
  EXPECT_EQ(read(hex("ff ff ff ff")).took, -1);
  EXPECT_EQ(read(hex("00 00 03 e8")).took, -1) << "1000, our own mark, is not for peers to send";
}

TEST(Packet, NegativeAndHugeLengthsAreRefusedBeforeTheBytesHaveCome) {
  std::string head = hex("00 00 00 02 00 00 00 00 00 00 00 01");
  for (const char *len : {"ff ff ff fe", "80 00 00 00", "7f ff ff ff", "00 40 10 01"})
    EXPECT_EQ(read(head + hex(len)).took, -1) << "data " << len;
  EXPECT_EQ(read(head + hex("00 40 10 00")).took, 0) << "the bound itself";
  std::string null_data = head + hex("ff ff ff ff");
  for (const char *cnt : {"ff ff ff fe", "80 00 00 00", "7f ff ff ff"})
    EXPECT_EQ(read(null_data + hex(cnt)).took, -1) << "authinfo count " << cnt;
  std::string one_id = null_data + hex("00 00 00 01");
  for (const char *len : {"ff ff ff fe", "80 00 00 00", "7f ff ff ff", "00 00 10 00"}) {
    EXPECT_EQ(read(one_id + hex(len)).took, -1) << "scheme " << len;
    EXPECT_EQ(read(one_id + hex("00 00 00 00") + hex(len)).took, -1) << "id " << len;
  }
}

TEST(Packet, AuthinfoOfManySmallIdsIsBounded) {
  std::string head = hex("00 00 00 01 ff ff ff ff ff ff ff ff ff ff ff ff");
  std::string id = hex("00 00 00 00 00 00 00 00");
  std::string full = head + hex("00 00 01 fd"), over = head + hex("00 00 01 fe");
  for (int i = 0; i < 509; i++) full += id;
  EXPECT_EQ(read(full).took, static_cast<long>(full.size()));
  EXPECT_LE(full.size(), 4096u);
  EXPECT_EQ(read(over).took, -1);
}

TEST(Packet, ABrokenOrSecondChecksumIsRefused) {
  std::string head = hex("00 00 00 02 00 00 00 00 00 00 00 01 ff ff ff ff");
  std::string good = hex("00 00 00 06 'crc32c' 00 00 00 08 'e3069283'");
  EXPECT_GT(read(head + hex("00 00 00 01") + good).took, 0);
  EXPECT_EQ(read(head + hex("00 00 00 02") + good + good).took, -1);
  for (const char *id : {"00 00 00 08 'e306928g'", "00 00 00 08 'E3069283'",
                         "00 00 00 07 'e306928'", "00 00 00 00", "ff ff ff ff"})
    EXPECT_EQ(read(head + hex("00 00 00 01 00 00 00 06 'crc32c'") + hex(id)).took, -1) << id;
}

TEST(Packet, IsNotWrittenIntoLessRoomThanItNeeds) {
  std::string data = "txn";
  struct packet p = make(PACKET_PROPOSAL, 1, &data);
  p.has_crc = true;
  size_t need = write(p).size();
  for (size_t cap = 0; cap < need; cap++) {
    std::unique_ptr<uint8_t[]> out(new uint8_t[cap]);
    EXPECT_EQ(packet_write(out.get(), cap, &p), 0u) << cap;
  }
}

TEST(Packet, TheLargestDataPasses) {
  std::string data(LIMIT_PACKET_DATA, 'x');
  std::string bytes = write(make(PACKET_PROPOSAL, 1, &data));
  Read r = read(bytes);
  EXPECT_EQ(r.took, static_cast<long>(bytes.size()));
  EXPECT_EQ(r.data, data);
}

/* ---- SNAP: (i4 length, u4 crc32c, bytes)*, i4 0, str "BenWasHere" ---- */

std::string chunk(const std::string &data) {
  std::vector<uint8_t> out(data.size() + 8);
  size_t len = packet_snap_chunk_write(out.data(), out.size(), data.data(),
                                       static_cast<uint32_t>(data.size()));
  return std::string(out.begin(), out.begin() + static_cast<long>(len));
}

std::string snap_end() {
  uint8_t out[64];
  return std::string(out, out + packet_snap_end_write(out, sizeof out));
}

TEST(Snap, ChunkAndEndAreAsDocumented) {
  /* crc32c("123456789") = 0xe3069283, the published check value */
  EXPECT_EQ(show(chunk("123456789")), show(hex("00 00 00 09 e3 06 92 83 '123456789'")));
  EXPECT_EQ(show(snap_end()), show(hex("00 00 00 00 00 00 00 0a 'BenWasHere'")));
}

TEST(Snap, ChunksFollowTheSnapPacketUntilTheEndThenPacketsAgain) {
  std::string big(LIMIT_SNAP_CHUNK, 'z');
  std::string stream = write(make(PACKET_SNAP, 0x100000009, nullptr)) + chunk("first") +
                       chunk(big) + snap_end() + write(make(PACKET_NEWLEADER, 2ull << 32, nullptr));
  std::vector<int32_t> types;
  std::vector<size_t> lengths;
  struct packet_reader r = {false};
  /* one byte more at a time, as a slow socket gives it */
  size_t from = 0;
  for (size_t to = 0; to <= stream.size(); to++) {
    if (to > 100 && to + 100 < stream.size() && to % 997) continue;
    Block b(stream.substr(from, to - from));
    struct packet p;
    long took = packet_read(&r, &p, b.data.get(), b.len);
    ASSERT_GE(took, 0);
    if (!took) continue;
    types.push_back(p.type);
    lengths.push_back(p.data.len > 0 ? static_cast<size_t>(p.data.len) : 0);
    from += static_cast<size_t>(took);
  }
  EXPECT_EQ(types, (std::vector<int32_t>{PACKET_SNAP, PACKET_SNAP_CHUNK, PACKET_SNAP_CHUNK,
                                         PACKET_SNAP_END, PACKET_NEWLEADER}));
  EXPECT_EQ(lengths, (std::vector<size_t>{0, 5, LIMIT_SNAP_CHUNK, 0, 0}));
  EXPECT_EQ(from, stream.size());
}

TEST(Snap, EveryTruncationAsksForMore) {
  for (const std::string &bytes : {chunk("some bytes"), snap_end()})
    for (size_t len = 0; len < bytes.size(); len++)
      EXPECT_EQ(read(bytes.substr(0, len), true).took, 0) << len;
}

TEST(Snap, AnyFlippedBitOfAChunkIsRefused) {
  std::string good = chunk("some bytes");
  for (size_t bit = 32; bit < 8 * good.size(); bit++) { /* behind the length */
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(read(bad, true).took, -1) << "bit " << bit;
  }
}

TEST(Snap, NegativeAndHugeChunkLengthsAreRefusedBeforeTheBytesHaveCome) {
  for (const char *len : {"ff ff ff ff", "80 00 00 00", "7f ff ff ff", "00 01 00 01"})
    EXPECT_EQ(read(hex(len), true).took, -1) << len;
  EXPECT_EQ(read(hex("00 01 00 00"), true).took, 0);
}

TEST(Snap, AnotherSignatureIsRefused) {
  EXPECT_EQ(read(hex("00 00 00 00 00 00 00 0a 'BenWasHurt'"), true).took, -1);
  EXPECT_EQ(read(hex("00 00 00 00 00 00 00 09 'BenWasHer'"), true).took, -1);
  EXPECT_EQ(read(hex("00 00 00 00 00 00 00 0b"), true).took, -1);
  EXPECT_EQ(read(hex("00 00 00 00 ff ff ff ff"), true).took, -1);
}

TEST(Snap, IsNotWrittenIntoLessRoomThanItNeeds) {
  uint8_t out[32];
  for (size_t cap = 0; cap < 11; cap++) EXPECT_EQ(packet_snap_chunk_write(out, cap, "abc", 3), 0u);
  EXPECT_EQ(packet_snap_chunk_write(out, 11, "abc", 3), 11u);
  for (size_t cap = 0; cap < 18; cap++) EXPECT_EQ(packet_snap_end_write(out, cap), 0u);
  EXPECT_EQ(packet_snap_end_write(out, 18), 18u);
}

/* ---- LearnerInfo: 8, 12 or at least 20 bytes (quorum.md 3) ---- */

TEST(LearnerInfo, EveryLengthIsEitherAFormOrRefused) {
  std::string bytes =
      hex("00 00 00 00 00 00 00 03 00 01 00 00 00 00 00 00 00 00 00 07") + "extension";
  for (size_t len = 0; len <= bytes.size(); len++) {
    Block b(bytes.substr(0, len));
    struct learner_info i;
    struct span s = {b.data.get(), static_cast<int32_t>(len)};
    bool good = len == 8 || len == 12 || len >= 20;
    ASSERT_EQ(learner_info_read(&i, s), good ? REASON_NONE : REASON_PACKET_BAD) << len;
    if (!good) continue;
    EXPECT_EQ(i.sid, 3);
    EXPECT_EQ(i.protocol, len >= 12 ? PROTOCOL_VERSION : 0);
    EXPECT_EQ(i.config_version, len >= 20 ? 7 : 0);
  }
  struct learner_info i;
  struct span null = {nullptr, -1};
  EXPECT_EQ(learner_info_read(&i, null), REASON_PACKET_BAD);
}

TEST(PacketName, IsKnownForEveryTypeAndSaysUnknownForOthers) {
  EXPECT_STREQ(packet_name(PACKET_NEWLEADER), "NEWLEADER");
  EXPECT_STREQ(packet_name(PACKET_INFORMANDACTIVATE), "INFORMANDACTIVATE");
  EXPECT_STREQ(packet_name(PACKET_SNAP_CHUNK), "SNAP_CHUNK");
  EXPECT_STREQ(packet_name(PACKET_SNAP_END), "SNAP_END");
  for (int32_t type = 1; type <= 19; type++) EXPECT_STRNE(packet_name(type), "unknown");
  for (int32_t type : {0, 20, -1, INT32_MIN, INT32_MAX}) EXPECT_STREQ(packet_name(type), "unknown");
}

}  // namespace
