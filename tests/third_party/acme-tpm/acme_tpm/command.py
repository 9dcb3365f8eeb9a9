"""``domctx tpm FILE``: the registers of a TPM, of any file or machine that has one."""

from __future__ import annotations

import click

from acme_tpm.stored import TPM
from domctx.cli.session import Session
from domctx.errors import UsageError


@click.command("tpm")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.pass_obj
def command(session: Session, file: str, as_json: bool) -> None:
    """Print the registers of the TPM in FILE: a saved state or a machine."""
    tpm = session.registry.attach(session.open(file)).state(TPM)
    context = tpm.context if tpm is not None else None
    if context is None:
        raise UsageError("has no TPM", file=file)
    if as_json:
        session.print_json({"file": file, "resets": context.resets, "pcrs": [pcr.hex() for pcr in context.pcrs]})
        return
    session.echo(f"resets {context.resets}, NVRAM {len(context.nvram)} octets")
    for index, pcr in enumerate(context.pcrs):
        session.echo(f"PCR {index:2}  {pcr.hex()}")
