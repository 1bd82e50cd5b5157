#include "test/sim/rows.h"

#include <stdio.h>

void rows_print(uint64_t seed, const struct sim_result *r) {
  const char *separator = "";
  printf(
      "{\"seed\":%llu,\"events\":%llu,\"us\":%llu,\"heal_us\":%llu,\"elections\":%llu,"
      "\"committed\":%llu,\"acked\":%llu,\"recoveries\":%llu,\"images\":%llu,\"counts\":[",
      (unsigned long long)seed, (unsigned long long)r->events, (unsigned long long)r->virtual_us,
      (unsigned long long)r->heal_us, (unsigned long long)r->elections,
      (unsigned long long)r->committed, (unsigned long long)r->acked,
      (unsigned long long)r->recoveries, (unsigned long long)r->images);
  for (int i = 0; sim_count_name(i); i++)
    printf("%s%llu", i ? "," : "", (unsigned long long)r->count[i]);
  printf("],\"died\":[");
  for (int i = 0; i < r->cover.hit_cnt; i++) printf("%s%d", i ? "," : "", r->cover.hit[i]);
  printf("],\"reached\":[");
  for (int i = 0; i < COVER_CELLS; i++) {
    if (!(r->cover.reached[i / 64] >> i % 64 & 1u)) continue;
    printf("%s%d", separator, i);
    separator = ",";
  }
  printf("]}\n");
}

void rows_print_names(void) {
  char name[80];
  printf("{\"counts\":[");
  for (int i = 0; sim_count_name(i); i++) printf("%s\"%s\"", i ? "," : "", sim_count_name(i));
  printf("],\"cells\":[");
  for (int i = 0; i < COVER_CELLS; i++) {
    cover_name(i, name, sizeof name);
    printf("%s\"%s\"", i ? "," : "", name);
  }
  printf("]}\n");
}
