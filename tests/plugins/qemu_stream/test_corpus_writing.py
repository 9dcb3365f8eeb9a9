"""The corpus of real streams and images, written anew: octet for octet, loaded by QEMU, read by QEMU's own script."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.qemu_corpus import PAGE, Corpus, opened
from helpers.qemu_writing import domctx, octets_of, through_an_image
from helpers.real_qemu import BARE, RealQemu

MULTIFD = ("channel=pc-16m-multifd-none.ch1", "channel=pc-16m-multifd-none.ch2")
SHARED = ("ram-file=pc-16m-ignore-shared.memfd.raw",)
SAME = (
    "isapc-16m.mig",
    "microvm-16m.mig",
    "pc-1.4-16m-smp2.mig",
    "pc-16m.mig",
    "pc-16m-boot32.mig",
    "pc-16m-ignore-shared.mig",
    "pc-16m-uuid.mig",
    "pc-2.2-16m.mig",
    "q10-pc-16m-exec.mig",
    "q35-32m-devices.mig",
    "libvirt-raw.save",
)
"""Streams without rounds, in one part: they come back as they were."""
CHANGED: dict[str, tuple[str, ...]] = {
    "pc-16m-blockmig.mig": (),
    "pc-16m-live-multiround.mig": (),
    "pc-16m-postcopy.fwd.mig": (),
    "pc-16m-xbzrle.mig": (),
    "pc-16m-ignore-shared.mig": SHARED,
    "pc-16m-multifd-none.ch0": MULTIFD,
    "pc-16m-savevm.qcow2": ("snapshot=snap1",),
    "q10-pc-16m-mappedram.mig": (),
    "q35-2817m-split.mig": (),
    "libvirt-gzip.save": (),
    "libvirt-xz.save": (),
}
"""Streams with rounds, parts, channels, holes, packed ones: they come back as plain ones that hold the same."""
VGA = (0xA_0000, 0xC_0000)
pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def streams(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The streams, unpacked when they are asked for."""
    return Corpus(corpus / "qemu", tmp_path_factory.mktemp("corpus"))


def options_of(given: tuple[str, ...], streams: Corpus) -> list[str]:
    """Options whose files are those of the corpus."""
    pairs = (option.partition("=") for option in given)
    return [f"{key}={value if key == 'snapshot' else streams.path(value)}" for key, _, value in pairs]


def scheme_of(name: str) -> str:
    """What a file of the corpus is written as."""
    return "libvirt" if name.endswith(".save") else "qemu"


@pytest.mark.parametrize("name", SAME)
def test_it_comes_back_as_it_was(name: str, streams: Corpus, tmp_path: Path) -> None:
    """Through an image and back: every octet of the file."""
    source, goal = streams.path(name), tmp_path / "again"
    domctx("convert", str(source), str(tmp_path / "vm.dctx"))
    domctx("convert", str(tmp_path / "vm.dctx"), f"{scheme_of(name)}:{goal}")
    assert goal.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", CHANGED)
def test_it_comes_back_as_a_plain_stream(name: str, streams: Corpus, tmp_path: Path) -> None:
    """Through an image and back: nothing differs but how the pages are told; once more, and not an octet differs."""
    given = [part for option in options_of(CHANGED[name], streams) for part in ("-O", option)]
    source, image, goal = str(streams.path(name)), str(tmp_path / "vm.dctx"), tmp_path / "again"
    domctx("convert", source, image, *given)
    domctx("convert", image, f"{scheme_of(name)}:{goal}")
    domctx("diff", image, str(goal))
    domctx("convert", str(goal), f"{scheme_of(name)}:{tmp_path / 'once more'}")
    assert (tmp_path / "once more").read_bytes() == goal.read_bytes()


@pytest.mark.parametrize("name", [name for name in CHANGED if scheme_of(name) == "qemu" and "qcow2" not in name])
def test_devices_and_description_come_back(name: str, streams: Corpus, tmp_path: Path) -> None:
    """Every section's octets, version, instance and id, and the description, are those of the original."""
    first = opened(streams.path(name), *options_of(CHANGED[name], streams))
    (tmp_path / "again").write_bytes(octets_of(first))
    again = opened(tmp_path / "again")
    assert again.sections == first.sections
    assert again.elements.heads == first.elements.heads
    assert again.elements.footers == first.elements.footers
    found, due = again.elements.description, first.elements.description
    assert (found is None) is (due is None)
    if found is not None and due is not None and "mappedram" not in name:
        assert found.text == due.text
    first.close()
    again.close()


