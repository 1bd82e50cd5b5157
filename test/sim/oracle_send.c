/* What leaves a node is judged against its durable state at that moment (durable before send: R1,
 * R2, R4, R5, R10, R12; fencing), and obliges it for ever: a later recovery must still know. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/frame.h"
#include "proto/notification.h"
#include "proto/packet.h"
#include "proto/record.h"
#include "storage/store_impl.h"
#include "test/sim/oracle_state.h"
#include "test/sim/scene.h"
#include "test/sim/tcp.h"

/* The bytes of one direction of a connection, until a message is whole. */
struct watch {
  struct packet_reader reader;
  bool greeted;
  uint32_t len, cap;
  uint8_t *bytes;
};

static const struct epochs *epochs_of(const struct machine *m) {
  return &m->node->store->epochs.now;
}
static zxid_t tip_of(const struct machine *m) { return m->node->store->log.last_zxid; }

static bool is_fenced(const struct machine *m) {
  enum bcast_phase p = m->node->bcast.phase;
  return (p == BCAST_CLOSED) && !m->disk.running && m->app.state == APP_IDLE;
}

static void require(bool holds, const struct machine *m, const char *message, const char *rule) {
  if (holds) return;
  const struct epochs *e = epochs_of(m);
  violation(
      "n%d sends %s: %s (accepted %u, current %u, last zxid 0x%llx; fast %d, disk %d, app %d)",
      m->idx + 1, message, rule, e->accepted, e->current, (unsigned long long)tip_of(m),
      m->node->bcast.phase, m->disk.running, m->app.state);
}

static void promise(struct machine *m, uint32_t epoch) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  if (epoch > n->promised) n->promised = epoch;
}

void oracle_promised(struct machine *m, uint32_t epoch) { promise(m, epoch); }

static void acknowledge(struct machine *m, zxid_t zxid) {
  struct oracle *o = oracle_state();
  struct oracle_node *n = &o->node[m->idx];
  if (!history_has(&o->history, n->acked, zxid)) n->acked = zxid;
  n->cut = 0;
}

/* One in so many is checked on the disk itself. */
static void sample(struct machine *m, uint64_t one_in) {
  if (!m->drive->dead && random_below(&world->random_oracle, one_in) == 0) oracle_image(m);
}

/* ---- 2888 ---- */

static uint32_t be32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Fenced before the promise: after it nothing of the old epoch may arise here (5.2). */
void oracle_promises(struct machine *m) {
  require(is_fenced(m), m, "its promise to the disk", "its old role must have ended (fencing)");
  if (m->slow->replica.learn.in_place) oracle_state()->node[m->idx].info_zxid = tip_of(m);
}

static void on_ackepoch(struct machine *m, const struct packet *p) {
  const struct epochs *e = epochs_of(m);
  uint32_t told = p->data.len >= 4 ? be32(p->data.data) : 0;
  require(is_fenced(m), m, "ACKEPOCH", "its old role must have ended (fencing)");
  require(p->zxid == tip_of(m), m, "ACKEPOCH", "it names its last durable zxid (R12)");
  require(e->accepted == m->slow->replica.learn.epoch, m, "ACKEPOCH",
          "the promise is durable before it leaves (R1)");
  if (told == UINT32_MAX) return; /* does not count */
  require(told == e->current, m, "ACKEPOCH", "it names its current epoch (R12)");
  require(oracle_state()->node[m->idx].promised < e->accepted, m, "ACKEPOCH",
          "it counts for one leader only (R1)");
  promise(m, e->accepted);
  sample(m, 8);
}

static void on_learner_ack(struct machine *m, const struct packet *p) {
  const struct epochs *e = epochs_of(m);
  struct oracle *o = oracle_state();
  uint32_t epoch = zxid_epoch(p->zxid);
  require(e->current >= epoch && e->accepted >= epoch, m, "ACK of NEWLEADER",
          "currentEpoch is durable before it (R5)");
  /* ProcessConsistency; what the leader itself has is at least numbered by it */
  const struct history_epoch *h = &o->history.epoch[epoch];
  zxid_t all = h->cnt ? zxid_make(epoch, h->cnt) : h->base;
  require(history_has(&o->history, all, tip_of(m)), m, "ACK of NEWLEADER",
          "its history is a prefix of its leader's (ProcessConsistency)");
  require(history_has(&o->history, tip_of(m), h->base), m, "ACK of NEWLEADER",
          "it holds the whole initial history (R5)");
  promise(m, epoch);
  acknowledge(m, tip_of(m));
  if (epoch > o->node[m->idx].current) o->node[m->idx].current = epoch;
  sample(m, 8);
}

