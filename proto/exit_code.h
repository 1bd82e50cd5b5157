/* exit_code.h - exit codes of zabd and zabctl, the same meaning in both.
 * Source: issue "spine" 7, "Bad input". */
#ifndef ZABLINE_PROTO_EXIT_CODE_H
#define ZABLINE_PROTO_EXIT_CODE_H

enum exit_code {
  EXIT_CODE_CLEAN = 0,
  EXIT_CODE_UNEXPECTED = 1, /* zabctl: the node refused, or no progress within --timeout */
  EXIT_CODE_CONFIG = 2,     /* bad config file or arguments */
  EXIT_CODE_STORAGE = 3,    /* a write, read or sync failed, or stored bytes are damaged */
  EXIT_CODE_PORT = 4,       /* a port, socket or device is in use; zabctl: zabd is not running */
  EXIT_CODE_DATA_DIR = 5,   /* missing, or of another node, cluster or newer format */
};

#endif
