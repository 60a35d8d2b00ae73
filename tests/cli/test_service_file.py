"""The settings of a service: command line before environment before file before default."""

import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gridbourse.cli import serve as serving
from gridbourse.errors import InvalidValue

EXAMPLE = Path(__file__).parents[2] / "examples" / "service" / "service.toml"


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Runs the command up to where it would serve; returns where, and under which names."""

    def serve(text, *options, **environment):
        file, found = tmp_path / "service.toml", {}
        file.write_text(text, "utf-8")
        monkeypatch.setattr(
            serving, "run", lambda app, host, port: found.update(host=host, port=port, **vars_of(app.state.settings))
        )
        arguments = [str(tmp_path / "region"), "--config", str(file), *options]
        result = CliRunner().invoke(serving.serve, arguments, env=environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return found

    return serve


def vars_of(settings):
    return {"url": settings.public_url, "names": settings.allowed_hosts}


def test_each_source_goes_before_the_next(served):
    text = '[service]\nport = 8001\nhost = "127.0.0.2"\n'
    assert served("")["port"] == 8000
    assert served(text)["port"] == 8001
    assert served(text, GRIDBOURSE_PORT="8002")["port"] == 8002
    found = served(text, "--port", "8003", GRIDBOURSE_PORT="8002")
    assert (found["host"], found["port"], found["url"]) == ("127.0.0.2", 8003, "http://127.0.0.2:8003")


def test_a_list_is_taken_whole_from_the_first_source_that_has_it(served):
    text = '[service]\nallowed_hosts = ["one.example", "two.example"]\n'
    assert {"one.example", "two.example"} <= set(served(text)["names"])
    assert "one.example" not in served(text, "--allowed-host", "three.example")["names"]


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("[service]\nprot = 8000\n", "service.prot", "port"),
        ("[service]\nport = 70000\n", "service.port", "1<=x<=65535"),
        ('[service]\nport = "many"\n', "service.port", "integer"),
        ("[service]\nport = [1]\n", "service.port", "no list"),
        ("[service]\nport = true\n", "service.port", "--port"),
        ('[service]\nallowed_hosts = "x"\n', "service.allowed_hosts", "a list"),
        ('[service]\nbackups = "/no/such/folder"\n', "service.backups", "does not exist"),
        ("port = 8000\n", "service file", r"\[service\]"),
        ("[service]\n[more]\n", "service file", r"\[service\]"),
        ("port =", "service file", "TOML"),
    ],
)
def test_a_wrong_field_is_named(served, text, field, words):
    with pytest.raises(InvalidValue, match=words) as wrong:
        served(text)
    assert wrong.value.field == field


def test_the_command_line_cannot_be_talked_out_of_what_is_safe(served):
    with pytest.raises(InvalidValue, match="https"):
        served('[service]\nhost = "0.0.0.0"\n')


def test_the_example_has_every_field_but_the_examples_own():
    fields = tomllib.loads(EXAMPLE.read_text("utf-8"))["service"]
    options = {option.name for option in serving.serve.params if isinstance(option, click.Option)}
    assert fields.keys() == options - {"config", "help", "example"}
