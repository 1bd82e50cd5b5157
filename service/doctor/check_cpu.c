/* The cores of the polling threads, their frequency, the clock. */
#include <string.h>

#include "service/doctor/tree.h"

#define CPU "sys/devices/system/cpu"

struct pinned {
  const char *name;
  int core;
};

/* Who yields shares its core with others, as the three of config/dev3 do. */
static void check_core(struct doctor *d, const struct pinned *p, const char *isolated) {
  bool shared = d->config->idle != IDLE_SPIN;
  struct tree_text online;
  struct doctor_row *row = row_add(d, "core", p->name);
  if (!tree_line(d, &online, CPU "/online")) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/" CPU "/online cannot be read"), "lscpu -e");
  } else if (!tree_list_has(online.s, p->core)) {
    row_mend(row_says(row, shared ? DOCTOR_WARN : DOCTOR_FAIL, "core %d is not there; online: %s",
                      p->core, online.s),
             "put another core as \"%s\" into \"cores\" in %.300s", p->name, d->config->file);
  } else if (shared) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "core %d may be shared: \"idle\" is not \"spin\"",
             p->core);
  } else if (!isolated) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/" CPU "/isolated cannot be read"),
             "cat /proc/cmdline");
  } else if (!tree_list_has(isolated, p->core)) {
    row_mend(row_says(row, DOCTOR_WARN, "core %d is not isolated: the kernel runs others there",
                      p->core),
             "kernel parameters isolcpus=%d nohz_full=%d rcu_nocbs=%d (all polling cores in each)",
             p->core, p->core, p->core);
  } else {
    row_says(row, DOCTOR_OK, "core %d, isolated", p->core);
  }
}

/* Only threads that poll need a core of their own; `slow` sleeps in its event loop. */
static void check_cores(struct doctor *d) {
  const struct config_cores *c = &d->config->cores;
  const struct pinned pinned[] = {{"fast", c->fast}, {"disk", c->disk}, {"app", c->app}};
  struct tree_text isolated;
  bool known = tree_line(d, &isolated, CPU "/isolated");
  for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
    if (pinned[i].core >= 0)
      check_core(d, &pinned[i], known ? isolated.s : NULL);
    else
      row_says(row_add(d, "core", pinned[i].name), DOCTOR_NOT_APPLICABLE, "not pinned");
  }
}

static void check_frequency(struct doctor *d) {
  int core = d->config->cores.fast < 0 ? 0 : d->config->cores.fast;
  struct tree_text governor;
  struct doctor_row *row = row_add(d, "frequency", NULL);
  if (!tree_exists(d, CPU "/cpu%d", core))
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/" CPU "/cpu%d cannot be read", core),
             "cpupower frequency-info");
  else if (!tree_exists(d, CPU "/cpu%d/cpufreq", core))
    row_says(row, DOCTOR_NOT_APPLICABLE, "the kernel does not scale it");
  else if (!tree_line(d, &governor, CPU "/cpu%d/cpufreq/scaling_governor", core))
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the governor of core %d cannot be read", core),
             "cpupower frequency-info");
  else if (strcmp(governor.s, "performance") != 0)
    row_mend(row_says(row, DOCTOR_WARN, "core %d: governor %s", core, governor.s),
             "cpupower frequency-set -g performance");
  else
    row_says(row, DOCTOR_OK, "core %d: governor performance", core);
}

/* Others make every reading of the clock a system call or an exit from the virtual machine. */
static void check_clock(struct doctor *d) {
  struct tree_text source;
  struct doctor_row *row = row_add(d, "clock", NULL);
  if (!tree_line(d, &source, "sys/devices/system/clocksource/clocksource0/current_clocksource"))
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the clock source cannot be read"),
             "cat /sys/devices/system/clocksource/clocksource0/current_clocksource");
  else if (strcmp(source.s, "tsc") == 0 || strcmp(source.s, "arch_sys_counter") == 0)
    row_says(row, DOCTOR_OK, "%s", source.s);
  else
    row_mend(row_says(row, DOCTOR_WARN, "%s, not tsc", source.s),
             "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource "
             "(at boot: clocksource=tsc tsc=reliable)");
}

void doctor_check_cpu(struct doctor *d) {
  check_cores(d);
  check_frequency(d);
  check_clock(d);
}
