/* random.h - the simulator's random numbers: splitmix64, one stream for each purpose, so that e.g.
 * one fault less does not change the network's luck. */
#ifndef ZABLINE_TEST_SIM_RANDOM_H
#define ZABLINE_TEST_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
  uint64_t state;
};

static inline uint64_t random_next(struct random *r) {
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* random_below returns 0..n-1; n is small against 2^44. */
static inline uint64_t random_below(struct random *r, uint64_t n) {
  return (random_next(r) >> 20) % n;
}

/* random_between includes both ends. */
static inline uint64_t random_between(struct random *r, uint64_t a, uint64_t b) {
  return a + random_below(r, b - a + 1);
}

/* random_chance: ppm of a million. */
static inline bool random_chance(struct random *r, uint32_t ppm) {
  return ppm && random_below(r, 1000000) < ppm;
}

/* random_tail is random_between with a long tail: each doubling of the range is half as likely. */
static inline uint64_t random_tail(struct random *r, uint64_t a, uint64_t b) {
  uint64_t range = b - a;
  int halvings = __builtin_ctzll(random_next(r) | 1u << 10);
  return a + random_below(r, (range >> halvings) + 1);
}

#endif
