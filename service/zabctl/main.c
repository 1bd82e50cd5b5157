#include <unistd.h>

#include "config/std_fds.h"
#include "proto/exit_code.h"
#include "service/ctl.h"

int main(int argc, char **argv) {
  if (std_fds_keep()) return EXIT_CODE_UNEXPECTED;
  return zabctl_run(argc, argv, (struct ctl_io){.in = STDIN_FILENO, .out = stdout, .err = stderr});
}
