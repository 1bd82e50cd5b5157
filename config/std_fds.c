#include "config/std_fds.h"

#include <fcntl.h>
#include <unistd.h>

int std_fds_keep(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", flags) != fd) return -1; /* the lowest that is free: this one */
  }
  return 0;
}
