#include "proto/server_list.h"

#include <string.h>

struct line {
  const char *text; /* NULL: no more */
  size_t len;       /* without the client part */
  const char *rest; /* what follows the line */
};

static struct line next_server(const char *text) {
  while (*text) {
    size_t whole = strcspn(text, "\n");
    const char *rest = text + whole + (text[whole] == '\n');
    if (strncmp(text, "server.", 7) == 0) return (struct line){text, strcspn(text, ";\r\n"), rest};
    text = rest;
  }
  return (struct line){NULL, 0, text};
}

/* Each server of a is one of b. */
static bool within(const char *a, const char *b) {
  for (struct line i = next_server(a); i.text; i = next_server(i.rest)) {
    struct line j = next_server(b);
    while (j.text && (j.len != i.len || memcmp(j.text, i.text, i.len) != 0))
      j = next_server(j.rest);
    if (!j.text) return false;
  }
  return true;
}

bool server_list_same(const char *a, const char *b) { return within(a, b) && within(b, a); }
