"""What one organisation keeps on disk, and how its CometBFT is set up.

::

    node.toml             places and peers
    genesis.json          what all nodes agree on
    validator.key.json    signs votes: private
    validator.state.json  what was signed last; without it a restored node could sign two blocks of one height
    node.key.json         authenticates connections: private
    json_rpc.token        what callers of the JSON-RPC must show, if it listens beyond this machine: private
    account.key           the master's key on the chain, if it was made here: private
    chain.sqlite          our chain
    cometbft/             CometBFT's home: its configuration, which is written anew at every start, and its blocks

Only `validator.state.json` and the keys cannot be fetched again from the other nodes.
"""

from __future__ import annotations

import json
import os
import tomllib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gridbourse.chain.cometbft.description import NetworkSpec, Organisation
from gridbourse.chain.cometbft.genesis import write_genesis
from gridbourse.chain.cometbft.membership import Validator
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.errors import InvalidValue

_OWNER_ONLY = 0o600
_KEY_TYPE = "tendermint/PrivKeyEd25519"
_PUBLIC_TYPE = "tendermint/PubKeyEd25519"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What `node.toml` says.

    Parameters
    ----------
    name
        The organisation.
    p2p, json_rpc, light_client
        As in `Organisation`; where this node listens.
    peers
        The other nodes, ``id@host:port``.
    members_only
        Whether only members' nodes and those in `peers` may connect.
    """

    name: str
    p2p: str
    json_rpc: str
    light_client: str
    peers: tuple[str, ...]
    members_only: bool = True

    @property
    def peer_ids(self) -> frozenset[bytes]:
        """Ids of the other nodes."""
        return frozenset(bytes.fromhex(peer.partition("@")[0]) for peer in self.peers)


class NodeFolder:
    """An organisation's folder.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "node.toml"
        self.genesis = path / "genesis.json"
        self.validator_key = path / "validator.key.json"
        self.validator_state = path / "validator.state.json"
        self.node_key = path / "node.key.json"
        self.account_key = path / "account.key"
        self.token_file = path / "json_rpc.token"
        self.chain = path / "chain.sqlite"
        self.comet_home = path / "cometbft"
        self.comet_log = path / "cometbft.log"

    def make_keys(self) -> Validator:
        """Make the validator's and the node's keys; returns what to hand in.

        Raises
        ------
        InvalidValue
            There are keys already: keys are never overwritten.
        """
        if self.validator_key.exists() or self.node_key.exists():
            raise InvalidValue("folder", str(self.path), "one without keys: these would be overwritten")
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        validator, node = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        made = Validator(validator.public_key().public_bytes_raw(), _node_id(node))
        _write_private(
            self.validator_key,
            {
                "address": made.address.hex().upper(),
                "pub_key": {"type": _PUBLIC_TYPE, "value": b64encode(made.public_key).decode()},
                "priv_key": _private(validator),
            },
        )
        _write_private(self.validator_state, {"height": "0", "round": 0, "step": 0})
        _write_private(self.node_key, {"priv_key": _private(node)})
        return made

    def public_keys(self) -> Validator:
        """What the others know this node by.

        Raises
        ------
        InvalidValue
            There are no keys.
        """
        try:
            validator = json.loads(self.validator_key.read_text("utf-8"))["pub_key"]["value"]
            node = json.loads(self.node_key.read_text("utf-8"))["priv_key"]["value"]
            return Validator(b64decode(validator), sha256(b64decode(node)[32:]).digest()[:20])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidValue(
                "folder", str(self.path), f"one with keys, made by `gridbourse network keys` ({error})"
            ) from error

    def sign(self, statement: bytes) -> bytes:
        """Sign with the validator's key, 64 bytes; never what could be a vote.

        Raises
        ------
        InvalidValue
            There is no key.
        """
        try:
            secret = b64decode(json.loads(self.validator_key.read_text("utf-8"))["priv_key"]["value"])[:32]
            return Ed25519PrivateKey.from_private_bytes(secret).sign(statement)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidValue(
                "folder", str(self.path), f"one with keys, made by `gridbourse network keys` ({error})"
            ) from error

    def write_settings(self, settings: NodeSettings) -> None:
        """Write `node.toml`."""
        peers = "".join(f"    {json.dumps(peer)},\n" for peer in settings.peers)
        self.settings_file.write_text(
            f"name = {json.dumps(settings.name)}\n"
            f"p2p = {json.dumps(settings.p2p)}\n"
            f"json_rpc = {json.dumps(settings.json_rpc)}\n"
            f"light_client = {json.dumps(settings.light_client)}\n"
            f"members_only = {'true' if settings.members_only else 'false'}\n"
            f"peers = [\n{peers}]\n",
            "utf-8",
        )

    def settings(self) -> NodeSettings:
        """Read `node.toml`.

        Raises
        ------
        InvalidValue
            It is missing, or a field is missing, unknown or wrong.
        """
        try:
            fields: dict[str, Any] = tomllib.loads(self.settings_file.read_text("utf-8"))
            settings = NodeSettings(**{**fields, "peers": tuple(fields["peers"])})
            assert settings.peer_ids is not None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidValue(
                "folder", str(self.path), f"one that `gridbourse network init` wrote (node.toml: {error})"
            ) from error
        return settings

    def token(self) -> str | None:
        """What callers of the JSON-RPC must show; None for nothing."""
        return self.token_file.read_text("utf-8").strip() if self.token_file.exists() else None

    def set_aside(self) -> list[Path]:
        """Move the chain and CometBFT's blocks out of the way, so that both are fetched again; keys stay.

        Returns where they are now.
        """
        moved = []
        for path in (*sorted(self.path.glob(self.chain.name + "*")), self.comet_home):
            if path.exists() and ".aside-" not in path.name:
                number = next(n for n in range(1, 10_000) if not path.with_name(f"{path.name}.aside-{n}").exists())
                moved.append(path.rename(path.with_name(f"{path.name}.aside-{number}")))
        return moved


