/* Watches: what a scenario has asked for when something happens.
 *
 *      when n2 sends ACKEPOCH: power n2 keep none
 *      when 3rd n1 at sync snap.*: kill n1         right before the operation takes effect
 *      when n1 after write epoch.* during CURRENT: power n1
 *      whenever n3 sends NEWLEADER: cut n3-*
 *
 * What only bends the network takes effect at once, before what was sent can arrive; what ends a
 * process comes behind the event, but `at` an operation of its own disk. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "test/sim/scene_parts.h"

enum watch_kind { WATCH_ROW, WATCH_AT, WATCH_AFTER };

struct watch {
  bool on, again;
  enum watch_kind kind;
  uint64_t countdown;
  int node;    /* WATCH_AT, AFTER: whose disk */
  int op;      /* -1: any */
  int request; /* 0: any */
  char pattern[32];
  struct words event, command;
};

static struct watch watches[SCENE_WATCHES];
static struct words due[SCENE_WATCHES]; /* put off to the end of the event */
static int due_cnt;

static const struct {
  const char *name;
  int request;
} requests[] = {
    {"ACCEPTED", DISK_ACCEPTED}, {"CURRENT", DISK_CURRENT},  {"APPEND", DISK_APPEND},
    {"TRUNCATE", DISK_TRUNCATE}, {"SNAP", DISK_SNAP_COMMIT}, {"SNAP_WRITE", DISK_SNAP_WRITE},
    {"DRAIN", DISK_DRAIN},       {"START", DISK_START},      {"MAY_VOTE", DISK_MAY_VOTE}};

static int request_of(const char *name) {
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
    if (!strcmp(name, requests[i].name)) return requests[i].request;
  scene_fail("no request of disk_msg.h", name);
}

/* ---- what is watched ---- */

static bool is_ordinal(const char *s) {
  size_t digits = strspn(s, "0123456789");
  return digits && (!strcmp(s + digits, "st") || !strcmp(s + digits, "nd") ||
                    !strcmp(s + digits, "rd") || !strcmp(s + digits, "th"));
}

static void read_disk_event(struct watch *x) {
  struct words e = x->event;
  x->node = words_node(&e);
  x->kind = !strcmp(words_next(&e), "at") ? WATCH_AT : WATCH_AFTER;
  const char *op = words_next(&e);
  x->op = scene_disk_op(op);
  if (x->op < 0 && strcmp(op, "any")) scene_fail("no disk operation", op);
  snprintf(x->pattern, sizeof x->pattern, "%s", words_next(&e));
  if (words_take(&e, "during")) x->request = request_of(words_next(&e));
  words_end(&e);
}

static void read_event(struct watch *x) {
  struct words e = x->event;
  const char *first = words_next(&e), *second = words_peek(&e);
  struct trace_row none = {.node = -1, .peer = -1};
  if (strcmp(first, "any") && second && (!strcmp(second, "at") || !strcmp(second, "after"))) {
    read_disk_event(x);
    return;
  }
  e = x->event;
  x->kind = WATCH_ROW;
  scene_row(&e, &none);
  words_end(&e);
}

static void watch(struct words *w, bool again) {
  int i = 0;
  while (i < SCENE_WATCHES && watches[i].on) i++;
  if (i == SCENE_WATCHES) scene_fail("too many watches", "");
  struct watch *x = &watches[i];
  *x = (struct watch){.on = true, .again = again, .countdown = 1};
  if (is_ordinal(words_peek(w) ? words_peek(w) : ""))
    x->countdown = strtoull(words_next(w), NULL, 10);
  x->event = *w;
  x->event.cnt = w->next;
  while (words_peek(w)) {
    char *word = w->at[w->next++];
    size_t len = strlen(word);
    x->event.cnt = w->next;
    if (word[len - 1] != ':') continue;
    word[len - 1] = '\0';
    x->command = *w;
    w->next = w->cnt;
    read_event(x);
    return;
  }
  scene_fail("when EVENT: COMMAND; the colon is missing", "");
}

static void do_when(struct words *w) { watch(w, false); }
static void do_whenever(struct words *w) { watch(w, true); }

static void do_forget(struct words *w) {
  (void)w;
  for (int i = 0; i < SCENE_WATCHES; i++) watches[i].on = false;
}

const struct scene_verb scene_when_verbs[] = {
    {"when", do_when}, {"whenever", do_whenever}, {"forget", do_forget}, {NULL, NULL}};

