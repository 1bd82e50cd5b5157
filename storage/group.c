#include "storage/group.h"

#include <string.h>

#include "proto/crc32c.h"

#define FILLING 0xa5
#define MASK_STEP 0x9e3779b97f4a7c15u

static uint64_t word_at(const uint8_t *p) {
  uint64_t w;
  memcpy(&w, p, sizeof w);
  return w;
}

static bool all_words_are(const uint8_t *p, size_t len, uint64_t word) {
  for (size_t i = 0; i < len; i += 8)
    if (word_at(p + i) != word) return false;
  return true;
}

bool group_all_zero(const uint8_t *p, size_t len) { return all_words_are(p, len, 0); }

static bool has_block_of(const uint8_t *p, size_t size, uint64_t word) {
  for (size_t i = 0; i < size; i += GROUP_BLOCK)
    if (all_words_are(p + i, GROUP_BLOCK, word)) return true;
  return false;
}

bool group_has_zero_block(const uint8_t *p, size_t size) { return has_block_of(p, size, 0); }

/* Each block rules out one mask at most, so the loop ends after as many as there are blocks.  The
 * first block holds the magic and so is never all zeros. */
static uint64_t choose_mask(const uint8_t *buf, uint32_t size) {
  uint64_t mask = 0;
  for (uint32_t i = 0; i <= size / GROUP_BLOCK; i++, mask += MASK_STEP)
    if (!has_block_of(buf + GROUP_BLOCK, size - GROUP_BLOCK, mask)) break;
  assert(!has_block_of(buf + GROUP_BLOCK, size - GROUP_BLOCK, mask));
  return mask;
}

void group_unmask(const struct group_header *h, void *bytes, size_t len) {
  uint8_t *p = bytes;
  if (h->mask == 0) return;
  for (size_t i = 0; i < len; i += 8) {
    uint64_t w = word_at(p + i) ^ h->mask;
    memcpy(p + i, &w, sizeof w);
  }
}

static uint32_t header_crc(const struct group_header *h) {
  return crc32c((const uint8_t *)h + sizeof h->crc, sizeof *h - sizeof h->crc);
}

uint32_t group_build(uint8_t *buf, struct group_header *h, const void *records) {
  uint32_t size = group_size(h->len);
  uint32_t used = GROUP_HEADER + h->len;
  if (h->len) memcpy(buf + GROUP_HEADER, records, h->len);
  memset(buf + used, FILLING, size - used);
  h->magic = GROUP_MAGIC;
  h->mask = choose_mask(buf, size);
  group_unmask(h, buf + GROUP_HEADER, size - GROUP_HEADER); /* XOR: masks and unmasks */
  h->payload_crc = crc32c(buf + GROUP_HEADER, size - GROUP_HEADER);
  h->crc = header_crc(h);
  memcpy(buf, h, sizeof *h);
  return size;
}

bool group_read_header(struct group_header *h, const void *block, uint64_t segment,
                       uint32_t owner) {
  memcpy(h, block, sizeof *h);
  return h->magic == GROUP_MAGIC && h->crc == header_crc(h) && h->segment == segment &&
         h->owner == owner && h->type >= GROUP_RECORDS && h->type <= GROUP_IDLE;
}

bool group_payload_ok(const struct group_header *h, const uint8_t *group) {
  return crc32c(group + GROUP_HEADER, group_size(h->len) - GROUP_HEADER) == h->payload_crc;
}
