"""``domctx``: answers ``--version`` before anything is imported, then hands over to click."""

from __future__ import annotations

import atexit
import gc
import os
import sys

LASTING = 100_000
"""Objects after which cycles are looked for: what a command imports before it begins stays to its end."""


def main() -> int:
    """Run the command line; the exit code of the process."""
    if sys.argv[1:] == ["--version"]:
        import domctx

        print(f"domctx {domctx.__version__}")
        return 0
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's: threads that nothing here uses spin for a while
    gc.set_threshold(LASTING)
    atexit.register(gc.freeze)  # to look for cycles in what goes with the process takes a tenth of a short command
    try:
        from domctx.cli.run import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command caught signals itself
        print("domctx: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
