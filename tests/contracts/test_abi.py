"""Events and calls are encoded as `eth_abi` encodes them, and artifacts are what the sources compile to."""

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest
from eth_abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.chain.block import Log
from gridbourse.contracts.abi import contract_abi
from gridbourse.crypto.keys import keccak256

CONTRACTS = Path(__file__).parents[2] / "contracts"
NAMES = ["Balancing", "Consortium", "EnergyMarket", "SlaveAnchors", "SlaveLedger"]
ARTIFACTS = {
    name: json.loads(resources.files("gridbourse.contracts").joinpath("artifacts", f"{name}.json").read_text("utf-8"))
    for name in NAMES
}


def kind_of(field):
    if not field["type"].startswith("tuple"):
        return field["type"]
    return f"({','.join(map(kind_of, field['components']))}){field['type'][5:]}"


def signature(entry):
    return f"{entry['name']}({','.join(map(kind_of, entry['inputs']))})"


def values(kind):
    """Any value of an ABI type."""
    if kind.startswith("("):
        return st.tuples(*map(values, kind[1:-1].split(",")))
    if kind.startswith("uint"):
        return st.integers(0, 2 ** int(kind[4:]) - 1)
    if kind.startswith("int"):
        return st.integers(-(2 ** (int(kind[3:]) - 1)), 2 ** (int(kind[3:]) - 1) - 1)
    return {
        "bool": st.booleans(),
        "address": st.binary(min_size=20, max_size=20),
        "bytes20": st.binary(min_size=20, max_size=20),
        "bytes32": st.binary(min_size=32, max_size=32),
        "bytes": st.binary(max_size=100),
    }[kind]


def log(topics, data):
    return Log(bytes(20), topics, data, height=1, transaction_hash=bytes(32), index=0)


EVENTS = [(name, entry) for name in NAMES for entry in ARTIFACTS[name]["abi"] if entry["type"] == "event"]


@pytest.mark.parametrize(("name", "event"), EVENTS, ids=[f"{name}.{event['name']}" for name, event in EVENTS])
@settings(max_examples=25)
@given(data=st.data())
def test_an_events_log_is_read_as_eth_abi_reads_it(name, event, data):
    inputs = event["inputs"]
    stated = {field["name"]: data.draw(values(kind_of(field))) for field in inputs}
    indexed = [field for field in inputs if field["indexed"]]
    plain = [kind_of(field) for field in inputs if not field["indexed"]]
    topics = [encode([kind_of(field)], [stated[field["name"]]]) for field in indexed]
    body = encode(plain, [stated[field["name"]] for field in inputs if not field["indexed"]])
    decoded = contract_abi(name).event(log((keccak256(signature(event).encode()), *topics), body))
    assert (decoded.name, decoded.values) == (event["name"], stated)
    assert list(decoded.values) == [field["name"] for field in inputs]


@given(
    quotas=st.lists(
        st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1)),
        min_size=1,
        max_size=5,
    ),
)
def test_a_call_is_encoded_as_eth_abi_encodes_it(quotas):
    arguments = tuple(map(list, zip(*quotas, strict=True)))
    data = contract_abi("EnergyMarket").encode("setQuotas", *arguments)
    assert data[:4] == keccak256(b"setQuotas(uint24[],uint32[],uint48[])")[:4]
    assert decode(["uint24[]", "uint32[]", "uint48[]"], data[4:]) == tuple(map(tuple, arguments))


@pytest.mark.parametrize("topics", [(), (bytes(32),)])
def test_a_log_of_another_contract_is_no_event_of_ours(topics):
    assert contract_abi("EnergyMarket").event(log(topics, b"")) is None


@pytest.mark.skipif(
    not (CONTRACTS / "node_modules").exists(), reason="contracts/node_modules is missing: `make contracts/node_modules`"
)
def test_the_committed_artifacts_are_what_the_sources_compile_to(tmp_path):
    node = shutil.which("node") or str(Path(shutil.which("python")).with_name("node"))
    subprocess.run([node, "compile.mjs", str(tmp_path)], cwd=CONTRACTS, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.json" for name in NAMES)
    for name in NAMES:
        assert json.loads((tmp_path / f"{name}.json").read_text("utf-8")) == ARTIFACTS[name], (
            f"{name}: `make artifacts`"
        )
