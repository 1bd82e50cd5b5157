/* Lines of a scenario that bend the network.
 *
 *      cut n1>n3 n2-n3 [fast|fast0|tcp|quorum|election]     heal [LINKS [PATH]]
 *      lose|hold|double|spoil|keep LINKS [FRAME] [TIMES]    release, replay [LINKS]
 *      delay LINKS 5ms     reset n1-n2
 *
 * A cut of TCP holds what is sent until it is healed (or the connection dies of it); frames are
 * lost.  spoil: a bit of the records, or of the header, turns after the NIC's check. */
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "test/sim/scene_parts.h"

enum rule_kind { RULE_LOSE, RULE_HOLD, RULE_DOUBLE, RULE_SPOIL, RULE_KEEP };

struct rule {
  bool on;
  enum rule_kind kind;
  struct scene_links links;
  int type; /* 0: any frame */
  uint64_t times;
};

#define RULES 16
#define FRAMES 4096

static struct rule rules[RULES];
static struct {
  struct datagram *at[FRAMES];
  int cnt;
} held, kept;

static bool is_in(const struct scene_links *l, int from, int to) { return l->to[from] >> to & 1u; }

/* ---- cuts ---- */

enum cut_path { CUT_ALL = -1, CUT_FAST = -2, CUT_TCP = -3, CUT_QUORUM = -4, CUT_ELECTION = -5 };

static int path_of(struct words *w) {
  static const struct {
    const char *name;
    int path;
  } paths[] = {
      {"all", CUT_ALL},           {"fast", CUT_FAST}, {"tcp", CUT_TCP}, {"quorum", CUT_QUORUM},
      {"election", CUT_ELECTION}, {"fast0", 0},       {"fast1", 1}};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    if (words_take(w, paths[i].name)) return paths[i].path;
  return CUT_ALL;
}

static void set_cut(const struct scene_links *l, int path, bool cut) {
  struct network *n = world->network;
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = 0; b < world->plan.nodes; b++) {
      if (!is_in(l, a, b)) continue;
      if (path == CUT_ALL || path == CUT_TCP) n->stream_cut[a][b] = cut;
      if (path == CUT_QUORUM || path == CUT_ALL) n->quorum_cut[a][b] = cut && path != CUT_ALL;
      if (path == CUT_ELECTION || path == CUT_ALL) n->election_cut[a][b] = cut && path != CUT_ALL;
      for (int p = 0; p < LIMIT_FAST_PATHS; p++)
        if (path == CUT_ALL || path == CUT_FAST || path == p) n->link[a][b][p].cut = cut;
    }
}

static void do_cut(struct words *w) {
  struct scene_links l = words_links(w);
  set_cut(&l, path_of(w), true);
}

static struct scene_links links_or_all(struct words *w) {
  struct scene_links l = words_links(w);
  bool any = false;
  for (int a = 0; a < LIMIT_VOTERS; a++) any |= l.to[a] != 0;
  for (int a = 0; a < world->plan.nodes && !any; a++)
    l.to[a] = ((1u << world->plan.nodes) - 1) & ~(1u << a);
  return l;
}

static void do_heal(struct words *w) {
  bool all = !words_peek(w);
  struct scene_links l = links_or_all(w);
  set_cut(&l, path_of(w), false);
  if (all) scene_heal_net();
}

static void do_reset(struct words *w) {
  struct scene_links l = words_links(w);
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = a + 1; b < world->plan.nodes; b++)
      if (is_in(&l, a, b) || is_in(&l, b, a)) tcps_reset(a, b);
}

static void do_delay(struct words *w) {
  struct scene_links l = words_links(w);
  uint64_t ns = words_time(w);
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = 0; b < world->plan.nodes; b++)
      for (int p = 0; p < LIMIT_FAST_PATHS && is_in(&l, a, b); p++)
        world->network->link[a][b][p].extra = ns;
}

/* ---- single frames ---- */

static int frame_type(struct words *w) {
  for (int t = FRAME_PROPOSAL; t <= FRAME_INFORM; t++)
    if (words_take(w, frame_name((uint8_t)t))) return t;
  return 0;
}

static void add_rule(struct words *w, enum rule_kind kind) {
  int i = 0;
  while (i < RULES && rules[i].on) i++;
  if (i == RULES) scene_fail("too many rules for frames", "");
  rules[i] = (struct rule){.on = true, .kind = kind, .times = UINT64_MAX};
  rules[i].links = words_links(w);
  rules[i].type = frame_type(w);
  words_take_number(w, &rules[i].times);
}

