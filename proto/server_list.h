/* server_list.h - do two config texts (election.md 2.1) name the same servers?  Pure. */
#ifndef ZABLINE_PROTO_SERVER_LIST_H
#define ZABLINE_PROTO_SERVER_LIST_H

#include <stdbool.h>

/* server_list_same compares the "server." lines of a and b in any order and without their client
 * parts
 * (";host:port"); other lines, the version among them, do not count. */
bool server_list_same(const char *a, const char *b);

#endif
