/* The control socket's path: a left-over of a dead process is removed, a live one is not. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/log.h"
#include "proto/exit_code.h"
#include "service/control.h"

/* Does a process listen there?  Connecting to a UNIX socket answers at once. */
static bool is_live(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  memcpy(a.sun_path, path, strnlen(path, sizeof a.sun_path - 1));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool live = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN;
  close(fd);
  return live;
}

static int bind_path(struct control *c, const char *path) {
  int error = uv_pipe_bind(&c->listener, path);
  struct stat st;
  if (error != UV_EADDRINUSE || lstat(path, &st) || !S_ISSOCK(st.st_mode) || is_live(path))
    return error;
  if (unlink(path)) return -errno;
  return uv_pipe_bind(&c->listener, path);
}

/* libuv says EACCES for a missing directory too. */
static const char *text_of(int error) {
  if (error == UV_EADDRINUSE) return "in use by another process, or not a socket";
  if (error == UV_EACCES) return "its directory is missing or may not be written";
  return uv_strerror(error);
}

static int refuse(struct control *c, const char *path, int error) {
  log_line(LEVEL_ERROR, c->thread->c->config->id, "control socket %s: %s", path, text_of(error));
  uv_close((uv_handle_t *)&c->listener, NULL);
  return EXIT_CODE_PORT;
}

int control_listen(struct control *c, uv_connection_cb on_connection) {
  const char *path = c->thread->c->config->control_socket;
  uv_pipe_init(c->loop, &c->listener, 0);
  c->listener.data = c;
  int error = bind_path(c, path);
  if (error) return refuse(c, path, error);
  if (chmod(path, 0660)) return refuse(c, path, -errno); /* nobody can connect before listen */
  error = uv_listen((uv_stream_t *)&c->listener, LIMIT_CONTROL_CONNS, on_connection);
  return error ? refuse(c, path, error) : 0;
}
