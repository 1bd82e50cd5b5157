/* path.h - by which way the frames of one attachment go: a fast address, a second one, or TCP.
 *
 * All carry the same frames, so a move needs no new attachment, and there is one broadcast machine
 * with one authority on liveness: the send times that frames echo, whichever way they came (J5).
 *
 * A frame echoes the newest send time heard on the path that it takes itself.  So an echo proves
 * that its path carries frames in both directions, and one-way loss shows on it.
 *
 *   the leader chooses; its follower sends where the leader's newest frame came from
 *   the path in use is silent for doubt_us  -> all others are probed, TCP too
 *   ... and for leave_us, and another has answered meanwhile -> that one is used
 *   a better one has answered for steady_us, never silent for leave_us -> it is used again
 *
 * A path that has not answered yet is in doubt from the start, and left sooner.  A peer that
 * answers nowhere (stopped, busy) moves nothing.  TCP is not probed before there is doubt and so
 * costs nothing.  Only a path that has just answered is ever moved to.
 *
 * Owner: the thread that owns struct bcast.  Blocks: no.  Allocates: no.
 * Source: design 5.4; zab-rules J5. */
#ifndef ZABLINE_FASTPATH_PATH_H
#define ZABLINE_FASTPATH_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/path_id.h"
#include "proto/reason.h"

struct path {
  uint32_t send_time;   /* newest of the peer that came on it; 0: none yet */
  uint32_t echo_time;   /* newest of ours that came back on it; 0: none yet */
  uint64_t heard_us;    /* when the newest came; they wrap, and are forgotten before */
  uint64_t sent_us;     /* newest frame on it */
  uint64_t asked_us;    /* oldest frame on it that no answer has followed; 0: none */
  uint64_t answered_us; /* newest answer; 0: none yet */
  uint64_t steady_us;   /* it answers since, never silent for leave_us; 0: it does not */
  bool owes;            /* a probe came that this turn answers */
};

struct path_set {
  uint8_t exist; /* bit: enum path_id */
  uint8_t use;
  uint64_t states; /* of path_watch; path_state_told */
  struct path at[LIMIT_PATHS];
};

struct path_limits {
  uint64_t probe_us;           /* between two probes of one path */
  uint64_t doubt_us, leave_us; /* silence on the path in use; see above */
  uint64_t first_us;           /* leave_us of one that has not answered yet */
  uint64_t steady_us;
};

struct path_move {
  enum reason reason; /* NONE: stay */
  uint8_t to;
};

/* path_limits_of: the move must end before either side gives the peer up, and a peer's answer may
 * take a heartbeat. */
struct path_limits path_limits_of(uint32_t heartbeat_us, uint32_t timeout_us);

/* path_attach forgets everything; exist: which paths there are (never none; the best is used). */
void path_attach(struct path_set *s, unsigned exist);

/* path_begin: the leader heard its peer for the first time; silence before is none. */
void path_begin(struct path_set *s, uint64_t now_us);

/* path_sent notes a frame that leaves on a path. */
void path_sent(struct path_set *s, int path, uint64_t now_us);

/* path_heard notes the times of a frame that came on a path. */
struct path_times {
  uint32_t send_time, echo_time;
};
void path_heard(struct path_set *s, const struct path_limits *l, int path, uint64_t now_us,
                struct path_times times);

/* path_probe_due: must a probe leave on this path in this turn? */
bool path_probe_due(const struct path_set *s, const struct path_limits *l, int path,
                    uint64_t now_us);

/* path_choose says whether the leader must move; path_use moves. */
struct path_move path_choose(const struct path_set *s, const struct path_limits *l,
                             uint64_t now_us);
static inline void path_use(struct path_set *s, int path) { s->use = (uint8_t)path; }

/* The path in use is in doubt: it has answered nothing for longer than a heartbeat. */
bool path_is_silent(const struct path_set *s, const struct path_limits *l, uint64_t now_us);

/* path_watch notes in s->states what people are told of each path: the silence of one that is not
 * used is none of the machine's business before the other is silent, too. */
void path_watch(struct path_set *s, const struct path_limits *l, uint64_t now_us);

static inline bool path_exists(const struct path_set *s, int path) {
  return path >= 0 && path < LIMIT_PATHS && (s->exist >> path & 1u);
}

#endif
