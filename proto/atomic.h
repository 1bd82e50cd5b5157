/* atomic.h - C11 atomics, in a form that C++ tests can include too.
 *
 * C++17 has no <stdatomic.h>: there the same objects are plain integers of the same size and
 * alignment, reached through the compiler's atomic built-ins.  Source: style "Tests". */
#ifndef ZABLINE_PROTO_ATOMIC_H
#define ZABLINE_PROTO_ATOMIC_H

#ifndef __cplusplus
#include <stdatomic.h>
#else
extern "C++" { /* the header may stand inside extern "C" */
#include <atomic>
using std::memory_order;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
template <typename T>
inline T atomic_load_explicit(const T *p, memory_order order) {
  return __atomic_load_n(p, static_cast<int>(order));
}
template <typename T, typename V>
inline void atomic_store_explicit(T *p, V v, memory_order order) {
  __atomic_store_n(p, static_cast<T>(v), static_cast<int>(order));
}
}
#define _Atomic
#define _Alignas alignas
#endif

#endif
