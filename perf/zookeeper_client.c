/* zookeeper_client.c - what a client of ZooKeeper gets, by ZooKeeper's own C client: the same
 * program for every server that speaks its protocol.
 *
 *     zookeeper_client HOSTS latency COUNT   one synchronous set of 100 bytes after the other,
 *                                            COUNT at each host in turn, beside a client that
 *                                            writes 10 times a second
 *     zookeeper_client HOSTS writes SECONDS  asynchronous sets, OUTSTANDING at each host
 *     zookeeper_client HOSTS reads SECONDS   the same with gets
 *     zookeeper_client HOSTS create COUNT    COUNT znodes of 100 bytes, 1,000 below each parent
 *     zookeeper_client HOSTS gap SECONDS     synchronous sets of one session at any of the hosts:
 *                                            the longest time without an answer
 *
 * HOSTS as ZooKeeper's clients take it: host:port,host:port.  `gap` says "ready" when writes go
 * through; SECONDS count from there, and a write that fails is tried again.
 * Prints one JSON object.  Links nothing of Zabline. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zookeeper/zookeeper.h>

#include "perf/raw/samples.h"

#define SIZE 100
#define OUTSTANDING 300 /* ZooKeeper stops reading above 1,000 at one server */
#define HOSTS_MOST 16
#define LIST_LEN 1024
#define NODES 64 /* that are written and read */
#define PARENT_SIZE 1000
#define SESSION_MS 30000
#define CONNECT_S 30
#define WARM_S 1
#define RETRY_NS 1000000
#define OTHER_NS 100000000 /* between two writes of the other client */

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void rest_ns(uint64_t ns) {
  struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  nanosleep(&t, NULL);
}

static _Noreturn void fail(const char *what, int rc) {
  fprintf(stderr, "zookeeper_client: %s: %s\n", what, zerror(rc));
  exit(1);
}

static const char *data(void) {
  static const char bytes[SIZE + 1] =
      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "23456"
      "789";
  return bytes;
}

struct hosts {
  int cnt;
  const char *at[HOSTS_MOST];
};

static struct hosts split(const char *hosts, char list[LIST_LEN]) {
  struct hosts h = {0};
  snprintf(list, LIST_LEN, "%s", hosts);
  for (char *next = list, *host; h.cnt < HOSTS_MOST && (host = strsep(&next, ","));)
    h.at[h.cnt++] = host;
  return h;
}

/* ---- sessions ---- */

static void on_session(zhandle_t *zh, int type, int state, const char *path, void *connected) {
  (void)zh, (void)path;
  if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) sem_post(connected);
}

static zhandle_t *join(const char *hosts) {
  static sem_t connected; /* sessions are made one after the other; it outlives them all */
  sem_init(&connected, 0, 0);
  zhandle_t *zh = zookeeper_init(hosts, on_session, SESSION_MS, NULL, &connected, 0);
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += CONNECT_S;
  /* Else the library asks the resolver before each look at its socket: most of a client's time. */
  if (zh) zoo_set_servers_resolution_delay(zh, -1);
  if (!zh || sem_timedwait(&connected, &end)) fail(hosts, ZOPERATIONTIMEOUT);
  return zh;
}

