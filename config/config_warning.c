/* What is allowed and yet probably not meant.  One row each: question and line. */
#include "config/config.h"

static bool voters_even(const struct config *c) { return config_voter_cnt(c) % 2 == 0; }

static bool memory_alone(const struct config *c) {
  return c->durability == DURABILITY_MEMORY && config_voter_cnt(c) < 3;
}

static bool spin_unpinned(const struct config *c) {
  return c->idle == IDLE_SPIN && (c->cores.fast < 0 || c->cores.disk < 0 || c->cores.app < 0);
}

static bool core_shared(const struct config *c) {
  const struct config_cores *n = &c->cores;
  return (n->fast >= 0 && (n->fast == n->disk || n->fast == n->slow || n->fast == n->app)) ||
         (n->disk >= 0 && n->disk == n->app);
}

static bool port_unused(const struct config *c) {
  unsigned used = 0;
  for (int i = 0; i < c->peer_cnt; i++)
    for (int k = 0; k < c->peers[i].fast_cnt; k++)
      if (c->peers[i].fast[k].port_idx >= 0) used |= 1u << c->peers[i].fast[k].port_idx;
  return used != (1u << c->port_cnt) - 1;
}

static const struct {
  bool (*is)(const struct config *c);
  const char *line;
} warnings[] = {
    {voters_even, "peers: an even number of voters tolerates no more failures than one voter less"},
    {memory_alone,
     "durability: memory with fewer than three voters loses what one power cut takes"},
    {spin_unpinned, "idle: spin with a thread that no core is given to in cores (fast, disk, app)"},
    {core_shared, "cores: fast, disk and app should each have a core of their own"},
    {port_unused, "ports: one of them leads to no peer"},
};

const char *config_warning(const struct config *c, int idx) {
  for (unsigned i = 0; i < sizeof warnings / sizeof warnings[0]; i++)
    if (warnings[i].is(c) && idx-- == 0) return warnings[i].line;
  return 0;
}
