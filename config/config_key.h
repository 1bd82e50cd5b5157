/* config_key.h - one row per key of the JSON file, and the reader that walks file and rows
 * together.
 *
 * Private to config/.  A table describes one object: name, kind, place in the struct, bounds,
 * default. What one row cannot say (relations between keys) is in config_check.c.
 *
 * Owner: the thread in config_load.  Blocks: no.  Allocates: cJSON does, freed before config_load
 * returns.  Source: config/README.md. */
#ifndef ZABLINE_CONFIG_CONFIG_KEY_H
#define ZABLINE_CONFIG_CONFIG_KEY_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum key_kind {
  KEY_NUMBER, /* whole, min..max; field of 1, 2, 4 or 8 bytes */
  KEY_NAME,   /* text without spaces */
  KEY_HOST,   /* host name, IPv4 or IPv6 address */
  KEY_TEXT,   /* path or argument: no control characters */
  KEY_CHOICE, /* one of choices[], stored as its index */
  KEY_IP,
  KEY_MAC,
  KEY_PORT,           /* name of an entry of ports[], stored as its index */
  KEY_OBJECT,         /* one object described by sub */
  KEY_OBJECTS,        /* list of them, at most max */
  KEY_OBJECT_OR_LIST, /* one, or a list of them */
  KEY_TEXTS,          /* list of KEY_TEXT, at most max; default: choices[] */
};

#define KEY_REQUIRED INT64_MIN /* as fallback: there is no default */
#define KEY_NO_PORT (-2)       /* "port" not given */

struct key_table;

struct key {
  const char *name;
  enum key_kind kind;
  size_t offset, size; /* of the field; of a list: of the whole array */
  int64_t min, max;
  int64_t fallback;
  const char *text;           /* KEY_CHOICE: what is allowed; KEY_NAME, KEY_TEXT: the default */
  const char *const *choices; /* NULL-terminated */
  const struct key_table *sub;
  size_t element;    /* lists: bytes of one */
  size_t cnt_offset; /* lists: the int that counts them */
};

struct key_table {
  const struct key *keys;
  int cnt;
};

extern const struct key_table config_table;

/* The place in the file that is being read, for error lines. */
struct reader {
  struct config *c;
  struct config_error *e;
  const char *file;
  char path[LIMIT_NAME_LEN * 4];
};

/* reader_object reads object (NULL: everything is missing) into out as table says.
 * Returns 0, or -1 with r->e set. */
int reader_object(struct reader *r, const cJSON *object, const struct key_table *table, void *out);

/* reader_value reads one value of a scalar kind; reader_default stores the default of a missing
 * one. */
int reader_scalar(struct reader *r, const struct key *key, const cJSON *item, void *field);
void reader_default(const struct key *key, void *field);

/* reader_found fails at r->path with the value found and what is allowed. */
int reader_found(struct reader *r, const cJSON *found, const char *allowed, ...)
    __attribute__((format(printf, 3, 4)));

/* reader_fail sets the line "FILE: " + format; returns -1. */
int reader_fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* config_parse is config_load on a text in memory; file is its name in error lines.
 * text[len] must be readable and NUL. */
int config_parse(struct config *c, const char *file, const char *text, size_t len,
                 struct config_error *e);

/* config_check_fast checks the addresses and ports of the fast path; part of config_check. */
int config_check_fast(struct reader *r);

/* config_check checks what relates several keys, fills what depends on them, and sorts peers[].
 * Returns 0, or -1 with r->e set. */
int config_check(struct reader *r);

#endif
