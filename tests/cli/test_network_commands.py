"""`gridbourse network` and `gridbourse node`: folders, one process, and what they say to bad input."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.process import find_cometbft
from gridbourse.cli.main import gridbourse
from gridbourse.errors import ChainError

NETWORK = """
chain_id = 2021
[[organisations]]
name = "hydro"
p2p = "127.0.0.1:{0}"
json_rpc = "127.0.0.1:{1}"
"""


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(gridbourse, [str(argument) for argument in arguments])


@pytest.fixture
def ports():
    with socket.socket() as first, socket.socket() as second:
        for opened in (first, second):
            opened.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def description(tmp_path, ports):
    path = tmp_path / "network.toml"
    path.write_text(NETWORK.format(*ports), "utf-8")
    return path


def test_keys_prints_what_is_handed_in(run, tmp_path):
    result = run("network", "keys", tmp_path / "own")
    handed_in = tomllib.loads(result.output)
    made = NodeFolder(tmp_path / "own").public_keys()
    assert handed_in == {"validator_key": made.public_key.hex(), "node_id": made.node_id.hex()}
    again = run("network", "keys", tmp_path / "own")
    assert "one without keys" in str(again.exception)


def test_init_writes_a_folder_for_everybody(run, description, tmp_path):
    result = run("network", "init", description, tmp_path / "net")
    assert result.output == f"{tmp_path}/net/hydro: complete\n"
    assert NodeFolder(tmp_path / "net" / "hydro").settings().name == "hydro"


def test_a_node_runs_answers_and_ends_in_order(run, description, tmp_path, ports):
    try:
        find_cometbft()
    except ChainError as error:
        pytest.skip(str(error))
    run("network", "init", description, tmp_path / "net")
    command = [sys.executable, "-m", "gridbourse", "network", "start", str(tmp_path / "net")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as network:
        try:
            assert network.stdout.readline().startswith("hydro: height 0; CometBFT is process ")
            result = run("network", "status", f"http://127.0.0.1:{ports[1]}")
            assert "connected to nobody" in result.output
            assert "votes: a founder, validator 0x" in result.output
        finally:
            network.send_signal(signal.SIGTERM)
    assert network.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["network", "start", "."], "a folder that `gridbourse network init` wrote"),
        (["node", "."], "node.toml"),
        (["node", ".", "--snapshot-from", "a:1"], "at least two of them"),
        (
            ["node", ".", "--snapshot-from", "a:1", "--snapshot-from", "b:1", "--trust", "7"],
            "a height and a block hash",
        ),
        (["node", ".", "--trust", "7:ab"], "at least two of them"),
        (["network", "status", "http://127.0.0.1:9"], "127.0.0.1:9"),
    ],
)
def test_bad_input_is_named_with_its_remedy(run, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1
    assert complaint in str(result.exception)


def test_a_damaged_chain_is_refused_with_the_way_out(run, description, tmp_path):
    run("network", "init", description, tmp_path / "net")
    folder = NodeFolder(tmp_path / "net" / "hydro")
    folder.chain.write_bytes(b"no chain at all " * 1_000)
    try:
        find_cometbft()
    except ChainError as error:
        pytest.skip(str(error))
    result = run("node", folder.path)
    assert result.exit_code == 1
    assert "add --rejoin" in result.output
