/* submit: each line of standard input one transaction, pipelined, in order, once.
 *
 *   DOWN --connected, START sent--> STARTING --READY--> ACTIVE
 *     ^_____connection lost____________|___________________|     RESEND, REFUSED: back to STARTING
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/cursor.h"
#include "proto/reason.h"
#include "service/app_log.h"
#include "service/ctl_report.h"
#include "service/ctl_window.h"

#define READ_BYTES (256u << 10)
#define SEND_BYTES (256u << 10)
#define NOTE_NS (2000u * 1000u * 1000u) /* without a leader, before the user is told */
#define RETRY_NS (100u * 1000u * 1000u) /* before another connect, or START after a refusal */

enum state { DOWN, REFUSED, STARTING, ACTIVE };

struct submit {
  struct ctl *c;
  enum state state;
  uint64_t retry_ns;    /* DOWN, REFUSED: try again then */
  zxid_t acked_zxid;    /* newest one known */
  uint64_t progress_ns; /* last acknowledgement, or when there was first something to wait for */
  uint32_t largest;     /* 0: not known yet */
  bool eof;             /* or a line that cannot be: what came before it is still finished */
  int end_code;         /* exit code when all is acknowledged */
  int code;             /* exit code; -1: goes on */
  enum reason noted;    /* last refusal */
  bool told;            /* the user knows that we wait, and why */
  struct buffer input;
  size_t scanned; /* bytes of input without a line end */
  struct ctl_window window;
  struct ctl_report report;
};

static void start(struct submit *s) {
  uint8_t body[24];
  struct writer w;
  writer_init(&w, body, sizeof body);
  writer_i64(&w, (int64_t)s->window.client);
  writer_i64(&w, (int64_t)s->window.acked);
  writer_i64(&w, (int64_t)s->acked_zxid);
  ctl_put(s->c, CONTROL_START, body, sizeof body);
  s->state = STARTING;
}

static void down(struct submit *s, uint64_t now) {
  ctl_disconnect(s->c);
  s->state = DOWN;
  s->retry_ns = now + RETRY_NS;
  s->report.reconnects++;
}

static void ack_one(struct submit *s, zxid_t zxid, uint64_t now) {
  struct ctl_window *w = &s->window;
  uint64_t sent_ns = w->sent_ns[(w->acked + 1) % LIMIT_SUBMIT_OUTSTANDING];
  ctl_window_ack(w);
  ctl_report_ack(&s->report, &(struct ctl_ack){w->acked, zxid, now, sent_ns ? sent_ns : now});
  if (zxid) s->acked_zxid = zxid;
  s->progress_ns = now;
  s->told = false;
}

/* Everything up to sequence is committed; the zxids of those before it may be unknown. */
static void ack_to(struct submit *s, uint64_t sequence, zxid_t zxid, uint64_t now) {
  while (s->window.acked < sequence) ack_one(s, s->window.acked + 1 == sequence ? zxid : 0, now);
}

static void on_ready(struct submit *s, struct cursor *in, uint64_t now) {
  uint64_t last = (uint64_t)cursor_i64(in);
  zxid_t zxid = (zxid_t)cursor_i64(in);
  s->largest = (uint32_t)cursor_i32(in);
  if (in->bad || last > s->window.last) {
    s->code =
        ctl_fail(s->c, EXIT_CODE_UNEXPECTED, "this node knows records of ours that we never sent");
  } else if (last < s->window.acked) {
    s->code = ctl_fail(s->c, EXIT_CODE_UNEXPECTED,
                       "this node no longer knows our client id (more than %d newer clients): "
                       "%llu lines are acknowledged, whether the others are is unknown",
                       LIMIT_CLIENTS, (unsigned long long)s->window.acked);
  } else {
    ack_to(s, last, zxid, now);
    ctl_window_rewind(&s->window);
    s->state = ACTIVE;
  }
}

static void on_acks(struct submit *s, struct cursor *in, uint64_t now) {
  while (in->next < in->end) {
    uint64_t sequence = (uint64_t)cursor_i64(in);
    zxid_t zxid = (zxid_t)cursor_i64(in);
    if (in->bad || sequence > s->window.last) {
      s->code = ctl_refusal(s->c, NULL);
      return;
    }
    ack_to(s, sequence, zxid, now);
  }
}

