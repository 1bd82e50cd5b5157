#include "service/doctor/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *path_of(const struct doctor *d, char buf[LIMIT_PATH_LEN], const char *format,
                     va_list args) {
  int len = snprintf(buf, LIMIT_PATH_LEN, "%s/", d->root);
  if (len < LIMIT_PATH_LEN) vsnprintf(buf + len, (size_t)(LIMIT_PATH_LEN - len), format, args);
  return buf;
}

/* `path`, made of the caller's variable arguments. */
#define PATH_OF_ARGUMENTS(d)        \
  char path[LIMIT_PATH_LEN];        \
  va_list args;                     \
  va_start(args, format);           \
  path_of((d), path, format, args); \
  va_end(args)

char *tree_path(const struct doctor *d, char buf[LIMIT_PATH_LEN], const char *format, ...) {
  PATH_OF_ARGUMENTS(d);
  memcpy(buf, path, sizeof path);
  return buf;
}

bool tree_exists(const struct doctor *d, const char *format, ...) {
  PATH_OF_ARGUMENTS(d);
  return access(path, F_OK) == 0;
}

static bool first_line(const char *path, struct tree_text *out) {
  FILE *f = fopen(path, "re");
  if (!f) return false;
  bool got = fgets(out->s, sizeof out->s, f);
  int error = ferror(f) ? errno : 0;
  fclose(f);
  errno = error;
  if (error) return false;
  if (!got) out->s[0] = '\0'; /* an empty file, like "isolated" without isolated CPUs */
  out->s[strcspn(out->s, "\n")] = '\0';
  return true;
}

bool tree_line(const struct doctor *d, struct tree_text *out, const char *format, ...) {
  PATH_OF_ARGUMENTS(d);
  return first_line(path, out);
}

bool tree_number(const struct doctor *d, long long *out, const char *format, ...) {
  struct tree_text text;
  char *end;
  PATH_OF_ARGUMENTS(d);
  if (!first_line(path, &text)) return false;
  errno = 0;
  *out = strtoll(text.s, &end, 0);
  return !errno && end != text.s && !*end;
}

bool tree_link(const struct doctor *d, struct tree_text *out, const char *format, ...) {
  char target[LIMIT_PATH_LEN];
  PATH_OF_ARGUMENTS(d);
  ssize_t len = readlink(path, target, sizeof target - 1);
  if (len < 0) return false;
  target[len] = '\0';
  const char *slash = strrchr(target, '/');
  snprintf(out->s, sizeof out->s, "%.*s", (int)sizeof out->s - 1, slash ? slash + 1 : target);
  return true;
}

bool tree_entry(const struct doctor *d, int idx, struct tree_text *out, const char *format, ...) {
  PATH_OF_ARGUMENTS(d);
  DIR *dir = opendir(path);
  struct dirent *e = NULL;
  while (dir && idx >= 0 && (e = readdir(dir)) != NULL)
    if (e->d_name[0] != '.') idx--;
  if (e) snprintf(out->s, sizeof out->s, "%s", e->d_name);
  if (dir) closedir(dir);
  return e != NULL;
}

bool tree_list_has(const char *list, int number) {
  for (;;) { /* ends with the list */
    char *end;
    long first = strtol(list, &end, 10), last = first;
    if (end == list) return false;
    if (*end == '-') last = strtol(end + 1, &end, 10);
    if (number >= first && number <= last) return true;
    if (*end != ',') return false;
    list = end + 1;
  }
}
