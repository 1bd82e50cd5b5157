/* path_id.h - the ways that frames to one peer can take, best first.  Source: design 5.4. */
#ifndef ZABLINE_PROTO_PATH_ID_H
#define ZABLINE_PROTO_PATH_ID_H

#include <assert.h>
#include <stdint.h>

#include "config/limits.h"

enum path_id { PATH_FAST, PATH_FAST2, PATH_TCP };
static_assert(PATH_TCP + 1 == LIMIT_PATHS, "TCP is the last resort");

/* path_name returns what status calls it: "fast", "fast2", "tcp". */
static inline const char *path_name(int path) {
  return path == PATH_FAST ? "fast" : path == PATH_FAST2 ? "fast2" : "tcp";
}

/* What is known of a path.  UNASKED: not yet, or TCP while a better one answers. */
enum path_state { PATH_NONE, PATH_UNASKED, PATH_ANSWERS, PATH_SILENT };

static inline const char *path_state_name(enum path_state state) {
  static const char *const names[] = {"none", "unasked", "answers", "silent"};
  return names[state];
}

/* What positions.peer_path carries: the path in use + 1 (0: not heard) and every path's state. */
enum { PATH_TOLD_USE = 0xff, PATH_TOLD_STATES = 8, PATH_TOLD_BITS = 2 };

static inline uint64_t path_state_told(int path, enum path_state state) {
  return (uint64_t)state << (PATH_TOLD_STATES + PATH_TOLD_BITS * path);
}

static inline enum path_state path_state_of(uint64_t told, int path) {
  return (enum path_state)(told >> (PATH_TOLD_STATES + PATH_TOLD_BITS * path) & PATH_SILENT);
}

#endif
