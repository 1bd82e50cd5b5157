/* path_id.h - the ways that frames to one peer can take, best first.  Source: design 5.4. */
#ifndef ZABLINE_PROTO_PATH_ID_H
#define ZABLINE_PROTO_PATH_ID_H

#include <assert.h>

#include "config/limits.h"

enum path_id { PATH_FAST, PATH_FAST2, PATH_TCP };
static_assert(PATH_TCP + 1 == LIMIT_PATHS, "TCP is the last resort");

/* path_name returns what status calls it: "fast", "fast2", "tcp". */
static inline const char *path_name(int path) {
  return path == PATH_FAST ? "fast" : path == PATH_FAST2 ? "fast2" : "tcp";
}

#endif
