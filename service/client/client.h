/* client.h - ZooKeeper's clients on client_port, served by the app thread.
 *
 *   bytes --frames--> asks, in the order they came --> answers, in the same order
 *                      | write: to the leader; done when its transaction is applied here
 *                      | read: answered from the tree as soon as all asks before it are done,
 *                      |       so that it shows none of the writes behind it
 *
 * One file for each part: client_port.c (sockets), client_ask.c (the queue), client_connect.c
 * (sessions), client_read.c, client_watch.c, client_auth.c, client_limits.c,
 * client_words.c (four-letter words), client_mntr.c (metrics).
 *
 * Why the app thread: reads need no copy and no lock, and a watch event stands in a client's output
 * before any answer that shows its change, because both are put there by the one who applies.
 * Nothing here waits for a client: one that does not read gets no more answers made, and is closed
 * when its watches fill its output.
 *
 * Owner: app thread.  Blocks: no.  Allocates: bounded per client (config/limits.h).
 * Source: zookeeper/client.md; design 1, 7. */
#ifndef ZABLINE_SERVICE_CLIENT_CLIENT_H
#define ZABLINE_SERVICE_CLIENT_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "service/app_thread.h"
#include "service/tree/app_tree.h"

#define SESSION_PASSWORD_LEN 16
#define CLIENT_TICK_MS 100

enum ask_state {
  ASK_READ,
  ASK_WRITE, /* bytes is a request (request.h) that the leader has not got */
  ASK_SENT,
  ASK_DONE, /* err, zxid and reply are the answer */
};

struct ask {
  struct ask *next;
  enum ask_state state;
  int32_t xid, type;
  int32_t err;
  zxid_t zxid; /* of its transaction; 0: it made none */
  int64_t since_ms;
  struct buffer reply;
  uint32_t len;
  uint8_t bytes[];
};

enum client_phase {
  CLIENT_NEW,     /* nothing has been heard, or not all of the connect request */
  CLIENT_JOINING, /* its session is being made or moved here */
  CLIENT_OPEN,
};

struct watch;

struct summary {
  uint64_t cnt, sum, min, max;
};
static inline void summary_add(struct summary *s, uint64_t v) {
  if (!s->cnt || v < s->min) s->min = v;
  if (v > s->max) s->max = v;
  s->sum += v;
  s->cnt++;
}

struct client {
  struct client_port *port;
  int idx; /* in port->clients */
  uv_tcp_t tcp;
  uv_write_t write;
  enum client_phase phase;
  bool closing, writing, reading;
  bool last_words; /* close when `out` is written */
  bool stalled;    /* whole frames may wait in `in`, perhaps for room */
  bool throttled;  /* for want of it among all clients */
  bool ready;      /* in the port's list of those with work */
  struct client *ready_next;
  struct buffer in, out, flight;
  size_t event_bytes; /* of watch events, since all was written, */
  size_t out_events;  /* and of these, what is still in `out` */
  char address[INET6_ADDRSTRLEN];
  uint16_t from_port;
  struct buffer ids; /* as in request.h */
  /* session */
  int64_t session; /* 0: none */
  int32_t timeout_ms;
  bool short_hello; /* 44 bytes: it does not know of read-only servers */
  bool in_sessions; /* under its session in port->sessions */
  bool touched;     /* heard since the last touch was sent */
  uint32_t silent_ticks;
  UT_hash_handle hh; /* by session */
  struct ask *first, *last;
  uint32_t ask_cnt, ask_bytes;
  struct watch *watches;
  uint32_t watch_cnt;
  size_t watch_bytes;
  bool warned;             /* of its large packets: once */
  bool crowded;            /* it wanted more watches than it may have: its turn closes it */
  uint64_t told;           /* the last event that it was told of, or may not be */
  uint64_t received, sent; /* packets */
  bool waits_status;       /* to answer mntr */
  int64_t since_ms, last_ms;
  uint64_t last_latency;       /* ms */
  int32_t last_type, last_xid; /* OP_NOTIFICATION: an error, not of a read */
  zxid_t last_zxid;
  struct summary latency; /* ms */
};

struct client_stats {
  uint64_t received, sent, bytes_in, bytes_out;
  struct summary latency, reads, updates; /* ms */
  uint64_t accepted, sessionless, not_running, auth_failed, too_long;
  uint64_t events[EVENT_CHILDREN_CHANGED + 1];  /* watch events sent, by type */
  uint64_t answer_last, answer_min, answer_max; /* bytes of answers */
  uint64_t throttled;                           /* times that a client was not read from */
};

#define TRACE_MASK 306 /* what gtmk says there before anybody sets it */

struct client_port {
  struct app_thread *thread;
  struct app_tree *app;
  uv_loop_t *loop;
  uv_tcp_t listener;
  int client_cnt, closing_cnt;
  struct client *clients[LIMIT_CLIENT_CONNS];
  int client_max;          /* as many as descriptors allow */
  struct client *sessions; /* by session */
  struct client *ready, *ready_last;
  int ready_cnt;
  int64_t next_session;
  uint32_t joined; /* counts revalidations */
  uint32_t ticks;
  bool touches_due;
  int64_t gone[LIMIT_CLIENT_CONNS]; /* sessions heard of, whose connections then broke */
  uint32_t gone_cnt;
  uint32_t outstanding; /* asks sent and not done */
  uint32_t ask_cnt;     /* of all clients; ask_bytes too */
  uint64_t ask_bytes;
  int64_t throttle_line_ms; /* of the last line about it */
  struct watch_path *watch_paths;
  struct watch *watch_index;
  uint32_t watch_path_cnt, watch_cnt, recursive_cnt;
  size_t watch_bytes;
  uint64_t event_number;
  struct client_stats stats;
  int64_t trace_mask;   /* words gtmk, stmk */
  struct status status; /* lent to the slow thread while status_asked */
  bool status_asked;
  int64_t start_ms, lead_ms; /* since when, of this port and of the leader here; 0: not yet, none */
  struct buffer scratch;
};

