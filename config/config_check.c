/* What relates several keys.  Paths name indices of the file, so the sort comes last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_key.h"

#define SHA1_BASE64_LEN 28

static int check_ids(struct reader *r) {
  const struct config *c = r->c;
  for (int i = 0; i < c->peer_cnt; i++)
    for (int j = 0; j < i; j++)
      if (c->peers[i].id == c->peers[j].id)
        return reader_fail(r,
                           "peers[%d].id: found %d, which peers[%d] has too, allowed: each id once",
                           i, c->peers[i].id, j);
  if (config_peer_idx(c, c->id) < 0)
    return reader_fail(r, "id: found %d, allowed: the id of one of peers[]", c->id);
  return 0;
}

static int check_voters(struct reader *r) {
  int cnt = config_voter_cnt(r->c);
  if (cnt >= 1 && cnt <= LIMIT_VOTERS) return 0;
  return reader_fail(r, "peers: found %d voters, allowed: 1 to %d", cnt, LIMIT_VOTERS);
}

/* Two TCP ports on one host must differ, whoever listens on them. */
static int check_tcp_ports(struct reader *r) {
  static const char *const names[] = {"quorum_port", "election_port"};
  const struct config *c = r->c;
  for (int i = 0; i < 2 * c->peer_cnt; i++) {
    const struct config_peer *p = &c->peers[i / 2];
    uint16_t port = i % 2 ? p->election_port : p->quorum_port;
    if (p->id == c->id && port == c->client_port)
      return reader_fail(r, "client_port: found %d, which is peers[%d].%s, allowed: another port",
                         c->client_port, i / 2, names[i % 2]);
    for (int j = 0; j < i; j++) {
      const struct config_peer *q = &c->peers[j / 2];
      if (port == (j % 2 ? q->election_port : q->quorum_port) && !strcmp(p->address, q->address))
        return reader_fail(
            r, "peers[%d].%s: found %s:%d, which is peers[%d].%s, allowed: another port", i / 2,
            names[i % 2], p->address, port, j / 2, names[j % 2]);
    }
  }
  return 0;
}

/* A timeout of fewer heartbeats would call one lost frame a dead leader. */
static int check_times(struct reader *r) {
  const struct config *c = r->c;
  if (c->timeout_us >= 3 * (uint64_t)c->heartbeat_us) return 0;
  return reader_fail(r, "timeout_us: found %u, allowed: at least 3 x heartbeat_us = %u",
                     c->timeout_us, 3 * c->heartbeat_us);
}

static int check_sizes(struct reader *r) {
  const struct config *c = r->c;
  if (c->ring_bytes & (c->ring_bytes - 1))
    return reader_fail(r, "ring_bytes: found %u, allowed: a power of two", c->ring_bytes);
  if (c->ring_bytes < 4 * (uint64_t)c->largest_record)
    return reader_fail(r, "ring_bytes: found %u, allowed: at least 4 x largest_record = %u",
                       c->ring_bytes, 4 * c->largest_record);
  if (c->segment_bytes % LIMIT_SECTOR)
    return reader_fail(r, "segment_bytes: found %llu, allowed: a multiple of %d",
                       (unsigned long long)c->segment_bytes, LIMIT_SECTOR);
  uint64_t groups = 2 * ((uint64_t)LIMIT_GROUP + c->largest_record);
  if (c->segment_bytes < groups)
    return reader_fail(
        r, "segment_bytes: found %llu, allowed: at least 2 x (%u + largest_record) = %llu",
        (unsigned long long)c->segment_bytes, LIMIT_GROUP, (unsigned long long)groups);
  return 0;
}

/* The file names in data_dir are ours and short; the directory must leave room for them. */
static int check_paths(struct reader *r) {
  struct config *c = r->c;
  size_t len = strlen(c->data_dir), most = sizeof c->data_dir - LIMIT_NAME_LEN - 1;
  if (len > most)
    return reader_fail(r, "data_dir: found a text of %zu bytes, allowed: at most %zu", len, most);
  if (*c->control_socket) return 0;
  static const char name[] = "/control.sock";
  if (len + sizeof name > sizeof c->control_socket)
    return reader_fail(r,
                       "control_socket: found nothing, and data_dir%s is too long for a socket, "
                       "allowed: a path of at most %zu bytes",
                       name, sizeof c->control_socket - 1);
  memcpy(c->control_socket, c->data_dir, len);
  memcpy(c->control_socket + len, name, sizeof name);
  return 0;
}

/* What stands there is not shown: who reads the log is not the super user. */
static int check_super(struct reader *r) {
  static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *text = r->c->super_digest, *colon = strchr(text, ':');
  if (!*text) return 0;
  size_t len = colon ? strlen(colon + 1) : 0;
  if (colon && colon != text && len == SHA1_BASE64_LEN && colon[len] == '=' &&
      strspn(colon + 1, base64) == len - 1)
    return 0;
  return reader_fail(r,
                     "super_digest: found a text of %zu bytes, allowed: USER:HASH, the HASH as "
                     "`printf USER:PASSWORD | openssl sha1 -binary | base64` gives it",
                     strlen(text));
}

static const char words[] =
    "conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs";

static bool is_word(const char *word, size_t len) {
  for (const char *p = words; len == 4; p += 5) {
    if (memcmp(p, word, 4) == 0) return true;
    if (!p[4]) return false;
  }
  return len == 1 && *word == '*';
}

static int check_words(struct reader *r) {
  const char *p = r->c->four_letter_words;
  for (p += strspn(p, ", "); *p; p += strspn(p, ", ")) {
    size_t len = strcspn(p, ", ");
    if (!is_word(p, len))
      return reader_fail(r, "four_letter_words: found %.*s, allowed: *, or some of %s", (int)len, p,
                         words);
    p += len;
  }
  return 0;
}

static int by_id(const void *a, const void *b) {
  return ((const struct config_peer *)a)->id - ((const struct config_peer *)b)->id;
}

int config_check(struct reader *r) {
  static int (*const checks[])(struct reader *) = {check_ids,         check_voters, check_tcp_ports,
                                                   config_check_fast, check_times,  check_sizes,
                                                   check_paths,       check_super,  check_words};
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
    if (checks[i](r)) return -1;
  qsort(r->c->peers, (size_t)r->c->peer_cnt, sizeof r->c->peers[0], by_id);
  r->c->self_idx = config_peer_idx(r->c, r->c->id);
  return 0;
}
