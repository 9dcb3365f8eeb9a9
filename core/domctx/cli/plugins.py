"""``domctx plugins``."""

from __future__ import annotations

import click

from domctx.cli import options
from domctx.cli.session import Session


@click.command("plugins")
@options.as_json
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """List the plugins: loaded, disabled, or broken and why."""
    plugins = session.registry.manager.plugins
    if as_json:
        fields = ("name", "distribution", "version", "target", "status", "cause")
        session.print_json({"plugins": [{name: getattr(plugin, name) for name in fields} for plugin in plugins]})
        return
    for plugin in plugins:
        cause = f"  {plugin.cause}" if plugin.cause else ""
        session.echo(f"{plugin.name:32} {plugin.version:12} {plugin.status}{cause}")
