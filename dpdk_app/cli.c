#include "dpdk_app/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

void cli_help(void) {
  puts(
      "zabd: one Zabline replica, in the foreground.\n"
      "\n"
      "  zabd --config FILE                     run; SIGTERM or SIGINT is a clean stop\n"
      "  zabd --config FILE --format            write the empty data directory, once, before the\n"
      "                                         first start\n"
      "  zabd --config FILE --format --rejoin   the same after a lost disk: the node learns, and "
      "votes\n"
      "                                         once every other voter has accepted its epoch\n"
      "  zabd --check-config FILE               say what is wrong with FILE, start nothing\n"
      "  zabd --version | --help\n"
      "\n"
      "Exit status\n"
      "  0  clean stop\n"
      "  1  unexpected\n"
      "  2  bad config file or arguments\n"
      "  3  a write, read or sync failed, or stored bytes are damaged\n"
      "  4  a port, socket or device is in use or cannot be opened\n"
      "  5  the data directory is missing, or belongs to another node or cluster\n"
      "\n"
      "zabctl talks to a running node.");
}

static struct cli error(const char *what) {
  fprintf(stderr, "zabd: %s; see zabd --help\n", what);
  return (struct cli){.command = CLI_ERROR};
}

struct cli cli_parse(int argc, char **argv) {
  enum { OPT_CONFIG = 'c', OPT_CHECK = 256, OPT_FORMAT, OPT_REJOIN, OPT_VERSION, OPT_HELP = 'h' };
  static const struct option options[] = {
      {"config", required_argument, NULL, OPT_CONFIG},
      {"check-config", required_argument, NULL, OPT_CHECK},
      {"format", no_argument, NULL, OPT_FORMAT},
      {"rejoin", no_argument, NULL, OPT_REJOIN},
      {"version", no_argument, NULL, OPT_VERSION},
      {"help", no_argument, NULL, OPT_HELP},
      {0},
  };
  struct cli c = {.command = CLI_RUN};
  bool check = false, config = false;
  int opt;
  while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
    switch (opt) {
      case OPT_CONFIG:
        c.config_file = optarg;
        config = true;
        break;
      case OPT_CHECK:
        c.config_file = optarg;
        check = true;
        break;
      case OPT_FORMAT:
        c.command = CLI_FORMAT;
        break;
      case OPT_REJOIN:
        c.rejoin = true;
        break;
      case OPT_VERSION:
        return (struct cli){.command = CLI_VERSION};
      case OPT_HELP:
        return (struct cli){.command = CLI_HELP};
      default:
        return (struct cli){.command = CLI_ERROR}; /* getopt has said what */
    }
  }
  if (optind < argc) return error("an argument belongs to no option");
  if (check && (config || c.command == CLI_FORMAT || c.rejoin))
    return error("--check-config stands alone");
  if (check) c.command = CLI_CHECK_CONFIG;
  if (!c.config_file) return error("--config FILE is missing");
  if (c.rejoin && c.command != CLI_FORMAT) return error("--rejoin goes with --format");
  return c;
}
