/* The command line: options anywhere, one command.  (getopt keeps its state in globals.) */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/ctl.h"

enum kind { FLAG, TEXT, TEXTS, NUMBER, NUMBER64 };

struct option {
  const char *name;
  enum kind kind;
  void *to; /* TEXTS: the struct's own list */
  uint64_t min, max;
  const char *commands; /* that take it; NULL: all */
};

static bool take_number(const struct option *o, const char *text, FILE *err) {
  char *end;
  errno = 0;
  uint64_t v = strtoull(text, &end, 0);
  if (errno || *end || end == text || *text == '-' || v < o->min || v > o->max) {
    fprintf(err, "zabctl: %s: found %s, allowed: %llu to %llu\n", o->name, text,
            (unsigned long long)o->min, (unsigned long long)o->max);
    return false;
  }
  if (o->kind == NUMBER64)
    *(uint64_t *)o->to = v;
  else
    *(uint32_t *)o->to = (uint32_t)v;
  return true;
}

static bool take_one_more(struct ctl_options *o, const char *value, FILE *err) {
  if (o->peer_config_cnt == LIMIT_PEERS) {
    fprintf(err, "zabctl: --peer-config: found more than %d, allowed: one for each peer\n",
            LIMIT_PEERS);
    return false;
  }
  o->peer_configs[o->peer_config_cnt++] = value;
  return true;
}

static bool take(const struct option *o, const char *value, FILE *err) {
  if (o->kind == FLAG) {
    *(bool *)o->to = true;
    return true;
  }
  if (!value) {
    fprintf(err, "zabctl: %s needs a value\n", o->name);
    return false;
  }
  if (o->kind == TEXT) {
    *(const char **)o->to = value;
    return true;
  }
  if (o->kind == TEXTS) return take_one_more(o->to, value, err);
  return take_number(o, value, err);
}

static const struct option *find(const struct option *table, const char *name) {
  for (; table->name; table++)
    if (strcmp(table->name, name) == 0) return table;
  return NULL;
}

static bool has_word(const char *words, const char *word) {
  size_t len = strlen(word);
  for (const char *at = words; len && (at = strstr(at, word)); at += len)
    if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' ')) return true;
  return false;
}

/* An option that does nothing would be taken for one that works. */
static bool goes_with(const struct option *o, const char *command, FILE *err) {
  if (!o->commands || !command || has_word(o->commands, command)) return true;
  fprintf(err, "zabctl: %s does not go with %s (see --help)\n", o->name, command);
  return false;
}

bool ctl_options_parse(struct ctl_options *o, int argc, char **argv, FILE *err) {
  *o = (struct ctl_options){.count = 100000, .size = 100, .outstanding = 0, .timeout_s = 30};
  const struct option table[] = {
      {"--config", TEXT, &o->config, 0, 0, NULL},
      {"--socket", TEXT, &o->socket, 0, 0, NULL},
      {"--acks", TEXT, &o->acks, 0, 0, "submit"},
      {"--cluster", TEXT, &o->cluster, 0, 0, "recover"},
      {"--peer-config", TEXTS, o, 0, 0, "doctor"},
      {"--json", FLAG, &o->json, 0, 0, NULL},
      {"--follow", FLAG, &o->follow, 0, 0, "tail"},
      {"--accept-loss", FLAG, &o->accept_loss, 0, 0, "recover"},
      {"--help", FLAG, &o->help, 0, 0, NULL},
      {"-h", FLAG, &o->help, 0, 0, NULL},
      {"--version", FLAG, &o->version, 0, 0, NULL},
      {"--from", NUMBER64, &o->from, 0, UINT64_MAX, "tail"},
      {"--count", NUMBER64, &o->count, 1, 1000u * 1000u * 1000u, "bench"},
      {"--size", NUMBER, &o->size, 0, LIMIT_RECORD_MAX, "bench"},
      {"--outstanding", NUMBER, &o->outstanding, 1, LIMIT_SUBMIT_OUTSTANDING, "submit bench"},
      {"--timeout", NUMBER, &o->timeout_s, 1, 86400, NULL},
      {NULL, FLAG, NULL, 0, 0, NULL},
  };
  uint32_t given = 0;
  for (int i = 1; i < argc; i++) {
    const struct option *found = find(table, argv[i]);
    if (found) {
      if (!take(found, i + 1 < argc ? argv[i + 1] : NULL, err)) return false;
      if (found->kind != FLAG) i++;
      given |= 1u << (found - table);
    } else if (argv[i][0] == '-' || o->command) {
      fprintf(err, "zabctl: %s is not understood (see --help)\n", argv[i]);
      return false;
    } else {
      o->command = argv[i];
    }
  }
  for (int i = 0; table[i].name; i++)
    if (((given >> i) & 1u) && !goes_with(&table[i], o->command, err)) return false;
  return true;
}
