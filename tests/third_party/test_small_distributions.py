"""Small real distributions, each wrong in its own way, told about by the command line in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.distributions import ONE_TYPE, TYPE, distribution, domctx

pytestmark = pytest.mark.slow

EMPTY_IMAGE = bytes.fromhex("01000000 00000000 08000000 00000000 04000000 0f000000" + "00" * 16)
"""START and END, forty octets: the smallest image that there is."""


class Site:
    """A folder with distributions in it, and a folder to work in that has an image."""

    def __init__(self, folder: Path) -> None:
        self.site, self.work = folder / "site", folder / "work"
        self.site.mkdir()
        self.work.mkdir()
        (self.work / "empty.v10").write_bytes(EMPTY_IMAGE)

    def add(self, name: str, source: str, **rest: Any) -> None:
        """Put a distribution into the folder."""
        distribution(self.site, name, source, **rest)

    def run(self, *arguments: str | Path, code: int = 0, **rest: Any) -> str:
        """Run a command, which must exit with ``code``; what it printed and told."""
        done = domctx(*arguments, site=self.site, cwd=self.work, **rest)
        told = (done.stdout + done.stderr).decode()
        assert done.returncode == code, told
        return told

    def plugins(self, **rest: Any) -> dict[str, tuple[str, str]]:
        """Status and cause of each plugin that is not bundled."""
        done: subprocess.CompletedProcess[bytes] = domctx("plugins", "--json", site=self.site, **rest)
        found = json.loads(done.stdout)["plugins"]
        return {row["name"]: (row["status"], row["cause"]) for row in found if row["distribution"] != "domctx"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty folder for distributions."""
    return Site(tmp_path)


def types(**changes: str) -> str:
    """A module with one record type, some of it changed: values are Python expressions."""
    changed = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f"{TYPE}\n@hookimpl\ndef domctx_record_types():\n    return [record_type({changed})]\n"


def hook(name: str, returned: str) -> str:
    """A module with one hook that returns an expression."""
    imports = "from domctx import Command, StateKey, hookimpl\nfrom domctx.api import Format\n"
    return f"{imports}@hookimpl\ndef domctx_{name}():\n    return {returned}\n"


CLAIMS = {
    "type code 0x7fff0010": (ONE_TYPE, types(name="'beta/thing'", state="StateKey('beta/thing')")),
    "record type name 'acme/thing'": (ONE_TYPE, types(code="0x7fff0011", state="StateKey('beta/thing')")),
    "state 'acme/thing'": (ONE_TYPE, types(code="0x7fff0011", name="'beta/thing'")),
    "scheme 'acme'": (hook("formats", "[Format(scheme='acme', summary='')]"),) * 2,
    "command 'acme'": (hook("commands", "[Command('acme', '', '')]"),) * 2,
}


@pytest.mark.parametrize("what", CLAIMS)
def test_claimed_twice(site: Site, what: str) -> None:
    """What two distributions claim is the first one's; the second is broken, and both are named."""
    for name, source in zip(("alpha-one", "beta-two"), CLAIMS[what], strict=True):
        site.add(name, source)
    message = f"{what} is claimed by alpha-one:main already"
    assert site.plugins() == {"alpha-one:main": ("loaded", ""), "beta-two:main": ("broken", message)}
    assert f"plugin beta-two:main is broken: {message}" in refused(site)


BROKEN = {
    "scheme 'sim' is claimed by domctx:sim already": hook("formats", "[Format(scheme='sim', summary='')]"),
    "state 'memory' is claimed by domctx:memory already": types(state="StateKey('memory')"),
    "type code 0x00010999 of acme/thing lies in the range of bundled types": types(code="0x10999"),
    "record type name 'THING' has no namespace: name it vendor/type": types(name="'THING'"),
    "domctx_formats returned None, expected a list of Format": hook("formats", "None"),
    "domctx_commands returned ['x'], expected a list of Command": hook("commands", "['x']"),
    "ModuleNotFoundError: No module named 'not_there'": "import not_there",
    "SyntaxError: invalid syntax": "def broken(:\n",
    "unknown hook 'domctx_record_type'; the hooks are domctx_record_types": ONE_TYPE.replace(
        "def domctx_record_types", "def domctx_record_type"
    ),
    "hook 'domctx_record_types' is not marked": ONE_TYPE.replace("@hookimpl", ""),
    "Argument(s) {'kind'} are declared in the hookimpl": f"{ONE_TYPE}\n@hookimpl\ndef domctx_save(kind):\n    pass\n",
    "its wrapper raised KeyError: 'acme'": (
        f"{ONE_TYPE}\n@hookimpl(wrapper=True)\ndef domctx_save(record_type):\n    yield\n    raise KeyError('acme')\n"
    ),
    "its wrapper returned None, not a handler": (
        f"{ONE_TYPE}\n@hookimpl(wrapper=True)\ndef domctx_load(record_type):\n    yield\n"
    ),
    "its transform 'acme/x' of TSC_INFO is for saving only": (
        "from domctx import Transformed, hookimpl\n@hookimpl(wrapper=True)\ndef domctx_save(record_type):\n"
        "    inner = yield\n    return Transformed('acme/x', inner) if record_type.name == 'TSC_INFO' else inner\n"
    ),
}


