#include "proto/frame.h"

#include <stdbool.h>
#include <string.h>

#include "proto/crc32c.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are little endian in memory");

#define CRC_COVERS offsetof(struct frame_header, crc)

struct row {
  const char *name;
  enum frame_sender sender;
  enum frame_payload payload;
};

static const struct row rows[] = {
#define FRAME(id, value, name, sender, payload) \
  [value] = {name, SENDER_##sender, PAYLOAD_##payload},
#include "proto/msg.def"
#undef FRAME
};

static const struct row *row_of(uint8_t type) {
  if (type >= sizeof rows / sizeof rows[0] || !rows[type].name) return NULL;
  return &rows[type];
}

const char *frame_name(uint8_t type) {
  const struct row *row = row_of(type);
  return row ? row->name : "unknown";
}

unsigned frame_sender(uint8_t type) {
  const struct row *row = row_of(type);
  return row ? row->sender : 0u;
}

static void set_words(struct frame_header *h, size_t at, uint32_t low, uint32_t high) {
  uint64_t word = low | (uint64_t)high << 32;
  memcpy((uint8_t *)h + at, &word, sizeof word);
}

/* What was set field by field is written again as words: the checksum and whoever copies the header
 * read words, which the processor cannot take from several stores that are still under way. */
void frame_seal(struct frame_header *h) {
  uint32_t kind = FRAME_MAGIC | FRAME_VERSION << 16 | (uint32_t)h->type << 24;
  set_words(h, 0, kind, h->flags | (uint32_t)h->payload_len << 16);
  set_words(h, offsetof(struct frame_header, cluster_id), h->cluster_id,
            h->source | (uint32_t)h->destination << 8);
  set_words(h, offsetof(struct frame_header, epoch), h->epoch, h->window);
  set_words(h, offsetof(struct frame_header, send_time), h->send_time, h->echo_time);
  set_words(h, CRC_COVERS, crc32c(h, CRC_COVERS), 0);
}

static enum reason check_payload(const struct frame_header *h, const struct row *row) {
  uint32_t len = h->payload_len, gap = h->flags & FRAME_GAP;
  uint32_t unit = sizeof(struct frame_range);
  if (gap && row->payload != PAYLOAD_GAPS) return REASON_FRAME_FIELD;
  if ((h->flags & FRAME_PROBE) && (gap || len)) return REASON_FRAME_FIELD;
  if (gap) {
    bool whole = len && len % unit == 0 && len <= LIMIT_GAP_RANGES * unit;
    return whole ? REASON_NONE : REASON_FRAME_FIELD;
  }
  if (row->payload == PAYLOAD_SLICE) return len ? REASON_NONE : REASON_FRAME_FIELD;
  return len ? REASON_FRAME_FIELD : REASON_NONE;
}

enum reason frame_check(struct frame_header *h, const void *frame, size_t len) {
  if (len < sizeof *h) return REASON_FRAME_SHORT;
  memcpy(h, frame, sizeof *h);
  if (h->magic != FRAME_MAGIC || h->version != FRAME_VERSION) return REASON_FRAME_MAGIC;
  if (h->crc != crc32c(h, CRC_COVERS)) return REASON_FRAME_CRC;
  const struct row *row = row_of(h->type);
  if (!row || h->zero_a || h->zero_b || h->key_id || (h->flags & ~(FRAME_GAP | FRAME_PROBE)))
    return REASON_FRAME_FIELD;
  if (h->send_time == 0) return REASON_FRAME_FIELD;
  if (len < sizeof *h + h->payload_len) return REASON_FRAME_SHORT;
  if (len > sizeof *h + h->payload_len) return REASON_FRAME_FIELD;
  return check_payload(h, row);
}
