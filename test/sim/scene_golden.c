/* What of a scenario's trace is compared with its file: for each node, and for each pair that
 * speaks, the protocol's actions in their order.
 *
 * Left out: times; the order between lanes (that is what waits, triggers and oracles are for);
 * votes; UPTODATE and when a node begins to serve (whose ACK completes a quorum is a matter of
 * microseconds); repeats of one action; how many records are committed together, and
 * those of the end that every scenario has. */
#include <stdio.h>
#include <string.h>

#include "test/sim/scene_parts.h"

/* How the values are shown: z zxid, e the epoch of a zxid, n a number. */
static const struct shown {
  const char *action, *values;
  bool runs; /* of several behind each other the last is shown */
} shown[] = {{"Recovered", "znn", false},
             {"NodeCrash", "", false},
             {"PowerLoss", "", false},
             {"NodeExit", "n", false},
             {"DiskLost", "", false},
             {"ConnectAndFollowerSendFOLLOWERINFO", "e", false},
             {"LeaderSendLEADERINFO", "e", false},
             {"FollowerProcessLEADERINFO", "z", false},
             {"LeaderCurrentEpoch", "nz", false},
             {"LeaderSyncFollower_DIFF", "z", false},
             {"LeaderSyncFollower_TRUNC", "z", false},
             {"LeaderSyncFollower_SNAP", "z", false},
             {"LeaderSendNEWLEADER", "e", false},
             {"FollowerProcessNEWLEADER", "e", false},
             {"Establish", "nz", false},
             {"Commit", "z", true},
             {"Restored", "z", false}};

static const struct shown *shown_of(const struct trace_row *r) {
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
    if (r->names && !strcmp(shown[i].action, r->action)) return &shown[i];
  return NULL;
}

static void print_zxid(char *to, size_t len, zxid_t zxid) {
  size_t at = strlen(to);
  if (scene->only_epochs && zxid_counter(zxid))
    snprintf(to + at, len - at, " %u:*", zxid_epoch(zxid));
  else
    snprintf(to + at, len - at, " %u:%u", zxid_epoch(zxid), zxid_counter(zxid));
}

static void describe(const struct shown *s, const struct trace_row *r, char *to, size_t len) {
  const char *name = r->names;
  snprintf(to, len, "%s", s->action);
  for (int i = 0; s->values[i]; i++) {
    size_t at = strlen(to);
    if (s->values[i] == 'z') print_zxid(to, len, r->v[i]);
    if (s->values[i] == 'e') snprintf(to + at, len - at, " %u", zxid_epoch(r->v[i]));
    if (s->values[i] == 'n' && i)
      snprintf(to + at, len - at, " %.*s", (int)strcspn(name, " "), name), at = strlen(to);
    if (s->values[i] == 'n') snprintf(to + at, len - at, " %llu", (unsigned long long)r->v[i]);
    name += strcspn(name, " ");
    name += *name == ' ';
  }
}

static const struct trace_row *next_of(int node, int peer, uint32_t *at) {
  uint32_t end = scene->golden_end ? scene->golden_end : scene->log.cnt;
  while (*at < end) {
    const struct trace_row *r = &scene->log.at[(*at)++];
    const struct shown *s = r->node == node && r->peer == peer ? shown_of(r) : NULL;
    if (s && !(s->runs && *at > scene->ended)) return r;
  }
  return NULL;
}

/* Does the same come again, before anything but commits? */
static bool goes_on(const struct trace_row *r, int node, int peer, uint32_t at) {
  const struct trace_row *next;
  while ((next = next_of(node, peer, &at)) && shown_of(next)->runs)
    if (next->action == r->action && zxid_epoch(next->v[0]) == zxid_epoch(r->v[0])) return true;
  return false;
}

static void print_lane(int node, int peer) {
  char text[SCENE_TEXT], last[SCENE_TEXT] = "";
  const struct trace_row *r;
  bool any = false;
  for (uint32_t at = scene->golden; (r = next_of(node, peer, &at));) {
    const struct shown *s = shown_of(r);
    if (s->runs && goes_on(r, node, peer, at)) continue;
    describe(s, r, text, sizeof text);
    if (!strcmp(text, last)) continue;
    strcpy(last, text);
    if (!any && peer < 0) printf("n%d\n", node + 1);
    if (!any && peer >= 0) printf("n%d>n%d\n", node + 1, peer + 1);
    printf("  %s\n", text);
    any = true;
  }
}

void scene_golden(void) {
  if (scene->no_trace) return;
  for (int node = 0; node < world->plan.nodes; node++)
    for (int peer = -1; peer < world->plan.nodes; peer++) print_lane(node, peer);
}