static const char *action_of(int32_t type, int side) {
  switch (type) {
    case PACKET_FOLLOWERINFO:
      return "ConnectAndFollowerSendFOLLOWERINFO";
    case PACKET_LEADERINFO:
      return "LeaderSendLEADERINFO";
    case PACKET_ACKEPOCH:
      return "FollowerProcessLEADERINFO";
    case PACKET_DIFF:
      return "LeaderSyncFollower_DIFF";
    case PACKET_TRUNC:
      return "LeaderSyncFollower_TRUNC";
    case PACKET_SNAP:
      return "LeaderSyncFollower_SNAP";
    case PACKET_NEWLEADER:
      return "LeaderSendNEWLEADER";
    case PACKET_ACK:
      return side == 0 ? "FollowerProcessNEWLEADER" : NULL;
    case PACKET_UPTODATE:
      return "LeaderProcessACKLD_UPTODATE";
    default:
      return NULL;
  }
}

static void on_packet(struct machine *m, const struct tcp *s, int side, const struct packet *p) {
  const struct epochs *e = epochs_of(m);
  uint32_t epoch = zxid_epoch(p->zxid);
  struct oracle_node *n = &oracle_state()->node[m->idx];
  const char *action = action_of(p->type, side);
  if (action) note(action, "zxid", (struct noted){m->idx, s->end[!side].machine, {p->zxid}});
  switch (p->type) {
    case PACKET_FOLLOWERINFO:
      require(is_fenced(m), m, "FOLLOWERINFO", "its old role must have ended (fencing)");
      require(epoch == e->accepted, m, "FOLLOWERINFO", "it names acceptedEpoch (R12)");
      n->info_zxid = tip_of(m);
      break;
    case PACKET_LEADERINFO:
      require(epoch <= e->accepted, m, "LEADERINFO", "its own promise is durable first (R2)");
      if (epoch > n->offered)
        require(is_fenced(m), m, "LEADERINFO", "of a new epoch, its old role must have ended");
      if (epoch > n->offered) n->offered = epoch;
      promise(m, epoch);
      break;
    case PACKET_ACKEPOCH:
      on_ackepoch(m, p);
      require(n->info_zxid == tip_of(m), m, "ACKEPOCH",
              "its last zxid is that of FOLLOWERINFO, or of its fence");
      break;
    case PACKET_TRUNC:
    case PACKET_SNAP: /* an installed snapshot cuts, too */
      oracle_state()->node[s->end[!side].machine].cut = p->zxid;
      break;
    case PACKET_NEWLEADER:
      require(epoch <= e->current, m, "NEWLEADER", "its own currentEpoch is durable first (R4)");
      break;
    case PACKET_ACK:
      if (side == 0) on_learner_ack(m, p);
      break;
    case PACKET_PROPOSAL:
      scene_seen(m->idx, s->end[!side].machine, "LeaderSyncFollower_PROPOSAL", p->zxid);
      require(history_has(&oracle_state()->history, tip_of(m), p->zxid), m, "a PROPOSAL of a sync",
              "a sync comes from what is durable at the leader (R12)");
      break;
    default:
      break;
  }
}

/* ---- 3888 ---- */

static void on_notification(struct machine *m, const struct tcp *s, int side,
                            const struct notification *n) {
  note("FLENotification", "state leader zxid",
       (struct noted){m->idx,
                      s->end[!side].machine,
                      {(uint64_t)n->state, (uint64_t)n->vote.leader, n->vote.zxid}});
  if (n->state != PEER_LOOKING || m->slow->replica.phase != PHASE_LOOKING) return;
  require(is_fenced(m), m, "a LOOKING vote", "its old role must have ended (fencing)");
  if (n->vote.leader != m->config.id || n->vote.zxid == ZXID_NONE) return;
  require(n->vote.zxid == tip_of(m) && n->vote.peer_epoch == epochs_of(m)->current, m,
          "a vote for itself", "it votes with its durable state (R12)");
}

static uint32_t next_notification(struct machine *m, const struct tcp *s, int side,
                                  struct watch *w) {
  static struct notification n;
  if (!w->greeted && side == 0) {
    struct hello h;
    int len = hello_read(&h, w->bytes, w->len);
    w->greeted = len > 0;
    return len > 0 ? (uint32_t)len : 0;
  }
  uint32_t len = w->len >= 4 ? be32(w->bytes) : UINT32_MAX;
  if (w->len < 4 || len > w->len - 4) return 0;
  if (notification_read(&n, w->bytes + 4, len) != REASON_NONE)
    violation("n%d sends a malformed notification", m->idx + 1);
  on_notification(m, s, side, &n);
  return 4 + len;
}

