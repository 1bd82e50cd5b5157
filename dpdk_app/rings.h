/* rings.h - what the app and the slow thread see of their node: rings, positions, counters.
 *
 * service/ and slowpath/ know no rte_ring (law 1); these are the functions they reach theirs by.
 *
 * Owner: the returned struct the thread it is for.  Source: design 1. */
#ifndef ZABLINE_DPDK_APP_RINGS_H
#define ZABLINE_DPDK_APP_RINGS_H

#include "dpdk_app/node.h"
#include "service/app_uv.h"
#include "slowpath/slow_uv.h"

struct app_uv_config app_config_of(struct node *n);
struct slow_uv_config slow_config_of(struct node *n);

#endif