/* A watch for what never came: the scenario is not about what it says. */
void scene_watches_end(void) {
  for (int i = 0; i < SCENE_WATCHES; i++) {
    if (!watches[i].on || watches[i].again) continue;
    scene->line = watches[i].command.line;
    scene_fail("this never happened", "");
  }
}

/* ---- it happens ---- */

static bool only_bends(const struct words *command) {
  static const char *const bends[] = {"cut",   "hold", "lose",  "double", "spoil", "keep",
                                      "delay", "fail", "stall", "pause",  "slow",  "full"};
  const char *verb = words_peek(command);
  for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++)
    if (verb && !strcmp(verb, bends[i])) return true;
  return false;
}

/* Commands behind each other: cut n1-*; power n2 */
static void run_now(struct words command) {
  while (words_peek(&command)) {
    struct words one = command;
    while (words_peek(&command) && !words_take(&command, ";")) command.next++;
    one.cnt = command.next;
    if (one.cnt > one.next && !strcmp(one.at[one.cnt - 1], ";")) one.cnt--;
    scene->line = one.line;
    if (!scene_do(&one)) scene_fail("no such command", words_peek(&one) ? words_peek(&one) : "");
    words_end(&one);
  }
}

static bool fires(struct watch *x) {
  if (--x->countdown) return false;
  x->countdown = 1;
  if (!x->again) x->on = false;
  return true;
}

static void fire(struct watch *x) {
  if (!fires(x)) return;
  int line = scene->line;
  if (only_bends(&x->command)) {
    run_now(x->command);
  } else {
    assert(due_cnt < SCENE_WATCHES);
    due[due_cnt++] = x->command;
  }
  scene->line = line;
}

static void show_watches(const struct trace_row *r) {
  for (int i = 0; i < SCENE_WATCHES; i++) {
    struct watch *x = &watches[i];
    if (!x->on || x->kind != WATCH_ROW) continue;
    struct words event = x->event;
    if (scene_row(&event, r)) fire(x);
  }
}

void scene_note(const struct trace_row *r) {
  if (!scene) return;
  struct scene_log *l = &scene->log;
  if (l->cnt == l->cap) {
    l->cap = l->cap ? 2 * l->cap : 1024;
    l->at = realloc(l->at, l->cap * sizeof *l->at);
    assert(l->at);
  }
  l->at[l->cnt++] = *r;
  show_watches(r);
}

void scene_seen(int node, int peer, const char *action, zxid_t zxid) {
  if (!scene) return;
  show_watches(&(struct trace_row){.action = action,
                                   .names = "zxid",
                                   .node = (int16_t)node,
                                   .peer = (int16_t)peer,
                                   .v = {zxid}});
}

/* `when n1 at ...: power n1`: the process never comes back from this operation. */
static void die_here(struct machine *m, struct watch *x) {
  struct words c = x->command;
  const char *verb = words_next(&c);
  bool own = m == &world->machines[words_node(&c)];
  if (!own || (strcmp(verb, "power") && strcmp(verb, "kill"))) {
    fire(x);
    return;
  }
  if (!fires(x)) return;
  m->dies_how = !strcmp(verb, "power") ? END_POWER : END_KILL;
  m->drive->survivors = words_take(&c, "keep") ? scene_survivors(words_next(&c)) : SURVIVE_NONE;
  m->dying = true;
  if (!words_take(&c, ";")) return;
  assert(due_cnt < SCENE_WATCHES);
  due[due_cnt++] = c;
}

int scene_disk(struct machine *m, enum drive_op op, const char *name, bool over) {
  if (!scene) return 0;
  for (int i = 0; i < SCENE_WATCHES; i++) {
    struct watch *x = &watches[i];
    if (!x->on || x->kind != (over ? WATCH_AFTER : WATCH_AT) || x->node != m->idx) continue;
    if (x->op >= 0 && x->op != (int)op) continue;
    if (x->request && scene->request[m->idx] != x->request) continue;
    if (!scene_matches(x->pattern, name)) continue;
    if (over)
      fire(x);
    else
      die_here(m, x);
  }
  return over ? 0 : scene_disk_fails(m, op, name);
}

void scene_disk_asked(struct machine *m, int request) {
  if (scene) scene->request[m->idx] = request;
}

void scene_after_event(void) {
  if (!scene || !due_cnt) return;
  for (int i = 0; i < due_cnt; i++) {
    struct words c = due[i];
    int line = scene->line;
    run_now(c);
    scene->line = line;
  }
  due_cnt = 0;
}
