/* raw_line.c - in what state is the machine: the round trip of one cache line between two cores.
 *
 * A virtual machine's cores are moved among those of its host: to one next to the other, one that
 * shares its last cache, or one that does not.  What crosses cores then costs a half to four times
 * as much, for a second or for an hour; two figures can be compared only when taken in one state.
 * The least of many short blocks is taken, so other pollers on the cores do no harm.
 *
 *     raw_line [MILLISECONDS]     prints one JSON object: {"line_ns": N}
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK 200 /* round trips: short against a time slice */

struct line {
  _Alignas(128) _Atomic uint64_t asked;
  _Alignas(128) _Atomic uint64_t answered;
  _Alignas(128) _Atomic int end;
};

/* The first two cores that we may use. */
static void pin(int nth) {
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &all) && nth-- == 0) CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one)) {
    fprintf(stderr, "raw_line: needs two cores: %s\n", strerror(errno));
    exit(1);
  }
}

static void *answer(void *line) {
  struct line *l = line;
  uint64_t last = 0;
  pin(1);
  while (!atomic_load_explicit(&l->end, memory_order_relaxed)) {
    uint64_t asked = atomic_load_explicit(&l->asked, memory_order_acquire);
    if (asked == last) continue;
    last = asked;
    atomic_store_explicit(&l->answered, asked, memory_order_release);
  }
  return NULL;
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t block_ns(struct line *l, uint64_t *number) {
  uint64_t start = now_ns();
  for (int i = 0; i < BLOCK; i++) {
    atomic_store_explicit(&l->asked, ++*number, memory_order_release);
    while (atomic_load_explicit(&l->answered, memory_order_acquire) != *number) continue;
  }
  return now_ns() - start;
}

int main(int argc, char **argv) {
  uint64_t ms = argc > 1 ? strtoull(argv[1], NULL, 10) : 20, end = now_ns() + ms * 1000000u;
  uint64_t number = 0, least = UINT64_MAX;
  struct line l = {0};
  pthread_t other;
  if (pthread_create(&other, NULL, answer, &l)) {
    fprintf(stderr, "raw_line: no thread: %s\n", strerror(errno));
    return 1;
  }
  pin(0);
  do {
    uint64_t ns = block_ns(&l, &number);
    if (ns < least) least = ns;
  } while (now_ns() < end);
  atomic_store(&l.end, 1);
  pthread_join(other, NULL);
  printf("{\"name\": \"raw_line\", \"line_ns\": %llu}\n", (unsigned long long)(least / BLOCK));
  return 0;
}
