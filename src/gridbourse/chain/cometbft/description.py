"""A network as one TOML file describes it. docs/consortium.md lists every field.

The file holds no secret: an organisation that makes its own keys hands in the public ones.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbourse.chain.cometbft.membership import Validator
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue

DEFAULT_GAS_LIMIT = 2_000_000_000

_NAME = re.compile("[a-z0-9-]{1,40}")
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who runs a node.

    Parameters
    ----------
    name
        Also the name of its folder.
    p2p
        Where the other nodes reach its CometBFT, ``host:port``.
    json_rpc
        Where it serves the Ethereum JSON-RPC, ``host:port``.
    light_client
        Where it serves CometBFT's RPC to nodes that join from a snapshot; empty for nowhere.
    account
        The master's address on the chain; None while it has no key.
    validator
        Its public keys; None while it has none.
    votes
        False for an observer, such as the regulator's node: it follows the chain and has no vote.
    """

    name: str
    p2p: str
    json_rpc: str
    light_client: str
    account: Address | None
    validator: Validator | None
    votes: bool = True


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A whole network.

    Parameters
    ----------
    chain_id
        Ethereum chain id of the main chain.
    gas_limit
        Most gas in one block.
    deployer
        Address whose first transaction creates the `Consortium`; None to make its key.
    organisations
        Who takes part.

    Raises
    ------
    InvalidValue
        Nobody votes, or two organisations share a name, a place or a key.
    """

    chain_id: int
    gas_limit: int
    deployer: Address | None
    organisations: tuple[Organisation, ...]

    def __post_init__(self) -> None:
        if not any(organisation.votes for organisation in self.organisations):
            raise InvalidValue("organisations", len(self.organisations), "at least one [[organisations]] table")
        for field in ("name", "p2p", "json_rpc", "light_client", "account", "validator"):
            found = [getattr(organisation, field) for organisation in self.organisations]
            given = [value for value in found if value]
            if len(set(given)) < len(given):
                twice = next(value for value in given if given.count(value) > 1)
                raise InvalidValue(field, twice, "another one for each organisation")


def read_network(path: Path) -> NetworkSpec:
    """Read the description of a network.

    Raises
    ------
    InvalidValue
        It is no TOML, or a field is missing, unknown or wrong.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue("network", str(path), f"a TOML file ({error})") from error
    table = _Table(document, "network")
    spec = NetworkSpec(
        chain_id=table.number("chain_id"),
        gas_limit=table.number("gas_limit", DEFAULT_GAS_LIMIT),
        deployer=table.address("deployer"),
        organisations=tuple(
            _organisation(_Table(entry, f"{kind}[{index}]"), votes=kind == "organisations")
            for kind in ("organisations", "observers")
            for index, entry in enumerate(table.tables(kind))
        ),
    )
    table.require_nothing_else()
    return spec


def _organisation(table: _Table, *, votes: bool) -> Organisation:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"{table.name}.name", name, "1 to 40 of a-z, 0-9 and -: it names a folder")
    public_key, node_id = table.octets("validator_key", 32), table.octets("node_id", 20)
    if bool(public_key) != bool(node_id):
        raise InvalidValue(f"{table.name}.node_id", node_id.hex(), "validator_key and node_id, or neither")
    made = Organisation(
        name=name,
        p2p=table.endpoint("p2p"),
        json_rpc=table.endpoint("json_rpc"),
        light_client=table.endpoint("light_client", required=False),
        account=table.address("account"),
        validator=Validator(public_key, node_id) if public_key else None,
        votes=votes,
    )
    table.require_nothing_else()
    return made


class _Table:
    """Fields of a TOML table, each taken once."""

    def __init__(self, fields: Any, name: str) -> None:
        if not isinstance(fields, dict):
            raise InvalidValue(name, fields, "a table")
        self._fields = dict(fields)
        self.name = name

    def number(self, field: str, default: int | None = None) -> int:
        value = self._fields.pop(field, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidValue(f"{self.name}.{field}", value, "a whole number")
        return value

    def text(self, field: str, *, required: bool = True) -> str:
        value = self._fields.pop(field, None if required else "")
        if not isinstance(value, str):
            raise InvalidValue(f"{self.name}.{field}", value, "a text")
        return value

    def endpoint(self, field: str, *, required: bool = True) -> str:
        value = self.text(field, required=required)
        if (value or required) and not _ENDPOINT.fullmatch(value):
            raise InvalidValue(f"{self.name}.{field}", value, 'an address and a port, as in "10.0.0.1:26656"')
        return value

    def octets(self, field: str, size: int) -> bytes:
        text = self.text(field, required=False)
        try:
            octets = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            octets = b"?"
        if text and len(octets) != size:
            raise InvalidValue(f"{self.name}.{field}", text, f"{size} bytes in hexadecimal")
        return octets

    def address(self, field: str) -> Address | None:
        octets = self.octets(field, 20)
        return Address(octets) if octets else None

    def tables(self, field: str) -> list[Any]:
        value = self._fields.pop(field, [])
        if not isinstance(value, list):
            raise InvalidValue(f"{self.name}.{field}", value, f"[[{field}]] tables")
        return value

    def require_nothing_else(self) -> None:
        for field, value in self._fields.items():
            raise InvalidValue(f"{self.name}.{field}", value, "no such field; docs/consortium.md lists them")
