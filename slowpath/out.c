#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

struct replica_action *act(struct replica_actions *a, enum replica_action_type type) {
  assert(a->cnt < LIMIT_SLOW_ACTIONS);
  struct replica_action *action = &a->at[a->cnt++];
  memset(action, 0, sizeof *action);
  action->type = type;
  return action;
}

void act_log(struct replica_actions *a, struct log_event e) { act(a, ACT_LOG)->log = e; }

void act_fast(struct replica_actions *a, struct fast_msg m) { act(a, ACT_FAST)->fast = m; }

void act_app(struct replica_actions *a, struct app_msg m) { act(a, ACT_APP)->app = m; }

uint32_t act_disk(struct replica *r, int owner, struct disk_msg m, struct replica_actions *a) {
  r->disk_seq = (r->disk_seq + 1) & (UINT32_MAX >> DISK_OWNER_BITS);
  if (r->disk_seq == 0) r->disk_seq = 1; /* tag 0 is "none" */
  m.tag = r->disk_seq << DISK_OWNER_BITS | (uint32_t)owner;
  if (m.buf) {
    assert(owner <= LIMIT_LEARNERS && r->lent[owner] == 0);
    r->lent[owner] = m.tag;
  }
  act(a, ACT_DISK)->disk = m;
  return m.tag;
}

void act_send(struct replica_actions *a, int conn, struct packet p) {
  struct replica_action *action = act(a, ACT_SEND);
  action->conn = conn;
  action->packet = p;
}

uint8_t *arena_take(struct replica *r, uint32_t len) {
  assert(len <= REPLICA_ARENA - r->arena_len);
  uint8_t *p = r->arena + r->arena_len;
  r->arena_len += len;
  return p;
}

struct extension own_extension(const struct replica *r) {
  const struct config *c = r->config;
  const struct config_fast *fast = &c->peers[c->self_idx].fast[0];
  struct extension e = {.present = true,
                        .durability = (uint8_t)c->durability,
                        .largest_record = c->largest_record,
                        .mtu = c->mtu,
                        .fast_ip = fast->ip,
                        .fast_port = fast->udp_port,
                        .features = FEATURE_TCP_FRAMES | FEATURE_IN_PLACE | FEATURE_REPAIR};
  memcpy(e.build, r->build, sizeof e.build);
  memcpy(e.cluster, c->cluster, sizeof e.cluster);
  return e;
}

struct span extension_span(struct replica *r, const void *head, uint32_t head_len,
                           const struct extension *e) {
  uint8_t *p = r->arena + r->arena_len;
  uint32_t room = REPLICA_ARENA - r->arena_len;
  assert(head_len < room);
  if (head_len) memcpy(p, head, head_len);
  size_t len = extension_write(p + head_len, room - head_len, e);
  assert(len > 0); /* REPLICA_ARENA holds what one step can say */
  arena_take(r, head_len + (uint32_t)len);
  return (struct span){p, (int32_t)(head_len + len)};
}
