"""What a network's description becomes: folders, keys, genesis, settings."""

from __future__ import annotations

import json
import tomllib

import pytest

from gridbourse.chain.cometbft.config import Trust, configuration
from gridbourse.chain.cometbft.description import read_network
from gridbourse.chain.cometbft.folder import NodeFolder, found_network, read_account_key
from gridbourse.chain.cometbft.genesis import created_address, read_genesis
from gridbourse.errors import InvalidValue

NETWORK = """
chain_id = 2021

[[organisations]]
name = "hydro"
p2p = "10.0.0.1:26656"
json_rpc = "127.0.0.1:8545"
light_client = "10.0.0.1:26657"

[[organisations]]
name = "grid"
p2p = "10.0.0.2:26656"
json_rpc = "127.0.0.2:8545"
account = "0x00112233445566778899aabbccddeeff00112233"
{keys}

[[observers]]
name = "regulator"
p2p = "10.0.0.3:26656"
json_rpc = "127.0.0.3:8545"
"""


@pytest.fixture
def described(tmp_path):
    def describe(text):
        path = tmp_path / "network.toml"
        path.write_text(text, "utf-8")
        return read_network(path)

    return describe


def test_every_organisation_gets_a_folder_with_the_same_genesis(described, tmp_path):
    hydro, grid, regulator = found_network(described(NETWORK.format(keys="")), tmp_path / "net")
    assert hydro.genesis.read_bytes() == grid.genesis.read_bytes() == regulator.genesis.read_bytes()
    genesis, membership = read_genesis(hydro.genesis)
    assert (genesis.chain_id, genesis.gas_limit) == (2021, 2_000_000_000)
    deployer = read_account_key(tmp_path / "net" / "deployer.key").address
    assert membership.consortium == created_address(deployer, 0)
    own = read_account_key(hydro.account_key).address
    assert membership.founders[own] == hydro.public_keys()
    assert set(membership.voting) == {hydro.public_keys().public_key, grid.public_keys().public_key}
    assert not grid.account_key.exists(), "its account was named"
    assert [v["name"] for v in json.loads(hydro.genesis.read_text())["validators"]] == ["hydro", "grid"]


def test_peers_are_all_the_others(described, tmp_path):
    hydro, grid, regulator = found_network(described(NETWORK.format(keys="")), tmp_path / "net")
    ids = [folder.public_keys().node_id.hex() for folder in (hydro, grid, regulator)]
    assert grid.settings().peers == (f"{ids[0]}@10.0.0.1:26656", f"{ids[2]}@10.0.0.3:26656")


def test_private_keys_are_readable_by_their_owner_only(described, tmp_path):
    hydro, *_ = found_network(described(NETWORK.format(keys="")), tmp_path / "net")
    for path in (hydro.validator_key, hydro.validator_state, hydro.node_key, hydro.account_key):
        assert path.stat().st_mode & 0o777 == 0o600


def test_who_makes_its_own_keys_hands_in_the_public_ones(described, tmp_path):
    own = NodeFolder(tmp_path / "own")
    made = own.make_keys()
    keys = f'validator_key = "{made.public_key.hex()}"\nnode_id = "{made.node_id.hex()}"'
    _, grid, _ = found_network(described(NETWORK.format(keys=keys)), tmp_path / "net")
    assert not grid.validator_key.exists()
    assert own.public_keys() == made
    assert made.public_key in read_genesis(grid.genesis)[1].voting
    with pytest.raises(InvalidValue, match="one without keys"):
        own.make_keys()


def test_nothing_is_written_over_a_node(described, tmp_path):
    spec = described(NETWORK.format(keys=""))
    found_network(spec, tmp_path / "net")
    with pytest.raises(InvalidValue, match="a new one"):
        found_network(spec, tmp_path / "net")


@pytest.mark.parametrize(
    ("changed", "into", "complaint"),
    [
        ("chain_id = 2021", "chain_id = true", "network.chain_id: True"),
        ("chain_id = 2021", "", "network.chain_id: None"),
        ("chain_id = 2021", "chain_id = 2021\nspeed = 1", "network.speed: 1"),
        ('name = "grid"', 'name = "../grid"', r"organisations\[1\].name"),
        ('name = "grid"', 'name = "hydro"', "name: 'hydro' is not valid; give another one"),
        ("10.0.0.2:26656", "10.0.0.2", r"organisations\[1\].p2p: '10.0.0.2'"),
        ("10.0.0.2:26656", "10.0.0.1:26656", "p2p: '10.0.0.1:26656'"),
        ("0x0011", "0x11", r"organisations\[1\].account"),
        ("{keys}", 'validator_key = "00"', r"organisations\[1\].validator_key"),
        ("{keys}", f'validator_key = "{"ab" * 32}"', r"organisations\[1\].node_id"),
        ("[[organisations]]", "[[observers]]", r"at least one \[\[organisations\]\]"),
        ("[[organisations]]", "[organisations", "a TOML file"),
    ],
)
def test_a_wrong_description_is_refused_by_the_name_of_its_field(described, changed, into, complaint):
    with pytest.raises(InvalidValue, match=complaint):
        described(NETWORK.replace(changed, into).replace("{keys}", ""))


def test_the_configuration_of_cometbft_is_toml_and_says_where_to_join_from(described, tmp_path):
    hydro, *_ = found_network(described(NETWORK.format(keys="")), tmp_path / "net")
    abci, rpc = tmp_path / "abci", tmp_path / "rpc"
    plain = tomllib.loads(configuration(hydro.settings(), abci, rpc, None))
    assert plain["proxy_app"] == f"unix://{abci}"
    assert plain["rpc"]["laddr"] == f"unix://{rpc},tcp://10.0.0.1:26657"
    assert plain["statesync"] == {"enable": False}
    joining = tomllib.loads(configuration(hydro.settings(), abci, rpc, Trust(7, b"\xab\xcd", ["a:1", "b:2"])))
    assert joining["statesync"]["rpc_servers"] == "http://a:1,http://b:2"
    assert joining["statesync"]["trust_hash"] == "ABCD"


def test_rejoining_sets_chain_and_blocks_aside_and_keeps_the_keys(described, tmp_path):
    hydro, *_ = found_network(described(NETWORK.format(keys="")), tmp_path / "net")
    for _ in range(2):
        hydro.chain.write_bytes(b"damaged")
        hydro.comet_home.mkdir()
        assert len(hydro.set_aside()) == 2
    assert not hydro.chain.exists()
    assert not hydro.comet_home.exists()
    assert hydro.validator_state.exists()
    assert hydro.chain.with_name("chain.sqlite.aside-2").read_bytes() == b"damaged"
    assert hydro.set_aside() == []
