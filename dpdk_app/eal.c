#include "dpdk_app/eal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "config/log.h"

/* While starting: keep the lines, joined by "; ", for the one line of an error. */
static void collect(struct eal *e, const char *buf, size_t len) {
  size_t at = strlen(e->text);
  for (size_t i = 0; i < len && at + 3 < sizeof e->text; i++) {
    if (buf[i] != '\n') {
      e->text[at++] = buf[i];
    } else if (at && e->text[at - 1] != ' ') {
      e->text[at++] = ';';
      e->text[at++] = ' ';
    }
  }
  e->text[at] = 0;
}

static ssize_t on_log(void *cookie, const char *buf, size_t len) {
  struct eal *e = cookie;
  if (e->started)
    log_line(LEVEL_ERROR, e->node_id, "dpdk: %.*s",
             (int)(len && buf[len - 1] == '\n' ? len - 1 : len), buf);
  else
    collect(e, buf, len);
  return (ssize_t)len;
}

/* EAL prints its usage to stdout and a copy of fatal errors to stderr; our line says it once. */
struct silence {
  int saved[2];
};

static struct silence silence_begin(void) {
  struct silence s = {{-1, -1}};
  fflush(stdout);
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0) return s;
  for (int i = 0; i < 2; i++) {
    s.saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
    if (s.saved[i] >= 0) dup2(null, i + 1);
  }
  close(null);
  return s;
}

static void silence_end(struct silence s) {
  fflush(stdout);
  for (int i = 0; i < 2; i++) {
    if (s.saved[i] < 0) continue;
    dup2(s.saved[i], i + 1);
    close(s.saved[i]);
  }
}

static bool asks_for_huge_pages(const struct eal *e) {
  for (int i = 0; i < e->argc; i++)
    if (strcmp(e->argv[i], "--no-huge") == 0) return false;
  return true;
}

static int start_error(struct eal *e, struct open_error *err) {
  size_t len = strlen(e->text);
  while (len && strchr("; ", e->text[len - 1])) e->text[--len] = 0;
  const char *why = len ? e->text : rte_strerror(rte_errno);
  const char *hint = "";
  if (strstr(e->text, "ugepage"))
    hint = asks_for_huge_pages(e)
               ? " (no huge pages: reserve some, or put \"--no-huge\" into \"eal\")"
               : " (too little memory for \"-m\" in \"eal\": a limit of the process?)";
  if (strstr(e->text, "'command line'")) hint = " (check the arguments in \"eal\")";
  if (strstr(e->text, "runtime directory")) /* of another user, most likely */
    hint = " (set XDG_RUNTIME_DIR to a directory of your own)";
  return open_error_set(err, "DPDK does not start: %s%s", why, hint);
}

static int init(struct eal *e) {
  struct silence s = silence_begin();
  int saved_opterr = opterr;
  opterr = 0;
  int used = rte_eal_init(e->argc, e->argv);
  opterr = saved_opterr;
  silence_end(s);
  return used < 0 ? -1 : 0;
}

static int open_log(struct eal *e, struct open_error *err) {
  e->log = fopencookie(e, "w", (cookie_io_functions_t){.write = on_log});
  if (!e->log) return open_error_set(err, "eal: %s", strerror(errno));
  setvbuf(e->log, NULL, _IOLBF, 0);
  rte_openlog_stream(e->log);
  return 0;
}

static void close_log(struct eal *e) {
  rte_openlog_stream(NULL);
  fclose(e->log);
  e->log = NULL;
}

int eal_open(struct eal *e, const struct config *c, struct open_error *err) {
  memset(e, 0, sizeof *e);
  e->node_id = c->id;
  if (eal_args(e, c, err) || open_log(e, err)) return -1;
  if (init(e)) {
    start_error(e, err);
    close_log(e);
    return -1;
  }
  e->fast_lcore = rte_get_next_lcore((unsigned)-1, 1, 0);
  if (e->fast_lcore >= RTE_MAX_LCORE) {
    eal_close(e);
    return open_error_set(err, "eal: two lcores are needed, the arguments give one");
  }
  /* A memif client's driver says "Failed to connect" at every attempt to reach a peer that is down.
   */
  rte_log_set_level_pattern("pmd.net.memif*", RTE_LOG_EMERG);
  e->started = true;
  return 0;
}

static int run(void *eal) {
  struct eal *e = eal;
  int launched = atomic_load_explicit(&e->run_state, memory_order_acquire); /* pairs: eal_launch */
  assert(launched == 1);
  int result = e->run(e->run_arg);
  atomic_store_explicit(&e->run_state, 2, memory_order_release); /* pairs: eal_wait */
  return result;
}

void eal_launch(struct eal *e, int (*f)(void *), void *arg) {
  e->run = f;
  e->run_arg = arg;
  atomic_store_explicit(&e->run_state, 1, memory_order_release);
  int err = rte_eal_remote_launch(run, e, e->fast_lcore);
  assert(!err);
}

int eal_wait(struct eal *e) {
  int result = rte_eal_wait_lcore(e->fast_lcore);
  int ended = atomic_load_explicit(&e->run_state, memory_order_acquire);
  assert(ended == 2);
  return result;
}

static void park(void *parked) {
  sem_post(parked);
  for (;;) pause();
}

/* EAL takes its memory and descriptors away under its own interrupt thread, which then faults or
 * panics. Nothing ends that thread before the process ends, so it is kept in a handler that does
 * not return. */
static void park_interrupt_thread(sem_t *parked) {
  struct rte_intr_handle *h = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  int fd = eventfd(1, EFD_CLOEXEC); /* readable at once */
  sem_init(parked, 0, 0);
  int failed = !h || fd < 0 || rte_intr_fd_set(h, fd) ||
               rte_intr_type_set(h, RTE_INTR_HANDLE_EXT) ||
               rte_intr_callback_register(h, park, parked);
  rte_intr_instance_free(h); /* EAL has a copy */
  while (!failed && sem_wait(parked) && errno == EINTR) continue;
}

void eal_close(struct eal *e) {
  park_interrupt_thread(&e->parked);
  rte_eal_cleanup();
  close_log(e);
}
