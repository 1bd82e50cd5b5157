/* log_event.h - what a machine has to say to people, without formatting it (law 3).
 *
 * The driver prints `LOG_x`'s text with the arguments; rows: log_event.def (id, level, format). The
 * format may use {peer} {epoch} {zxid} {pos} {reason} {a} {b} {own} {other}, each at most once.
 * Pure.  Source: style "Machines"; issue "spine" 7. */
#ifndef ZABLINE_PROTO_LOG_EVENT_H
#define ZABLINE_PROTO_LOG_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "config/log.h"
#include "proto/reason.h"
#include "proto/zxid.h"

enum log_id {
#define LOG_EVENT(id, level, format) LOG_##id,
#include "proto/log_event.def"
#undef LOG_EVENT
  LOG_ID_CNT
};

struct log_event {
  enum log_id id;
  int peer; /* node id */
  uint32_t epoch;
  enum reason reason;
  zxid_t zxid;
  pos_t pos;
  uint64_t a, b;
  const char *own,
      *other; /* two values that differ: text, valid as the action's pointers; NULL: "" */
};

enum log_level log_event_level(enum log_id id);

/* log_event_text formats one line without newline; returns its length (cut at cap - 1). */
int log_event_text(char *dst, size_t cap, const struct log_event *e);

#endif
