"""``python -m benchmarks [NAME...]``: run rows, write ``benchmarks/results/*.json`` and the table in the docs."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks import report, rows_files, rows_live, rows_peak
from benchmarks.bench import Bench, Row, version_of
from benchmarks.measure import Missing

ROWS = (*rows_live.ROWS, *rows_files.ROWS, *rows_peak.ROWS)


def main(arguments: list[str]) -> int:
    """Run the rows that are named, or all; the exit code."""
    given = _parser().parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' installations have it written
    peers = dict(each.split("=", 1) for each in given.peer)
    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, given.mib, given.pairs, peers)
    unknown = set(given.names) - {row.name for row in ROWS}
    if unknown:
        print(f"no such row: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    for row in ROWS:
        if not given.names or row.name in given.names:
            found = measured(row, bench)
            report.write(found)
            print(report.line(found), flush=True)
    report.write_page(ROWS)
    return 0


def measured(row: Row, bench: Bench) -> dict[str, Any]:
    """Run one row; what is missing is told in its place."""
    told: dict[str, Any] = {
        "name": row.name,
        "what": row.what,
        "against": row.against,
        "at most": row.at_most,
        "aim": row.aim,
        "command": f"python -m benchmarks {row.name} --mib {bench.mib} --pairs {bench.pairs}",
        "machine": machine(),
    }
    try:
        found = row.run(bench)
    except Missing as error:
        return told | {"missing": str(error)}
    finally:
        bench.tidy()  # the folder may be in memory: what one row wrote must not crowd the next
    return told | {"value": round(found.value, 4), "figures": found.figures}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "")
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "qemu": version_of(["qemu-system-x86_64", "--version"]),
        "zstd": version_of(["zstd", "--version"]),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--mib", type=int, default=1024, help="the guest's memory (1024)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs for each row (5)")
    parser.add_argument("--folder", default="/var/tmp/domctx-benchmarks", help="where inputs and outputs lie")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=[PYTHON ]PATH", help="where a peer is")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
