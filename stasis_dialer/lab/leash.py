"""Run a program that must not outlive the process that started it: `leash.py PARENT_PID COMMAND...`.

Asks the kernel for SIGKILL when the parent ends, then becomes the program: same process id, no process in between.
Imports nothing of the project, because it is run as a bare script.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""


def main() -> None:
    """Put this process on the leash and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended before its program started")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
