"""How a region comes to be: everybody makes keys, one deploys the contracts, each master sets up its slave chain.

On one machine all of it happens at once (`Region.create`). Between organisations each makes its keys in its own
folder and hands in the public ones; whoever deploys the contracts gets no rights by that; and every master registers
its slave chain by itself when it first opens its folder. Each step looks at what is there and goes on from it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gridbourse.chain.interface import Chain
from gridbourse.contracts.consortium import RegulatorKeys, SlaveChain
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.crypto.node_keys import MasterKeys, NodeKeys
from gridbourse.crypto.suite import Suite, suite_named
from gridbourse.errors import InvalidValue
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import NodeRegistered
from gridbourse.node.folder.chains import make_token, nodes_of, reach_main_chain
from gridbourse.node.folder.key_rotation import REGULATOR, RegionKeys, registration
from gridbourse.region.description import Engine, MasterSpec, NodeSpec, RegionSpec
from gridbourse.region.description_file import read_region, write_region


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What a master or the regulator hands in for the founding.

    Parameters
    ----------
    name
        The master's name, or ``"regulator"``.
    address_hex
        The address it signs with.
    encryption_public_hex
        The key that is sealed to: the encryption node's, or the regulator's.

    Raises
    ------
    InvalidValue
        One of them is no address or key.
    """

    name: str
    address_hex: str
    encryption_public_hex: str

    def __post_init__(self) -> None:
        for field in ("address_hex", "encryption_public_hex"):
            text = getattr(self, field)
            try:
                octets = len(bytes.fromhex(text))
            except (TypeError, ValueError):
                octets = 0
            if octets != 20 if field == "address_hex" else not octets:
                raise InvalidValue(f"{field} of {self.name}", text, "what `gridbourse region keys` wrote")

    @property
    def address(self) -> Address:
        """The address as bytes."""
        return Address(bytes.fromhex(self.address_hex))

    @property
    def encryption_public(self) -> bytes:
        """The key as bytes."""
        return bytes.fromhex(self.encryption_public_hex)

    @classmethod
    def of(cls, name: str, keys: NodeKeys) -> PublicKeys:
        """The public keys that belong to private ones."""
        return cls(name, keys.address.hex(), keys.encryption.public_bytes.hex())

    @classmethod
    def read(cls, path: Path) -> PublicKeys:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidValue
            It is none.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidValue(
                "public keys", str(path), f"a file of public keys that was handed in ({error})"
            ) from error

    def write(self, path: Path) -> None:
        """Write them to a file that may be handed to anybody; it is never half written."""
        draft = path.with_name(f"{path.name}.draft")
        draft.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        draft.replace(path)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a new folder beside its place, and move it there when it is complete; it is its owner's only.

    Raises
    ------
    InvalidValue
        Something is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidValue("folder", str(folder), "a new or empty folder")
    draft = folder.with_name(f"{folder.name}.draft-{os.getpid()}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        yield draft
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def share_of(spec: RegionSpec, name: str) -> RegionSpec:
    """What one organisation's folder says of the region: all masters, but only its own function nodes.

    Raises
    ------
    InvalidValue
        There is no such master, nor is it the regulator.
    """
    names = [master.name for master in spec.masters]
    if name not in (*names, REGULATOR):
        raise InvalidValue("name", name, f"one of {', '.join(names)}, or {REGULATOR}")
    masters = (master if master.name == name else replace(master, nodes=()) for master in spec.masters)
    return replace(spec, masters=tuple(masters))


def make_share(folder: Path, spec: RegionSpec, name: str) -> PublicKeys:
    """Make one organisation's folder: its share of the description, its keys and tokens; returns what it hands in.

    What it hands in also lies in the folder, as ``public.json``.

    Raises
    ------
    InvalidValue
        Nobody of this name takes part, or the folder is not empty.
    """
    share = share_of(spec, name)
    own = [master for master in share.masters if master.name == name]
    with new_folder(folder) as draft:
        write_region(share, draft / "region.toml")
        suite = suite_named(spec.suite)
        (public,) = make_keys(RegionKeys(draft), own, suite, regulator=name == REGULATOR)
        public.write(draft / "public.json")
        for chain in (name, nodes_of(name)) if own else ():
            make_token(draft, chain)
    return public


def refresh_public_keys(folder: Path, keys: RegionKeys) -> None:
    """Write an organisation's ``public.json`` anew, if it has one: devices seal to what it says."""
    path = folder / "public.json"
    if path.exists():
        name = PublicKeys.read(path).name
        own = keys.regulator.load_node(name) if name == REGULATOR else keys.masters.load_master(name).node
        PublicKeys.of(name, own).write(path)


def make_keys(keys: RegionKeys, masters: Iterable[MasterSpec], suite: Suite, *, regulator: bool) -> list[PublicKeys]:
    """Make the keys of masters and of all their function nodes, and the regulator's; returns the public ones.

    Raises
    ------
    InvalidValue
        Keys of one exist already.
    """
    made: list[PublicKeys] = []
    for master in masters:
        own = MasterKeys.generate(suite)
        keys.masters.save_master(master.name, own)
        for node in master.nodes:
            keys.nodes.save_node(node.node_id, NodeKeys.generate(suite))
        made.append(PublicKeys.of(master.name, own.node))
    if regulator:
        government = NodeKeys.generate(suite)
        keys.regulator.save_node(REGULATOR, government)
        made.append(PublicKeys.of(REGULATOR, government))
    return made


def found(
    chain: Chain, spec: RegionSpec, handed_in: Iterable[PublicKeys], deployer: SigningKey | None = None
) -> MainChain:
    """Deploy the consortium's contracts with everybody's public keys.

    Parameters
    ----------
    chain
        The main chain.
    spec
        Who takes part, and the first settings.
    handed_in
        The public keys of every master and of the regulator.
    deployer
        Whose first transaction creates the consortium; None for a new key. A chain that CometBFT orders names it in
        its genesis (`deployer.key` of `gridbourse network init`).

    Raises
    ------
    InvalidValue
        Somebody's keys are missing, are there twice, or nobody of this name takes part.
    """
    by_name: dict[str, PublicKeys] = {}
    expected = [*(master.name for master in spec.masters), REGULATOR]
    for public in handed_in:
        if public.name not in expected or public.name in by_name:
            raise InvalidValue("public keys", public.name, f"one file for each of {', '.join(expected)}")
        by_name[public.name] = public
    missing = [name for name in expected if name not in by_name]
    if missing:
        raise InvalidValue("public keys", sorted(by_name), f"those of {', '.join(missing)} too")
    founders = {by_name[master.name].address: master.role for master in spec.masters}
    if len(founders) < len(spec.masters):
        raise InvalidValue("public keys", sorted(by_name), "another address for each master")
    government = by_name[REGULATOR]
    named = RegulatorKeys(government.address, government.encryption_public)
    return MainChain.create(chain, Wallet(chain, deployer or SigningKey.generate()), founders, named, spec.settings)


def found_from(folder: Path, handed_in: Iterable[PublicKeys], deployer: SigningKey | None) -> tuple[Address, ...]:
    """Deploy the contracts from an organisation's folder; returns their addresses.

    Parameters
    ----------
    folder
        The folder, whose description names the main chain.
    handed_in
        The public keys of every master and of the regulator.
    deployer
        Whose first transaction creates the consortium; None for the folder's own master.

    Raises
    ------
    InvalidValue
        As `found`, or the main chain is an embedded one, which is founded when its region is made.
    """
    spec = read_region(folder / "region.toml")
    if spec.main_chain.engine is Engine.EMBEDDED:
        raise InvalidValue("main_chain.engine", "embedded", "ethereum: `gridbourse region init` founds an embedded one")
    if deployer is None:
        masters = RegionKeys(folder).masters
        own = [master.name for master in spec.masters if masters.holds(master.name)]
        if len(own) != 1:
            raise InvalidValue("folder", str(folder), "one with the keys of one master, or name the deployer's key")
        deployer = masters.load_master(own[0]).node.signing
    chain = reach_main_chain(spec)
    try:
        return found(chain, spec, handed_in, deployer).contracts
    finally:
        chain.close()


def set_up_slave(main: MainChain, chain: Chain, master: MasterKeys, nodes: Mapping[NodeSpec, NodeKeys]) -> SlaveChain:
    """Set up a master's slave chain with its function nodes, and register it on the main chain.

    A chain that an earlier attempt began is gone on with.
    """
    wallet = Wallet(chain, master.node.signing)
    begun = None if chain is main.chain or not chain.head().height else chain.block(1).receipts[0].contract_address
    slave = Slave(chain, begun) if begun else Slave.create(chain, wallet)
    ledger = slave.ledger
    writers = [own.address for own in nodes.values() if not ledger.may_write(own.address)]
    if writers:
        wallet.send(ledger.set_writers(writers, allowed=True))
    encryption_node = EncryptionNode(ledger, main.balancing, master.node, main.consortium.regulator())
    recorded = {
        details.node_id for details in map(encryption_node.open, slave.records()) if isinstance(details, NodeRegistered)
    }
    wallet.send_many(
        [
            ledger.append(*encryption_node.seal(wallet.address, registration(node, own), own.encryption.public_bytes))
            for node, own in nodes.items()
            if node.node_id not in recorded
        ]
    )
    registered = SlaveChain(chain.chain_id, chain.header(0).hash, ledger.address)
    Wallet(main.chain, master.node.signing).send(main.consortium.register_slave(registered))
    return registered