def found_network(spec: NetworkSpec, out: Path) -> list[NodeFolder]:
    """Write each organisation's folder below `out`: keys unless they were handed in, genesis, settings.

    Unless the description names a deployer, its key is made, too: `deployer.key`, which has no rights but that its
    first transaction creates the `Consortium`.

    Raises
    ------
    InvalidValue
        A folder that is to be written holds something already.
    """
    folders = [NodeFolder(out / organisation.name) for organisation in spec.organisations]
    for folder in folders:
        if folder.settings_file.exists() or folder.genesis.exists():
            raise InvalidValue("folder", str(folder.path), "a new one: there is a node in it")
    out.mkdir(parents=True, exist_ok=True)
    accounts, validators = [], []
    for organisation, folder in zip(spec.organisations, folders, strict=True):
        folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        validators.append(organisation.validator or folder.make_keys())
        accounts.append(organisation.account or (_make_account(folder.account_key) if organisation.votes else None))
    founders = {
        account: (organisation.name, validator)
        for organisation, account, validator in zip(spec.organisations, accounts, validators, strict=True)
        if organisation.votes and account is not None
    }
    deployer = spec.deployer or _make_account(out / "deployer.key")
    nodes = [
        f"{validator.node_id.hex()}@{organisation.p2p}"
        for organisation, validator in zip(spec.organisations, validators, strict=True)
    ]
    write_genesis(out / "genesis.json", spec.chain_id, spec.gas_limit, deployer, founders)
    for organisation, folder, own in zip(spec.organisations, folders, nodes, strict=True):
        folder.genesis.write_bytes((out / "genesis.json").read_bytes())
        folder.write_settings(_settings(organisation, tuple(node for node in nodes if node != own)))
    return folders


def _settings(organisation: Organisation, peers: tuple[str, ...]) -> NodeSettings:
    return NodeSettings(
        name=organisation.name,
        p2p=organisation.p2p,
        json_rpc=organisation.json_rpc,
        light_client=organisation.light_client,
        peers=peers,
    )


def read_account_key(path: Path) -> SigningKey:
    """Read a key on the chain that `found_network` made.

    Raises
    ------
    InvalidValue
        There is none.
    """
    try:
        return SigningKey(bytes.fromhex(json.loads(path.read_text("utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidValue("key", str(path), f"a file that `gridbourse network init` wrote ({error})") from error


def _make_account(path: Path) -> Address:
    key = SigningKey.generate()
    _write_private(path, key.secret.hex())
    return key.address


def _node_id(key: Ed25519PrivateKey) -> bytes:
    return sha256(key.public_key().public_bytes_raw()).digest()[:20]


def _private(key: Ed25519PrivateKey) -> dict[str, str]:
    """CometBFT's form of a private key: the seed and the public key behind it."""
    octets = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return {"type": _KEY_TYPE, "value": b64encode(octets).decode()}


def _write_private(path: Path, content: object) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
