"""Runs one command and prints what it took as JSON: ``python -I -S lean.py OUTPUT COMMAND...``.

A process of its own, which imports next to nothing: the peak that the system counts for a command begins with that of
the process which started it.
"""

import json
import os
import sys
import time


def main(output: str, command: list[str]) -> int:
    """Run it; its standard output goes to the file ``output``, its errors to ours."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    started = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10]))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
