/* std_fds.h - descriptors 0 to 2 are standard input, output and error, or nothing.
 *
 * A program started with one of them closed would get it for the first file or socket that it
 * opens: lines of the log would go into a file of the data directory, zabctl would read its own
 * socket.
 *
 * Owner: main, before anything is opened.  Blocks: no. */
#ifndef ZABLINE_CONFIG_STD_FDS_H
#define ZABLINE_CONFIG_STD_FDS_H

/* std_fds_keep gives those that are closed to /dev/null, open the wrong way round: reading standard
 * input, writing the other two is EBADF, as it would be.  0, or -1 with errno. */
int std_fds_keep(void);

#endif
