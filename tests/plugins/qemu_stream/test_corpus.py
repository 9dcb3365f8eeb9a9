"""The corpus of real QEMU streams, and the truth that was recorded of each machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domctx.states import DEVICES, MEMORY
from domctx_qemu_stream.vcpus import provide
from helpers.qemu_corpus import Corpus, opened, wrong_pages
from helpers.qemu_registers import different

VGA = (0xA_0000, 0xC_0000)
"""The window of a VGA device: behind it the RAM is not seen."""
DIFFERENCES: dict[str, tuple[tuple[int, int], ...]] = {
    "isapc-16m.mig": (VGA, (0xC_0000, 0xC_A000), (0xE_E000, 0x10_0000)),
    "microvm-16m.mig": ((0xE_F000, 0xF_0000), (0xF_4000, 0x10_0000)),
    "pc-1.4-16m-smp2.mig": (),
    "pc-16m.mig": (VGA,),
    "pc-16m-blockmig.mig": (),
    "pc-16m-boot32.mig": (),
    "pc-16m-live-multiround.mig": ((0x20_0000, 0x2E_F000),),
    "pc-16m-postcopy.fwd.mig": ((0x20_0000, 0x30_0000),),
    "pc-16m-uuid.mig": (),
    "pc-16m-xbzrle.mig": (),
    "pc-2.2-16m.mig": (),
    "q10-pc-16m-exec.mig": (),
    "q10-pc-16m-mappedram.mig": (),
    "q35-2817m-split.mig": (),
    "q35-32m-devices.mig": (VGA,),
}
"""Where a stream differs from what was dumped of its machine (formats/qemu.md 9.1); nowhere else."""
DEVICES_OF = {"pc-2.2-16m.mig": 27, "pc-16m-postcopy.fwd.mig": 30, "q35-32m-devices.mig": 47, "pc-16m.mig": 31}
pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def streams(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The streams, unpacked when they are asked for."""
    return Corpus(corpus / "qemu", tmp_path_factory.mktemp("corpus"))


def truth_of(name: str) -> str:
    """The name of the truth beside a stream."""
    return name.removesuffix(".mig").removesuffix(".fwd")


@pytest.mark.parametrize("name", DIFFERENCES)
def test_memory_is_what_was_dumped(name: str, streams: Corpus, tmp_path: Path) -> None:
    """Every page is the one that was recorded, but for those that the reference lists."""
    goal = tmp_path / "memory"
    domctx(["extract", str(streams.path(name)), "memory", "-o", str(goal)])
    wrong = wrong_pages(streams.truth(truth_of(name)), goal)
    assert [hex(page) for page in wrong if not any(low <= page < high for low, high in DIFFERENCES[name])] == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_it_is_read_to_its_end(name: str, streams: Corpus) -> None:
    """The stream has no problem, its last octet is the file's, and every section of a described device fits."""
    domain = opened(streams.path(name))
    assert domain.elements.problem is None
    assert domain.elements.end == domain.file.size
    described = domain.elements.description is not None
    assert all((section.description is not None) is described for section in domain.elements.devices)
    assert len(domain.elements.devices) == DEVICES_OF.get(name, len(domain.elements.devices))
    assert domain.machine.architecture == "x86_64"
    assert domain.state(MEMORY) is not None
    assert domain.state(DEVICES) is not None
    domain.close()


@pytest.mark.parametrize("name", [name for name in DIFFERENCES if "live" not in name and "postcopy" not in name])
def test_registers_are_what_was_printed(name: str, streams: Corpus) -> None:
    """Every register that info registers printed of every vCPU is the one that the view tells."""
    domain = opened(streams.path(name))
    vcpus = provide(domain)
    assert vcpus is not None
    printed = streams.truth(truth_of(name))["registers"]
    assert [str(vcpu) for vcpu in vcpus.contexts] == list(printed)
    for vcpu, registers in vcpus.vcpus.items():
        assert different(printed[str(vcpu)], registers) == {}
    domain.close()


