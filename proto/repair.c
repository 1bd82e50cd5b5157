#include "proto/repair.h"

#include <assert.h>

struct packet repair_ask(void *dst, zxid_t after, zxid_t upto) {
  struct writer w;
  writer_init(&w, dst, REPAIR_ASK_LEN);
  writer_i64(&w, (int64_t)upto);
  assert(!w.bad);
  return (struct packet){.type = PACKET_ASK, .zxid = after, .data = {dst, REPAIR_ASK_LEN}};
}

struct packet repair_answer(void *dst, const struct repair_msg *m) {
  struct writer w;
  writer_init(&w, dst, REPAIR_ANSWER_HEAD);
  writer_i32(&w, (int32_t)m->answer);
  writer_i64(&w, (int64_t)m->upto);
  assert(!w.bad);
  int32_t len = m->answer == ANSWER_HAVE ? m->record.len : 0;
  return (struct packet){
      .type = PACKET_ANSWER, .zxid = m->after, .data = {dst, REPAIR_ANSWER_HEAD + len}};
}

enum reason repair_read(struct repair_msg *m, const struct packet *p) {
  struct cursor c;
  bool is_answer = p->type == PACKET_ANSWER;
  int32_t head = is_answer ? REPAIR_ANSWER_HEAD : REPAIR_ASK_LEN;
  *m = (struct repair_msg){.after = p->zxid};
  if (p->data.len < head) return REASON_PACKET_BAD;
  cursor_init(&c, p->data.data, (size_t)head);
  int32_t answer = is_answer ? cursor_i32(&c) : ANSWER_HAVE;
  m->upto = (zxid_t)cursor_i64(&c);
  if (answer < ANSWER_HAVE || answer > ANSWER_BELOW_LOG || m->upto <= m->after)
    return REASON_PACKET_BAD;
  m->answer = (enum repair_answer)answer;
  m->record = (struct span){p->data.data + head, p->data.len - head};
  bool with_record = is_answer && m->answer == ANSWER_HAVE;
  return with_record == (m->record.len > 0) ? REASON_NONE : REASON_PACKET_BAD;
}
