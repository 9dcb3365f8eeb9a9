"""The record type acme/tpm, the TPM of simulated machines, and the command ``domctx tpm``."""

from __future__ import annotations

from acme_tpm.body import body_of, context_of
from acme_tpm.layout import MAX_NVRAM, TpmBody
from acme_tpm.sim import provide
from acme_tpm.stored import TPM, StoredTpm, Tpm
from domctx import Command, Context, Machine, RecordRun, RecordType, RecordWriter, StateProvider, hookimpl
from domctx.schema import encode, size_of
from domctx.wire import record_size


def save(state: Tpm, writer: RecordWriter, context: Context) -> None:
    """The one record; none where the TPM holds nothing. Raises RecordError as ``body_of``."""
    if state.context is not None:
        writer.write_object(body_of(state.context))


def load(state: Tpm, run: RecordRun, context: Context) -> None:
    """The one record into the state. Raises RecordError as ``context_of``."""
    for record in run:
        state.store(context_of(record.decode()))


def exact_size(state: Tpm, context: Context) -> int:
    """Octets that the record takes."""
    return record_size(len(encode(body_of(state.context)))) if state.context is not None else 0


def new_state(machine: Machine) -> StoredTpm:
    """An empty TPM."""
    return StoredTpm()


@hookimpl
def domctx_record_types() -> list[RecordType]:
    """acme/tpm."""
    return [
        RecordType(
            code=0x0002_0000,
            name="acme/tpm",
            summary="a virtual TPM: its registers and its non-volatile memory",
            state=TPM,
            save=save,
            load=load,
            new_state=new_state,
            body=TpmBody,
            max_body=size_of(TpmBody) + MAX_NVRAM,
            exact_size=exact_size,
        )
    ]


@hookimpl
def domctx_state_providers() -> list[StateProvider]:
    """The TPM of simulated machines."""
    return [StateProvider(TPM, provide)]


@hookimpl
def domctx_commands() -> list[Command]:
    """``domctx tpm``."""
    return [Command("tpm", "print the registers of a TPM", "acme_tpm.command:command")]
