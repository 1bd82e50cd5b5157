// A config file.
#include <sys/mman.h>
#include <unistd.h>

#include "test/fuzz/input.h"

extern "C" {
#include "config/config.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static const int fd = memfd_create("config", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  CHECK(ftruncate(fd, 0) == 0);
  CHECK(pwrite(fd, data, len, 0) == static_cast<ssize_t>(len));
  static struct config c;
  static struct config_error e;
  e.text[0] = 0;
  if (config_load(&c, path.c_str(), &e)) { /* one line that says something */
    CHECK(e.text[0] && !strchr(e.text, '\n') && memchr(e.text, 0, sizeof e.text));
    return 0;
  }
  for (int i = 0; config_warning(&c, i); i++) continue;
  static char text[LIMIT_CONFIG_TEXT];
  CHECK(config_quorum_text(&c, text) < LIMIT_CONFIG_TEXT);
  CHECK(config_voter_cnt(&c) >= 1 && config_voter_cnt(&c) <= LIMIT_VOTERS);
  CHECK(config_peer_idx(&c, c.id) == c.self_idx);
  return 0;
}
