/* exit_code.h - what zabd's exit status says.  Source: issue "spine" 7. */
#ifndef ZABLINE_PROTO_EXIT_CODE_H
#define ZABLINE_PROTO_EXIT_CODE_H

enum exit_code {
  EXIT_CODE_CLEAN = 0,
  EXIT_CODE_UNEXPECTED = 1,
  EXIT_CODE_CONFIG = 2,   /* bad config file or arguments */
  EXIT_CODE_STORAGE = 3,  /* a write, read or sync failed, or stored bytes are damaged */
  EXIT_CODE_PORT = 4,     /* a port, socket or device is in use or cannot be opened */
  EXIT_CODE_DATA_DIR = 5, /* the data directory is missing or belongs to another node */
};

#endif
