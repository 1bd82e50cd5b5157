#include "service/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define QUEUE_FULL_NS 10000000 /* before another connect */

struct command {
  const char *name;
  int (*run)(struct ctl *c);
  bool offline; /* needs no node */
};

static const struct command commands[] = {
    {"status", ctl_status, false},       {"submit", ctl_submit, false},
    {"tail", ctl_tail, false},           {"digest", ctl_digest, false},
    {"recover", ctl_recover, false},     {"bench", ctl_bench, false},
    {"step-down", ctl_step_down, false}, {"doctor", ctl_doctor, true},
};

int ctl_fail(const struct ctl *c, int code, const char *format, ...) {
  char line[2 * LIMIT_TEXT_LEN];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  fflush(c->io.out);
  fprintf(c->io.err, "zabctl: %s\n", line);
  fflush(c->io.err);
  return code;
}

int ctl_output_failed(const struct ctl *c) {
  return ctl_fail(c, EXIT_CODE_UNEXPECTED, "standard output: %s", strerror(errno));
}

void ctl_help(FILE *out) {
  fputs(
      "zabctl --config FILE | --socket PATH COMMAND [OPTIONS]\n"
      "\n"
      "  status [--json]           this node's state, positions, peers and counters\n"
      "  submit [--json] [--outstanding N] [--acks FILE]\n"
      "                            each line of standard input is one transaction; done when all\n"
      "                            are committed; re-sent after a leader change, never twice\n"
      "  tail [--from ZXID] [--follow] [--json]\n"
      "                            committed transactions as lines\n"
      "  digest [--json]           applied zxid and digest of the state\n"
      "  bench [--count N] [--size B] [--outstanding K] [--json]\n"
      "                            closed loop at the leader (its records stay in the history)\n"
      "  step-down                 the leader gives up leadership\n"
      "  recover --accept-loss [--cluster NAME]\n"
      "                            lets a `memory` node that did not stop cleanly vote with what "
      "its\n"
      "                            disk holds; asks for the cluster name\n"
      "  doctor [--json] [--peer-config FILE]...\n"
      "                            checks this machine for the node of --config, which need not "
      "run;\n"
      "                            names the command that mends what is not ok; exit code 1 if a\n"
      "                            check FAILs\n"
      "\n"
      "  --timeout S               give up after S seconds without progress (default 30)\n"
      "  --version, --help\n"
      "\n"
      "exit codes: 0 done; 1 refused, or no progress; 2 config or arguments; 4 zabd is not "
      "running\n",
      out);
}

/* The control socket's path, from --socket or from the config. */
static int find_path(struct ctl *c) {
  const struct ctl_options *o = &c->options;
  if (!o->socket && !o->config)
    return ctl_fail(c, EXIT_CODE_CONFIG, "--config FILE or --socket PATH is needed (see --help)");
  if (o->socket) {
    if (strlen(o->socket) >= sizeof c->path)
      return ctl_fail(c, EXIT_CODE_CONFIG, "socket path is longer than %zu bytes",
                      sizeof c->path - 1);
    memcpy(c->path, o->socket, strlen(o->socket) + 1);
    return 0;
  }
  struct config config;
  struct config_error e;
  if (config_load(&config, o->config, &e)) return ctl_fail(c, EXIT_CODE_CONFIG, "%s", e.text);
  memcpy(c->path, config.control_socket, sizeof c->path);
  return 0;
}

static const struct command *find_command(const char *name) {
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

/* EAGAIN: zabd's queue of connections is full, of others or because it stands still. */
static int connect_patiently(struct ctl *c) {
  uint64_t end_ns = ctl_now_ns() + c->options.timeout_s * 1000000000ull;
  int failed;
  while ((failed = ctl_connect(c)) != 0 && errno == EAGAIN && ctl_now_ns() < end_ns)
    nanosleep(&(struct timespec){.tv_nsec = QUEUE_FULL_NS}, NULL);
  return failed;
}

static int run(struct ctl *c, const struct command *command) {
  if (command->offline) {
    int verdict = command->run(c);
    return fflush(c->io.out) && !verdict ? ctl_output_failed(c) : verdict;
  }
  int code = find_path(c);
  if (code) return code;
  if (connect_patiently(c)) {
    bool gone = errno == ENOENT || errno == ECONNREFUSED;
    return ctl_fail(c, EXIT_CODE_PORT, "%s: %s%s", c->path, strerror(errno),
                    gone ? ": zabd is not running?" : "");
  }
  code = command->run(c);
  if (fflush(c->io.out) && !code) code = ctl_output_failed(c);
  ctl_disconnect(c);
  return code;
}

int zabctl_run(int argc, char **argv, struct ctl_io io) {
  struct ctl c = {.io = io, .fd = -1};
  if (!ctl_options_parse(&c.options, argc, argv, io.err)) return EXIT_CODE_CONFIG;
  if (c.options.help) {
    ctl_help(io.out);
    return EXIT_CODE_CLEAN;
  }
  if (c.options.version) {
    fprintf(io.out, "zabctl %s\n", ZABLINE_VERSION);
    return EXIT_CODE_CLEAN;
  }
  const struct command *command = c.options.command ? find_command(c.options.command) : NULL;
  if (!command)
    return ctl_fail(
        &c, EXIT_CODE_CONFIG,
        c.options.command ? "no such command: %s (see --help)" : "no command%s (see --help)",
        c.options.command ? c.options.command : "");
  int code = run(&c, command);
  buffer_free(&c.in);
  buffer_free(&c.out);
  return code;
}
