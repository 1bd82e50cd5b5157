/* ctl.h - zabctl: one command over one control socket (control_wire.h).
 *
 * Everything is in struct ctl; standard streams are given, so tests run it in their own process.
 * Owner: the calling thread.  Blocks: yes.  Links cJSON only.  Source: issue "spine" 7. */
#ifndef ZABLINE_SERVICE_CTL_H
#define ZABLINE_SERVICE_CTL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"
#include "proto/exit_code.h"
#include "proto/zxid.h"
#include "service/buffer.h"
#include "service/control_wire.h"

struct ctl_io {
  int in; /* lines of submit, answer of recover */
  FILE *out, *err;
};

struct ctl_options {
  const char *config, *socket, *command, *acks, *cluster;
  bool json, follow, accept_loss, help, version;
  uint64_t from, count;
  uint32_t size, outstanding;
  uint32_t timeout_s;
  const char *peer_configs[LIMIT_PEERS];
  int peer_config_cnt;
};

struct ctl {
  struct ctl_io io;
  struct ctl_options options;
  char path[LIMIT_SOCKET_PATH_LEN];
  int fd; /* -1: not connected */
  int node_id;
  struct buffer in, out;
};

struct ctl_frame {
  uint8_t type;        /* 0: none */
  const uint8_t *body; /* valid until the next receive */
  uint32_t len;
};

/* zabctl_run does what argv asks and returns the exit code (proto/exit_code.h); errors are one
 * line. */
int zabctl_run(int argc, char **argv, struct ctl_io io);

/* ctl_options_parse: false with one line printed. */
bool ctl_options_parse(struct ctl_options *o, int argc, char **argv, FILE *err);
void ctl_help(FILE *out);

/* ctl_fail prints "zabctl: ..." and returns code. */
int ctl_fail(const struct ctl *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ctl_output_failed says why standard output could not be written (errno). */
int ctl_output_failed(const struct ctl *c);

/* ctl_connect connects and says HELLO; the socket is nonblocking.  Returns 0 or -1 (errno). */
int ctl_connect(struct ctl *c);
void ctl_disconnect(struct ctl *c);
/* ctl_put queues a frame; body may be NULL: its len bytes are appended by the caller. */
void ctl_put(struct ctl *c, enum control_type type, const void *body, size_t len);
/* ctl_write writes what it can of `out`, ctl_read reads what is there.  false: the connection is
 * lost. */
bool ctl_write(struct ctl *c);
bool ctl_read(struct ctl *c);
/* ctl_next gives the next whole frame received; false: none.  *bad: zabd did not speak our
 * protocol. */
bool ctl_next(struct ctl *c, struct ctl_frame *f, bool *bad);
/* ctl_wait waits for one frame and for HELLO before it.  Returns 0, or an exit code with a line
 * printed; an ERROR frame counts as one. */
int ctl_wait(struct ctl *c, struct ctl_frame *f);
/* ctl_ask waits for the JSON object that answers what was put, *o for cJSON_Delete, and prints it
 * if --json was given.  Returns as ctl_wait; *o is unchanged or NULL then. */
int ctl_ask(struct ctl *c, struct ctl_frame *f, cJSON **o);
/* ctl_refusal prints what zabd's ERROR frame or line says; returns EXIT_CODE_UNEXPECTED. */
int ctl_refusal(struct ctl *c, const struct ctl_frame *f);
uint64_t ctl_now_ns(void);

int ctl_submit(struct ctl *c);
int ctl_tail(struct ctl *c);
int ctl_status(struct ctl *c);
int ctl_digest(struct ctl *c);
int ctl_step_down(struct ctl *c);
int ctl_recover(struct ctl *c);
int ctl_bench(struct ctl *c);
int ctl_doctor(struct ctl *c); /* without a connection */

#endif
