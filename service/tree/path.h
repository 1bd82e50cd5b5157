/* path.h - rules for znode paths, on UTF-8 bytes.
 * Pure.  Source: zookeeper/client.md 4, 5. */
#ifndef ZABLINE_SERVICE_TREE_PATH_H
#define ZABLINE_SERVICE_TREE_PATH_H

#include <stdbool.h>

#include "proto/cursor.h"

/* path_valid: starts with '/', only "/" ends with it, no empty, "." or ".." component, none of the
 * forbidden characters; bytes that are no UTF-8 are what Java reads as U+FFFD, forbidden too. */
bool path_valid(struct span path);
/* path_has_parent: what is asked of the path of a create before its sequence: a '/', and no NUL. */
bool path_has_parent(struct span path);
/* path_parent returns all before the last '/': of "/a" the root, "". */
struct span path_parent(struct span path);
/* path_last returns all behind the last '/'. */
struct span path_last(struct span path);
/* path_special: a node that cannot be deleted. */
bool path_special(struct span path);
bool path_is(struct span path, const char *text);
/* path_below: path is `root` or a descendant of it. */
bool path_below(struct span path, struct span root);
/* path_in_zookeeper: below "/zookeeper/": not part of the digest. */
bool path_in_zookeeper(struct span path);
struct span span_of(const char *text);
bool span_equal(struct span a, struct span b);

#endif