DISK = ("-drive", "file={disk},format=raw,if=ide,snapshot=on")
ISA = ("-device", "isa-vga", "-device", "ne2k_isa", "-device", "isa-serial")
LOADED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "isapc-16m.mig": (
        "",
        (),
        ("-machine", "isapc", "-cpu", "486", *ISA),
    ),
    "microvm-16m.mig": ("", (), ("-machine", "microvm", "-bios", "/usr/share/seabios/bios-microvm.bin")),
    "pc-1.4-16m-smp2.mig": ("", (), ("-machine", "pc-i440fx-1.4", "-smp", "2")),
    "pc-16m.mig": ("", (), ("-machine", "pc", "-vga", "std")),
    "pc-16m-live-multiround.mig": ("", (), ("-machine", "pc", *DISK)),
    "pc-16m-xbzrle.mig": ("", (), ("-machine", "pc", *DISK)),
    "pc-16m-postcopy.fwd.mig": ("pc-16m-postcopy", (), ("-machine", "pc", *DISK)),
    "pc-16m-ignore-shared.mig": (
        "",
        SHARED,
        ("-machine", "pc,memory-backend=m0", "-object", "memory-backend-ram,id=m0,size=16M", "-vga", "std"),
    ),
    "pc-16m-multifd-none.ch0": ("pc-16m-multifd-none", MULTIFD, ("-machine", "pc", *DISK)),
    "pc-16m-savevm.qcow2": ("pc-16m-savevm", ("snapshot=snap1",), ("-machine", "pc", *DISK)),
    "pc-2.2-16m.mig": ("", (), ("-machine", "pc-i440fx-2.2")),
}
"""What QEMU 7.2 wrote: where its truth is, its files, and the machine."""
ELSEWHERE = {"pc-16m-live-multiround.mig": (0x20_0000, 0x2F_0000), "pc-16m-postcopy.fwd.mig": (0x20_0000, 0x30_0000)}
"""Where the truth was dumped at another time (formats/qemu.md 9.1)."""


@pytest.mark.parametrize("name", LOADED)
def test_qemu_holds_the_recorded_machine(name: str, streams: Corpus, tmp_path: Path) -> None:
    """The plain stream is loaded by QEMU: its memory and registers are those that were recorded at the save."""
    truth_name, files, machine = LOADED[name]
    truth = streams.truth(truth_name or name.removesuffix(".mig"))
    options = options_of(files, streams)
    written = through_an_image(streams.path(name), tmp_path / "vm.mig", *options)
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    with RealQemu(*BARE, "-S", "-m", "16", *(part.format(disk=disk) for part in machine)) as qemu:
        _skip_other_versions(qemu, truth)
        qemu.start(written)
        low, high = ELSEWHERE.get(name, (0, 0))
        wrong = [page for page in wrong_pages(qemu, truth) if not low <= page < high]
        assert [hex(page) for page in wrong if not VGA[0] <= page < VGA[1]] == []
        if name not in ELSEWHERE:
            assert registers(qemu.registers()) == registers(*truth["registers"].values())


def _skip_other_versions(qemu: RealQemu, truth: dict[str, Any]) -> None:
    """Firmware and devices are those of the QEMU that wrote the corpus."""
    told = subprocess.run([qemu.command_line[0], "--version"], capture_output=True, text=True, check=True).stdout
    wanted = "{major}.{minor}".format(**truth["qemu"]["qemu"])
    if f"version {wanted}." not in told:
        pytest.skip(f"the corpus is of QEMU {wanted}")


def wrong_pages(qemu: RealQemu, truth: dict[str, Any]) -> list[int]:
    """The pages that are not as recorded."""
    known = {int(address, 16): digest for address, digest in truth["pages_sha256_nonzero"].items()}
    zero = hashlib.sha256(bytes(PAGE)).hexdigest()
    found = []
    for start, length in truth["ranges"]:
        octets = qemu.memory(start, length)
        for at in range(0, length, PAGE):
            if hashlib.sha256(octets[at : at + PAGE]).hexdigest() != known.get(start + at, zero):
                found.append(start + at)
    return found


def registers(*printed: str) -> list[str]:
    """Words of ``info registers``, without headings."""
    words = " ".join(printed).split()
    return [word for word in words if not re.match(r"CPU#|\d+$", word)]


@pytest.mark.parametrize("name", [*(name for name in SAME if scheme_of(name) == "qemu"), *CHANGED])
def test_qemus_own_script_reads_it(name: str, streams: Corpus, tmp_path: Path) -> None:
    """What analyze-migration.py accepts it accepts again, and prints the same state of devices and memory."""
    script = os.environ.get("DOMCTX_ANALYZE_MIGRATION")
    if script is None:
        pytest.skip("set DOMCTX_ANALYZE_MIGRATION to QEMU's scripts/analyze-migration.py")
    if scheme_of(name) != "qemu" or "qcow2" in name:
        pytest.skip("the script reads bare streams only")
    source = streams.path(name)
    domain = opened(source, *options_of(CHANGED.get(name, ()), streams))
    (tmp_path / "again").write_bytes(octets_of(domain))
    domain.close()
    line = [sys.executable, script, "-d", "state", "-f"]
    before, after = (
        subprocess.run([*line, str(path)], capture_output=True, check=False) for path in (source, tmp_path / "again")
    )
    if before.returncode == 0:
        assert after.returncode == 0, after.stderr[-300:]
        assert after.stdout == before.stdout
