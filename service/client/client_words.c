/* Four-letter words: a connection that begins with one is answered in text and closed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "service/client/client.h"

#define COMPATIBLE "3.9.5" /* what its clients may expect */

static void say(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct client *c, const char *format, ...) {
  char line[LIMIT_TEXT_LEN];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0) return;
  buffer_append(&c->out, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

static bool is_serving(const struct client *c) { return c->port->thread->state == APP_SERVING; }

static bool say_not_serving(struct client *c) {
  if (is_serving(c)) return false;
  say(c, "This ZooKeeper instance is not currently serving requests\n");
  return true;
}

static const char *mode(const struct client *c) {
  const struct config *config = c->port->thread->c->config;
  if (config->peer_cnt == 1) return "standalone";
  if (c->port->thread->leading) return "leader";
  return config->peers[config->self_idx].role == ROLE_OBSERVER ? "observer" : "follower";
}

static double average(const struct client_stats *s) {
  return s->latency_cnt ? (double)s->latency_sum / (double)s->latency_cnt : 0;
}

static void say_version(struct client *c) {
  say(c, "Zookeeper version: %s-zabline-%s, built on %s\n", COMPATIBLE, ZABLINE_VERSION,
      c->port->thread->c->build);
}

static void say_server(struct client *c) {
  const struct client_port *p = c->port;
  const struct client_stats *s = &p->stats;
  say(c, "Latency min/avg/max: %llu/%.4g/%llu\n", (unsigned long long)s->latency_min, average(s),
      (unsigned long long)s->latency_max);
  say(c, "Received: %llu\nSent: %llu\n", (unsigned long long)s->received,
      (unsigned long long)s->sent);
  say(c, "Connections: %d\nOutstanding: %u\n", p->client_cnt, p->outstanding);
  say(c, "Zxid: 0x%llx\nMode: %s\n", (unsigned long long)p->app->tree.applied, mode(c));
  say(c, "Node count: %llu\n", (unsigned long long)p->app->tree.node_cnt + 1);
}

static void word_srvr(struct client *c) {
  if (say_not_serving(c)) return;
  say_version(c);
  say_server(c);
}

static void word_stat(struct client *c) {
  if (say_not_serving(c)) return;
  say_version(c);
  say(c, "Clients:\n");
  for (int i = 0; i < c->port->client_cnt; i++) {
    const struct client *o = c->port->clients[i];
    say(c, " /%s:%u[%d](queued=%u,recved=%llu,sent=%llu)\n", o->address, o->from_port,
        o->phase == CLIENT_OPEN, o->ask_cnt, (unsigned long long)o->received,
        (unsigned long long)o->sent);
  }
  say(c, "\n");
  say_server(c);
}

static void word_ruok(struct client *c) { say(c, "imok"); }
static void word_isro(struct client *c) { say(c, is_serving(c) ? "rw" : "null"); }

static uint64_t ephemerals(const struct tree *t) {
  const struct owner *o, *next;
  uint64_t cnt = 0;
  HASH_ITER(hh, t->owners, o, next) {
    if (owner_is_session(o->id)) cnt += o->cnt;
  }
  return cnt;
}

static void say_number(struct client *c, const char *name, uint64_t value) {
  say(c, "zk_%s\t%llu\n", name, (unsigned long long)value);
}

static void word_mntr(struct client *c) {
  const struct client_port *p = c->port;
  const struct tree *t = &p->app->tree;
  if (say_not_serving(c)) return;
  say(c, "zk_version\t%s-zabline-%s, built on %s\n", COMPATIBLE, ZABLINE_VERSION,
      p->thread->c->build);
  say(c, "zk_server_state\t%s\n", mode(c));
  say(c, "zk_avg_latency\t%.4g\n", average(&p->stats));
  say_number(c, "min_latency", p->stats.latency_min);
  say_number(c, "max_latency", p->stats.latency_max);
  say_number(c, "packets_received", p->stats.received);
  say_number(c, "packets_sent", p->stats.sent);
  say_number(c, "num_alive_connections", (uint64_t)p->client_cnt);
  say_number(c, "outstanding_requests", p->outstanding);
  say_number(c, "znode_count", t->node_cnt + 1);
  say_number(c, "watch_count", p->watch_cnt);
  say_number(c, "ephemerals_count", ephemerals(t));
  say_number(c, "approximate_data_size", t->data_bytes);
  say_number(c, "global_sessions", HASH_COUNT(t->sessions));
  say_number(c, "digest_mismatches_count", t->digest_mismatches);
  say_number(c, "connection_rejected", counters_get(p->thread->c->own_counters, REASON_CONN_LIMIT));
}

struct word {
  const char *text;
  void (*answer)(struct client *c); /* NULL: known, and not on the list of those allowed */
};

static const struct word words[] = {
    {"srvr", word_srvr}, {"stat", word_stat}, {"ruok", word_ruok}, {"isro", word_isro},
    {"mntr", word_mntr}, {"conf", NULL},      {"cons", NULL},      {"crst", NULL},
    {"dirs", NULL},      {"dump", NULL},      {"envi", NULL},      {"gtmk", NULL},
    {"hash", NULL},      {"stmk", NULL},      {"srst", NULL},      {"wchc", NULL},
    {"wchp", NULL},      {"wchs", NULL},
};

bool client_words(struct client *c, const uint8_t *word) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (memcmp(word, words[i].text, 4) != 0) continue;
    if (words[i].answer)
      words[i].answer(c);
    else
      say(c, "%s is not executed because it is not in the whitelist.\n", words[i].text);
    c->last_words = true;
    client_ready(c);
    return true;
  }
  return false;
}
