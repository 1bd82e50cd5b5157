/* What a client asks: few paths, so that they get in each other's way. */
#include <stdio.h>
#include <string.h>

#include "proto/crc32c.h"
#include "test/sim/zk_parts.h"

static uint64_t below(uint64_t n) { return random_below(&zk.random, n); }

void zk_data(uint64_t salt, uint8_t *dst, uint32_t len) {
  struct random r = {salt};
  for (uint32_t i = 0; i < len; i++) dst[i] = (uint8_t)random_next(&r);
}

static void draw_data(struct zk_do *op) {
  uint8_t bytes[ZK_DATA];
  op->salt = random_next(&zk.random);
  op->len = (uint32_t)random_tail(&zk.random, 0, ZK_DATA);
  zk_data(op->salt, bytes, op->len);
  op->crc = crc32c(bytes, op->len);
}

/* Mostly the version that it knows. */
static int32_t version_of(const struct zk_client *c, uint64_t i) {
  uint64_t how = below(4);
  return how == 0 ? -1 : how == 1 ? (int32_t)below(4) : c->known[i];
}

static void draw_register(const struct zk_client *c, struct zk_do *op) {
  uint64_t i = below(ZK_REGISTERS), child = below(6) == 0;
  if (child)
    snprintf(op->path, ZK_PATH, "/r%d/c%d", (int)i, (int)below(2));
  else
    snprintf(op->path, ZK_PATH, "/r%d", (int)i);
  op->version = child ? -1 : version_of(c, i);
}

void zk_draw_ephemeral(struct zk_ask *a) {
  *a = (struct zk_ask){.type = OP_CREATE, .op_cnt = 1};
  a->op[0].type = OP_CREATE;
  a->op[0].flags = CREATE_EPHEMERAL;
  snprintf(a->op[0].path, ZK_PATH, "/e%d", (int)below(3));
  draw_data(&a->op[0]);
}

static void draw_create(struct zk_client *c, struct zk_do *op) {
  static const int32_t types[] = {OP_CREATE, OP_CREATE2};
  op->type = types[below(2)];
  draw_data(op);
  switch (below(8)) {
    case 0:
    case 1:
      snprintf(op->path, ZK_PATH, "/e%d%s", (int)below(3), below(4) ? "" : "/x");
      op->flags = CREATE_EPHEMERAL;
      break;
    case 2:
      snprintf(op->path, ZK_PATH, "/q%s", below(4) ? "/s-" : "");
      if (op->path[2]) op->flags = below(4) ? CREATE_EPHEMERAL_SEQUENTIAL : CREATE_SEQUENTIAL;
      break;
    case 3:
      snprintf(op->path, ZK_PATH, "/k%d%s", (int)below(2), below(3) ? "/c" : "");
      op->flags = op->path[3] ? CREATE_EPHEMERAL : CREATE_CONTAINER;
      if (!op->path[3]) op->type = OP_CREATE_CONTAINER;
      break;
    case 4:
      snprintf(op->path, ZK_PATH, "/t%d", (int)below(2));
      op->type = OP_CREATE_TTL;
      op->flags = CREATE_TTL;
      op->ttl_ms = (int32_t)random_between(&zk.random, 20, 400);
      break;
    default:
      draw_register(c, op);
      break;
  }
}

static void draw_delete(struct zk_client *c, struct zk_do *op) {
  op->type = OP_DELETE;
  op->version = -1;
  uint64_t how = below(6);
  if (how == 0 && c->made_cnt)
    strcpy(op->path, c->made[below(c->made_cnt < 4 ? c->made_cnt : 4)]);
  else if (how == 1)
    snprintf(op->path, ZK_PATH, "/e%d", (int)below(3));
  else if (how == 2)
    snprintf(op->path, ZK_PATH, "/k%d/c", (int)below(2));
  else
    draw_register(c, op);
}

static void draw_set(const struct zk_client *c, struct zk_do *op) {
  op->type = OP_SET_DATA;
  draw_register(c, op);
  draw_data(op);
}

static void draw_path(struct zk_do *op) {
  static const char *const others[] = {"/", "/q", "/e0", "/e1", "/e2", "/k0", "/k1", "/t0", "/t1"};
  if (below(2))
    snprintf(op->path, ZK_PATH, "/r%d", (int)below(ZK_REGISTERS));
  else
    strcpy(op->path, others[below(sizeof others / sizeof others[0])]);
}

static void draw_read(struct zk_do *op) {
  static const int32_t types[] = {OP_EXISTS, OP_GET_DATA, OP_GET_CHILDREN2};
  op->type = types[below(3)];
  draw_path(op);
  op->watch = below(3) == 0;
}

static void draw_multi(struct zk_client *c, struct zk_ask *a) {
  a->op_cnt = 1 + (int)below(ZK_MULTI);
  for (int i = 0; i < a->op_cnt; i++) {
    struct zk_do *op = &a->op[i];
    uint64_t how = below(8);
    if (how < 3) {
      draw_create(c, op);
    } else if (how < 4) {
      draw_delete(c, op);
    } else if (how < 7) {
      draw_set(c, op);
    } else {
      op->type = OP_CHECK;
      draw_register(c, op);
    }
    if (below(2)) op->version = -1;
  }
}

void zk_draw(struct zk_client *c, struct zk_ask *a) {
  *a = (struct zk_ask){.op_cnt = 1};
  uint64_t how = below(100);
  if (how < 25) {
    draw_set(c, &a->op[0]);
  } else if (how < 50) {
    draw_create(c, &a->op[0]);
  } else if (how < 58) {
    draw_delete(c, &a->op[0]);
  } else if (how < 70) {
    draw_multi(c, a);
    a->type = OP_MULTI;
    return;
  } else if (how < 78) {
    a->op[0].type = OP_SYNC;
    draw_path(&a->op[0]);
  } else if (how < 81) {
    a->op[0].type = OP_SET_ACL;
    draw_register(c, &a->op[0]);
    a->op[0].version = -1;
    a->op[0].flags = (int32_t)below(2);
  } else if (how < 83) {
    a->op[0].type = OP_CLOSE_SESSION;
  } else {
    draw_read(&a->op[0]);
  }
  a->type = a->op[0].type;
}