@pytest.mark.parametrize("cause", BROKEN)
def test_broken(site: Site, cause: str) -> None:
    """A plugin that cannot be used is listed with its cause; the others work on, reading warns and saving refuses."""
    site.add("acme-bad", BROKEN[cause], version="2.5")
    site.add("zeta-good", types(code="0x7fff0020", name="'zeta/thing'", state="StateKey('zeta/thing')"))
    found = site.plugins()
    assert found["zeta-good:main"] == ("loaded", "")
    status, told = found["acme-bad:main"]
    assert (status, cause in told) == ("broken", True), told
    assert f"plugin acme-bad:main is broken: {told}" in refused(site)


def refused(site: Site) -> str:
    """What a command that writes says while a plugin is broken; a command that reads must warn and go on."""
    warned = site.run("info", "empty.v10") + site.run("formats")
    assert "is broken and left out" in warned
    assert "dctx:" in warned
    told = [
        site.run(*command, code=70)
        for command in (
            ("save", "empty.v10", "out.dctx"),
            ("convert", "empty.v10", "out.dctx"),
            ("load", "empty.v10", "sim:none"),
        )
    ]
    assert all("mend it, or leave it out with DOMCTX_DISABLE_PLUGINS=" in each for each in told)
    assert sorted(path.name for path in site.work.iterdir()) == ["empty.v10"]
    return told[0]


@pytest.mark.parametrize("name", ["acme-bad", "acme-bad:main", "Acme_Bad", "ACME.bad:main", "*"])
def test_disabled(site: Site, name: str) -> None:
    """A plugin that is disabled by distribution, by name or by ``*`` is neither imported nor in the way."""
    site.add("acme-bad", "raise SystemError('imported')")
    assert site.plugins(disable=name)["acme-bad:main"] == ("disabled", "")
    told = site.run("save", "empty.v10", "out.dctx", disable=name)
    assert "acme-bad" not in told


def test_disabled_names_that_there_are_not(site: Site) -> None:
    """A name that disables nothing is a mistake, and refused by every command that needs plugins."""
    told = site.run("plugins", code=2, disable="acme-typo")
    assert "DOMCTX_DISABLE_PLUGINS names 'acme-typo', but there is no such plugin" in told
    assert "`domctx plugins` lists the names" not in site.run("--version", disable="acme-typo")


def test_asked_for(site: Site) -> None:
    """A plugin that is asked for by name must be there, enabled and whole."""
    site.add("acme-good", ONE_TYPE)
    assert "acme/thing" in site.run("--plugin", "acme-good", "types")
    told = site.run("--plugin", "acme-none", "types", code=2)
    assert "plugin 'acme-none' was asked for, but no installed distribution has it" in told
    told = site.run("--plugin", "acme-good", "types", code=2, disable="acme-good")
    assert "plugin acme-good:main was asked for, but DOMCTX_DISABLE_PLUGINS disables it" in told


def test_one_file_plugin(site: Site) -> None:
    """A file is a plugin while it is named, and needs no installation; one that is missing is refused."""
    (site.work / "thing.py").write_text(ONE_TYPE)
    assert "acme/thing" in site.run("--plugin", "./thing.py", "types")
    assert "file:./thing.py" in site.run("--plugin", "./thing.py", "plugins")
    assert "acme/thing" not in site.run("types")
    (site.work / "failing.py").write_text(failing("").replace("acme_bad", "none"))
    site.run("--plugin", "./failing.py", "save", "empty.v10", "out.dctx")
    told = site.run("show", "out.dctx")
    assert "acme/thing was written by a one-file plugin: name it, domctx --plugin FILE ..." in told
    assert "./none.py: there is no such plugin file" in site.run("--plugin", "./none.py", "types", code=2)


FAILING = f"""{TYPE}
from domctx import StateProvider, Command

def fail(*arguments):
    raise ValueError("no such thing")

@hookimpl
def domctx_record_types():
    return [record_type(CHANGES)]

@hookimpl
def domctx_state_providers():
    return [StateProvider(StateKey("acme/thing"), lambda domain: State())]

@hookimpl
def domctx_commands():
    return [Command("acme", "fails", "acme_bad:fail"), Command("nowhere", "fails", "acme_bad:none")]
"""


