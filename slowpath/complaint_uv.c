#include "slowpath/complaint_uv.h"

#include <stdio.h>

#include "config/log.h"

#define AGAIN_STRANGER_US 60000000
#define AGAIN_SETTLED_US 5000000

void complaint_init(struct complaints *c, const struct config *config, struct counters *counters,
                    const char *port) {
  *c = (struct complaints){.config = config, .counters = counters, .port = port};
}

/* What a peer sent must not be able to write lines of its own. */
static void plain(char *dst, size_t cap, const char *src) {
  size_t len = 0;
  for (; src[len] && len + 1 < cap; len++)
    dst[len] = src[len] >= ' ' && src[len] < 0x7f ? src[len] : ' ';
  dst[len] = 0;
}

void complaint_say(struct complaints *c, uint64_t now_us, const struct complaint *what) {
  bool stranger = what->peer_idx == COMPLAINT_STRANGER;
  uint64_t *again_us = &c->of[what->peer_idx + 1][what->reason].again_us;
  counters_add(c->counters, what->reason, 1);
  if (now_us < *again_us) return;
  *again_us = stranger ? now_us + AGAIN_STRANGER_US : UINT64_MAX;
  c->of[what->peer_idx + 1][what->reason].said_us = now_us;
  char who[32] = "somebody", detail[LIMIT_TEXT_LEN] = "";
  if (!stranger) snprintf(who, sizeof who, "node %d", c->config->peers[what->peer_idx].id);
  if (what->detail) plain(detail, sizeof detail, what->detail);
  log_line(LEVEL_WARN, c->config->id, "%s: %s%s%s%s: %s%s%s", c->port, who, what->where ? " (" : "",
           what->where ? what->where : "", what->where ? ")" : "", reason_text(what->reason),
           what->detail ? ": " : "", detail);
}

void complaint_settled(struct complaints *c, int peer_idx, enum reason r) {
  if (c->of[peer_idx + 1][r].again_us != UINT64_MAX) return;
  c->of[peer_idx + 1][r].again_us = c->of[peer_idx + 1][r].said_us + AGAIN_SETTLED_US;
}
