/* The connection: frames in and out of a nonblocking UNIX socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/cursor.h"
#include "service/ctl.h"

#define READ_BYTES (256u << 10)

uint64_t ctl_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int ctl_connect(struct ctl *c) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  memcpy(a.sun_path, c->path, strlen(c->path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  uint8_t hello[8];
  struct writer w;
  writer_init(&w, hello, sizeof hello);
  writer_i32(&w, CONTROL_MAGIC);
  writer_i32(&w, CONTROL_VERSION);
  c->fd = fd;
  ctl_put(c, CONTROL_HELLO, hello, sizeof hello);
  return 0;
}

void ctl_disconnect(struct ctl *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  buffer_consume(&c->in, buffer_len(&c->in));
  buffer_consume(&c->out, buffer_len(&c->out));
}

void ctl_put(struct ctl *c, enum control_type type, const void *body, size_t len) {
  struct writer w;
  writer_init(&w, buffer_room(&c->out, CONTROL_FRAME_HEADER), CONTROL_FRAME_HEADER);
  writer_i32(&w, (int32_t)(len + 1));
  writer_u8(&w, (uint8_t)type);
  buffer_added(&c->out, CONTROL_FRAME_HEADER);
  if (body) buffer_append(&c->out, body, len);
}

bool ctl_write(struct ctl *c) {
  while (buffer_len(&c->out)) {
    ssize_t n = send(c->fd, buffer_at(&c->out), buffer_len(&c->out), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    buffer_consume(&c->out, (size_t)n);
  }
  return true;
}

bool ctl_read(struct ctl *c) {
  ssize_t n = recv(c->fd, buffer_room(&c->in, READ_BYTES), READ_BYTES, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  buffer_added(&c->in, (size_t)n);
  return n > 0;
}

/* zabd's line for somebody who has not said HELLO yet ("error: too many ..."). */
static bool is_line(const struct ctl *c) {
  return buffer_len(&c->in) >= 6 && memcmp(buffer_at(&c->in), "error:", 6) == 0;
}

bool ctl_next(struct ctl *c, struct ctl_frame *f, bool *bad) {
  struct cursor in;
  *bad = false;
  if (buffer_len(&c->in) < CONTROL_FRAME_HEADER) return false;
  cursor_init(&in, buffer_at(&c->in), buffer_len(&c->in));
  uint32_t len = (uint32_t)cursor_i32(&in);
  *bad = !len || len > CONTROL_FRAME_MAX;
  if (*bad || buffer_len(&c->in) < 4 + (size_t)len) return false;
  f->type = cursor_u8(&in);
  f->body = in.next;
  f->len = len - 1;
  buffer_consume(&c->in, CONTROL_FRAME_HEADER + f->len); /* the bytes stay until the next read */
  return true;
}

int ctl_refusal(struct ctl *c, const struct ctl_frame *f) {
  if (f && f->type == CONTROL_ERROR && f->len > 4)
    return ctl_fail(c, EXIT_CODE_UNEXPECTED, "%.*s", (int)(f->len - 4), (const char *)f->body + 4);
  if (is_line(c)) {
    const char *text = (const char *)buffer_at(&c->in) + 7;
    size_t len = buffer_len(&c->in) - 7;
    const char *end = memchr(text, '\n', len);
    return ctl_fail(c, EXIT_CODE_UNEXPECTED, "%.*s", (int)(end ? end - text : (ptrdiff_t)len),
                    text);
  }
  return ctl_fail(c, EXIT_CODE_UNEXPECTED, "%s: this is not zabd's control socket", c->path);
}

/* Until something arrives; false: the timeout, or the connection is lost, with the line printed. */
static bool wait_for_bytes(struct ctl *c) {
  for (;;) { /* ends by progress or timeout */
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (!ctl_write(c)) { /* it has hung up, perhaps with a last line */
      if (ctl_read(c)) return true;
      break;
    }
    if (buffer_len(&c->out)) p.events |= POLLOUT;
    int n = poll(&p, 1, (int)c->options.timeout_s * 1000);
    if (n == 0) {
      ctl_fail(c, EXIT_CODE_UNEXPECTED, "zabd did not answer within %u s", c->options.timeout_s);
      return false;
    }
    if (n < 0 && errno != EINTR) break;
    if (n < 0 || !(p.revents & (POLLIN | POLLHUP | POLLERR))) continue;
    if (!ctl_read(c)) break;
    return true;
  }
  if (is_line(c))
    ctl_refusal(c, NULL);
  else
    ctl_fail(c, EXIT_CODE_UNEXPECTED, "zabd closed the connection");
  return false;
}

int ctl_wait(struct ctl *c, struct ctl_frame *f) {
  bool bad;
  for (;;) { /* each turn takes a frame or waits */
    if (!ctl_next(c, f, &bad)) {
      if (bad) return ctl_refusal(c, NULL);
      if (!wait_for_bytes(c)) return EXIT_CODE_UNEXPECTED;
      continue;
    }
    if (f->type == CONTROL_ERROR) return ctl_refusal(c, f);
    if (f->type != CONTROL_HELLO) return 0;
  }
}
