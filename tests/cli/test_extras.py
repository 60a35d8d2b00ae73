"""A plain node needs nothing that only plots, plans or prints; who asks for that without it is told what to install."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gridbourse.cli.main import COMMANDS
from gridbourse.extras import EXTRAS

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {"fpdf": "fpdf2"}
"""Of libraries that are imported under another name."""
PLOTTING = {"demo": "plot", "consortium": "plot", "day": "plan", "experiment": "plot", "scenario": "plan"}
"""Commands that make pictures, and the extra they miss first."""
WITHOUT = f"import sys\nsys.modules.update(dict.fromkeys({list(EXTRAS)!r}))\n"


def python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program, *arguments], capture_output=True, text=True, check=False
    )


def test_each_extra_brings_its_library_and_a_plain_installation_none():
    for library, extra in EXTRAS.items():
        distribution = DISTRIBUTIONS.get(library, library)
        assert any(line.startswith(f"{distribution}>") for line in PROJECT["optional-dependencies"][extra])
        assert not any(line.startswith(f"{distribution}>") for line in PROJECT["dependencies"])


def test_every_other_command_and_the_service_load_without_the_extras():
    modules = sorted({f"gridbourse.cli.{entry.module}" for name, entry in COMMANDS.items() if name not in PLOTTING})
    program = f"from importlib import import_module\nfor name in {modules!r}: import_module(name)\n"
    ended = python(program + "import gridbourse.web, gridbourse.service.app, gridbourse.node.region\n")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", PLOTTING)
def test_a_command_that_misses_an_extra_names_it(command):
    ended = python("from gridbourse.cli.main import main; main()", command, "--help")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "pip install 'gridbourse[" in ended.stderr


def test_what_is_missing_for_another_reason_is_said_as_it_is():
    ended = python("from gridbourse.extras import extras_named\nwith extras_named(): import no_such_library")
    assert "ModuleNotFoundError: No module named 'no_such_library'" in ended.stderr
