/* fiber.h - a function that can stop in the middle and go on later, all in one OS thread.
 *
 * A thread of the product that blocks (in its disk, in its sleep) is a fiber here: while it waits,
 * virtual time passes and the others run.  Switching costs some ten nanoseconds.
 *
 *   fiber_start(f, function, arg);  while (fiber_resume(f)) ...;  in it: fiber_yield()
 */
#ifndef ZABLINE_TEST_SIM_FIBER_H
#define ZABLINE_TEST_SIM_FIBER_H

#include <setjmp.h>
#include <stdbool.h>

struct fiber {
  jmp_buf here;
  void *stack; /* taken once, kept */
  void (*run)(void *arg);
  void *arg;
  bool started, alive;
};

/* fiber_start prepares; whatever f was doing before is forgotten. */
void fiber_start(struct fiber *f, void (*run)(void *arg), void *arg);
/* fiber_resume runs f until it yields or ends; false: it has ended. */
bool fiber_resume(struct fiber *f);
/* fiber_yield goes back to whoever resumed the running fiber. */
void fiber_yield(void);
/* fiber_exit ends the running fiber from anywhere in it. */
_Noreturn void fiber_exit(void);
/* fiber_running returns the one that runs, NULL: the main stack. */
struct fiber *fiber_running(void);

#endif