/* ---- bytes ---- */

static uint32_t next_message(struct machine *m, const struct tcp *s, int side, struct watch *w) {
  struct packet p;
  if (s->port == m->config.peers[0].election_port) return next_notification(m, s, side, w);
  long len = packet_read(&w->reader, &p, w->bytes, w->len);
  if (len < 0) violation("n%d sends a malformed packet", m->idx + 1);
  if (len > 0 && p.type < PACKET_SNAP_CHUNK) on_packet(m, s, side, &p);
  return (uint32_t)len;
}

void oracle_bytes(struct machine *m, struct tcp *s, int side, const void *bytes, uint32_t len) {
  if (!len) return;
  struct watch *w = s->watch[side];
  if (!w) w = s->watch[side] = calloc(1, sizeof *w);
  assert(w);
  if (w->len + len > w->cap) {
    w->cap = 2 * (w->len + len);
    w->bytes = realloc(w->bytes, w->cap);
    assert(w->bytes);
  }
  memcpy(w->bytes + w->len, bytes, len);
  w->len += len;
  uint32_t done = 0, used;
  struct watch rest = *w;
  while ((used = next_message(m, s, side, &rest)) > 0) {
    done += used;
    rest.bytes += used;
    rest.len -= used;
  }
  w->reader = rest.reader;
  w->greeted = rest.greeted;
  w->len -= done;
  memmove(w->bytes, w->bytes + done, w->len);
}

void oracle_forget_bytes(void *watch) {
  struct watch *w = watch;
  if (w) free(w->bytes);
  free(w);
}

/* ---- the fast path, and its form over TCP ---- */

/* Which record ends at pos of the stream that this node has open? */
static zxid_t zxid_at(const struct machine *m, struct oracle_node *n, pos_t pos) {
  struct history *h = &oracle_state()->history;
  if (pos < n->told_pos) return 0; /* told before */
  while (n->told_pos < pos) {
    zxid_t next = n->told_zxid + 1;
    const struct history_record *r = history_record(h, next);
    if (!r || n->told_pos + r->size > pos)
      violation("n%d acknowledges position %llu, which is no end of a record", m->idx + 1,
                (unsigned long long)pos);
    n->told_pos += r->size;
    n->told_zxid = next;
  }
  return n->told_zxid;
}

void oracle_frame(struct machine *m, int to, int path, const struct frame_header *h) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  (void)to, (void)path;
  if (m->unwinding) return;
  if (h->durable == n->told_pos && n->told_once) return;
  n->told_once = true;
  zxid_t zxid = zxid_at(m, n, h->durable);
  if (!zxid) return;
  if (zxid_counter(zxid) == 0) zxid = oracle_state()->history.epoch[zxid_epoch(zxid)].base;
  n->said = zxid;
  if (world->plan.memory) return;
  if (!history_has(&oracle_state()->history, tip_of(m), zxid))
    violation("n%d acknowledges 0x%llx, durable is 0x%llx (R10)", m->idx + 1,
              (unsigned long long)zxid, (unsigned long long)tip_of(m));
  acknowledge(m, zxid);
  sample(m, 400);
}

/* ---- single-iteration channels (R13, J3) ---- */

/* A stray that is sound is dropped for one of these two, whatever else is amiss in the turn. */
static uint64_t stray_drops(const struct machine *m) {
  const struct counters *c = &m->node->counters[THREAD_FAST];
  return counters_get(c, REASON_STALE_EPOCH) + counters_get(c, REASON_STALE_ITERATION);
}

void oracle_received(struct machine *m, int from, const void *frame) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  const struct bcast *b = &m->node->bcast;
  const struct bcast_peer *p = &b->peers[from];
  struct frame_header h;
  memcpy(&h, frame, sizeof h);
  bool open = (b->phase == BCAST_LEADING || b->phase == BCAST_FOLLOWING) && p->phase > PEER_WAITING;
  if (open && h.epoch == b->epoch && h.iteration == p->iteration) return;
  if (n->strays++ == 0) n->drops_then = stray_drops(m);
}

void oracle_strays(struct machine *m) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  if (!n->strays) return;
  uint64_t dropped = stray_drops(m) - n->drops_then;
  if (dropped < n->strays)
    violation("n%d: %u frames of other epochs or iterations, %llu frames dropped (R13)", m->idx + 1,
              n->strays, (unsigned long long)dropped);
  n->strays = 0;
}