static void make(zhandle_t *zh, const char *path) {
  int rc = zoo_create(zh, path, data(), SIZE, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
  if (rc != ZOK && rc != ZNODEEXISTS) fail(path, rc);
}

static void node_path(char *path, size_t size, uint64_t number) {
  snprintf(path, size, "/perf/%u", (unsigned)(number % NODES));
}

static void make_nodes(zhandle_t *zh) {
  char path[64];
  make(zh, "/perf");
  for (unsigned i = 0; i < NODES; i++) {
    node_path(path, sizeof path, i);
    make(zh, path);
  }
}

static int set_one(zhandle_t *zh, uint64_t number) {
  char path[64];
  node_path(path, sizeof path, number);
  return zoo_set(zh, path, data(), SIZE, -1);
}

/* ---- one at a time ---- */

static void latency_at(const char *host, uint64_t *ns, long count) {
  zhandle_t *zh = join(host);
  make_nodes(zh);
  for (long i = 0; i < count; i++) {
    uint64_t begin = now_ns();
    int rc = set_one(zh, (uint64_t)i);
    ns[i] = now_ns() - begin;
    if (rc != ZOK) fail("set", rc);
  }
  zookeeper_close(zh);
}

/* A second client that writes now and then.  In ZooKeeper 3.8.0 a follower sometimes does not
 * deliver what is committed before the next commit, for as long as that takes: seconds, with one
 * client alone. */
struct other {
  zhandle_t *zh;
  atomic_bool ends;
  pthread_t thread;
};

static void on_other_set(int rc, const struct Stat *stat, const void *data_) {
  (void)rc, (void)stat, (void)data_;
}

static void *write_now_and_then(void *arg) {
  struct other *o = arg;
  while (!atomic_load(&o->ends)) {
    int rc = zoo_aset(o->zh, "/perf", data(), SIZE, -1, on_other_set, NULL);
    if (rc != ZOK) fail("set of the other client", rc);
    rest_ns(OTHER_NS);
  }
  return NULL;
}

static void other_start(struct other *o, const char *hosts) {
  o->zh = join(hosts);
  atomic_init(&o->ends, false);
  make_nodes(o->zh);
  if (pthread_create(&o->thread, NULL, write_now_and_then, o)) fail("thread", ZSYSTEMERROR);
}

static void other_end(struct other *o) {
  atomic_store(&o->ends, true);
  pthread_join(o->thread, NULL);
  zookeeper_close(o->zh);
}

static int latency(const char *hosts, long count) {
  char list[LIST_LEN];
  struct hosts h = split(hosts, list);
  struct other other;
  uint64_t *ns = calloc((size_t)(h.cnt * count), sizeof *ns);
  if (!ns) return 1;
  other_start(&other, hosts);
  for (int i = 0; i < h.cnt; i++) latency_at(h.at[i], ns + i * count, count);
  other_end(&other);
  printf("{");
  samples_print(ns, (size_t)(h.cnt * count));
  printf("}\n");
  free(ns);
  return 0;
}

static int gap(const char *hosts, long seconds) {
  zhandle_t *zh = join(hosts);
  uint64_t longest = 0, acked = 0, failed = 0;
  make_nodes(zh);
  uint64_t last = now_ns(), end = last + (uint64_t)seconds * 1000000000u;
  printf("ready\n");
  fflush(stdout);
  while (now_ns() < end) {
    int rc = set_one(zh, acked);
    if (rc == ZSESSIONEXPIRED || rc == ZINVALIDSTATE) fail("set", rc);
    if (rc != ZOK) {
      failed++;
      rest_ns(RETRY_NS);
      continue;
    }
    uint64_t now = now_ns();
    if (now - last > longest) longest = now - last;
    last = now;
    acked++;
  }
  bool answered = now_ns() - last < 1000000000u;
  printf("{\"gap_ms\": %.3f, \"acked\": %llu, \"failed\": %llu, \"answered\": %s}\n",
         (double)longest / 1e6, (unsigned long long)acked, (unsigned long long)failed,
         answered ? "true" : "false");
  zookeeper_close(zh);
  return 0;
}

/* ---- many at a time ---- */

enum operation { WRITES, READS, CREATE };

struct load {
  enum operation operation;
  uint64_t limit; /* of operations; 0: none */
  atomic_ullong begun, acked;
  atomic_bool stop;
  sem_t idle; /* one place is left in a connection */
};

struct connection {
  struct load *load;
  zhandle_t *zh;
};

static void begin_next(struct connection *c);

static void acknowledge(struct connection *c, int rc) {
  if (rc != ZOK) fail("an operation failed", rc);
  atomic_fetch_add(&c->load->acked, 1);
  begin_next(c);
}

static void on_set(int rc, const struct Stat *stat, const void *connection) {
  (void)stat;
  acknowledge((struct connection *)(uintptr_t)connection, rc);
}

static void on_get(int rc, const char *value, int len, const struct Stat *stat,
                   const void *connection) {
  (void)value, (void)stat;
  if (rc == ZOK && len != SIZE) fail("a get had another length", ZAPIERROR);
  acknowledge((struct connection *)(uintptr_t)connection, rc);
}

static void on_created(int rc, const char *value, const void *connection) {
  (void)value;
  acknowledge((struct connection *)(uintptr_t)connection, rc);
}

static int ask(struct connection *c, uint64_t number) {
  char path[64];
  node_path(path, sizeof path, number);
  switch (c->load->operation) {
    case WRITES:
      return zoo_aset(c->zh, path, data(), SIZE, -1, on_set, c);
    case READS:
      return zoo_aget(c->zh, path, 0, on_get, c);
    default:
      snprintf(path, sizeof path, "/many/%llu/%llu", (unsigned long long)(number / PARENT_SIZE),
               (unsigned long long)number);
      return zoo_acreate(c->zh, path, data(), SIZE, &ZOO_OPEN_ACL_UNSAFE, 0, on_created, c);
  }
}

static void begin_next(struct connection *c) {
  struct load *l = c->load;
  uint64_t number = atomic_fetch_add(&l->begun, 1);
  if (atomic_load(&l->stop) || (l->limit && number >= l->limit)) {
    sem_post(&l->idle);
    return;
  }
  int rc = ask(c, number);
  if (rc != ZOK) fail("an operation was not sent", rc);
}

static void make_parents(zhandle_t *zh, uint64_t count) {
  char path[64];
  make(zh, "/many");
  for (uint64_t i = 0; i * PARENT_SIZE < count; i++) {
    snprintf(path, sizeof path, "/many/%llu", (unsigned long long)i);
    make(zh, path);
  }
}

static void on_synced(int rc, const char *value, const void *idle) {
  (void)value;
  if (rc != ZOK) fail("sync", rc);
  sem_post((sem_t *)(uintptr_t)idle);
}

static void wait_idle(struct load *l, int places) {
  for (int i = 0; i < places; i++) sem_wait(&l->idle);
}

static int many(const char *hosts, enum operation operation, long amount) {
  static struct connection c[HOSTS_MOST];
  static struct load l;
  l.operation = operation;
  l.limit = operation == CREATE ? (uint64_t)amount : 0;
  sem_init(&l.idle, 0, 0);
  char list[LIST_LEN];
  struct hosts h = split(hosts, list);
  int cnt = h.cnt;
  for (int i = 0; i < cnt; i++) c[i] = (struct connection){.load = &l, .zh = join(h.at[i])};
  if (operation == CREATE)
    make_parents(c[0].zh, l.limit);
  else
    make_nodes(c[0].zh);
  for (int i = 0; i < cnt; i++) zoo_async(c[i].zh, "/", on_synced, &l.idle);
  wait_idle(&l, cnt); /* all hosts have the nodes */
  uint64_t begin = now_ns(), acked = 0;
  for (int i = 0; i < cnt * OUTSTANDING; i++) begin_next(&c[i % cnt]);
  if (operation != CREATE) {
    rest_ns(WARM_S * 1000000000ull);
    begin = now_ns();
    acked = atomic_load(&l.acked);
    rest_ns((uint64_t)amount * 1000000000u);
    atomic_store(&l.stop, true);
  } else {
    wait_idle(&l, cnt * OUTSTANDING);
  }
  uint64_t done = atomic_load(&l.acked) - acked, ns = now_ns() - begin;
  if (operation != CREATE) wait_idle(&l, cnt * OUTSTANDING);
  printf("{\"operations\": %llu, \"seconds\": %.3f, \"per_second\": %.0f}\n",
         (unsigned long long)done, (double)ns / 1e9, (double)done * 1e9 / (double)ns);
  for (int i = 0; i < cnt; i++) zookeeper_close(c[i].zh);
  return 0;
}

int main(int argc, char **argv) {
  long amount = argc == 4 ? atol(argv[3]) : 0;
  zoo_set_debug_level((ZooLogLevel)0);
  if (amount > 0 && !strcmp(argv[2], "latency")) return latency(argv[1], amount);
  if (amount > 0 && !strcmp(argv[2], "gap")) return gap(argv[1], amount);
  if (amount > 0 && !strcmp(argv[2], "writes")) return many(argv[1], WRITES, amount);
  if (amount > 0 && !strcmp(argv[2], "reads")) return many(argv[1], READS, amount);
  if (amount > 0 && !strcmp(argv[2], "create")) return many(argv[1], CREATE, amount);
  fprintf(stderr, "usage: zookeeper_client HOSTS latency|writes|reads|create|gap COUNT\n");
  return 2;
}
