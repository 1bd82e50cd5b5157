/* ring_map.h - ring memory mapped twice in a row, for tests. */
#ifndef ZABLINE_TEST_FASTPATH_RING_MAP_H
#define ZABLINE_TEST_FASTPATH_RING_MAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *ring_map(size_t bytes); /* bytes: multiple of the page size; zeroed */
void ring_unmap(void *ring, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
