/* doctor: checks this machine, and asks the node for what it knows if it runs. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/ctl.h"
#include "service/doctor/doctor.h"

#define PATIENCE_S 3         /* for a node that runs and does not answer */
#define PEER_TIMEOUT_MS 1000 /* for a peer's control address */

static int pid_of_node(int fd) {
  struct ucred who;
  socklen_t len = sizeof who;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ? 0 : who.pid;
}

/* Returns the status or NULL; what zabctl would say of an error goes to *said, for free. */
static cJSON *ask(const struct ctl *asking, int *pid, char **said) {
  size_t len;
  struct ctl c = {.io = asking->io, .options = {.timeout_s = PATIENCE_S}, .fd = -1};
  struct ctl_frame f;
  cJSON *status = NULL;
  *said = NULL;
  memcpy(c.path, asking->path, sizeof c.path);
  if (ctl_connect(&c)) return NULL;
  *pid = pid_of_node(c.fd);
  c.io.err = open_memstream(said, &len);
  if (c.io.err) {
    ctl_put(&c, CONTROL_STATUS, NULL, 0);
    ctl_ask(&c, &f, &status);
    fclose(c.io.err);
  }
  ctl_disconnect(&c);
  buffer_free(&c.in);
  buffer_free(&c.out);
  return status;
}

static int examine(struct ctl *c, const struct config *config) {
  struct doctor *d = calloc(1, sizeof *d);
  if (!d) return ctl_fail(c, EXIT_CODE_UNEXPECTED, "%s", strerror(errno));
  char *said;
  memcpy(c->path, config->control_socket, sizeof c->path);
  d->config = config;
  d->root = "";
  d->uid = geteuid();
  d->timeout_ms = PEER_TIMEOUT_MS;
  d->peer_files = c->options.peer_configs;
  d->peer_file_cnt = c->options.peer_config_cnt;
  cJSON *status = ask(c, &d->pid, &said);
  d->status = status;
  if (!status && said) d->silent = *said ? said : "the node does not answer";
  doctor_run(d);
  (c->options.json ? doctor_print_json : doctor_print)(d, c->io.out);
  int code = doctor_failed(d) ? EXIT_CODE_UNEXPECTED : EXIT_CODE_CLEAN;
  cJSON_Delete(status);
  free(said);
  free(d);
  return code;
}

int ctl_doctor(struct ctl *c) {
  struct config *config = malloc(sizeof *config);
  struct config_error e;
  int code;
  if (!c->options.config)
    code = ctl_fail(c, EXIT_CODE_CONFIG, "doctor needs --config FILE (see --help)");
  else if (!config)
    code = ctl_fail(c, EXIT_CODE_UNEXPECTED, "%s", strerror(errno));
  else if (config_load(config, c->options.config, &e))
    code = ctl_fail(c, EXIT_CODE_CONFIG, "%s", e.text);
  else
    code = examine(c, config);
  free(config);
  return code;
}
