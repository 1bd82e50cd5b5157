#include <unistd.h>

#include "service/ctl.h"

int main(int argc, char **argv) {
  return zabctl_run(argc, argv, (struct ctl_io){.in = STDIN_FILENO, .out = stdout, .err = stderr});
}
