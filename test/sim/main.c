/* main.c - sim: runs seeds, each batch in a process of its own so that one that fails ends nothing
 * but itself.  See README.md. */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/exhaustive/exhaustive.h"
#include "test/sim/rows.h"
#include "test/sim/scene.h"
#include "test/sim/sim.h"

#define FAULTS_MAX 64 /* of any plan */
#define FLOOR_SEEDS 100

struct options {
  struct sim_options sim;
  uint64_t seeds;
  bool verbose, twice, shrink, counts, rows;
  const char *scenario;
};

struct totals {
  uint64_t passed, failed;
  struct sim_result sum; /* heal_us: the longest */
};

static void usage(void) {
  puts(
      "usage: sim [--seed K] [--seeds N] [--trace] [--twice] [--verbose] [--shrink] [--faults N] "
      "[--counter N] [--tree]\n"
      "       sim --scenario FILE [--trace] [--seed K]\n"
      "       sim --exhaustive SET [...]\n"
      "  --trace    print what happens\n"
      "  --twice    each seed twice: the traces must be the same\n"
      "  --verbose  one line for each seed\n"
      "  --tree     the application is the tree, with ZooKeeper's clients\n"
      "  --memory   durability `memory` in every seed\n"
      "  --storage  disks damage what they hold, too\n"
      "  --counter  an epoch ends with transaction N of it: a next one in place\n"
      "  --counts   what took effect how often\n"
      "  --rows     a line of JSON for each seed, and one with names\n"
      "  --faults   the nemesis stops after N faults");
}

static bool parse(struct options *o, int argc, char **argv) {
  *o = (struct options){.sim = {.seed = 1, .faults_max = UINT64_MAX}, .seeds = 1};
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    uint64_t counter = 0;
    uint64_t *number = !strcmp(a, "--seed")      ? &o->sim.seed
                       : !strcmp(a, "--seeds")   ? &o->seeds
                       : !strcmp(a, "--faults")  ? &o->sim.faults_max
                       : !strcmp(a, "--counter") ? &counter
                                                 : NULL;
    bool *flag = !strcmp(a, "--trace")     ? &o->sim.live
                 : !strcmp(a, "--verbose") ? &o->verbose
                 : !strcmp(a, "--twice")   ? &o->twice
                 : !strcmp(a, "--shrink")  ? &o->shrink
                 : !strcmp(a, "--counts")  ? &o->counts
                 : !strcmp(a, "--rows")    ? &o->rows
                 : !strcmp(a, "--tree")    ? &o->sim.tree
                 : !strcmp(a, "--storage") ? &o->sim.storage
                 : !strcmp(a, "--memory")  ? &o->sim.memory
                                           : NULL;
    if (flag)
      *flag = true;
    else if (!strcmp(a, "--scenario") && value)
      o->scenario = argv[++i];
    else if (number && value)
      *number = strtoull(argv[++i], NULL, 0);
    else
      return false;
    if (counter) o->sim.counter = (uint32_t)counter;
  }
  return true;
}

static void run_one(const struct options *o, uint64_t seed, int out) {
  struct sim_options s = o->sim;
  s.seed = seed;
  struct sim_result r = sim_run(&s);
  if (o->twice) {
    struct sim_result again = sim_run(&s);
    if (again.hash != r.hash || again.events != r.events) {
      fprintf(stderr, "seed %llu: two runs differ\n", (unsigned long long)seed);
      _Exit(3);
    }
  }
  if (o->verbose)
    printf("seed %llu: %llu events, %llu us, %llu elections, %llu committed, %llu faults, %llx\n",
           (unsigned long long)seed, (unsigned long long)r.events, (unsigned long long)r.virtual_us,
           (unsigned long long)r.elections, (unsigned long long)r.committed,
           (unsigned long long)r.faults, (unsigned long long)r.hash);
  fflush(stdout);
  ssize_t done = write(out, &r, sizeof r);
  if (done != sizeof r) _Exit(3);
}

static void add(struct totals *t, const struct sim_result *r) {
  struct sim_result *s = &t->sum;
  t->passed++;
  s->events += r->events;
  s->virtual_us += r->virtual_us;
  s->elections += r->elections;
  s->in_place += r->in_place;
  s->committed += r->committed;
  s->faults += r->faults;
  s->recoveries += r->recoveries;
  s->images += r->images;
  if (r->heal_us > s->heal_us) s->heal_us = r->heal_us;
  for (int i = 0; i < SIM_COUNTS; i++) s->count[i] += r->count[i];
}

static void report(const struct options *o, const struct totals *t, double seconds) {
  const struct sim_result *s = &t->sum;
  for (int i = 0; o->counts && sim_count_name(i); i++)
    printf("%12llu  %s\n", (unsigned long long)s->count[i], sim_count_name(i));
  printf(
      "%llu events in %.1f s (%.2f M/s), %.1f s simulated, %llu elections, %llu epochs in place, "
      "%llu recoveries, "
      "%llu committed, %llu faults, %llu disks read, longest wait after healing %.0f ms\n",
      (unsigned long long)s->events, seconds, (double)s->events / seconds / 1e6,
      (double)s->virtual_us / 1e6, (unsigned long long)(s->elections - s->in_place),
      (unsigned long long)s->in_place, (unsigned long long)s->recoveries,
      (unsigned long long)s->committed, (unsigned long long)s->faults,
      (unsigned long long)s->images, (double)s->heal_us / 1e3);
  printf("%llu passed, %llu failed\n", (unsigned long long)t->passed,
         (unsigned long long)t->failed);
}

