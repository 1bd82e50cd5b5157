/* scene_parts.h - what the scene_*.c files share. */
#ifndef ZABLINE_TEST_SIM_SCENE_PARTS_H
#define ZABLINE_TEST_SIM_SCENE_PARTS_H

#include "test/sim/client.h"
#include "test/sim/oracle_state.h"
#include "test/sim/scene.h"
#include "test/sim/world.h"

#define SCENE_WORDS 24
#define SCENE_TEXT 256
#define SCENE_WATCHES 32

/* A line, cut into words; `next` is what is read next. */
struct words {
  int line, cnt, next;
  char *at[SCENE_WORDS];
  char text[SCENE_TEXT];
};

/* What has happened since the start: rows of the trace. */
struct scene_log {
  uint32_t cnt, cap;
  struct trace_row *at;
};

struct scene {
  const char *file;
  int line; /* that runs */
  struct scene_log log;
  uint32_t marked;     /* `expect` looks at rows from here on */
  uint32_t golden;     /* the golden trace begins here */
  uint32_t golden_end; /* ... and ends here; 0: at the end */
  uint32_t ended;      /* the scenario's own lines end here */
  bool only_epochs;    /* it shows no counters */
  bool no_trace;       /* there is none: what happens is luck, only the oracles judge */
  nodeset_t stays;     /* down (or out) at the end */
  bool no_service;     /* at the end nobody may serve */
  bool no_end;         /* ... or whoever does: only the oracles judge */
  uint64_t end_ns;     /* ... or all must within */
  uint64_t load_every[CLIENTS];
  int request[LIMIT_VOTERS]; /* what the disk thread was asked for last by the slow thread */
};
extern struct scene *scene;

/* scene_fail ends the process: a line of the file is wrong. */
_Noreturn void scene_fail(const char *what, const char *word);

/* ---- scene_words.c ---- */
bool words_cut(struct words *w, const char *line, int number); /* false: an empty line */
const char *words_peek(const struct words *w);                 /* NULL: none is left */
const char *words_next(struct words *w);                       /* fails if none is left */
bool words_take(struct words *w, const char *word);            /* if it is the next */
void words_end(const struct words *w);
int words_node(struct words *w);
bool words_take_node(struct words *w, int *node);
nodeset_t words_nodes(struct words *w); /* n1 n2, or all */
uint64_t words_time(struct words *w);   /* ns */
uint64_t words_number(struct words *w);
bool words_take_number(struct words *w, uint64_t *number);
zxid_t words_zxid(struct words *w);
bool words_take_zxid(struct words *w, zxid_t *zxid);
const char *words_rest(struct words *w, char *dst, size_t len);
/* words_links: n1>n3, n1-n3 (both ways), * for all others; several of them. */
struct scene_links {
  uint32_t to[LIMIT_VOTERS]; /* [from]: bit to */
};
struct scene_links words_links(struct words *w);
bool scene_matches(const char *pattern, const char *name); /* a * at its end: any more */

/* ---- what a line does ---- */
struct scene_verb {
  const char *name;
  void (*run)(struct words *w);
};
bool scene_do(struct words *w); /* false: no such verb */
extern const struct scene_verb scene_net_verbs[], scene_disk_verbs[], scene_when_verbs[];
void scene_watches_end(void); /* each `when` must have come */
void scene_heal_net(void);
void scene_heal_disks(void);

/* ---- scene_cond.c ---- */
/* scene_holds: does the condition hold, looking at events from row `from` on? */
bool scene_holds(struct words *w, uint32_t from);
/* scene_row: is this row what the words say?  `n2 sends NEWLEADER to n3`, `n2 says TEXT`. */
bool scene_row(struct words *w, const struct trace_row *r);
/* scene_packet: the action of a packet's name, or the name itself. */
const char *scene_packet(const char *name);

/* ---- scene_disk.c ---- */
int scene_disk_op(const char *name); /* enum drive_op, -1 */
int scene_disk_fails(struct machine *m, enum drive_op op, const char *name);
int scene_survivors(const char *name); /* enum powercut_survivors */

/* ---- scene_golden.c ---- */
void scene_golden(void);

#endif
