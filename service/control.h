/* control.h - the control socket: connections of zabctl, served by the app thread.
 *
 * One file per command: control_submit.c, control_tail.c, control_status.c, control_bench.c,
 * control_admin.c; framing and connections in control.c.  Nothing here waits for a client: a slow
 * reader is no longer read from or produced for, a mute one keeps its entry of
 * LIMIT_CONTROL_CONNS until somebody needs it, one that has said HELLO until it ends.
 *
 * Owner: app thread.  Blocks: no.  Allocates: bounded per connection.  Source: issue "spine" 7. */
#ifndef ZABLINE_SERVICE_CONTROL_H
#define ZABLINE_SERVICE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/cursor.h"
#include "proto/latency.h"
#include "proto/status.h"
#include "service/app_log.h"
#include "service/app_thread.h"
#include "service/buffer.h"
#include "service/control_wire.h"

enum control_job {
  JOB_NONE,
  JOB_STATUS,
  JOB_STEP_DOWN,
  JOB_BENCH,
  JOB_TAIL,
  JOB_SUBMIT_WAITING, /* START has come, READY goes out when the node serves */
  JOB_SUBMIT,
  JOB_SUBMIT_BROKEN, /* RESEND or REFUSED sent: what still arrives is dropped until START */
};

struct control_conn {
  struct control *control;
  int idx;         /* in control->conns */
  uint64_t number; /* of all accepted */
  uv_pipe_t pipe;
  uv_write_t write;
  bool hello, closing, writing, reading;
  bool stalled;    /* whole frames may wait in `in` */
  bool last_words; /* close when `out` is written */
  enum control_job job;
  struct buffer in, out, flight;
  /* submit */
  uint64_t client;
  uint64_t expected; /* next sequence; 0: any up to acked + 1 */
  uint64_t acked;
  zxid_t acked_zxid; /* as START says */
  struct buffer acks;
  /* tail */
  struct kept_cursor cursor;
  zxid_t until; /* end here; ZXID_NONE: follow */
  bool at_end;  /* nothing more for now */
};

struct control_bench {
  struct control_conn *conn; /* NULL: none runs */
  uint64_t count, proposed, applied;
  uint64_t first; /* sequence of the first */
  uint64_t begin_ns;
  uint32_t size, outstanding;
  uint8_t *request;
  struct latency before;
};

struct control {
  struct app_thread *thread;
  uv_loop_t *loop;
  uv_pipe_t listener;
  bool listening;
  uint32_t frame_max; /* of a client's frame */
  int conn_cnt, closing_cnt;
  uint64_t accepted_cnt;
  struct control_conn *conns[LIMIT_CONTROL_CONNS];
  bool status_asked;
  struct status status; /* lent to slow while status_asked */
  struct control_bench bench;
};

/* control_open binds config.control_socket (mode 0660), over the left-over of a dead process.
 * Returns 0, or an exit code with the line logged; then nothing is to be closed. */
int control_open(struct control *c, struct app_thread *t, uv_loop_t *loop);
/* control_turn carries on where frames, records or answers wait; true: something was done. */
bool control_turn(struct control *c);
/* control_waits: a client's request waits for room, so the loop must not sleep for long. */
bool control_waits(const struct control *c);
/* control_urgent: a client waits for commits. */
bool control_urgent(const struct control *c);
/* control_close begins to close everything; the loop must run until it is empty. */
void control_close(struct control *c);

/* control_listen (control_listen.c) is control_open's part with the socket. */
int control_listen(struct control *c, uv_connection_cb on_connection);

/* ---- for the commands ---- */

enum control_taken {
  CONTROL_TAKEN,
  CONTROL_STALLED
}; /* STALLED: give the same frame again later */

struct control_frame {
  uint8_t type;
  const uint8_t *body;
  uint32_t len;
};

/* control_send queues one frame; flushed by control_turn. */
void control_send(struct control_conn *n, enum control_type type, const void *body, size_t len);
void control_send_json(struct control_conn *n, const char *text);
/* control_fail sends ERROR and closes behind it; counted by reason. */
void control_fail(struct control_conn *n, enum reason r, const char *text);

/* control_not_leading fails a command that only the leader takes, and says who leads. */
enum control_taken control_not_leading(struct control_conn *n);

enum control_taken control_on_start(struct control_conn *n, const struct control_frame *f);
enum control_taken control_on_submit(struct control_conn *n, const struct control_frame *f);
void control_submit_applied(struct control *c, zxid_t zxid, const struct app_log_txn *t);
void control_submit_serving(struct control *c);
void control_submit_stopped(struct control *c);

enum control_taken control_on_tail(struct control_conn *n, const struct control_frame *f);
bool control_tail_produce(struct control_conn *n);

enum control_taken control_on_status(struct control_conn *n, const struct control_frame *f);
void control_status_answered(struct control *c);

enum control_taken control_on_digest(struct control_conn *n, const struct control_frame *f);
enum control_taken control_on_step_down(struct control_conn *n, const struct control_frame *f);
enum control_taken control_on_recover(struct control_conn *n, const struct control_frame *f);
void control_admin_stopped(struct control *c);

enum control_taken control_on_bench(struct control_conn *n, const struct control_frame *f);
bool control_bench_turn(struct control *c);
void control_bench_applied(struct control *c, const struct app_log_txn *t);
void control_bench_stopped(struct control *c);
void control_bench_closed(struct control *c, const struct control_conn *n);

#endif