static void do_lose(struct words *w) { add_rule(w, RULE_LOSE); }
static void do_hold(struct words *w) { add_rule(w, RULE_HOLD); }
static void do_double(struct words *w) { add_rule(w, RULE_DOUBLE); }
static void do_spoil(struct words *w) { add_rule(w, RULE_SPOIL); }
static void do_keep(struct words *w) { add_rule(w, RULE_KEEP); }

static struct datagram *copy(const struct datagram *d) {
  struct datagram *c = datagram_new();
  memcpy(c, d, sizeof *d + d->len);
  return c;
}

static void put_away(struct datagram *d, bool for_replay) {
  if ((for_replay ? kept.cnt : held.cnt) == FRAMES) scene_fail("too many frames are kept", "");
  if (for_replay)
    kept.at[kept.cnt++] = d;
  else
    held.at[held.cnt++] = d;
}

static void spoil(struct datagram *d) {
  d->corrupt = true;
  const struct frame_header *h = (const void *)d->bytes;
  bool records = h->type == FRAME_PROPOSAL || h->type == FRAME_REQUEST;
  d->bytes[records ? d->len - 1 : sizeof *h / 2] ^= 0x10;
}

static struct rule *rule_for(const struct datagram *d) {
  for (int i = 0; i < RULES; i++) {
    struct rule *r = &rules[i];
    if (!r->on || !is_in(&r->links, d->from, d->to)) continue;
    if (r->type && r->type != ((const struct frame_header *)(const void *)d->bytes)->type) continue;
    if (--r->times == 0) r->on = false;
    return r;
  }
  return NULL;
}

bool scene_datagram(struct datagram *d) {
  const struct frame_header *h = (const void *)d->bytes;
  if (!scene) return true;
  scene_seen(d->from, d->to, frame_name(h->type), zxid_make(h->epoch, 0));
  const struct rule *r = rule_for(d);
  if (!r) return true;
  switch (r->kind) {
    case RULE_LOSE:
      datagram_free(d);
      return false;
    case RULE_HOLD:
      put_away(d, false);
      return false;
    case RULE_DOUBLE:
      datagram_fly(copy(d), network_delay(d->from, d->to));
      return true;
    case RULE_SPOIL:
      spoil(d);
      return true;
    default:
      put_away(copy(d), true);
      return true;
  }
}

static void do_release(struct words *w) {
  struct scene_links l = links_or_all(w);
  int left = 0;
  for (int i = 0; i < RULES; i++)
    if (rules[i].kind == RULE_HOLD) rules[i].on = false;
  for (int i = 0; i < held.cnt; i++) {
    struct datagram *d = held.at[i];
    if (is_in(&l, d->from, d->to))
      datagram_fly(d, network_delay(d->from, d->to));
    else
      held.at[left++] = d;
  }
  held.cnt = left;
}

static void do_replay(struct words *w) {
  struct scene_links l = links_or_all(w);
  bool any = false;
  for (int i = 0; i < kept.cnt; i++) {
    const struct datagram *d = kept.at[i];
    if (!is_in(&l, d->from, d->to)) continue;
    struct datagram *again = copy(d);
    again->stale = any = true;
    datagram_fly(again, network_delay(d->from, d->to));
  }
  if (!any) scene_fail("nothing was kept on these links", "");
}

void scene_heal_net(void) {
  struct scene_links all = {{0}};
  for (int a = 0; a < world->plan.nodes; a++) all.to[a] = ~(1u << a);
  set_cut(&all, CUT_ALL, false);
  for (int i = 0; i < RULES; i++) rules[i].on = false;
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = 0; b < world->plan.nodes; b++)
      for (int p = 0; p < LIMIT_FAST_PATHS; p++) world->network->link[a][b][p].extra = 0;
}

const struct scene_verb scene_net_verbs[] = {
    {"cut", do_cut},   {"heal", do_heal},       {"reset", do_reset},   {"delay", do_delay},
    {"lose", do_lose}, {"hold", do_hold},       {"double", do_double}, {"spoil", do_spoil},
    {"keep", do_keep}, {"release", do_release}, {"replay", do_replay}, {NULL, NULL}};