def failing(changes: str) -> str:
    """A plugin whose record type has a part that fails."""
    return FAILING.replace("CHANGES", changes)


@pytest.mark.parametrize("changes", ["save=fail", "exact_size=fail", "estimate_size=fail, max_size=lambda *a: 1 << 60"])
def test_handlers_that_fail(site: Site, changes: str) -> None:
    """A handler that raises is a bug of its distribution, which is named: exit code 70, and nothing is left."""
    site.add("acme-bad", failing(changes))
    told = site.run("save", "empty.v10", "out.dctx", code=70)
    assert "plugin acme-bad:main: ValueError: no such thing" in told
    assert "this is a bug in acme-bad, report it there" in told
    assert not (site.work / "out.dctx").exists()
    assert "Traceback" not in told
    assert "Traceback" in site.run("--debug", "save", "empty.v10", "out.dctx", code=70)


def test_a_plugin_that_ends_the_process(site: Site) -> None:
    """A handler or hook that calls ``sys.exit`` is a bug of its distribution: no command ends as if all were well."""
    ends = "lambda *arguments: sys.exit(0)"
    site.add("acme-bad", f"import sys\n{failing(f'save={ends}')}")
    told = site.run("save", "empty.v10", "out.dctx", code=70)
    assert "plugin acme-bad:main: it ends the process: SystemExit: 0" in told
    assert not (site.work / "out.dctx").exists()
    ends = "import sys\nfrom domctx import hookimpl\n@hookimpl\ndef domctx_record_types():\n    sys.exit(0)\n"
    other = Site(site.work)
    other.add("acme-bad", ends)
    assert other.plugins() == {"acme-bad:main": ("broken", "SystemExit: 0")}


def test_a_handler_that_is_a_generator(site: Site) -> None:
    """It would save nothing: the save fails, by the name of the distribution."""
    site.add("acme-bad", failing("save=never") + "\ndef never(state, writer, context):\n    yield writer.write(b'')\n")
    told = site.run("save", "empty.v10", "out.dctx", code=70)
    assert "plugin acme-bad:main: acme_bad.never is no plain function" in told
    assert not (site.work / "out.dctx").exists()


def test_handlers_that_break_the_rules(site: Site) -> None:
    """What the core refuses of a handler is told with its distribution, as what it raises is."""
    site.add("acme-bad", failing("save=lambda state, writer, context: writer.write(b'', instance=1)"))
    told = site.run("save", "empty.v10", "out.dctx", code=70)
    assert "in acme/thing[1]: plugin acme-bad:main: the type has instance 0 only" in told
    assert "this is a bug in acme-bad, report it there" in told


def test_layouts_that_there_are_not(site: Site) -> None:
    """A layout that is missing, or none at all, is a bug of its distribution, whichever command needs it."""
    for name, body in {"acme-bad": "'acme_bad:Body'", "beta-bad": "int"}.items():
        other = Site(site.work)
        other.add(name, failing(f"body={body}"))
        other.run("save", "empty.v10", f"{name}.dctx")
        for command in (("types", "--c"), ("types", "--table"), ("types", "--baseline", "b"), ("show", f"{name}.dctx")):
            assert f"plugin {name}:main: " in other.run(*command, code=70)
        shutil.rmtree(other.site)
        shutil.rmtree(other.work)


WRONG_FORMATS = {
    "plugin acme-bad:main: acme: is neither Domain nor Target, but None": "open=lambda path, context: None",
    "plugin acme-bad:main: ValueError: no": "probe=lambda head: fail()",
    "several formats claim the file; got acme (of acme-bad:main), dctx (of domctx:core)": "probe=lambda head: True",
}


@pytest.mark.parametrize("told", WRONG_FORMATS)
def test_formats_that_are_wrong(site: Site, told: str) -> None:
    """What a format breaks is told with its distribution, as is whose formats claim one file."""
    source = hook("formats", f"[Format(scheme='acme', summary='', {WRONG_FORMATS[told]})]")
    site.add("acme-bad", f"{source}\ndef fail():\n    raise ValueError('no')\n")
    file = "acme:it" if "open" in WRONG_FORMATS[told] else "empty.v10"
    assert told in site.run("diff", file, file, code=5 if "several" in told else 70)


def test_a_command_that_is_none(site: Site) -> None:
    """A command that is no click command is a bug of its distribution."""
    site.add("acme-bad", hook("commands", "[Command('acme', '', 'acme_bad:domctx_commands')]"))
    told = site.run("acme", code=70)
    assert "plugin acme-bad:main: acme_bad:domctx_commands is no click command, but a function" in told


