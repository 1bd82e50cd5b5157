/* main.c - zabd, the system in one page: config, EAL, node, threads, run, and back in reverse. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "config/log.h"
#include "config/std_fds.h"
#include "dpdk_app/cli.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/mem.h"
#include "dpdk_app/node.h"
#include "dpdk_app/port_kernel.h"
#include "proto/exit_code.h"

#define BUILD "zabline-" ZABLINE_VERSION " (" __VERSION__ ")"

struct threads {
  pthread_t disk, slow, app;
};

static void start_thread(pthread_t *t, void *(*loop)(void *), struct node *n, int core) {
  int err = pthread_create(t, NULL, loop, n);
  if (err) {
    log_line(LEVEL_ERROR, n->config.id, "cannot start a thread: %s", strerror(err));
    _exit(EXIT_CODE_UNEXPECTED);
  }
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((unsigned)core, &set);
  err = pthread_setaffinity_np(*t, sizeof set, &set);
  if (err)
    log_line(LEVEL_WARN, n->config.id, "cannot pin a thread to core %d: %s", core, strerror(err));
}

static void start(struct node *n, struct threads *t, struct eal *eal) {
  const struct config_cores *cores = &n->config.cores;
  start_thread(&t->disk, loop_disk, n, cores->disk);
  eal_launch(eal, loop_fast, n);
  start_thread(&t->app, loop_app, n, cores->app);
  start_thread(&t->slow, loop_slow, n, cores->slow);
}

/* The end of a node that has run.  All that must last is durable, so nothing is taken down: DPDK's
 * teardown races with its own interrupt thread (one clean stop in some hundreds ended in SIGSEGV),
 * and the kernel gives everything back, as after kill -9, but for what kernel_release names. */
static _Noreturn void leave(const struct node *n, int code) {
  kernel_release(&n->config);
  if (code == EXIT_CODE_CLEAN) log_line(LEVEL_INFO, n->config.id, "stopped cleanly");
  _exit(code);
}

/* Waits for the slow thread's end; a signal asks it for a clean stop, a second one ends at once. */
static int wait_for_end(struct node *n, int signal_fd) {
  struct pollfd p[2] = {{.fd = signal_fd, .events = POLLIN}, {.fd = n->done_fd, .events = POLLIN}};
  for (;;) {
    if (poll(p, 2, -1) < 0 && errno != EINTR) return EXIT_CODE_UNEXPECTED;
    if (p[1].revents & POLLIN) return atomic_load(&n->exit_code);
    struct signalfd_siginfo info;
    if (!(p[0].revents & POLLIN) || read(signal_fd, &info, sizeof info) != sizeof info) continue;
    if (atomic_exchange(&n->stop, 1)) _exit(EXIT_CODE_UNEXPECTED);
    log_line(LEVEL_INFO, n->config.id, "%s: stopping", strsignal((int)info.ssi_signo));
    waker_poke(&n->topo.waker[THREAD_SLOW]); /* it may just have looked at `stop` */
  }
}

/* Slow goes on, but has nobody to work for; the store is the disk thread's until that has ended. */
static _Noreturn void end_unused(struct node *n, const struct threads *t) {
  pthread_join(t->app, NULL);
  atomic_store(&n->halt, 1);
  waker_wake(&n->topo.waker[THREAD_DISK]);
  pthread_join(t->disk, NULL);
  node_unused(n);
  leave(n, atomic_load(&n->app_code)); /* app_uv_run said why */
}

static void finish(struct node *n, struct threads *t, struct eal *eal) {
  pthread_join(t->slow, NULL);
  pthread_join(t->app, NULL); /* has had APP_EXIT */
  atomic_store(&n->halt, 1);
  waker_wake(&n->topo.waker[THREAD_DISK]);
  eal_wait(eal);
  pthread_join(t->disk, NULL);
}

