/* Four-letter words: a connection that begins with one is answered in text and closed.  Which ones
 * are answered, four_letter_words in the config says. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/client/client.h"

#define COMPATIBLE "3.9.5" /* what its clients may expect */
#define WORD_LEN 4
#define MASK_LEN 8 /* behind "stmk" */

void client_say(struct client *c, const char *format, ...) {
  char line[LIMIT_TEXT_LEN];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0) return;
  buffer_append(&c->out, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

double client_average(const struct summary *s) {
  return s->cnt ? (double)s->sum / (double)s->cnt : 0;
}

struct decimal client_decimal(double v) {
  struct decimal d;
  int len = snprintf(d.text, sizeof d.text, "%.4f", v);
  while (len > 2 && d.text[len - 1] == '0' && d.text[len - 2] != '.') d.text[--len] = 0;
  return d;
}

static bool is_serving(const struct client *c) { return c->port->thread->state == APP_SERVING; }

const char *client_mode(const struct client *c) {
  const struct config *config = c->port->thread->c->config;
  if (config->peer_cnt == 1) return "standalone";
  if (c->port->thread->leading) return "leader";
  return config->peers[config->self_idx].role == ROLE_OBSERVER ? "observer" : "follower";
}

static void say_version(struct client *c, const char *before) {
  client_say(c, "%s%s-zabline-%s, built on %s\n", before, COMPATIBLE, ZABLINE_VERSION,
             c->port->thread->c->build);
}

static void say_server(struct client *c) {
  const struct client_port *p = c->port;
  const struct client_stats *s = &p->stats;
  client_say(c, "Latency min/avg/max: %llu/%s/%llu\n", (unsigned long long)s->latency.min,
             client_decimal(client_average(&s->latency)).text, (unsigned long long)s->latency.max);
  client_say(c, "Received: %llu\nSent: %llu\n", (unsigned long long)s->received,
             (unsigned long long)s->sent);
  client_say(c, "Connections: %d\nOutstanding: %u\n", p->client_cnt, p->ask_cnt);
  client_say(c, "Zxid: 0x%llx\nMode: %s\n", (unsigned long long)p->app->tree.applied,
             client_mode(c));
  client_say(c, "Node count: %llu\n", (unsigned long long)p->app->tree.node_cnt + 1);
  if (strcmp(client_mode(c), "leader") != 0) return;
  const struct app_proposals *sizes = &p->thread->proposals;
  client_say(c, "Proposal sizes last/min/max: %lld/%lld/%lld\n", (long long)sizes->last_len,
             (long long)sizes->min_len, (long long)sizes->max_len);
}

static void word_srvr(struct client *c) {
  say_version(c, "Zookeeper version: ");
  say_server(c);
}

static void say_client(struct client *c, const struct client *o) {
  client_say(c, " /%s:%u[%d](queued=%u,recved=%llu,sent=%llu", o->address, o->from_port,
             o->phase == CLIENT_OPEN, o->ask_cnt, (unsigned long long)o->received,
             (unsigned long long)o->sent);
}

static void word_stat(struct client *c) {
  say_version(c, "Zookeeper version: ");
  client_say(c, "Clients:\n");
  for (int i = 0; i < c->port->client_cnt; i++) {
    say_client(c, c->port->clients[i]);
    client_say(c, ")\n");
  }
  client_say(c, "\n");
  say_server(c);
}

struct short_name {
  int32_t type;
  const char *name;
};

/* As there: a write that failed has none. */
static const char *last_op(const struct client *c) {
  static const struct short_name names[] = {
      {OP_PING, "PING"},           {OP_CREATE_SESSION, "SESS"},
      {OP_MULTI, "MULT"},          {OP_MULTI_READ, "MLTR"},
      {OP_CREATE, "CREA"},         {OP_CREATE2, "CREA"},
      {OP_CREATE_TTL, "CREA"},     {OP_CREATE_CONTAINER, "CREA"},
      {OP_DELETE, "DELE"},         {OP_SET_DATA, "SETD"},
      {OP_SET_ACL, "SETA"},        {OP_CLOSE_SESSION, "CLOS"},
      {OP_SYNC, "SYNC"},           {OP_EXISTS, "EXIS"},
      {OP_GET_DATA, "GETD"},       {OP_SET_WATCHES, "SETW"},
      {OP_SET_WATCHES2, "STW2"},   {OP_ADD_WATCH, "ADDW"},
      {OP_GET_ACL, "GETA"},        {OP_GET_CHILDREN, "GETC"},
      {OP_GET_CHILDREN2, "GETC"},  {OP_GET_ALL_CHILDREN_NUMBER, "GETACN"},
      {OP_CHECK_WATCHES, "CHKW"},  {OP_REMOVE_WATCHES, "REMW"},
      {OP_GET_EPHEMERALS, "GETE"}, {OP_WHO_AM_I, "HOMI"}};
  for (size_t i = 0; c->latency.cnt && i < sizeof names / sizeof names[0]; i++)
    if (names[i].type == c->last_type) return names[i].name;
  return "NA";
}

static void word_cons(struct client *c) {
  for (int i = 0; i < c->port->client_cnt; i++) {
    const struct client *o = c->port->clients[i];
    say_client(c, o);
    if (o->phase == CLIENT_OPEN)
      client_say(c,
                 ",sid=0x%llx,lop=%s,est=%lld,to=%d,lcxid=0x%x,lzxid=0x%llx,lresp=%lld,llat=%llu,"
                 "minlat=%llu,avglat=%lld,maxlat=%llu",
                 (unsigned long long)o->session, last_op(o), (long long)o->since_ms, o->timeout_ms,
                 (unsigned)o->last_xid, (unsigned long long)o->last_zxid, (long long)o->last_ms,
                 (unsigned long long)o->last_latency, (unsigned long long)o->latency.min,
                 (long long)client_average(&o->latency), (unsigned long long)o->latency.max);
    client_say(c, ")\n");
  }
  client_say(c, "\n");
}

static void word_crst(struct client *c) {
  for (int i = 0; i < c->port->client_cnt; i++) {
    struct client *o = c->port->clients[i];
    o->received = o->sent = 0;
    o->latency = (struct summary){0};
  }
  client_say(c, "Connection stats reset.\n");
}

static void word_srst(struct client *c) {
  struct client_stats *s = &c->port->stats;
  s->received = s->sent = 0;
  s->latency = (struct summary){0};
  client_say(c, "Server stats reset.\n");
}

/* The log and the snapshots are in one directory: as there, both sizes are the whole of it then. */
static unsigned long long stored_bytes(const struct client *c) {
  DIR *dir = opendir(c->port->thread->c->config->data_dir);
  unsigned long long bytes = 0;
  struct dirent *e;
  struct stat s;
  while (dir && (e = readdir(dir)) != NULL)
    if (!fstatat(dirfd(dir), e->d_name, &s, AT_SYMLINK_NOFOLLOW) && S_ISREG(s.st_mode))
      bytes += (unsigned long long)s.st_size;
  if (dir) closedir(dir);
  return bytes;
}

static void word_dirs(struct client *c) {
  unsigned long long bytes = stored_bytes(c);
  client_say(c, "datadir_size: %llu\nlogdir_size: %llu\n", bytes, bytes);
}

static void word_hash(struct client *c) {
  const struct digest_log *d = &c->port->app->digests;
  for (uint32_t i = d->cnt > LIMIT_DIGESTS ? d->cnt - LIMIT_DIGESTS : 0; i < d->cnt; i++)
    client_say(c, "%llx: %lld\n", (unsigned long long)d->at[i % LIMIT_DIGESTS].zxid,
               (long long)d->at[i % LIMIT_DIGESTS].digest);
}

/* Nothing is traced here: the mask is kept for the tools that set it. */
static void word_gtmk(struct client *c) { client_say(c, "%lld", (long long)c->port->trace_mask); }

static void word_stmk(struct client *c) {
  struct cursor in;
  cursor_init(&in, (const uint8_t *)buffer_at(&c->in) + WORD_LEN, MASK_LEN);
  c->port->trace_mask = cursor_i64(&in);
  word_gtmk(c);
}

static void word_conf(struct client *c) {
  const struct config *config = c->port->thread->c->config;
  client_say(c, "clientPort=%u\nsecureClientPort=-1\n", config->client_port);
  for (int i = 0; i < 2; i++)
    client_say(c, "data%sDir=%.200s\ndata%sSize=%llu\n", i ? "Log" : "", config->data_dir,
               i ? "Log" : "Dir", stored_bytes(c));
  client_say(c, "tickTime=%u\nmaxClientCnxns=%d\n", config->tick_ms, config->max_client_cnxns);
  client_say(c, "minSessionTimeout=%u\nmaxSessionTimeout=%u\n", 2 * config->tick_ms,
             20 * config->tick_ms);
  client_say(c, "clientPortListenBacklog=-1\nserverId=%u\n", config->id);
  if (config->peer_cnt == 1) return;
  const struct config_peer *self = &config->peers[config->self_idx];
  char text[LIMIT_CONFIG_TEXT];
  client_say(c, "initLimit=%u\nsyncLimit=%u\nelectionAlg=3\n", config->init_limit,
             config->sync_limit);
  client_say(c, "electionPort=%u\nquorumPort=%u\npeerType=%d\nmembership: \n", self->election_port,
             self->quorum_port, self->role == ROLE_OBSERVER);
  buffer_append(&c->out, text, (size_t)config_quorum_text(config, text));
  client_say(c, "\n");
}

static void say_ephemerals(struct client *c, const struct owner *o) {
  const struct owned *e, *next;
  client_say(c, "0x%llx:\n", (unsigned long long)o->id);
  HASH_ITER(hh, o->nodes, e, next) {
    buffer_append(&c->out, "\t", 1);
    tree_append_path(e->node, &c->out);
    buffer_append(&c->out, "\n", 1);
  }
}

static void word_dump(struct client *c) {
  const struct tree *t = &c->port->app->tree;
  const struct session *s, *next;
  const struct owner *o, *next_owner;
  uint32_t cnt = 0;
  client_say(c, "SessionTracker dump:\nGlobal Sessions(%u):\n", HASH_COUNT(t->sessions));
  HASH_ITER(hh, t->sessions, s, next)
  client_say(c, "0x%llx\t%dms\n", (unsigned long long)s->id, s->timeout_ms);
  HASH_ITER(hh, t->owners, o, next_owner) cnt += owner_is_session(o->id);
  client_say(c, "ephemeral nodes dump:\nSessions with Ephemerals (%u):\n", cnt);
  HASH_ITER(hh, t->owners, o, next_owner) {
    if (owner_is_session(o->id)) say_ephemerals(c, o);
  }
}

static void word_envi(struct client *c) {
  char host[LIMIT_HOST_LEN] = "";
  gethostname(host, sizeof host - 1);
  client_say(c, "Environment:\n");
  say_version(c, "zookeeper.version=");
  client_say(c, "host.name=%s\n", host);
}

static void word_wchs(struct client *c) {
  const struct client_port *p = c->port;
  client_say(c, "%u connections watching %u paths\nTotal watches:%u\n", client_watching(p),
             p->watch_path_cnt, p->watch_cnt);
}

static void word_mntr(struct client *c) {
  say_version(c, "zk_version\t");
  client_mntr(c);
}

static void word_ruok(struct client *c) { client_say(c, "imok"); }
static void word_isro(struct client *c) { client_say(c, is_serving(c) ? "rw" : "null"); }

struct word {
  const char *text;
  void (*answer)(struct client *c);
  bool always;  /* also when not serving */
  uint32_t len; /* of what follows the word */
};

static const struct word words[] = {
    {"srvr", word_srvr, false, 0},
    {"stat", word_stat, false, 0},
    {"ruok", word_ruok, true, 0},
    {"isro", word_isro, true, 0},
    {"mntr", word_mntr, false, 0},
    {"conf", word_conf, false, 0},
    {"cons", word_cons, false, 0},
    {"crst", word_crst, false, 0},
    {"dump", word_dump, false, 0},
    {"envi", word_envi, true, 0},
    {"srst", word_srst, false, 0},
    {"wchc", client_watches_by_session, false, 0},
    {"wchp", client_watches_by_path, false, 0},
    {"wchs", word_wchs, false, 0},
    {"dirs", word_dirs, false, 0},
    {"gtmk", word_gtmk, true, 0},
    {"hash", word_hash, false, 0},
    {"stmk", word_stmk, true, MASK_LEN},
};

static bool is_allowed(const struct client *c, const struct word *w) {
  const char *list = c->port->thread->c->config->four_letter_words;
  return strchr(list, '*') || strstr(list, w->text);
}

static void answer(struct client *c, const struct word *w) {
  if (!is_allowed(c, w))
    client_say(c, "%s is not executed because it is not in the whitelist.\n", w->text);
  else if (!w->always && !is_serving(c))
    client_say(c, "This ZooKeeper instance is not currently serving requests\n");
  else
    w->answer(c);
}

bool client_words(struct client *c, const uint8_t *word) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (memcmp(word, words[i].text, WORD_LEN) != 0) continue;
    if (is_allowed(c, &words[i]) && buffer_len(&c->in) < WORD_LEN + words[i].len) return true;
    answer(c, &words[i]);
    c->last_words = !c->waits_status;
    client_ready(c);
    return true;
  }
  return false;
}
