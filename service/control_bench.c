/* BENCH: a closed loop inside the leader's app thread, `outstanding` records in flight.  Latency is
 * the fast lcore's own histogram (proposed to committed), counts after minus counts before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "service/control.h"

#define QUEUED \
  512 /* with one outstanding, the fast lcore closes the loop: this many wait before it */
#define BENCH_CLIENT UINT64_MAX /* reserved: zabctl's random ids are below */

static struct latency *latency_since(struct latency *d, const struct latency *now) {
  for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
    uint64_t before = atomic_load_explicit(&d->cnt[i], memory_order_relaxed);
    uint64_t after = now ? atomic_load_explicit(&now->cnt[i], memory_order_relaxed) : 0;
    atomic_store_explicit(&d->cnt[i], after - before, memory_order_relaxed);
  }
  return d;
}

static void copy_latency(struct latency *d, const struct latency *from) {
  latency_clear(d);
  for (unsigned i = 0; from && i < LATENCY_BUCKETS; i++)
    atomic_store_explicit(&d->cnt[i], atomic_load_explicit(&from->cnt[i], memory_order_relaxed),
                          memory_order_relaxed);
}

enum control_taken control_on_bench(struct control_conn *n, const struct control_frame *f) {
  struct control *c = n->control;
  struct app_thread *t = c->thread;
  struct control_bench *b = &c->bench;
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  uint64_t count = (uint64_t)cursor_i64(&in);
  uint32_t size = (uint32_t)cursor_i32(&in), outstanding = (uint32_t)cursor_i32(&in);
  if (in.bad || n->job != JOB_NONE || b->conn || !count || !outstanding ||
      outstanding > LIMIT_SUBMIT_OUTSTANDING || count > 1000u * 1000u * 1000u ||
      size > t->c->config->largest_record - APP_LOG_TXN_OVERHEAD || !app_log_of(&t->app)) {
    control_fail(n, REASON_CONTROL_BAD,
                 "bench: a bench runs already, or an argument is out of range");
    return CONTROL_TAKEN;
  }
  if (t->state != APP_SERVING || !t->leading) return control_not_leading(n);
  free(b->request);
  *b = (struct control_bench){.conn = n, .count = count, .size = size, .outstanding = outstanding};
  b->first = app_log_expected(app_log_of(&t->app), BENCH_CLIENT);
  b->request = memory_or_end(calloc(1, APP_LOG_REQUEST_HEADER + (size_t)size),
                             APP_LOG_REQUEST_HEADER + (size_t)size);
  b->begin_ns = uv_hrtime();
  copy_latency(&b->before, t->c->latency);
  t->c->rings.one_at_a_time(t->c->rings.self, outstanding == 1);
  n->job = JOB_BENCH;
  return CONTROL_TAKEN;
}

static void end(struct control *c, enum reason r) {
  struct control_conn *n = c->bench.conn;
  c->thread->c->rings.one_at_a_time(c->thread->c->rings.self, false);
  c->bench.conn = NULL;
  n->job = JOB_NONE;
  if (r != REASON_NONE) control_fail(n, r, reason_text(r));
}

static void report(struct control *c) {
  struct control_bench *b = &c->bench;
  double seconds = (double)(uv_hrtime() - b->begin_ns) / 1e9;
  struct latency *l = latency_since(&b->before, c->thread->c->latency);
  char text[LIMIT_TEXT_LEN];
  snprintf(text, sizeof text,
           "{\"count\":%llu,\"size\":%u,\"outstanding\":%u,\"seconds\":%.6f,"
           "\"throughput_per_s\":%.0f,\"samples\":%llu,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"p999_us\":%.3f,\"max_us\":%.3f}",
           (unsigned long long)b->count, b->size, b->outstanding, seconds,
           (double)b->count / (seconds > 0 ? seconds : 1e-9), (unsigned long long)latency_total(l),
           latency_us(l, 50000), latency_us(l, 99000), latency_us(l, 99900), latency_us(l, 100000));
  control_send_json(b->conn, text);
}

bool control_bench_turn(struct control *c) {
  struct control_bench *b = &c->bench;
  if (!b->conn) return false;
  if (b->applied == b->count) {
    report(c);
    end(c, REASON_NONE);
    return true;
  }
  int done = 0;
  for (; done < LIMIT_APP_TURN && b->proposed < b->count; done++) {
    if (b->proposed - b->applied >= (b->outstanding == 1 ? QUEUED : b->outstanding)) break;
    app_log_request_write(b->request, BENCH_CLIENT, b->first + b->proposed);
    enum reason r = app_submit(c->thread, b->request, APP_LOG_REQUEST_HEADER + b->size);
    if (r == REASON_BUSY) break;
    if (r != REASON_NONE) {
      end(c, r);
      return true;
    }
    b->proposed++;
  }
  return done > 0;
}

void control_bench_applied(struct control *c, const struct app_log_txn *t) {
  struct control_bench *b = &c->bench;
  if (!b->conn || t->type != APP_LOG_RECORD || t->client != BENCH_CLIENT) return;
  if (t->sequence >= b->first) b->applied++; /* before: of a bench whose client has gone */
}

void control_bench_stopped(struct control *c) {
  if (c->bench.conn) end(c, REASON_LEADER_CHANGED);
}

void control_bench_closed(struct control *c, const struct control_conn *n) {
  if (c->bench.conn != n) return;
  c->thread->c->rings.one_at_a_time(c->thread->c->rings.self, false);
  c->bench.conn = NULL;
}
