#include "proto/phase.h"

#define TO(p) (1u << PHASE_##p)

bool phase_may_move(enum phase from, enum phase to) {
  static const unsigned moves[PHASE_CNT] = {
      [PHASE_STARTING] = TO(FENCING) | TO(STOPPED),
      [PHASE_FENCING] = TO(LOOKING) | TO(DISCOVERY) | TO(STOPPED),
      [PHASE_LOOKING] = TO(DISCOVERY) | TO(STOPPED),
      [PHASE_DISCOVERY] = TO(SYNC) | TO(FENCING) | TO(STOPPED),
      [PHASE_SYNC] = TO(BROADCAST) | TO(FENCING) | TO(STOPPED),
      [PHASE_BROADCAST] = TO(FENCING) | TO(STOPPED),
      [PHASE_STOPPED] = 0,
  };
  if ((unsigned)from >= PHASE_CNT || (unsigned)to >= PHASE_CNT) return false;
  return moves[from] >> to & 1u;
}

const char *phase_name(enum phase p) {
  static const char *const names[PHASE_CNT] = {
      [PHASE_STARTING] = "starting",   [PHASE_FENCING] = "fencing", [PHASE_LOOKING] = "looking",
      [PHASE_DISCOVERY] = "discovery", [PHASE_SYNC] = "sync",       [PHASE_BROADCAST] = "broadcast",
      [PHASE_STOPPED] = "stopped",
  };
  return (unsigned)p < PHASE_CNT ? names[p] : "unknown";
}

const char *role_name(enum role r) {
  switch (r) {
    case ROLE_LOOKING:
      return "looking";
    case ROLE_FOLLOWING:
      return "following";
    case ROLE_LEADING:
      return "leading";
  }
  return "unknown";
}
