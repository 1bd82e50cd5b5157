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

void frame_seal(struct frame_header *h) {
  h->magic = FRAME_MAGIC;
  h->version = FRAME_VERSION;
  h->key_id = 0;
  h->zero_a = 0;
  h->zero_b = 0;
  h->crc = crc32c(h, CRC_COVERS);
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
  struct frame_header in;
  memcpy(&in, frame, sizeof in);
  if (in.magic != FRAME_MAGIC || in.version != FRAME_VERSION) return REASON_FRAME_MAGIC;
  if (in.crc != crc32c(&in, CRC_COVERS)) return REASON_FRAME_CRC;
  const struct row *row = row_of(in.type);
  if (!row || in.zero_a || in.zero_b || in.key_id || (in.flags & ~(FRAME_GAP | FRAME_PROBE)))
    return REASON_FRAME_FIELD;
  if (in.send_time == 0) return REASON_FRAME_FIELD;
  if (len < sizeof in + in.payload_len) return REASON_FRAME_SHORT;
  if (len > sizeof in + in.payload_len) return REASON_FRAME_FIELD;
  enum reason reason = check_payload(&in, row);
  if (reason == REASON_NONE) *h = in;
  return reason;
}
