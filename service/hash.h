/* hash.h - uthash, whose shortage of memory ends the process as everywhere here; and a mixer.
 * Owner: nobody. */
#ifndef ZABLINE_SERVICE_HASH_H
#define ZABLINE_SERVICE_HASH_H

#include <stdint.h>

#include "config/memory.h"
#define uthash_fatal(message) memory_or_end(NULL, 0)
#include <uthash.h>

/* hash_mix is one round of a 64-bit finaliser (splitmix64's constants). */
uint64_t hash_mix(uint64_t v);

#endif
