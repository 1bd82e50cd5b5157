/* Processes that share the units of a set.  What they have in common lies in memory that all see,
 * so that a process that ends leaves behind what it was doing. */
#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/exhaustive/exhaustive.h"
#include "test/sim/sim.h"

#define JOBS_MAX 64
#define COUNTS 400
#define NAME_LEN 80
#define SAY_S 10
#define FAILURES_MAX 50 /* then the rest is left */

struct worker {
  uint64_t unit, number; /* of its case, from 1 */
  bool busy;             /* in that unit */
  uint64_t failed;       /* the case of the unit that failed last */
  char what[256];
};

struct shared {
  _Atomic uint64_t next, passed, done;
  uint64_t units;
  atomic_flag adding;
  struct {
    _Atomic uint64_t value;
    char name[NAME_LEN];
  } count[COUNTS];
  struct worker worker[JOBS_MAX];
};

static struct shared *shared;
static struct worker *self;
static const struct exhaustive_set *set;
static struct {
  uint64_t sample, jobs, bound;
  bool one, trace;
  uint64_t unit, number;
} opt;
static uint64_t units, skip; /* skip: cases of the unit that a worker before had */

bool exhaustive_is_sample(void) { return opt.sample != 0; }
uint64_t exhaustive_bound(uint64_t otherwise) { return opt.bound ? opt.bound : otherwise; }

void exhaustive_count(const char *name, uint64_t n) {
  int i = 0;
  while (atomic_flag_test_and_set(&shared->adding))
    nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
  while (i < COUNTS - 1 && shared->count[i].name[0] && strcmp(shared->count[i].name, name)) i++;
  snprintf(shared->count[i].name, NAME_LEN, "%s", name);
  atomic_flag_clear(&shared->adding);
  atomic_fetch_add(&shared->count[i].value, n);
}

bool exhaustive_case(const char *format, ...) {
  va_list args;
  self->number++;
  if (self->number <= skip || (opt.one && opt.number && self->number != opt.number)) return false;
  va_start(args, format);
  vsnprintf(self->what, sizeof self->what, format, args);
  va_end(args);
  if (opt.one) printf("%s\n", self->what);
  world->trace.live = opt.trace;
  return true;
}

void exhaustive_passed(void) {
  world->trace.live = false;
  atomic_fetch_add(&shared->passed, 1);
}

bool exhaustive_is_resumed(void) { return skip != 0; }

/* The i-th that is to be run. */
static uint64_t unit_of(uint64_t i) {
  if (opt.one) return opt.unit;
  return opt.sample && opt.sample < units ? i * units / opt.sample : i;
}

static uint64_t todo(void) {
  if (opt.one) return 1;
  return opt.sample && opt.sample < units ? opt.sample : units;
}

static void run_unit(uint64_t unit, uint64_t from) {
  skip = from;
  if (!from) self->failed = 0;
  self->unit = unit;
  self->number = 0;
  self->busy = true;
  set->run(unit);
  self->busy = false;
  atomic_fetch_add(&shared->done, 1);
}

/* In a process of its own: a world's memory must not be shared with those that come
 * (seam_port.c). */
static bool count_units(void) {
  int status;
  pid_t pid = fork();
  assert(pid >= 0);
  if (pid == 0) {
    sim_catch();
    shared->units = set->units();
    _Exit(0);
  }
  waitpid(pid, &status, 0);
  units = shared->units;
  return status == 0;
}

/* Where the one before it ended, then on. */
_Noreturn static void work(void) {
  sim_catch();
  if (self->busy) run_unit(self->unit, self->number);
  for (uint64_t i; (i = atomic_fetch_add(&shared->next, 1)) < todo();) run_unit(unit_of(i), 0);
  _Exit(0);
}

static pid_t start(int job) {
  fflush(stdout);
  pid_t pid = fork();
  assert(pid >= 0);
  if (pid) return pid;
  self = &shared->worker[job];
  work();
}

static void progress(uint64_t failed) {
  static time_t said;
  time_t now = time(NULL);
  if (!said) said = now;
  if (now - said < SAY_S) return;
  said = now;
  fprintf(stderr, "%s: %llu of %llu units, %llu cases passed, %llu failed\n", set->name,
          (unsigned long long)atomic_load(&shared->done), (unsigned long long)todo(),
          (unsigned long long)atomic_load(&shared->passed), (unsigned long long)failed);
}

static void show_failure(const struct worker *w, int status) {
  fprintf(stderr, "FAILED (status %d): %s\n", status, w->what);
  fprintf(stderr, "alone: build/gcc/sim --exhaustive %s --case %llu.%llu --trace\n\n", set->name,
          (unsigned long long)w->unit, (unsigned long long)w->number);
}

