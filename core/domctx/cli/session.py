"""What a command works with: the registry, references opened, notes and JSON printed, progress shown."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from domctx.cli.commands import COMMANDS, OPTIONS
from domctx.cli.terminal import complain, printable, silence
from domctx.errors import DomctxError, UsageError

if TYPE_CHECKING:
    from domctx.api import Domain, Format, FormatContext, Target
    from domctx.context import OpenContext, Operation
    from domctx.manager import Plugin
    from domctx.references import Reference
    from domctx.registry import Registry
    from domctx.sources import FileSource


T = TypeVar("T")


class Session:
    """One call of the command line."""

    def __init__(self) -> None:
        self.plugins: Sequence[str] = ()
        self.debug = False
        self.quiet = False
        self.progress = "auto"
        self._registry: Registry | None = None
        self._stdin: str | None = None
        self._head = b""
        """What was read of standard input to see what it is."""
        self._stdout: int | None = None
        self._exits = contextlib.ExitStack()

    @property
    def registry(self) -> Registry:
        """The resolved plugins; found and imported when first asked for."""
        if self._registry is None:
            from domctx.discovery import entry_points
            from domctx.manager import Manager
            from domctx.references import IMAGE_FORMAT
            from domctx.registry import Registry

            disabled = os.environ.get("DOMCTX_DISABLE_PLUGINS", "")
            with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints is no part of a command's output
                manager = Manager.load(entry_points(sys.path), disabled=disabled, wanted=self.plugins)
                manager.trace = self.note if os.environ.get("DOMCTX_TRACE") == "1" else None
                self._registry = Registry.resolve(manager, [IMAGE_FORMAT], COMMANDS, OPTIONS)
            for plugin in manager.broken():
                self.note(f"plugin {plugin.name} is broken and left out: {plugin.cause}")
        return self._registry

    def plugins_in_use(self) -> Sequence[Plugin]:
        """The plugins that are loaded; none where none was needed yet."""
        return self._registry.manager.loaded() if self._registry is not None else ()

    def reference(self, text: str) -> Reference:
        """Parse a reference."""
        from domctx.references import parse

        return parse(text, self.registry)

    def operation(self, given: Sequence[str] = (), *, force: bool = False, allow_newer: bool = False) -> Operation:
        """An operation that tells its notes and its progress here."""
        from domctx.context import Operation

        operation = Operation(given, note=self.note, force=force, allow_newer=allow_newer)
        self._exits.callback(operation.close)
        return operation

    def format_of(self, reference: Reference) -> Format:
        """The format of what a reference names: its scheme, or the magic of the file."""
        from domctx.references import detect

        if reference.scheme is not None:
            return self.registry.formats[reference.scheme][0]
        return detect(reference.location, self.registry)

    def open(self, text: str, options: Sequence[str] = (), operation: Operation | None = None) -> Domain:
        """Open what a reference names as a Domain; it is closed when the command ends.

        Raises UsageError where the format cannot be opened, or an option is not one of its own.
        """
        operation = operation or self.operation(options)
        reference = self.seekable(self.reference(text))
        format_ = self.format_of(reference)
        self.check_options(operation.given, [format_])
        return self.open_as(format_, reference, operation)

    def open_as(self, format_: Format, reference: Reference, operation: Operation) -> Domain:
        """Open a reference whose format is known."""
        from domctx.references import IMAGE

        if format_.scheme == IMAGE:
            from domctx.image import open_image
            from domctx.image_domain import ImageDomain

            image = open_image(reference.location, allow_newer=operation.allow_newer)
            self._exits.callback(image.close)
            return ImageDomain(image, self.registry, operation)
        if format_.open is None:
            raise UsageError(f"{format_.scheme}: cannot be read", file=str(reference))
        domain = self._called(format_.open, format_, reference, operation)
        self._exits.callback(domain.close)
        return domain

    def create(self, reference: Reference, operation: Operation) -> Target:
        """A new target of the reference's format. Raises UsageError where it is none to load into."""
        format_ = self.format_of(reference)
        if format_.create is None:
            raise UsageError(f"{format_.scheme}: is not a machine to load into", file=str(reference))
        if reference.is_stream:
            raise UsageError("a machine is no stream", file=str(reference), hint="write ./- for what is so called")
        return self._called(format_.create, format_, reference, operation)

    def update(self, reference: Reference, operation: Operation) -> Target:
        """A target that exists already, for a plain v10 image, which has no memory of its own.

        Raises UsageError where the format has no such targets.
        """
        format_ = self.format_of(reference)
        if format_.update is None:
            raise UsageError(
                f"{format_.scheme}: cannot be loaded into while it exists",
                file=str(reference),
                hint="a plain v10 image has no memory, so it loads only into a machine that exists",
            )
        return self._called(format_.update, format_, reference, operation)

    def _called(
        self, opener: Callable[[str, FormatContext], T], format_: Format, reference: Reference, operation: Operation
    ) -> T:
        """Call one of a format's functions; what it breaks is told with its plugin's name."""
        from domctx.handlers import failure, guard

        context = self.context(format_, operation)
        suspects = self.registry.suspects(format_)
        found = guard(lambda: opener(reference.location, context), suspects)
        if not hasattr(found, "state"):
            raise failure(suspects[0], f"{format_.scheme}: is neither Domain nor Target, but {found!r}")
        return found

    def context(self, format_: Format, operation: Operation) -> OpenContext:
        """What a format is lent."""
        from domctx import options
        from domctx.context import OpenContext

        return OpenContext(operation, format_.options, options.select(operation.given, format_.options))

    def check_options(
        self,
        given: Sequence[str],
        sources: Iterable[Format] = (),
        goals: Iterable[Format] = (),
        *,
        saving: bool = False,
    ) -> None:
        """Refuse an option that neither these formats nor, in a save, any record type declares for what is done."""
        from domctx import options

        types = self.registry.types.values() if saving else ()
        options.check(given, sources, goals, [option for bound in types for option in bound.type.options])

    def seekable(self, reference: Reference) -> Reference:
        """The reference itself; standard input is first spooled to a file that has no name."""
        from domctx.references import STREAM, Reference, spool

        if not reference.is_stream:
            return reference
        if self._stdin is not None:
            raise UsageError("standard input can be read once only", hint="save it to a file first")
        self._stdin = STREAM
        self._stdin, descriptor = spool(self.stdin_source())
        self._exits.callback(os.close, descriptor)
        return Reference(reference.scheme, self._stdin)

    def named(self, error: DomctxError) -> DomctxError:
        """The error itself; what names the spooled standard input is called so."""
        if self._stdin is not None and error.file is not None and error.file.endswith(self._stdin):
            error.file = "standard input"
        return error

    def stdin(self) -> int:
        """Standard input for octets. Raises UsageError where it is closed."""
        if sys.stdin is None:
            raise UsageError("standard input is closed", hint="name a file")
        return sys.stdin.fileno()

    def stdin_is_image(self) -> bool:
        """Whether standard input begins as domctx's own images do. Raises UsageError where it is closed."""
        from domctx.references import IMAGE_MAGIC

        self._head = b""
        self._head = bytes(self.stdin_source().read(len(IMAGE_MAGIC)))
        return self._head == IMAGE_MAGIC

    def stdin_source(self) -> FileSource:
        """Standard input in one pass, from its first octet on. Raises UsageError where it is closed."""
        from domctx.sources import FileSource

        return FileSource(self.stdin(), "standard input", self._head)

    def stdout(self) -> int:
        """Standard output for octets; what a plugin prints goes elsewhere from here on.

        Raises UsageError where it is a terminal, or closed.
        """
        if self._stdout is not None:
            return self._stdout
        if sys.stdout is None:
            raise UsageError("standard output is closed", hint="name a file")
        if sys.stdout.isatty():
            raise UsageError("octets are not written to a terminal", hint="redirect the output, or name a file")
        sys.stdout.flush()
        self._stdout = sys.stdout.fileno()
        self._exits.enter_context(contextlib.redirect_stdout(sys.stderr))
        return self._stdout

    def echo(self, text: str) -> None:
        """Print a line of the command's output; in ``text`` no other begins.

        Raises DomainError where it cannot be written, and BrokenPipeError where nobody reads it.
        """
        self._say(printable(text))

    def note(self, text: str) -> None:
        """Tell the user something beside the output; the spooled standard input is called so."""
        if self.quiet:
            return
        if self._stdin is not None and self._stdin.startswith("/"):
            text = text.replace(self._stdin, "standard input")
        complain(f"domctx: {text}")

    def print_json(self, value: Any) -> None:
        """Print a JSON value, on many lines for people at a terminal.

        Raises DomainError where it cannot be written, and BrokenPipeError where nobody reads it.
        """
        import json

        terminal = sys.stdout is not None and sys.stdout.isatty()
        self._say(json.dumps(value, indent=2 if terminal else None))

    def _say(self, text: str) -> None:
        try:
            click.echo(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            from domctx.disk import refused

            silence(sys.stdout)
            raise refused(error, "standard output") from error

    @contextlib.contextmanager
    def progress_of(self, operation: Operation, what: str, total: int) -> Iterator[None]:
        """Show the progress of an operation while the block runs."""
        from domctx.cli.progress import shown

        with shown(operation, what, total, mode="none" if self.quiet else self.progress):
            yield

    def on_exit(self, close: Callable[[], None]) -> None:
        """Call ``close`` when the command ends."""
        self._exits.callback(close)

    def close(self) -> None:
        """Close everything that was opened."""
        self._exits.close()
