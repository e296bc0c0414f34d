"""Stops one thread of another process for a while, again and again.

usage: stall.py THREAD MILLISECONDS TIMES MILLISECONDS-BETWEEN
The thread is let go whatever happens: the kernel does it when this process ends.
"""

import ctypes
import os
import sys
import time

SEIZE, INTERRUPT, CONT = 0x4206, 0x4207, 7
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) < 0:
        error = ctypes.get_errno()
        sys.exit(f"ptrace {request:#x}: {os.strerror(error)}")


def main():
    thread, pause, times, rest = int(sys.argv[1]), int(sys.argv[2]) / 1000, int(sys.argv[3]), int(sys.argv[4]) / 1000
    ptrace(SEIZE, thread)
    for _ in range(times):
        ptrace(INTERRUPT, thread)
        os.waitpid(thread, WALL)
        time.sleep(pause)
        ptrace(CONT, thread)
        time.sleep(rest)


main()
