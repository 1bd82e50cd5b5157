/* Who a client is: its address, and what it has proven with auth packets.
 *
 * digest: anybody may be anybody whose password he knows: the id is
 * "user:base64(sha1(user:password))", and ACLs name it.  x509 and sasl need TLS and SASL, which are
 * not here: they fail as at a server without them.  Source: zookeeper/client.md 7. */
#include <openssl/evp.h>
#include <string.h>

#include "service/client/client.h"
#include "service/tree/jute.h"

#define SHA1_LEN 20
#define BASE64_LEN 29 /* of SHA1_LEN bytes, NUL included */

static void put_id(struct client *c, struct span scheme, struct span id) {
  struct cursor count;
  struct writer w;
  cursor_init(&count, buffer_at(&c->ids), 4);
  int32_t cnt = cursor_i32(&count);
  writer_init(&w, c->ids.data + c->ids.begin, 4);
  writer_i32(&w, cnt + 1);
  jute_append_text(&c->ids, scheme);
  jute_append_text(&c->ids, id);
}

void client_ids_init(struct client *c) {
  jute_append_i32(&c->ids, 0);
  put_id(c, span_of("ip"), span_of(c->address));
}

struct span client_ids(const struct client *c) {
  return (struct span){buffer_at(&c->ids), (int32_t)buffer_len(&c->ids)};
}

/* As there: whose id is that of the config may do everything, from then on. */
static bool is_super(const struct client *c, struct span id) {
  const char *super = c->port->thread->c->config->super_digest;
  return *super && path_is(id, super);
}

static int32_t add_digest(struct client *c, struct span auth) {
  uint8_t hash[SHA1_LEN], base64[BASE64_LEN];
  if (auth.len < 0) return ZK_AUTHFAILED;
  const uint8_t *colon = auth.len ? memchr(auth.data, ':', (size_t)auth.len) : NULL;
  size_t user_len = colon ? (size_t)(colon - auth.data) : (size_t)auth.len;
  if (!EVP_Digest(auth.data, (size_t)auth.len, hash, NULL, EVP_sha1(), NULL)) return ZK_AUTHFAILED;
  EVP_EncodeBlock(base64, hash, SHA1_LEN);
  struct buffer id = {0};
  buffer_append(&id, auth.data, user_len);
  buffer_append(&id, ":", 1);
  buffer_append(&id, base64, BASE64_LEN - 1);
  struct span s = {buffer_at(&id), (int32_t)buffer_len(&id)};
  if (is_super(c, s) && !acl_has_id(client_ids(c), span_of("super"), span_of("")))
    put_id(c, span_of("super"), span_of(""));
  bool known = acl_has_id(client_ids(c), span_of("digest"), s);
  bool fits = buffer_len(&c->ids) + buffer_len(&id) + 16 <= LIMIT_CLIENT_IDS;
  if (!known && fits) put_id(c, span_of("digest"), s);
  buffer_free(&id);
  return known || fits ? ZK_OK : ZK_AUTHFAILED;
}

int32_t client_auth(struct client *c, struct cursor *record) {
  cursor_i32(record);
  struct span scheme = jute_text(record), auth = jute_data(record);
  if (record->bad) return ZK_AUTHFAILED;
  if (path_is(scheme, "digest")) return add_digest(c, auth);
  return path_is(scheme, "ip") ? ZK_OK : ZK_AUTHFAILED; /* it has that one */
}
