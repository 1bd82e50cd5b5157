"""freeze.py - one thread of a process stands still, the others go on.

SIGSTOP stops a whole process, and so does a cgroup's freezer for what is in one; ptrace stops exactly the
thread that it is told, without a debugger, as an ordinary user who started the process."""
import contextlib
import ctypes
import os

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace of thread %d" % tid)


def threads(pid):
    """{thread id: name}"""
    found = {}
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, task)) as f:
            found[int(task)] = f.read().strip()
    return found


def fast_lcore(pid):
    return next(tid for tid, name in threads(pid).items() if "worker" in name)


@contextlib.contextmanager
def frozen(tid):
    ptrace(PTRACE_SEIZE, tid)
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        try:
            ptrace(PTRACE_DETACH, tid)
        except OSError:
            pass  # the process has ended
