#include <sched.h>
#include <stdarg.h>
#include <string.h>

#include "config/log.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/port_kernel.h"
#include "dpdk_app/port_memif.h"
#include "dpdk_app/port_pci.h"

static int add(struct eal *e, struct open_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int add(struct eal *e, struct open_error *err, const char *format, ...) {
  if (e->argc == EAL_ARGS) return open_error_set(err, "eal: too many arguments");
  char *arg = e->args[e->argc];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(arg, EAL_ARG_LEN, format, args);
  va_end(args);
  if (n >= EAL_ARG_LEN) return open_error_set(err, "eal: argument too long: %.100s...", arg);
  e->argv[e->argc++] = arg;
  e->argv[e->argc] = NULL;
  return 0;
}

static bool has(const struct config *c, const char *option) {
  size_t len = strlen(option);
  for (int i = 0; i < c->eal_cnt; i++)
    if (strncmp(c->eal[i], option, len) == 0) return true;
  return false;
}

/* "0-3,6": the CPUs of this process, without `except` if another is left. */
static void cpu_list(int except, char *buf, size_t size) {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  size_t skip = except < 0 || CPU_COUNT(&set) < 2 ? CPU_SETSIZE : (size_t)except;
  size_t at = 0, cpu = 0;
  buf[0] = 0;
  if (skip < CPU_SETSIZE) CPU_CLR(skip, &set);
  while (cpu < CPU_SETSIZE && at < size) {
    size_t first = cpu++;
    if (!CPU_ISSET(first, &set)) continue;
    while (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set)) cpu++;
    at += (size_t)snprintf(buf + at, size - at, "%s%zu", at ? "," : "", first);
    if (at < size && cpu - 1 > first) at += (size_t)snprintf(buf + at, size - at, "-%zu", cpu - 1);
  }
}

/* An isolated core is not in our set, but may be had; one outside our cgroup may not.  The kernel
 * leaves out what may not; we stay where we are. */
static bool may_run_on(int core) {
  cpu_set_t before, wanted, got;
  CPU_ZERO(&got);
  if (sched_getaffinity(0, sizeof before, &before)) return true; /* more CPUs: EAL finds out */
  wanted = before;
  CPU_SET((size_t)core, &wanted);
  if (sched_setaffinity(0, sizeof wanted, &wanted)) return false;
  sched_getaffinity(0, sizeof got, &got);
  sched_setaffinity(0, sizeof before, &before);
  return CPU_ISSET((size_t)core, &got);
}

/* The core of the fast thread, -1 if it floats. */
static int fast_core(const struct config *c) {
  if (c->cores.fast < 0 || may_run_on(c->cores.fast)) return c->cores.fast;
  char ours[LIMIT_ARG_LEN];
  cpu_list(-1, ours, sizeof ours);
  log_line(LEVEL_WARN, c->id, "cores.fast: this process may not use core %d, only %s: not pinned",
           c->cores.fast, ours);
  return -1;
}

/* Lcore 0 is main, 1 the fast path; an unpinned one floats over all CPUs we may use. */
static int add_lcores(struct eal *e, const struct config *c, struct open_error *err) {
  char others[LIMIT_ARG_LEN];
  int core = fast_core(c);
  cpu_list(core, others, sizeof others);
  if (core < 0) return add(e, err, "--lcores=0@(%s),1@(%s)", others, others);
  return add(e, err, "--lcores=0@(%s),1@%d", others, core);
}

static int add_port(struct eal *e, const struct config *c, int idx, struct open_error *err) {
  const struct config_port *port = &c->ports[idx];
  char args[LIMIT_ARG_LEN];
  snprintf(args, sizeof args, "%s", port->args);
  if (memif_is(port) && memif_prepare(port, c->mtu, args, err)) return -1;
  if (kernel_is(port) && kernel_prepare(c, idx, args, err)) return -1;
  if (pci_is(port) && has(c, "--no-pci"))
    return open_error_set(err, "port %s: is a PCI device, and \"eal\" says --no-pci: remove that",
                          port->name);
  return add(e, err, "--%s=%s%s%s", pci_is(port) ? "allow" : "vdev", port->name, *args ? "," : "",
             args);
}

int eal_args(struct eal *e, const struct config *c, struct open_error *err) {
  e->argc = 0;
  if (add(e, err, "zabd")) return -1;
  for (int i = 0; i < c->eal_cnt; i++)
    if (add(e, err, "%s", c->eal[i])) return -1;
  if (!has(c, "-l") && !has(c, "-c") && !has(c, "--lcores") && add_lcores(e, c, err)) return -1;
  if (!has(c, "--file-prefix") &&
      add(e, err, "--file-prefix=zabline-%08x-%u", c->cluster_id, c->id))
    return -1;
  if (!has(c, "--log-level") && add(e, err, "--log-level=*:error")) return -1;
  /* Without huge pages nothing is shared through EAL's run-time directory, which another user may
   * own. */
  if (has(c, "--no-huge")) {
    if (!has(c, "--no-shconf") && add(e, err, "--no-shconf")) return -1;
    if (!has(c, "--telemetry") && !has(c, "--no-telemetry") && add(e, err, "--no-telemetry"))
      return -1;
  }
  for (int i = 0; i < c->port_cnt; i++)
    if (add_port(e, c, i, err)) return -1;
  return 0;
}
