#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_key.h"

/* Bitwise: proto/crc32c.h is a layer above, and this runs once on one name. */
static uint32_t name_crc32c(const char *name) {
  uint32_t crc = 0xffffffffu;
  for (; *name; name++) {
    crc ^= (uint8_t)*name;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

static int fail_syntax(struct reader *r, const char *text, const char *at, size_t len) {
  while (at > text && isalnum((unsigned char)at[-1])) at--; /* cJSON points inside the word */
  int line = 1;
  for (const char *p = text; p < at; p++) line += *p == '\n';
  size_t left = len - (size_t)(at - text);
  int shown = (int)strcspn(at, "\r\n");
  if (!left) return reader_fail(r, "line %d: found the end of the file, allowed: JSON", line);
  return reader_fail(r, "line %d: found \"%.*s\", allowed: JSON", line, shown < 40 ? shown : 40,
                     at);
}

int config_parse(struct config *c, const char *file, const char *text, size_t len,
                 struct config_error *e) {
  memset(c, 0, sizeof *c);
  struct reader r = {.c = c, .e = e, .file = file};
  if (strlen(file) >= sizeof c->file)
    return reader_fail(&r, "found a path of %zu bytes, allowed: %zu", strlen(file),
                       sizeof c->file - 1);
  strcpy(c->file, file);
  const char *end = memchr(text, '\0', len);
  if (end) return fail_syntax(&r, text, end, len);
  cJSON *json = cJSON_ParseWithLengthOpts(text, len + 1, &end, 1);
  if (!json) return fail_syntax(&r, text, end, len);
  int failed = reader_object(&r, json, &config_table, c);
  cJSON_Delete(json);
  if (failed || config_check(&r)) return -1;
  c->cluster_id = name_crc32c(c->cluster);
  return 0;
}

/* Returns the bytes read (one above the limit if there are more), or -1 with errno. */
static ssize_t read_file(const char *file, char *buf) {
  FILE *f = fopen(file, "re");
  if (!f) return -1;
  size_t len = fread(buf, 1, LIMIT_CONFIG_FILE + 1, f);
  int error = ferror(f) ? errno : 0;
  fclose(f);
  errno = error;
  return error ? -1 : (ssize_t)len;
}

int config_load(struct config *c, const char *file, struct config_error *e) {
  struct reader r = {.c = c, .e = e, .file = file};
  char *text = malloc(LIMIT_CONFIG_FILE + 2);
  if (!text)
    return reader_fail(&r, "found no memory to read it, allowed: %u bytes", LIMIT_CONFIG_FILE);
  ssize_t len = read_file(file, text);
  int rc;
  if (len < 0)
    rc = reader_fail(&r, "found no readable file (%s), allowed: a node's JSON file",
                     strerror(errno));
  else if (len > (ssize_t)LIMIT_CONFIG_FILE)
    rc = reader_fail(&r, "found a larger file, allowed: at most %u bytes", LIMIT_CONFIG_FILE);
  else {
    text[len] = '\0';
    rc = config_parse(c, file, text, (size_t)len, e);
  }
  free(text);
  return rc;
}

int config_peer_idx(const struct config *c, uint8_t id) {
  for (int i = 0; i < c->peer_cnt; i++)
    if (c->peers[i].id == id) return i;
  return -1;
}

int config_voter_cnt(const struct config *c) {
  int cnt = 0;
  for (int i = 0; i < c->peer_cnt; i++) cnt += c->peers[i].role == ROLE_VOTER;
  return cnt;
}

int config_quorum_text(const struct config *c, char *buf) {
  int len = 0;
  for (int i = 0; i < c->peer_cnt; i++) {
    const struct config_peer *p = &c->peers[i];
    bool ipv6 = strchr(p->address, ':'); /* ambiguous without brackets */
    len += snprintf(buf + len, (size_t)(LIMIT_CONFIG_TEXT - len), "server.%d=%s%s%s:%d:%d:%s\n",
                    p->id, ipv6 ? "[" : "", p->address, ipv6 ? "]" : "", p->quorum_port,
                    p->election_port, p->role == ROLE_VOTER ? "participant" : "observer");
    assert(len < LIMIT_CONFIG_TEXT);
  }
  return len + snprintf(buf + len, (size_t)(LIMIT_CONFIG_TEXT - len), "version=0");
}
