"""Entry points are found in ``dist-info`` folders, without importing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.discovery import EntryPoint, entry_points
from helpers.distributions import distribution


def test_finds_entry_points_of_our_group_only(tmp_path: Path) -> None:
    """A distribution's entry points of the group are found, with its name and version; those of others are not."""
    distribution(tmp_path, "acme-tpm", "", version="1.2.3", entries={"tpm": "acme_tpm.plugin", "more": "m:a.b [extra]"})
    assert entry_points([str(tmp_path)]) == [
        EntryPoint("acme-tpm", "more", "m:a.b", "1.2.3"),
        EntryPoint("acme-tpm", "tpm", "acme_tpm.plugin", "1.2.3"),
    ]
    assert entry_points([str(tmp_path)])[1].name == "acme-tpm:tpm"


def test_sorted_by_distribution_and_entry_point(tmp_path: Path) -> None:
    """The order is that of the names, wherever the distributions stand."""
    for folder, name in (("a", "zeta"), ("b", "alpha"), ("a", "Beta.Gamma")):
        distribution(tmp_path / folder, name, "")
    found = entry_points([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [point.distribution for point in found] == ["alpha", "beta-gamma", "zeta"]


def test_first_on_the_path_wins(tmp_path: Path) -> None:
    """Of one distribution that stands twice on the path, the first counts: it is the one that is imported."""
    distribution(tmp_path / "new", "acme", "", version="2.0")
    distribution(tmp_path / "old", "acme", "", version="1.0")
    (found,) = entry_points([str(tmp_path / "new"), str(tmp_path / "old")])
    assert found.version == "2.0"


def test_empty_path_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty string in ``sys.path`` stands for the current folder."""
    distribution(tmp_path, "acme", "")
    monkeypatch.chdir(tmp_path)
    assert [point.name for point in entry_points([""])] == ["acme:main"]


@pytest.mark.parametrize(
    "text", [b"", b"[other]\nmain = m\n", b"[domctx.v1]\n# main = m\nnothing here\n", b"[domctx.v1]\n\xff = m"]
)
def test_folders_without_entry_points_of_ours(tmp_path: Path, text: bytes) -> None:
    """A file that is empty, of other groups, without a line of the form, or not UTF-8, adds nothing."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes(text)
    assert entry_points([str(tmp_path)]) == []


def test_paths_that_are_no_folders(tmp_path: Path) -> None:
    """What does not exist, is a file, or has a dist-info without entry points adds nothing."""
    (tmp_path / "file.zip").touch()
    (tmp_path / "acme-1.0.dist-info").mkdir()
    assert entry_points([str(tmp_path / "none"), str(tmp_path / "file.zip"), str(tmp_path)]) == []
