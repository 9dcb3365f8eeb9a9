"""What a stream has to have to be a machine."""

from __future__ import annotations

from domctx_qemu_stream.features import Feature, features_of, missing


def test_features_are_numbered_as_the_reader_of_2009_numbered_them() -> None:
    """RAM 1, CPU 2, timer 4, KVM 8; either of two sections tells of KVM."""
    assert features_of(["ram", "cpu", "timer"]) == 7
    assert features_of(["kvmclock"]) == features_of(["kvm-tpr-opt"]) == Feature.KVM == Feature(8)
    assert features_of(["vga"]) == 0


def test_what_is_missing_is_named() -> None:
    """RAM and vCPUs are needed; timers and KVM are not."""
    assert missing(["ram", "cpu"]) == []
    assert missing(["timer", "cpu"]) == ["RAM"]
    assert missing([]) == ["RAM", "CPU"]
