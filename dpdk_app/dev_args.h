/* dev_args.h - "key=value,key=value": the arguments of a device.
 *
 * Any thread.  Blocks: no.  Allocates: no. */
#ifndef ZABLINE_DPDK_APP_DEV_ARGS_H
#define ZABLINE_DPDK_APP_DEV_ARGS_H

#include <stddef.h>

/* dev_args_find returns the value of key in args and its length, or NULL. */
const char *dev_args_find(const char *args, const char *key, size_t *len);

#endif