static void on_refused(struct submit *s, struct cursor *in, uint64_t now) {
  uint64_t sequence = (uint64_t)cursor_i64(in);
  enum reason r = (enum reason)cursor_i32(in);
  if (r == REASON_TOO_LARGE || r == REASON_CONTROL_BAD) {
    s->code = ctl_fail(s->c, EXIT_CODE_UNEXPECTED, "line %llu is refused: %s",
                       (unsigned long long)sequence, reason_text(r));
    return;
  }
  if (r != s->noted && r == REASON_DISK_FULL) {
    ctl_fail(s->c, 0, "waiting: %s", reason_text(r));
    s->told = true;
  }
  s->noted = r;
  s->state = REFUSED;
  s->retry_ns = now + RETRY_NS;
}

static void on_frame(struct submit *s, const struct ctl_frame *f, uint64_t now) {
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  switch (f->type) {
    case CONTROL_HELLO:
      break;
    case CONTROL_READY:
      if (s->state == STARTING) on_ready(s, &in, now);
      break;
    case CONTROL_ACKS:
      on_acks(s, &in, now);
      break;
    case CONTROL_RESEND:
      s->report.resends++;
      start(s);
      break;
    case CONTROL_REFUSED:
      on_refused(s, &in, now);
      break;
    default:
      s->code = ctl_refusal(s->c, f->type == CONTROL_ERROR ? f : NULL);
  }
}

static void receive(struct submit *s, uint64_t now) {
  struct ctl_frame f;
  bool bad = false;
  bool lost = !ctl_read(s->c);
  while (s->code < 0 && ctl_next(s->c, &f, &bad)) on_frame(s, &f, now);
  if (s->code >= 0) return;
  if (bad)
    s->code = ctl_refusal(s->c, NULL); /* a line of text: too many connections, or not zabd */
  else if (lost)
    down(s, now);
}

/* ---- input ---- */

static bool add_line(struct submit *s, size_t len) {
  if (len > s->largest) {
    s->end_code = ctl_fail(s->c, EXIT_CODE_UNEXPECTED,
                           "line %llu is longer than largest_record allows (%u bytes)",
                           (unsigned long long)s->window.last + 1, s->largest);
    s->eof = true;
    buffer_consume(&s->input, buffer_len(&s->input));
    return false;
  }
  ctl_window_add(&s->window, buffer_at(&s->input), len);
  s->report.submitted++;
  return true;
}

static void take_lines(struct submit *s) {
  while (s->code < 0 && !ctl_window_full(&s->window)) {
    size_t len = buffer_len(&s->input);
    const uint8_t *from = buffer_at(&s->input);
    const uint8_t *end =
        len > s->scanned ? memchr(from + s->scanned, '\n', len - s->scanned) : NULL;
    if (!end) {
      s->scanned = len;
      bool last = s->eof && len; /* a last line without its end is a line */
      if ((last || len > s->largest) && add_line(s, len)) buffer_consume(&s->input, len);
      if (last) s->scanned = 0;
      return;
    }
    size_t line = (size_t)(end - from);
    if (!add_line(s, line)) return;
    buffer_consume(&s->input, line + 1);
    s->scanned = 0;
  }
}

static void read_input(struct submit *s) {
  ssize_t n = read(s->c->io.in, buffer_room(&s->input, READ_BYTES), READ_BYTES);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    s->code = ctl_fail(s->c, EXIT_CODE_UNEXPECTED, "standard input: %s", strerror(errno));
    return;
  }
  buffer_added(&s->input, (size_t)n);
  s->report.input_bytes += (uint64_t)n;
  if (n == 0) s->eof = true;
}

/* ---- the loop ---- */

static bool wants_input(const struct submit *s) {
  return s->largest && !s->eof && !ctl_window_full(&s->window) &&
         buffer_len(&s->input) <= s->largest;
}

