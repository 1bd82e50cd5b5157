/* tcp.h - TCP between two machines' kernels: bytes in order, split and merged, until it breaks.
 *
 * A segment that cannot pass a cut link is sent again and again; the connection dies of that, of a
 * reset, of keepalive, or of a peer whose power went and that answers RST when it is back.
 *
 * Source: issue "simulation" 1, "Streams". */
#ifndef ZABLINE_TEST_SIM_TCP_H
#define ZABLINE_TEST_SIM_TCP_H

#include "test/sim/world.h"

struct segment;
struct zk_client;

/* Hosts: machines from 0, clients (zk_client.c) from here on. */
#define HOST_CLIENTS LIMIT_VOTERS

struct pipe { /* one direction: pipe[i] is written by end[i] */
  struct tcp *stream;
  int dir;
  struct segment *head, *tail; /* on their way */
  uint32_t flight;             /* bytes of them */
  uint64_t last_at;
  uint64_t stalled_since; /* 0: not */
  bool pending;           /* an event is in the heap */
  uint8_t *in;            /* arrived, not yet read */
  uint32_t in_from, in_to, in_cap;
  bool eof;
};

struct tcp_end {
  int machine;          /* its host */
  struct sim_tcp *tcp;  /* NULL: not yet accepted */
  struct zk_client *zk; /* instead of tcp */
  bool closed, patient;
  int error; /* what its owner is told; 0: none */
};

struct tcp {
  uint64_t serial; /* 0: free */
  bool open;
  uint16_t port;
  uint64_t cut_since;    /* seen by keepalive; 0: not cut */
  struct tcp_end end[2]; /* [0] has dialled */
  struct pipe pipe[2];
  void *watch[2]; /* the judge's */
  struct tcp *next;
};

struct tcp *tcp_connect(int from, int to, uint16_t port, struct sim_tcp *tcp);
/* tcp_write takes what the kernel has room for and returns how much that is. */
uint32_t tcp_write(struct tcp *s, int side, const void *bytes, uint32_t len);
/* tcp_readable returns how many bytes wait for side; *bytes: where. */
uint32_t tcp_readable(const struct tcp *s, int side, const uint8_t **bytes);
/* tcp_next: there is something on its way, to a machine that has power; it was due at *at. */
bool tcp_next(const struct pipe *p, uint64_t *at);
/* tcp_arrive: it arrives now, and nothing behind it (probe.h). */
void tcp_arrive(struct pipe *p);
void tcp_consume(struct tcp *s, int side, uint32_t len);
/* tcp_close: the owner of side lets go; what it wrote still goes out, unless unread input waits:
 * then it is a reset. */
void tcp_close(struct tcp *s, int side);

/* seam_uv.c: something has changed for the owner of this end. */
void tcp_changed(struct tcp_end *e);
/* seam_uv.c: somebody listens at port; it takes the stream's end 1.  false: refused. */
bool tcp_arrived(struct machine *m, struct tcp *s);
void tcp_connected(struct tcp *s, int error);

#endif
