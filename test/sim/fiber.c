#include "test/sim/fiber.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK (256u << 10)
#define GUARD 4096u

static struct fiber *running;
static jmp_buf scheduler;
static ucontext_t first_return;

struct fiber *fiber_running(void) {
  return running;
}

static void *stack_take(void) {
  void *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE)) abort();
  return p;
}

void fiber_start(struct fiber *f, void (*run)(void *arg), void *arg) {
  assert(running != f);
  if (!f->stack) f->stack = stack_take();
  f->run = run;
  f->arg = arg;
  f->started = false;
  f->alive = true;
}

static void entry(void) {
  struct fiber *f = running;
  f->run(f->arg);
  fiber_exit();
}

/* ucontext makes the first step onto the new stack; all later ones are jumps, without its system
 * calls for the signal mask. */
static void step_in(struct fiber *f) {
  ucontext_t first;
  f->started = true;
  getcontext(&first);
  first.uc_stack.ss_sp = (char *)f->stack + GUARD;
  first.uc_stack.ss_size = STACK - GUARD;
  first.uc_link = &first_return;
  makecontext(&first, entry, 0);
  setcontext(&first);
}

bool fiber_resume(struct fiber *f) {
  assert(!running && f->alive);
  running = f;
  if (_setjmp(scheduler) == 0) {
    if (f->started)
      _longjmp(f->here, 1);
    else
      step_in(f);
  }
  running = NULL;
  return f->alive;
}

void fiber_yield(void) {
  struct fiber *f = running;
  assert(f);
  if (_setjmp(f->here) == 0) _longjmp(scheduler, 1);
}

void fiber_exit(void) {
  running->alive = false;
  _longjmp(scheduler, 1);
}
