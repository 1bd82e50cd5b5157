/* Scalars: one function per kind. */
#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "config/config_key.h"

static void store(const struct key *key, void *field, int64_t value) {
  switch (key->size) {
    case 1:
      *(uint8_t *)field = (uint8_t)value;
      break;
    case 2:
      *(uint16_t *)field = (uint16_t)value;
      break;
    case 4:
      *(uint32_t *)field = (uint32_t)value;
      break;
    default:
      assert(key->size == 8);
      *(uint64_t *)field = (uint64_t)value;
  }
}

static int read_number(struct reader *r, const struct key *key, const cJSON *item, void *field) {
  double value = item->valuedouble;
  if (!cJSON_IsNumber(item) || !(value >= (double)key->min && value <= (double)key->max) ||
      value != floor(value))
    return reader_found(r, item, "a whole number from %lld to %lld", (long long)key->min,
                        (long long)key->max);
  store(key, field, (int64_t)value);
  return 0;
}

static bool is_name_char(unsigned char c) { return c > ' ' && c < 0x7f; }
static bool is_host_char(unsigned char c) { return isalnum(c) || memchr(".-_:", c, 4); }
static bool is_text_char(unsigned char c) { return c >= ' ' && c != 0x7f; }

static bool only(const char *text, bool (*allowed)(unsigned char)) {
  for (; *text; text++)
    if (!allowed((unsigned char)*text)) return false;
  return true;
}

static int read_text(struct reader *r, const struct key *key, const cJSON *item, void *field) {
  bool name = key->kind == KEY_NAME, host = key->kind == KEY_HOST;
  size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
  bool empty_allowed = key->kind == KEY_TEXT && key->fallback != KEY_REQUIRED;
  if (!cJSON_IsString(item) || len >= key->size || (!len && !empty_allowed) ||
      !only(item->valuestring, name   ? is_name_char
                               : host ? is_host_char
                                      : is_text_char))
    return reader_found(r, item, "a text of %d to %zu %s", !empty_allowed, key->size - 1,
                        name   ? "printable ASCII characters without spaces"
                        : host ? "letters, digits and . - _ :"
                               : "bytes without control characters");
  memcpy(field, item->valuestring, len + 1);
  return 0;
}

static int read_choice(struct reader *r, const struct key *key, const cJSON *item, void *field) {
  for (int i = 0; cJSON_IsString(item) && key->choices[i]; i++)
    if (!strcmp(key->choices[i], item->valuestring)) {
      store(key, field, i);
      return 0;
    }
  return reader_found(r, item, "%s", key->text);
}

static int read_ip(struct reader *r, const cJSON *item, uint32_t *field) {
  struct in_addr address;
  if (!cJSON_IsString(item) || inet_pton(AF_INET, item->valuestring, &address) != 1 ||
      !address.s_addr || ntohl(address.s_addr) >= 0xe0000000u)
    return reader_found(r, item, "one host's IPv4 address, like 10.0.0.1");
  *field = ntohl(address.s_addr);
  return 0;
}

static int hex(char c) {
  const char digits[] = "0123456789abcdef";
  const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
  return at ? (int)(at - digits) : -1;
}

static bool mac_from_text(uint8_t mac[6], const char *text) {
  uint8_t any = 0;
  for (int i = 0; i < 6; i++, text += 3) {
    int high = hex(text[0]), low = high < 0 ? -1 : hex(text[1]); /* never behind the NUL */
    if (high < 0 || low < 0 || text[2] != (i == 5 ? '\0' : ':')) return false;
    any |= mac[i] = (uint8_t)(high << 4 | low);
  }
  return any && !(mac[0] & 1);
}

static int read_mac(struct reader *r, const cJSON *item, uint8_t *field) {
  if (!cJSON_IsString(item) || !mac_from_text(field, item->valuestring))
    return reader_found(r, item, "one host's MAC address, like 02:5a:42:00:00:01");
  return 0;
}

static int read_port(struct reader *r, const cJSON *item, int *field) {
  for (int i = 0; cJSON_IsString(item) && i < r->c->port_cnt; i++)
    if (!strcmp(r->c->ports[i].name, item->valuestring)) {
      *field = i;
      return 0;
    }
  return reader_found(r, item, "the name of one of ports[]");
}

int reader_scalar(struct reader *r, const struct key *key, const cJSON *item, void *field) {
  switch (key->kind) {
    case KEY_NUMBER:
      return read_number(r, key, item, field);
    case KEY_CHOICE:
      return read_choice(r, key, item, field);
    case KEY_IP:
      return read_ip(r, item, field);
    case KEY_MAC:
      return read_mac(r, item, field);
    case KEY_PORT:
      return read_port(r, item, field);
    default:
      return read_text(r, key, item, field);
  }
}

void reader_default(const struct key *key, void *field) {
  switch (key->kind) {
    case KEY_NUMBER:
    case KEY_CHOICE:
      store(key, field, key->fallback);
      break;
    case KEY_PORT:
      *(int *)field = KEY_NO_PORT;
      break;
    case KEY_NAME:
    case KEY_TEXT:
      memcpy(field, key->text, strlen(key->text) + 1);
      break;
    default:
      memset(field, 0, key->size); /* KEY_IP, KEY_MAC: config_check decides */
  }
}