def test_plugins_that_print(site: Site) -> None:
    """What a plugin prints stands beside the output: JSON is read, and an image on standard output is whole."""
    prints = "(print('saved'), writer.write(b''))[1]"
    site.add("acme-bad", f"print('imported')\n{failing(f'save=lambda state, writer, context: {prints}')}")
    assert site.plugins()["acme-bad:main"] == ("loaded", "")
    done = domctx("save", "empty.v10", "-", site=site.site, cwd=site.work)
    assert (done.returncode, done.stderr.count(b"imported"), done.stderr.count(b"saved")) == (0, 1, 1)
    (site.work / "out.dctx").write_bytes(done.stdout)
    assert "out.dctx: good" in site.run("verify", "out.dctx")


DOMAIN = """
from domctx import Machine, hookimpl
from domctx.api import Format
from domctx.states import CLOCK

class Domain:
    scheme, location, one_pass, machine = "acme", "it", False, Machine("", "")
    def state(self, key):
        return self if key == CLOCK else None
    def owned_states(self):
        return [CLOCK]
    def pause(self):
        pass
    unpause = close = pause
    @property
    def tsc(self):
        raise ValueError("no clock here")

@hookimpl
def domctx_formats():
    return [Format(scheme="acme", summary="", open=lambda path, context: Domain())]
"""


def test_a_state_that_fails(site: Site) -> None:
    """A state that fails in another's handler is a bug of the distribution whose state it is."""
    site.add("acme-bad", DOMAIN)
    told = site.run("save", "acme:it", "out.dctx", code=70)
    assert "plugin acme-bad:main: ValueError: no clock here" in told
    assert "this is a bug in acme-bad, report it there" in told


READERS: dict[str, Callable[[Site], str]] = {
    "load=fail": lambda site: site.run("diff", "out.dctx", "out.dctx", code=70),
    "show=fail": lambda site: site.run("show", "out.dctx", "acme/thing", code=70),
    "check=fail": lambda site: site.run("verify", "out.dctx", code=70),
    "view=fail": lambda site: site.run("diff", "out.dctx", "out.dctx", code=70),
    "new_state=fail": lambda site: site.run("verify", "out.dctx", code=70),
    "diff=fail": lambda site: site.run("diff", "out.dctx", "out.dctx", code=70),
}


@pytest.mark.parametrize("changes", READERS)
def test_readers_that_fail(site: Site, changes: str) -> None:
    """So is whatever else of a record type raises: load, show, check, view, new_state, diff."""
    site.add("acme-bad", failing(changes))
    site.run("save", "empty.v10", "out.dctx")
    told = READERS[changes](site)
    assert "plugin acme-bad:main: ValueError: no such thing" in told


def test_providers_that_fail(site: Site) -> None:
    """A provider that raises is a bug of its distribution."""
    site.add("acme-bad", failing("").replace("lambda domain: State()", "fail"))
    assert "plugin acme-bad:main: ValueError: no such thing" in site.run("save", "empty.v10", "out.dctx", code=70)


def test_commands_that_fail(site: Site) -> None:
    """A command that cannot be imported or raises is a bug of its distribution."""
    site.add("acme-bad", failing("") + "\nimport click\nfail = click.command('acme')(fail)\n")
    assert "acme-bad" in site.run("acme", code=70)
    assert "acme-bad" in site.run("nowhere", code=70)


def test_a_command_of_ours_cannot_be_taken(site: Site) -> None:
    """A plugin that claims one of domctx's own commands is broken, and domctx's own stands."""
    site.add("acme-bad", hook("commands", "[Command('info', 'mine', 'acme_bad:x')]"))
    status, cause = site.plugins()["acme-bad:main"]
    assert (status, cause) == ("broken", "command 'info' is claimed by domctx:core already")


def test_codes_with_two_names(site: Site) -> None:
    """An image whose MANIFEST gives a code another name than the registered one is refused, naming both."""
    site.add("acme-one", failing("").replace("acme_bad", "acme_one"))
    site.run("save", "empty.v10", "out.dctx")
    other = Site(site.work)
    other.add("beta-two", types(name="'beta/thing'"))
    told = other.run("verify", site.work / "out.dctx", code=1)
    assert "type code 0x7fff0010 has two names" in told
    assert "beta/thing (of beta-two:main)" in told
    assert "acme/thing (of acme-one)" in told


def test_an_image_names_what_can_read_it(site: Site) -> None:
    """Without the plugin the record is refused with its place and the distribution that wrote it."""
    site.add("acme-bad", failing(""), version="3.1")
    site.run("save", "empty.v10", "out.dctx")
    told = site.run("convert", "out.dctx", "b.dctx", code=5, disable="acme-bad")
    assert "acme/thing can be read by the distribution acme-bad 3.1: install it" in told
    assert "0x7fff0010" in told
