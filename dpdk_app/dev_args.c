#include "dpdk_app/dev_args.h"

#include <string.h>

const char *dev_args_find(const char *args, const char *key, size_t *len) {
  size_t key_len = strlen(key);
  for (const char *p = args; *p;) {
    size_t n = strcspn(p, ",");
    if (n > key_len && strncmp(p, key, key_len) == 0 && p[key_len] == '=') {
      *len = n - key_len - 1;
      return p + key_len + 1;
    }
    p += n + (p[n] == ',');
  }
  return NULL;
}
