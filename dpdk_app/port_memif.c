#include "dpdk_app/port_memif.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpdk_app/dev_args.h"

#define DRIVER "net_memif"
#define HERE "/proc/self/cwd/" /* short, and absolute as the driver wants it */
#define ETHERNET_HEADER 14
#define SLOT_MIN 2048
#define SLOT_ALIGN 64

bool memif_is(const struct config_port *port) {
  return strncmp(port->name, DRIVER, strlen(DRIVER)) == 0;
}

bool memif_is_client(const struct config_port *port) {
  size_t len;
  const char *role = dev_args_find(port->args, "role", &len);
  return memif_is(port) && !(role && len == 6 && strncmp(role, "server", 6) == 0);
}

/* Every directory of path, as mkdir -p. */
static int make_directories(const char *name, const char *path, struct open_error *e) {
  char dir[LIMIT_SOCKET_PATH_LEN];
  snprintf(dir, sizeof dir, "%s", path);
  char *last = strrchr(dir, '/');
  for (char *p = dir + 1; p <= last; p++) {
    if (*p != '/') continue;
    *p = 0;
    if (mkdir(dir, 0770) && errno != EEXIST)
      return open_error_set(e, "port %s: cannot make directory %s for its socket: %s", name, dir,
                            strerror(errno));
    if (p != last) *p = '/';
  }
  if (access(dir, R_OK | W_OK | X_OK))
    return open_error_set(e, "port %s: no permission for directory %s of its socket: %s", name, dir,
                          strerror(errno));
  return 0;
}

/* Does a process listen there?  One that is stopped or busy counts too (EAGAIN: its queue is full).
 */
static bool is_alive(const struct sockaddr_un *addr) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return true; /* unknown: leave it alone */
  int failed = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
  bool alive = !failed || errno != ECONNREFUSED;
  close(fd);
  return alive;
}

static int remove_leftover(const char *name, const char *path, struct open_error *e) {
  struct stat st;
  if (lstat(path, &st)) {
    if (errno == ENOENT) return 0;
    return open_error_set(e, "port %s: socket %s: %s", name, path, strerror(errno));
  }
  if (!S_ISSOCK(st.st_mode))
    return open_error_set(e, "port %s: %s exists and is not a socket", name, path);
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
  if (is_alive(&addr))
    return open_error_set(e, "port %s: socket %s is in use by another process", name, path);
  if (unlink(path) && errno != ENOENT)
    return open_error_set(e, "port %s: cannot remove old socket %s: %s", name, path,
                          strerror(errno));
  return 0;
}

/* Absolute form of the socket's path; buf holds LIMIT_SOCKET_PATH_LEN. */
static int socket_path(const struct config_port *port, char *buf, struct open_error *e) {
  size_t len;
  const char *given = dev_args_find(port->args, "socket", &len);
  if (!given || len == 0)
    return open_error_set(e, "port %s: args must name a socket (socket=PATH)", port->name);
  const char *here = *given == '/' ? "" : HERE;
  int n = snprintf(buf, LIMIT_SOCKET_PATH_LEN, "%s%.*s", here, (int)len, given);
  if (n >= LIMIT_SOCKET_PATH_LEN)
    return open_error_set(e, "port %s: socket path %.*s has %d bytes, allowed: %d", port->name,
                          (int)len, given, (int)len, LIMIT_SOCKET_PATH_LEN - 1 - (int)strlen(here));
  return 0;
}

static int check_args(const struct config_port *port, uint32_t slot, struct open_error *e) {
  size_t len;
  const char *v = dev_args_find(port->args, "bsize", &len);
  if (v && strtoul(v, NULL, 10) < slot)
    return open_error_set(e, "port %s: bsize=%.*s cannot hold a frame of the mtu, needed: %u",
                          port->name, (int)len, v, slot);
  v = dev_args_find(port->args, "zero-copy", &len);
  if (v && *v == 'y') /* its buffers are lost with every peer that dies */
    return open_error_set(e, "port %s: zero-copy=yes is not supported, allowed: no", port->name);
  v = dev_args_find(port->args, "socket-abstract", &len);
  if (v && *v == 'y')
    return open_error_set(e, "port %s: socket-abstract=yes is not supported, allowed: no",
                          port->name);
  return 0;
}

/* The arguments as given but socket and socket-abstract, which are ours, and what is missing. */
static int complete(const struct config_port *port, uint32_t slot, const char *path, char *args,
                    struct open_error *e) {
  size_t at = 0, ignored;
  for (const char *p = port->args; *p;) {
    size_t n = strcspn(p, ",");
    if (n && strncmp(p, "socket", 6) != 0)
      at += (size_t)snprintf(args + at, LIMIT_ARG_LEN - at, "%.*s,", (int)n, p);
    p += n + (p[n] == ',');
  }
  if (!dev_args_find(port->args, "bsize", &ignored))
    at += (size_t)snprintf(args + at, LIMIT_ARG_LEN - at, "bsize=%u,", slot);
  if (at < LIMIT_ARG_LEN && !dev_args_find(port->args, "rsize", &ignored))
    at += (size_t)snprintf(args + at, LIMIT_ARG_LEN - at, "rsize=%d,", MEMIF_RING_LOG2);
  if (at < LIMIT_ARG_LEN)
    at += (size_t)snprintf(args + at, LIMIT_ARG_LEN - at, "socket-abstract=no,socket=%s", path);
  if (at >= LIMIT_ARG_LEN)
    return open_error_set(e, "port %s: args too long, allowed: %d bytes", port->name,
                          LIMIT_ARG_LEN);
  return 0;
}

int memif_prepare(const struct config_port *port, uint16_t mtu, char *args, struct open_error *e) {
  char path[LIMIT_SOCKET_PATH_LEN];
  uint32_t frame = (uint32_t)mtu + ETHERNET_HEADER;
  uint32_t slot = frame <= SLOT_MIN ? SLOT_MIN : (frame + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
  if (check_args(port, frame, e) || socket_path(port, path, e)) return -1;
  if (make_directories(port->name, path, e)) return -1;
  if (!memif_is_client(port) && remove_leftover(port->name, path, e)) return -1;
  return complete(port, slot, path, args, e);
}