static bool waiting(const struct submit *s) {
  return s->state != ACTIVE || s->window.acked < s->window.last;
}

static const char *obstacle(const struct submit *s) {
  if (s->state == DOWN) return "zabd is not running";
  if (s->state == REFUSED) return reason_text(s->noted);
  if (s->state == STARTING) return "this node has no established leader (see zabctl status)";
  return "no quorum has committed them (see zabctl status)";
}

static void check_progress(struct submit *s, uint64_t now) {
  if (!waiting(s)) s->progress_ns = now;
  if (now - s->progress_ns >= NOTE_NS && !s->told && s->state != ACTIVE) {
    ctl_fail(s->c, 0, "waiting: %s", obstacle(s));
    s->told = true;
  }
  if (now - s->progress_ns < s->c->options.timeout_s * 1000000000ull) return;
  s->code = ctl_fail(s->c, EXIT_CODE_UNEXPECTED,
                     "no acknowledgement for %u s: %s; %llu lines acknowledged, %llu not",
                     s->c->options.timeout_s, obstacle(s), (unsigned long long)s->window.acked,
                     (unsigned long long)(s->window.last - s->window.acked));
}

static void retry(struct submit *s, uint64_t now) {
  if (now < s->retry_ns) return;
  if (s->state == REFUSED) start(s);
  if (s->state != DOWN) return;
  if (ctl_connect(s->c))
    s->retry_ns = now + RETRY_NS;
  else
    start(s);
}

/* Waits for input, the socket, or 100 ms (retries, timeout, progress bar). */
static void wait(struct submit *s) {
  struct pollfd p[2] = {{.fd = -1}, {.fd = -1}};
  if (s->c->fd >= 0) {
    p[0].fd = s->c->fd;
    p[0].events = (short)(POLLIN | (buffer_len(&s->c->out) ? POLLOUT : 0));
  }
  if (wants_input(s)) {
    p[1].fd = s->c->io.in;
    p[1].events = POLLIN;
  }
  if (poll(p, 2, 100) <= 0) return;
  if (p[1].revents) read_input(s);
  if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) receive(s, ctl_now_ns());
}

static void send_window(struct submit *s, uint64_t now) {
  if (s->state == ACTIVE && buffer_len(&s->c->out) < SEND_BYTES)
    ctl_window_send(&s->window, &s->c->out, SEND_BYTES, now);
  if (s->state != DOWN && !ctl_write(s->c))
    receive(s, now); /* hears its last words, then goes down */
}

static void turn(struct submit *s) {
  uint64_t now = ctl_now_ns();
  retry(s, now);
  if (s->largest) take_lines(s);
  send_window(s, now);
  if (s->code >= 0) return;
  if (s->state == ACTIVE && s->eof && !buffer_len(&s->input) && s->window.acked == s->window.last) {
    s->code = s->end_code;
    return;
  }
  wait(s);
  now = ctl_now_ns();
  if (s->code < 0) check_progress(s, now);
  ctl_report_progress(&s->report, now);
}

static uint64_t random_client(void) {
  uint64_t client = 0;
  while (!client || client == UINT64_MAX) /* neither nobody nor bench */
    if (getrandom(&client, sizeof client, 0) != sizeof client) client = ctl_now_ns();
  return client;
}

int ctl_submit(struct ctl *c) {
  struct submit *s = calloc(1, sizeof *s);
  if (!s) return ctl_fail(c, EXIT_CODE_UNEXPECTED, "no memory");
  s->c = c;
  s->code = -1;
  s->end_code = EXIT_CODE_CLEAN;
  s->window.client = random_client();
  s->window.max = c->options.outstanding ? c->options.outstanding : 1024;
  s->progress_ns = ctl_now_ns();
  if (ctl_report_open(&s->report, c)) {
    free(s);
    return EXIT_CODE_CONFIG;
  }
  start(s);
  while (s->code < 0) turn(s); /* ends by the last acknowledgement, an error, or the timeout */
  int code = s->code;
  code = ctl_report_close(&s->report, s->window.client, code);
  buffer_free(&s->input);
  buffer_free(&s->window.frames);
  free(s);
  return code;
}