/* A unit that fails again without a case in between, cannot go on. */
static void failed_at(struct worker *w, int status) {
  show_failure(w, status);
  if (w->failed == w->number) w->busy = false;
  w->failed = w->number;
}

/* Returns how many failed. */
static uint64_t run_set(void) {
  pid_t pids[JOBS_MAX] = {0};
  uint64_t failed = 0, running = opt.jobs < todo() ? opt.jobs : todo();
  for (uint64_t i = 0; i < running; i++) pids[i] = start((int)i);
  while (running) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    progress(failed);
    if (pid <= 0) {
      nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
      continue;
    }
    int job = 0;
    while (pids[job] != pid) job++;
    if (status == 0) {
      running--;
      continue;
    }
    failed++;
    failed_at(&shared->worker[job], status);
    if (failed >= FAILURES_MAX) {
      atomic_store(&shared->next, todo());
      shared->worker[job].busy = false;
    }
    pids[job] = start(job);
  }
  return failed;
}

/* A count begins with its value, then its name. */
static int by_name(const void *a, const void *b) {
  return strcmp((const char *)a + sizeof(uint64_t), (const char *)b + sizeof(uint64_t));
}

static void report(uint64_t failed, double seconds) {
  printf("== %s: %s\n", set->name, set->what);
  printf("%llu of %llu units in %.0f s: %llu passed, %llu failed\n",
         (unsigned long long)atomic_load(&shared->done), (unsigned long long)units, seconds,
         (unsigned long long)atomic_load(&shared->passed), (unsigned long long)failed);
  qsort(shared->count, COUNTS, sizeof shared->count[0], by_name);
  for (int i = 0; i < COUNTS; i++)
    if (shared->count[i].name[0])
      printf("%12llu  %s\n", (unsigned long long)atomic_load(&shared->count[i].value),
             shared->count[i].name);
  fflush(stdout);
}

static const struct exhaustive_set *const sets[] = {
    &exhaustive_cuts, &exhaustive_points, &exhaustive_pairs, &exhaustive_orders, &exhaustive_rot};
enum { SETS = sizeof sets / sizeof sets[0] };

static bool choose(const char *name, bool *chosen) {
  bool known = false;
  for (int i = 0; i < SETS; i++) {
    bool is_it = !strcmp(name, sets[i]->name) || !strcmp(name, "all");
    chosen[i] |= is_it;
    known |= is_it;
  }
  return known;
}

static bool parse(int argc, char **argv, bool *chosen) {
  opt.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
  if (!argc) return false;
  for (int i = 0; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    uint64_t *number = !strcmp(argv[i], "--sample")  ? &opt.sample
                       : !strcmp(argv[i], "--jobs")  ? &opt.jobs
                       : !strcmp(argv[i], "--bound") ? &opt.bound
                                                     : NULL;
    if (choose(argv[i], chosen)) continue;
    if (!strcmp(argv[i], "--trace")) {
      opt.trace = true;
    } else if (!strcmp(argv[i], "--case") && value) {
      char *end;
      opt.one = true;
      opt.unit = strtoull(argv[++i], &end, 0);
      opt.number = *end == '.' ? strtoull(end + 1, NULL, 0) : 0;
    } else if (number && value) {
      *number = strtoull(argv[++i], NULL, 0);
    } else {
      return false;
    }
  }
  if (opt.jobs > JOBS_MAX) opt.jobs = JOBS_MAX;
  return opt.jobs > 0;
}

/* Returns how many failed. */
static uint64_t run_whole_set(void) {
  struct timespec from, to;
  memset(shared, 0, sizeof *shared);
  self = &shared->worker[0];
  clock_gettime(CLOCK_MONOTONIC, &from);
  uint64_t failed = count_units() ? run_set() : 1;
  clock_gettime(CLOCK_MONOTONIC, &to);
  if (!failed && !opt.one && !atomic_load(&shared->passed)) failed = 1; /* nothing ran */
  report(failed, (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
  return failed;
}

int exhaustive_main(int argc, char **argv) {
  bool chosen[SETS] = {false};
  uint64_t passed = 0, failed = 0;
  if (!parse(argc, argv, chosen)) {
    puts(
        "usage: sim --exhaustive SET... [--sample N] [--jobs N] [--bound N] [--case UNIT[.N] "
        "[--trace]]\n"
        "  SET       cuts, points, pairs, orders, rot, or all (test/exhaustive/README.md)\n"
        "  --sample  N units of each, evenly spread, and of each some cases\n"
        "  --case    one unit, or one case of it");
    return 2;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert(shared != MAP_FAILED);
  for (int i = 0; i < SETS; i++) {
    if (!chosen[i]) continue;
    set = sets[i];
    failed += run_whole_set();
    passed += atomic_load(&shared->passed);
  }
  printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
  return failed != 0 || !passed;
}
