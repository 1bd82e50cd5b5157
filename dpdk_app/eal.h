/* eal.h - DPDK's environment: started from a node's config, quiet, as any user.
 *
 * EAL is one per process; in a process of several nodes the first one's config starts it.  The main
 * thread becomes lcore 0; the fast path runs on the worker lcore `fast_lcore`, pinned to config
 * cores.fast if that is given and may be had.
 *
 * Owner: main.  Blocks: at open.  Source: design 1, 8. */
#ifndef ZABLINE_DPDK_APP_EAL_H
#define ZABLINE_DPDK_APP_EAL_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>

#include "config/config.h"
#include "dpdk_app/open_error.h"
#include "proto/atomic.h"

#define EAL_ARGS (LIMIT_EAL_ARGS + 2 * LIMIT_PORTS + 16)
#define EAL_ARG_LEN (2 * LIMIT_ARG_LEN + LIMIT_NAME_LEN)

struct eal {
  unsigned fast_lcore;
  int node_id;
  FILE *log; /* DPDK's log: collected until it has started, then log_line */
  bool started;
  sem_t parked;                  /* at close: the interrupt thread touches nothing any more */
  char text[2 * LIMIT_TEXT_LEN]; /* collected */
  int (*run)(void *);            /* the fast lcore's function */
  void *run_arg;
  _Atomic int run_state; /* 1: launched, 2: ended; makes the lcore's start and end visible */
  int argc;
  char *argv[EAL_ARGS + 1];
  char args[EAL_ARGS][EAL_ARG_LEN];
};

/* eal_args fills e->argc, argv from the config and prepares the ports' sockets.  0, or -1 with
 * *err. */
int eal_args(struct eal *e, const struct config *c, struct open_error *err);

/* eal_open starts EAL with the config's arguments and ports.  0, or -1 with *err set. */
int eal_open(struct eal *e, const struct config *c, struct open_error *err);
void eal_close(struct eal *e);

/* eal_launch runs f(arg) on the fast lcore; eal_wait waits for its end and returns its value.  What
 * main wrote before is seen by f, what f wrote is seen after: EAL's own hand-over does so too, but
 * no sanitizer can see it in EAL's code. */
void eal_launch(struct eal *e, int (*f)(void *), void *arg);
int eal_wait(struct eal *e);

#endif
