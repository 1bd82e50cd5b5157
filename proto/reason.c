#include "proto/reason.h"

static const char *const names[REASON_CNT] = {
#define REASON(id, name, text) [REASON_##id] = name,
#include "proto/reason.def"
#undef REASON
};

static const char *const texts[REASON_CNT] = {
#define REASON(id, name, text) [REASON_##id] = text,
#include "proto/reason.def"
#undef REASON
};

const char *reason_name(enum reason r) { return r < REASON_CNT ? names[r] : "unknown"; }

const char *reason_text(enum reason r) { return r < REASON_CNT ? texts[r] : "unknown reason"; }