/* Seeds in which nothing happens pass, too: a campaign is judged by what it has tried.  Measured:
 * 4 elections and 2 epochs in place, 770 commits, 21 faults a seed (460 commits of the tree). */
static void check_floors(const struct options *o, struct totals *t) {
  const struct sim_result *s = &t->sum;
  const struct {
    const char *what;
    uint64_t sum, least;
  } floors[] = {{"elections", s->elections - s->in_place, 3},
                {"epochs in place", s->in_place, 1},
                {"commits", s->committed, o->sim.tree ? 300 : 500},
                {"faults that took effect", s->faults, 12}};
  if (o->rows || o->seeds < FLOOR_SEEDS || o->sim.faults_max != UINT64_MAX || !t->passed) return;
  for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
    if (floors[i].sum >= floors[i].least * t->passed) continue;
    fprintf(stderr, "%.1f %s a seed, at least %llu are due\n",
            (double)floors[i].sum / (double)t->passed, floors[i].what,
            (unsigned long long)floors[i].least);
    t->failed++;
  }
  for (int i = 0; sim_count_name(i); i++) {
    if (s->count[i] || !sim_count_is_due(i, &o->sim)) continue;
    fprintf(stderr, "no seed had this, some are due: %s\n", sim_count_name(i));
    t->failed++;
  }
}

static bool fails_with(const struct options *o, uint64_t seed, uint64_t faults) {
  int status = 0;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    struct sim_options s = o->sim;
    s.seed = seed;
    s.faults_max = faults;
    s.live = false;
    if (!freopen("/dev/null", "w", stderr)) _Exit(3);
    sim_catch();
    sim_run(&s);
    _Exit(0);
  }
  waitpid(pid, &status, 0);
  return status != 0;
}

/* The shortest prefix of its faults with which the seed still fails (that it fails with fewer
 * whenever it fails with more is a guess, good enough for a search). */
static void shrink(const struct options *o, uint64_t seed) {
  uint64_t passes = 0, fails = o->sim.faults_max < FAULTS_MAX ? o->sim.faults_max : FAULTS_MAX;
  if (fails_with(o, seed, 0)) {
    fails = 0;
  } else {
    while (fails - passes > 1) {
      uint64_t middle = (passes + fails) / 2;
      if (fails_with(o, seed, middle))
        fails = middle;
      else
        passes = middle;
    }
  }
  char counter[24] = "";
  if (o->sim.counter) snprintf(counter, sizeof counter, " --counter %u", o->sim.counter);
  fprintf(stderr,
          "shortest failing prefix: %llu faults: build/gcc/sim --seed %llu --faults %llu%s%s%s%s\n",
          (unsigned long long)fails, (unsigned long long)seed, (unsigned long long)fails,
          o->sim.tree ? " --tree" : "", o->sim.memory ? " --memory" : "",
          o->sim.storage ? " --storage" : "", counter);
}

/* Returns the next seed: behind the last one, or behind one that failed. */
static uint64_t run_batch(const struct options *o, uint64_t seed, uint64_t end, struct totals *t) {
  int ends[2], status;
  if (pipe(ends)) return end;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    sim_catch();
    for (; seed < end; seed++) run_one(o, seed, ends[1]);
    _Exit(0);
  }
  close(ends[1]);
  struct sim_result r;
  while (read(ends[0], &r, sizeof r) == sizeof r) {
    add(t, &r);
    if (o->rows) rows_print(seed, &r);
    seed++;
  }
  close(ends[0]);
  waitpid(pid, &status, 0);
  if (seed >= end) return end;
  t->failed++;
  fprintf(stderr, "seed %llu FAILED\n", (unsigned long long)seed);
  if (o->shrink) shrink(o, seed);
  fputc('\n', stderr);
  return seed + 1;
}

/* Rings, disks and windows come and go by the seed: memory that the kernel would have to clear
 * anew costs a seventh of the time. */
static void keep_memory(void) {
  mallopt(M_MMAP_THRESHOLD, INT_MAX);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

int main(int argc, char **argv) {
  struct options o;
  struct totals t = {0};
  keep_memory();
  if (argc > 1 && !strcmp(argv[1], "--exhaustive")) return exhaustive_main(argc - 2, argv + 2);
  if (!parse(&o, argc, argv)) return usage(), 2;
  if (o.scenario) {
    sim_catch();
    scene_run(&(struct scene_options){o.scenario, o.sim.live, o.sim.seed});
    return 0;
  }
  if (o.rows) rows_print_names();
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  uint64_t seed = o.sim.seed, end = seed + o.seeds;
  while (seed < end) seed = run_batch(&o, seed, end, &t);
  clock_gettime(CLOCK_MONOTONIC, &to);
  double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
  check_floors(&o, &t);
  report(&o, &t, s);
  return t.failed != 0;
}
