#include "dpdk_app/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpdk_app/dev_args.h"

#define NOTE_LEN 80

/* One zabd per interface, since that has one program: a name in the network namespace, which goes
 * with the process. */
static int take_interface(const char *port, const char *iface, struct open_error *e) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int len = snprintf(addr.sun_path + 1, sizeof addr.sun_path - 1, "zabline/%s", iface);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
  if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, size) == 0) return 0;
  int err = errno;
  if (fd >= 0) close(fd);
  if (err == EADDRINUSE)
    return open_error_set(e, "port %s: %s is in use by another zabd", port, iface);
  return open_error_set(e, "port %s: %s", port, strerror(err));
}

static void name_of(uint32_t id, char name[BPF_OBJ_NAME_LEN]) {
  struct bpf_prog_info info = {0};
  uint32_t len = sizeof info;
  int fd = bpf_prog_get_fd_by_id(id);
  if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
    memcpy(name, info.name, BPF_OBJ_NAME_LEN);
  else
    strcpy(name, "unknown");
  if (fd >= 0) close(fd);
}

/* The name of a program is told to CAP_SYS_ADMIN only, so its number is noted in the data
 * directory, with the boot for which it holds. */
static void note_path(const struct config *c, const char *iface, char path[LIMIT_PATH_LEN]) {
  snprintf(path, LIMIT_PATH_LEN, "%.*s/xdp-%s", LIMIT_PATH_LEN - IFNAMSIZ - 8, c->data_dir, iface);
}

static void note_text(uint32_t id, char text[NOTE_LEN]) {
  char boot[40] = "";
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (f && !fgets(boot, sizeof boot, f)) boot[0] = 0;
  if (f) fclose(f);
  snprintf(text, NOTE_LEN, "program %u of boot %s", id, boot);
}

static bool is_noted(const struct config *c, const char *iface, uint32_t id) {
  char path[LIMIT_PATH_LEN], expected[NOTE_LEN], text[NOTE_LEN] = "";
  note_path(c, iface, path);
  note_text(id, expected);
  FILE *f = fopen(path, "re");
  if (!f) return false;
  bool same = fgets(text, sizeof text, f) && strcmp(text, expected) == 0;
  fclose(f);
  return same;
}

void xdp_note(const struct config *c, const char *iface) {
  char path[LIMIT_PATH_LEN], text[NOTE_LEN];
  uint32_t id = 0;
  if (bpf_xdp_query_id((int)if_nametoindex(iface), 0, &id) || id == 0) return;
  note_path(c, iface, path);
  note_text(id, text);
  FILE *f = fopen(path, "we");
  if (!f) return; /* a clean stop removes the program all the same */
  fputs(text, f);
  fclose(f);
}

/* The kernel keeps the program of a process that was killed; the driver takes no interface that has
 * one. */
static int remove_program(const struct config *c, const char *port, const char *iface,
                          struct open_error *e) {
  char name[BPF_OBJ_NAME_LEN];
  uint32_t id = 0;
  int ifindex = (int)if_nametoindex(iface);
  int err = bpf_xdp_query_id(ifindex, 0, &id);
  if (err || id == 0) return 0; /* what is wrong, the driver will say */
  name_of(id, name);
  if (strcmp(name, XDP_NAME) != 0 && !is_noted(c, iface, id))
    return open_error_set(e,
                          "port %s: %s has an XDP program already (id %u, %s): `ip link set dev %s "
                          "xdp off` removes it",
                          port, iface, id, name, iface);
  err = bpf_xdp_detach(ifindex, 0, NULL);
  if (!err) return 0;
  return open_error_set(e, "port %s: cannot remove the XDP program of an ended zabd from %s: %s",
                        port, iface, strerror(-err));
}

void xdp_release(const struct config *c, const char *iface) {
  char name[BPF_OBJ_NAME_LEN];
  uint32_t id = 0;
  int ifindex = (int)if_nametoindex(iface);
  if (bpf_xdp_query_id(ifindex, 0, &id) || id == 0) return;
  name_of(id, name);
  if (strcmp(name, XDP_NAME) == 0 || is_noted(c, iface, id)) bpf_xdp_detach(ifindex, 0, NULL);
}

/* One that is cut off uses all the room, which the caller sees. */
static void add(char *args, const char *key, const char *value) {
  size_t at = strlen(args);
  snprintf(args + at, LIMIT_ARG_LEN - at, ",%s=%s", key, value);
}

int xdp_complete(const struct config *c, int idx, const char *iface, char *args,
                 struct open_error *e) {
  const char *port = c->ports[idx].name;
  struct xdp_program program;
  size_t len;
  if (take_interface(port, iface, e)) return -1;
  if (!dev_args_find(args, "busy_budget", &len)) add(args, "busy_budget", "0");
  if (dev_args_find(args, "xdp_prog", &len)) return 0;
  if (remove_program(c, port, iface, e)) return -1;
  libbpf_set_print(NULL); /* the driver says what fails */
  xdp_write(&program, c, idx);
  int fd = xdp_object(&program);
  if (fd < 0)
    return open_error_set(e, "port %s: no memory for its XDP program: %s", port, strerror(errno));
  char path[LIMIT_NAME_LEN];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  add(args, "xdp_prog", path);
  return 0;
}