@pytest.mark.parametrize("name", ["pc-16m.mig", "pc-2.2-16m.mig", "pc-16m-blockmig.mig"])
def test_the_commands_take_it(name: str, streams: Corpus, tmp_path: Path) -> None:
    """info, verify, show and convert work, and the image is good."""
    path = str(streams.path(name))
    for arguments in (["info", path, "--json"], ["verify", path], ["show", path, "--json"]):
        domctx(arguments)
    domctx(["convert", path, str(tmp_path / "vm.dctx")])
    domctx(["verify", str(tmp_path / "vm.dctx")])
    told = domctx(["registers", path, "--json"])
    assert '"architecture": "x86_64"' in told
    assert told.splitlines()[2:] == domctx(["registers", str(tmp_path / "vm.dctx"), "--json"]).splitlines()[2:]
    assert "vCPU 0: x86_64" in domctx(["registers", path])


def test_shared_memory_comes_from_its_file(streams: Corpus, tmp_path: Path) -> None:
    """The memory that x-ignore-shared leaves out is read from the file that is given for it."""
    shared = streams.path("pc-16m-ignore-shared.memfd.raw")
    goal = tmp_path / "memory"
    domctx(
        [
            "extract",
            str(streams.path("pc-16m-ignore-shared.mig")),
            "memory",
            "-o",
            str(goal),
            "-O",
            f"ram-file={shared}",
        ]
    )
    assert goal.read_bytes() == shared.read_bytes()
    wrong = wrong_pages(streams.truth("pc-16m-ignore-shared"), goal)
    assert [hex(page) for page in wrong if not VGA[0] <= page < VGA[1]] == []


def test_multifd_is_read_from_its_channels(streams: Corpus, tmp_path: Path) -> None:
    """With its channels the memory of a multifd stream is whole."""
    names = [f"pc-16m-multifd-none.ch{number}" for number in range(3)]
    main, *others = [str(streams.path(name)) for name in names]
    given = [part for path in others for part in ("-O", f"channel={path}")]
    domctx(["extract", main, "memory", "-o", str(tmp_path / "memory"), *given])
    assert wrong_pages(streams.truth("pc-16m-multifd-none"), tmp_path / "memory") == []


@pytest.mark.parametrize("name", ["libvirt-raw.save", "libvirt-gzip.save", "libvirt-xz.save"])
def test_libvirt_images_are_good(name: str, streams: Corpus, tmp_path: Path) -> None:
    """info, verify and convert take an image as libvirt wrote it, whatever it is packed with."""
    path = str(streams.path(name))
    assert '"name": "g1"' in domctx(["info", path, "--json"])
    domctx(["verify", path])
    domctx(["convert", path, str(tmp_path / "vm.dctx")])


def test_a_snapshot_is_read_from_its_image(streams: Corpus, tmp_path: Path) -> None:
    """The memory of a snapshot within a qcow2 image is the one that was dumped."""
    path, goal = str(streams.path("pc-16m-savevm.qcow2")), tmp_path / "memory"
    domctx(["extract", path, "memory", "-o", str(goal), "-O", "snapshot=snap1"])
    assert wrong_pages(streams.truth("pc-16m-savevm"), goal) == []
    domctx(["verify", path, "-O", "snapshot=snap2"])
    assert "'snap1', 'snap2'" in domctx(["verify", path], expect=2)


def test_multifd_is_refused_with_what_to_do(streams: Corpus) -> None:
    """The main channel alone has no pages: the refusal says how the others are given."""
    domctx(["info", str(streams.path("pc-16m-multifd-none.ch0"))])
    failed = domctx(["verify", str(streams.path("pc-16m-multifd-none.ch0"))], expect=1)
    assert "-O channel=FILE" in failed


def domctx(arguments: list[str], expect: int = 0) -> str:
    """Run a command; what it printed. Its exit code is as expected."""
    done = subprocess.run(
        [sys.executable, "-m", "domctx.cli.main", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stderr
    return done.stdout if expect == 0 else done.stdout + done.stderr
