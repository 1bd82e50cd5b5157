#include "proto/zxid.h"

char *zxid_text(char *dst, zxid_t z) {
  int digits = 1;
  while (digits < 16 && z >> (4 * digits)) digits++;
  dst[0] = '0';
  dst[1] = 'x';
  for (int i = 0; i < digits; i++)
    dst[2 + i] = "0123456789abcdef"[z >> (4 * (digits - 1 - i)) & 15u];
  dst[2 + digits] = 0;
  return dst;
}
