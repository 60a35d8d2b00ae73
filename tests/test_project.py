"""The project's own rules: sizes, docstrings, one version."""

import ast
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import gridbourse

ROOT = Path(__file__).parents[1]
MODULES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.glob("src/**/*.py"))}
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_and_fits_its_size(name):
    text = MODULES[name]
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [node.name for node in functions if node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES]
    assert too_long == []


def test_there_are_modules_to_look_at():
    assert "src/gridbourse/errors.py" in MODULES


def test_the_package_the_project_and_the_installation_have_one_version():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert gridbourse.__version__ == declared == metadata.version("gridbourse")


def test_the_chain_core_is_for_the_chain_and_its_keys_alone():
    of_the_chain = ("src/gridbourse/chain/", "src/gridbourse/crypto/keys.py")
    elsewhere = [name for name, text in MODULES.items() if "_native" in text and not name.startswith(of_the_chain)]
    assert elsewhere == []
