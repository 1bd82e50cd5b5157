/* answer.h - members of the JSON objects that zabd answers with on its control socket.
 * Owner: zabctl's thread.  Blocks: no. */
#ifndef ZABLINE_SERVICE_ANSWER_H
#define ZABLINE_SERVICE_ANSWER_H

#include <cjson/cJSON.h>

/* answer_text gives a string member, valid as long as o; "?": there is none. */
const char *answer_text(const cJSON *o, const char *name);
/* answer_number gives a number member; 0: there is none. */
double answer_number(const cJSON *o, const char *name);

#endif