/* client_port_open listens on config.client_port, if t's application is the tree (else 0, and
 * nothing is open).  Returns 0, or an exit code with the line logged. */
int client_port_open(struct client_port *p, struct app_thread *t, uv_loop_t *loop);
/* client_port_turn carries on where requests or answers wait; true: something was done. */
bool client_port_turn(struct client_port *p);
/* client_port_waits: a request waits for room, so the loop must not sleep for long. */
bool client_port_waits(const struct client_port *p);
/* client_port_urgent: a client waits for a commit. */
bool client_port_urgent(const struct client_port *p);
/* client_port_tick, every 100 ms: touches of sessions, time-outs of connections. */
void client_port_tick(struct client_port *p);
void client_port_close(struct client_port *p);

/* ---- for the parts ---- */

/* client_ready: c has work for the next turn. */
void client_ready(struct client *c);
void client_close(struct client *c);
/* client_close_line closes it and logs why, one line. */
void client_close_line(struct client *c, const char *why);

/* client_begin starts a packet in out and returns its place; client_end fills in its length. */
size_t client_begin(struct client *c);
void client_end(struct client *c, size_t begin);
/* client_header puts a ReplyHeader with the zxid that is applied here. */
void client_header(struct client *c, int32_t xid, int32_t err);
void client_answer_error(struct client *c, int32_t xid, int32_t err);

/* client_frames takes what has come; true: something was done. */
bool client_frames(struct client *c);
/* client_has_room: one more request may be taken. */
bool client_has_room(const struct client *c);
struct ask *client_ask_add(struct client *c, enum ask_state state, int32_t xid, int32_t type,
                           uint32_t len);
/* client_ask_write queues a request to the leader. */
void client_ask_write(struct client *c, int32_t xid, int32_t type, struct span record);
/* client_asks sends what has to be sent and answers what can be; true: something was done. */
bool client_asks(struct client *c);
void client_asks_drop(struct client *c);
/* client_asks_wait: one has to be sent and the ring is busy, or an answer had no room. */
bool client_asks_wait(const struct client *c);
void client_heard_applied(void *port, zxid_t zxid, const void *txn, uint32_t len);

/* client_connect takes a connect request; client_joined answers it: err ZK_OK or not. */
void client_connect(struct client *c, const uint8_t *data, uint32_t len);
void client_joined(struct client *c, int32_t err);
void client_session_forget(struct client *c);
/* session_password writes SESSION_PASSWORD_LEN bytes that go with id. */
void session_password(int64_t id, uint8_t *dst);
void client_touches(struct client_port *p);
/* client_touch_gone: c's connection ends; a sign of life that is not yet told goes out all the same
 * with the next touches. */
void client_touch_gone(const struct client *c);

/* client_read answers a read of `type` with record. */
void client_read(struct client *c, const struct ask *a);
bool client_is_read(int32_t type);

/* client_limits.c: lines about sizes; a client that is throttled is not read from. */
void client_close_too_long(struct client *c, int32_t len);
void client_note_request(struct client *c, const uint8_t *data, uint32_t len);
void client_note_answer(struct client *c, const struct ask *a, size_t len);
void client_note_too_large(const struct client *c, const struct ask *a);
bool client_is_throttled(const struct client *c);
void client_note_throttled(struct client *c);

/* client_auth takes an auth packet; not ZK_OK: the client is to be closed behind the answer. */
int32_t client_auth(struct client *c, struct cursor *record);
void client_ids_init(struct client *c);
struct span client_ids(const struct client *c);

/* client_words answers a four-letter word; false: it is none. */
bool client_words(struct client *c, const uint8_t *word);
/* client_say appends text to what c is answered; client_say_version its first line. */
void client_say(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *client_mode(const struct client *c);
/* client_decimal is v as Java prints it with at most four places: "0.0", "3.7662". */
struct decimal {
  char text[32];
};
struct decimal client_decimal(double v);
double client_average(const struct summary *s);
/* client_mntr asks the slow thread first; client_heard_status goes on when it has answered. */
void client_mntr(struct client *c);
void client_heard_status(void *port);
void client_watches_by_session(struct client *c);
void client_watches_by_path(struct client *c);
/* client_watching counts the clients that watch anything. */
uint32_t client_watching(const struct client_port *p);

enum watch_kind { WATCH_DATA = 1, WATCH_CHILD = 2, WATCH_PERSISTENT = 4, WATCH_RECURSIVE = 8 };

void client_watch(struct client *c, struct span path, enum watch_kind kind);
/* client_watched returns the kinds of c at path. */
uint32_t client_watched(const struct client *c, struct span path);
void client_unwatch(struct client *c, struct span path, uint32_t kinds);
void client_unwatch_all(struct client *c);
void client_heard_event(void *port, enum zk_event type, struct span path, int32_t acl);
/* client_event sends one event; zxid -1: of no transaction. */
void client_event(struct client *c, enum zk_event type, struct span path, zxid_t zxid);

#endif
