"""Results as JSON, one file for each row, and the table in ``docs/benchmarks.md`` that is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Row

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
PAGE: Final = HERE.parent / "docs" / "benchmarks.md"
MARK: Final = "<!-- the table is made by python -m benchmarks -->\n"


def write(found: dict[str, Any]) -> None:
    """Keep one row's result."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{found['name']}.json").write_text(json.dumps(found, indent=2) + "\n")


def line(found: dict[str, Any]) -> str:
    """One row for a terminal."""
    if "missing" in found:
        return f"{found['name']:18} missing: {found['missing']}"
    verdict = "aim" if found["value"] <= found["aim"] else "good" if found["value"] <= found["at most"] else "SHORT"
    bounds = f"at most {found['at most']:.4g}, aim {found['aim']:.4g}"
    return f"{found['name']:18} {found['value']:8.4g}  {bounds}: {verdict}"


def write_page(rows: Iterable[Row]) -> None:
    """Write the table behind the page's mark; what stands before it is kept."""
    before = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else "# Benchmarks\n\n"
    PAGE.write_text(before + MARK + "\n".join(_table(rows)) + "\n")


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| what | against | measured | at most | aim | command |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        path = RESULTS / f"{row.name}.json"
        found = json.loads(path.read_text()) if path.exists() else {"missing": "not run"}
        value = f"**{found['value']:.3g}**" if "value" in found else f"missing: {found['missing']}"
        command = f"`python -m benchmarks {row.name}`"
        against = row.against.replace("|", "\\|")
        yield f"| {row.what} | {against} | {value} | {row.at_most:.3g} | {row.aim:.3g} | {command} |"
