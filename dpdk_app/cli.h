/* cli.h - zabd's arguments.  Source: issue "spine" 7; exit codes: proto/exit_code.h. */
#ifndef ZABLINE_DPDK_APP_CLI_H
#define ZABLINE_DPDK_APP_CLI_H

#include <stdbool.h>

enum cli_command { CLI_RUN, CLI_CHECK_CONFIG, CLI_FORMAT, CLI_HELP, CLI_VERSION, CLI_ERROR };

struct cli {
  enum cli_command command;
  const char *config_file; /* of argv */
  bool rejoin;             /* --format --rejoin */
};

/* cli_parse reads the arguments; CLI_ERROR after one line on stderr. */
struct cli cli_parse(int argc, char **argv);
void cli_help(void);

#endif