/* What was read from a bad swap sector is wrong with a right checksum (D7). */
static void lock_memory(const struct config *c) {
  int rc = mem_lock();
  if (rc)
    log_line(LEVEL_INFO, c->id,
             "memory may be swapped out (%s): ulimit -l unlimited, or "
             "LimitMEMLOCK=infinity, locks it",
             strerror(-rc));
}

static int run(struct node *n) {
  struct eal eal;
  struct open_error error;
  struct threads threads;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread exists: all inherit it */
  signal(SIGPIPE, SIG_IGN);
  if (eal_open(&eal, &n->config, &error)) {
    log_line(LEVEL_ERROR, n->config.id, "%s", error.text);
    return EXIT_CODE_PORT;
  }
  lock_memory(&n->config); /* before the threads: their stacks count, too */
  int code = node_open(n);
  if (!code) {
    kernel_note(&n->config);
    topo_print(n->config.id);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    start(n, &threads, &eal);
    code = wait_for_end(n, signal_fd);
    if (atomic_load(&n->app_code)) end_unused(n, &threads);
    finish(n, &threads, &eal);
    if (code == EXIT_CODE_PORT) node_unused(n); /* 2888 or 3888 is taken: the machine never ran */
    leave(n, code);
  }
  node_close(n);
  _exit(code); /* without DPDK's teardown, as in leave() */
}

/* Too few would show only later, as the error of whatever needs the next one. */
static int raise_file_limit(const struct config *c) {
  struct rlimit files = {0, 0};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur >= LIMIT_FILES) return 0;
  if (files.rlim_max >= LIMIT_FILES) {
    files.rlim_cur = LIMIT_FILES;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0) return 0;
  }
  log_line(LEVEL_ERROR, c->id, "%llu open files are allowed, needed: %d (ulimit -n, LimitNOFILE=)",
           (unsigned long long)files.rlim_cur, LIMIT_FILES);
  return EXIT_CODE_UNEXPECTED;
}

static int load(struct config *c, const char *file) {
  struct config_error e;
  if (config_load(c, file, &e)) {
    log_line(LEVEL_ERROR, 0, "%s", e.text);
    return EXIT_CODE_CONFIG;
  }
  for (int i = 0; config_warning(c, i); i++)
    log_line(LEVEL_WARN, c->id, "%s", config_warning(c, i));
  return 0;
}

/* What the compiler was allowed to use (Makefile, ARCH_FLAGS). */
static int check_processor(void) {
#ifdef __x86_64__
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) {
    log_line(LEVEL_ERROR, 0,
             "this processor has no SSE4.2 or no PCLMULQDQ, which the checksums use: needed is one "
             "of 2011 or later, or a virtual machine's processor model that has them");
    return EXIT_CODE_UNEXPECTED;
  }
#endif
  return 0;
}

int main(int argc, char **argv) {
  if (std_fds_keep() || check_processor()) return EXIT_CODE_UNEXPECTED;
  struct cli cli = cli_parse(argc, argv);
  if (cli.command == CLI_ERROR) return EXIT_CODE_CONFIG;
  if (cli.command == CLI_HELP) return cli_help(), 0;
  if (cli.command == CLI_VERSION) return puts("zabd " ZABLINE_VERSION " (" __VERSION__ ")"), 0;
  struct node *n =
      aligned_alloc(CACHE_LINE, (sizeof *n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (!n) return EXIT_CODE_UNEXPECTED;
  memset(n, 0, sizeof *n);
  n->build = BUILD;
  int code = load(&n->config, cli.config_file);
  if (!code && cli.command == CLI_CHECK_CONFIG) printf("%s: good\n", cli.config_file);
  if (!code && cli.command == CLI_FORMAT) code = node_format(&n->config, cli.rejoin);
  if (!code && cli.command == CLI_RUN) code = raise_file_limit(&n->config);
  if (!code && cli.command == CLI_RUN) code = run(n);
  free(n);
  return code;
}
