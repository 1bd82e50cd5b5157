/* tree.h - one-line files and links of sysfs and procfs, below struct doctor's root.
 * Owner: zabctl's thread.  Blocks: reads one small file.  Paths begin without a slash. */
#ifndef ZABLINE_SERVICE_DOCTOR_TREE_H
#define ZABLINE_SERVICE_DOCTOR_TREE_H

#include "service/doctor/doctor.h"

struct tree_text {
  char s[LIMIT_TEXT_LEN];
};

/* tree_exists: is there a file, link or directory? */
bool tree_exists(const struct doctor *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* tree_line reads the first line, tree_number a number in decimal or 0x...; false: cannot be read
 * (errno, 0 if the content is no number). */
bool tree_line(const struct doctor *d, struct tree_text *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tree_number(const struct doctor *d, long long *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* tree_link gives the last part of a link's target ("vfio-pci"). */
bool tree_link(const struct doctor *d, struct tree_text *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* tree_entry gives the idx-th entry of a directory, without "." and ".."; false: there is none. */
bool tree_entry(const struct doctor *d, int idx, struct tree_text *out, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* tree_path writes root and path; returns buf. */
char *tree_path(const struct doctor *d, char buf[LIMIT_PATH_LEN], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* tree_list_has: is number in a list like "0-3,8"? */
bool tree_list_has(const char *list, int number);

#endif
