/* tail: records as lines, or one JSON object per line. */
#include <errno.h>
#include <string.h>

#include "proto/cursor.h"
#include "service/ctl.h"

struct shown {
  zxid_t zxid;
  uint64_t client, sequence;
  const uint8_t *data;
  uint32_t len;
};

/* Length of the UTF-8 sequence at p, 0 if there is none (RFC 3629). */
static size_t utf8_len(const uint8_t *p, size_t left) {
  static const struct {
    uint8_t mask, lead, len, low, high; /* low..high: the second byte, after the special cases */
  } rows[] = {{0x80, 0x00, 1, 0, 0},
              {0xe0, 0xc0, 2, 0x80, 0xbf},
              {0xf0, 0xe0, 3, 0x80, 0xbf},
              {0xf8, 0xf0, 4, 0x80, 0xbf}};
  for (size_t i = 0; i < 4; i++) {
    if ((p[0] & rows[i].mask) != rows[i].lead) continue;
    size_t len = rows[i].len;
    if (len > left) return 0;
    for (size_t k = 1; k < len; k++)
      if ((p[k] & 0xc0) != 0x80) return 0;
    bool overlong = (len == 2 && p[0] < 0xc2) || (len == 3 && p[0] == 0xe0 && p[1] < 0xa0) ||
                    (len == 4 && p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (len == 3 && p[0] == 0xed && p[1] > 0x9f) ||
                  (len == 4 && (p[0] > 0xf4 || (p[0] == 0xf4 && p[1] > 0x8f)));
    return overlong || beyond ? 0 : len;
  }
  return 0;
}

static bool is_utf8(const uint8_t *p, size_t len) {
  for (size_t i = 0, n; i < len; i += n) {
    n = utf8_len(p + i, len - i);
    if (!n) return false;
  }
  return true;
}

static void print_string(FILE *out, const uint8_t *p, size_t len) {
  fputc('"', out);
  for (size_t i = 0; i < len; i++) {
    if (p[i] == '"' || p[i] == '\\')
      fprintf(out, "\\%c", p[i]);
    else if (p[i] < 0x20 || p[i] == 0x7f)
      fprintf(out, "\\u%04x", p[i]);
    else
      fputc(p[i], out);
  }
  fputc('"', out);
}

static void print_json(FILE *out, const struct shown *r) {
  fprintf(out, "{\"zxid\":\"0x%llx\",\"client\":\"%016llx\",\"seq\":%llu,",
          (unsigned long long)r->zxid, (unsigned long long)r->client,
          (unsigned long long)r->sequence);
  if (is_utf8(r->data, r->len)) {
    fputs("\"data\":", out);
    print_string(out, r->data, r->len);
  } else {
    fputs("\"data_hex\":\"", out);
    for (uint32_t i = 0; i < r->len; i++) fprintf(out, "%02x", r->data[i]);
    fputc('"', out);
  }
  fputs("}\n", out);
}

static bool print_records(struct ctl *c, const struct ctl_frame *f) {
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  while (in.next < in.end) {
    struct shown r = {.zxid = (zxid_t)cursor_i64(&in)};
    r.client = (uint64_t)cursor_i64(&in);
    r.sequence = (uint64_t)cursor_i64(&in);
    r.len = (uint32_t)cursor_i32(&in);
    r.data = cursor_bytes(&in, r.len);
    if (in.bad) return false;
    if (c->options.json) {
      print_json(c->io.out, &r);
    } else {
      fwrite(r.data, 1, r.len, c->io.out);
      fputc('\n', c->io.out);
    }
  }
  return true;
}

static void print_purged(struct ctl *c, const struct ctl_frame *f) {
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  char text[ZXID_TEXT_LEN];
  zxid_text(text, (zxid_t)cursor_i64(&in) + 1);
  if (c->options.json)
    fprintf(c->io.out, "{\"purged_before\":\"%s\"}\n", text);
  else
    fprintf(c->io.err, "zabctl: purged before %s\n", text);
}

/* A tail that follows waits for ever for the next record. */
static int next(struct ctl *c, struct ctl_frame *f) {
  bool bad;
  if (ctl_next(c, f, &bad)) return f->type == CONTROL_ERROR ? ctl_refusal(c, f) : 0;
  if (fflush(c->io.out)) return ctl_output_failed(c);
  return ctl_wait(c, f);
}

int ctl_tail(struct ctl *c) {
  uint8_t body[12];
  struct writer w;
  writer_init(&w, body, sizeof body);
  writer_i64(&w, (int64_t)c->options.from);
  writer_i32(&w, c->options.follow);
  ctl_put(c, CONTROL_TAIL, body, sizeof body);
  if (c->options.follow) c->options.timeout_s = INT32_MAX / 1000;
  for (;;) { /* until END, or an error */
    struct ctl_frame f;
    int code = next(c, &f);
    if (code) return code;
    switch (f.type) {
      case CONTROL_HELLO:
        break;
      case CONTROL_END:
        return 0;
      case CONTROL_PURGED:
        print_purged(c, &f);
        break;
      case CONTROL_RECORDS:
        if (!print_records(c, &f)) return ctl_refusal(c, NULL);
        if (ferror(c->io.out)) return ctl_output_failed(c);
        break;
      default:
        return ctl_refusal(c, NULL);
    }
  }
}
