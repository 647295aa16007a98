"""Become another program, one that is told to stop when the process that asked for it ends, however it ends.

Run as a script, ``child.py PARENT COMMAND...``, with PARENT's process id: between a fork and the new program nothing of
a threaded parent may run. Linux only does the telling; elsewhere the next ``atom up`` finds what was left.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)  # it ended before this
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
