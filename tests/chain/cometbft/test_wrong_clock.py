"""A validator whose clock is an hour ahead: it votes, and moves nobody's time.

CometBFT reads the clock without the C library, so that no library can be put before it. The program is therefore
built again, of the same version, with one function changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from networks import Network, require_cometbft, validators
from probe import ALICE, deployment, stores

from gridbourse.chain.cometbft import node as node_module
from gridbourse.chain.cometbft.process import VERSION

HOUR = 3_600
CLOCK = "return Canonical(time.Now())"


@pytest.fixture(scope="module")
def program_of_another_hour(tmp_path_factory) -> str:
    require_cometbft()
    if shutil.which("go") is None:
        pytest.skip("no program `go`, with which CometBFT is built anew")
    module = f"github.com/cometbft/cometbft@v{VERSION}"
    listing = subprocess.run(
        ["go", "mod", "download", "-json", module],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("x"),
    )
    [source] = [line.split('"')[3] for line in listing.stdout.splitlines() if '"Dir"' in line]
    copy = tmp_path_factory.mktemp("cometbft") / "source"
    shutil.copytree(source, copy)
    clock = copy / "types" / "time" / "time.go"
    text = clock.read_text()
    assert text.count(CLOCK) == 1
    clock.parent.chmod(0o755)
    clock.chmod(0o644)
    clock.write_text(text.replace(CLOCK, f"return Canonical(time.Now().Add({HOUR} * time.Second))"))
    program = copy.parent / "cometbft"
    subprocess.run(["go", "build", "-buildvcs=false", "-o", str(program), "./cmd/cometbft"], check=True, cwd=copy)
    for folder, *_ in os.walk(copy):
        Path(folder).chmod(0o755)
    return str(program)


@pytest.mark.nightly
def test_the_time_of_blocks_is_that_of_most_clocks(tmp_path, program_of_another_hour, monkeypatch):
    network = Network(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(node_module, "find_cometbft", lambda: program_of_another_hour)
        network.nodes["industry"] = node_module.Node(tmp_path / "industry")
    network.start("hydro", "grid", "retailer")
    try:
        chain = network["industry"].chain
        [receipt] = network["hydro"].chain.submit([deployment()])
        for turn in range(1, 12):
            network["hydro"].chain.submit(stores(receipt.contract_address, turn, 1))
            assert abs(network["hydro"].chain.head().timestamp - time.time()) < 60
        network.wait_equal()
        assert chain.next_nonce(ALICE.address) == 12
        assert len(validators(network["industry"])) == 4
    finally:
        network.stop()
