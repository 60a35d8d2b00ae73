"""Rotation and revocation of keys.

New keys are first written in front of the old ones in the key file, then brought into force on the chains, each
step of which first looks at what is there already. Opening a region brings into force what is not yet: so a rotation
that was interrupted is finished then. Old keys stay in the file and open old records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import KeyFolder, NodeKeys
from gridbourse.errors import ContractReverted, InvalidValue
from gridbourse.ledger.records import NodeRegistered
from gridbourse.ledger.sealing import seal_record
from gridbourse.node.master import Master
from gridbourse.node.relay import Relay
from gridbourse.region.description import NodeSpec, RegionSpec

REGULATOR = "regulator"
ENCRYPTION = "/encryption"
"""Behind a master's name, names its encryption node."""


class RegionKeys:
    """The key files of a region.

    Parameters
    ----------
    folder
        The region's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.regulator = KeyFolder(folder / "keys")
        self.masters = KeyFolder(folder / "keys" / "masters")
        self.nodes = KeyFolder(folder / "keys" / "nodes")

    def renew(self, spec: RegionSpec, name: str) -> None:
        """Write the next keys of a function node, a master, an encryption node or the regulator.

        Raises
        ------
        InvalidValue
            Nobody in the region has this name.
        """
        folder, stored, kept = self._place(spec, name)
        folder.renew(
            stored, folder.load_node(stored).renewed(signing=kept != "signing", encryption=kept != "encryption")
        )

    def opening(self, spec: RegionSpec, name: str) -> tuple[EncryptionKey, ...]:
        """All keys with which somebody opens records, newest first; a master does by its encryption node.

        Raises
        ------
        InvalidValue
            Nobody in the region has this name, or its keys do not lie in this folder.
        """
        folder, stored, _ = self._place(spec, name)
        return folder.load_node(stored).opening

    def _place(self, spec: RegionSpec, name: str) -> tuple[KeyFolder, str, str]:
        """Where somebody's keys lie: folder, name of the file, and which key there is somebody else's."""
        masters = [master.name for master in spec.masters]
        if name in [node.node_id for master in spec.masters for node in master.nodes]:
            return self.nodes, name, ""
        if name in masters:
            return self.masters, name, "encryption"
        if name.endswith(ENCRYPTION) and (master := name.removesuffix(ENCRYPTION)) in masters:
            return self.masters, master, "signing"
        if name == REGULATOR:
            return self.regulator, name, ""
        remedy = f"a function node, a master, a master's name and {ENCRYPTION!r}, or {REGULATOR!r}"
        raise InvalidValue("name", name, remedy)


def enter_on_main_chain(keys: RegionKeys, spec: RegionSpec, main: MainChain) -> None:
    """Let the main chain know the newest keys, of those masters and that regulator whose keys lie here.

    It comes before the slave chains: it tells the regulator whom a slave chain may be handed over to, and everybody
    whom records are sealed to.
    """
    consortium, voters = main.consortium, []
    for master_id, master in enumerate(spec.masters, start=1):
        if not keys.masters.holds(master.name):
            continue
        own, known = keys.masters.load_master(master.name).node, consortium.master(master_id)
        # A suspended master's keys wait until it is admitted again.
        if known.active:
            if known.account != own.address:
                change = consortium.change_key(master_id, own.signing)
                Wallet(main.chain, _of_address(own, known.account).signing).send(change)
            wallet, public = Wallet(main.chain, own.signing), own.encryption.public_bytes
            if main.balancing.encryption_key(master_id) != public:
                wallet.send(main.balancing.register_encryption_key(public))
            voters.append(wallet)
    if keys.regulator.holds(REGULATOR):
        _name_regulator(main, voters, keys.regulator.load_node(REGULATOR))


def enter_on_slave_chains(keys: RegionKeys, masters: Mapping[str, Master], relays: Mapping[str, Relay]) -> None:
    """Let the slave chains know the newest keys of masters and function nodes, and no longer those of revoked ones.

    Parameters
    ----------
    keys
        The key files.
    masters, relays
        The masters as they are with their newest keys, and their relays, which have read both chains.
    """
    for name, master in masters.items():
        if not master.main.consortium.master(master.membership.master_id).active:
            continue
        own, ledger = keys.masters.load_master(name).node, master.slave.ledger
        account = ledger.master()
        if account != own.address:
            Wallet(ledger.chain, _of_address(own, account).signing).send(ledger.change_master(own.address))
        for node_id, node in master.nodes.items():
            own = keys.nodes.load_node(node_id)
            if node_id in master.revoked:
                _stop(master, own.generations)
            elif own.before is not None:
                _announce(master, master.records.addresses[node_id], node.spec, own)
        if master.revoked:
            relays[name].withdraw_revoked()


def registration(node: NodeSpec, keys: NodeKeys) -> NodeRegistered:
    """What a slave chain records of a function node and its keys."""
    return NodeRegistered(
        node.node_id, node.kind, node.location, keys.address.hex(), keys.encryption.public_bytes.hex()
    )


def _name_regulator(main: MainChain, voters: Sequence[Wallet], own: NodeKeys) -> None:
    consortium, wanted = main.consortium, RegulatorKeys(own.address, own.encryption.public_bytes)
    for voter in voters:
        if consortium.regulator() == wanted:
            return
        try:
            voter.send(consortium.vote(consortium.change_regulator(wanted)))
        except ContractReverted as refused:
            if refused.error != "VotedAlready":
                raise


def _announce(master: Master, address: Address, node: NodeSpec, own: NodeKeys) -> None:
    """The node itself signs, with the key that still speaks for it, which one speaks from now on."""
    ledger = master.slave.ledger
    if address != own.address:
        if not ledger.may_write(own.address):
            master.slave_wallet.send(ledger.set_writers([own.address], allowed=True))
        details = registration(node, own)
        readers = (own.encryption.public_bytes, *master.encryption_node.readers)
        content = seal_record(ledger, address, details, readers, own.encryption.suite)
        Wallet(ledger.chain, _of_address(own, address).signing).send(ledger.append(details.KIND, content))
    _stop(master, own.generations[1:])


def _stop(master: Master, generations: tuple[NodeKeys, ...]) -> None:
    ledger = master.slave.ledger
    writers = [keys.address for keys in generations if ledger.may_write(keys.address)]
    if writers:
        master.slave_wallet.send(ledger.set_writers(writers, allowed=False))


def _of_address(own: NodeKeys, address: Address) -> NodeKeys:
    found = next((keys for keys in own.generations if keys.address == address), None)
    if found is None:
        raise InvalidValue("key file", f"without the key of 0x{address.hex()}", "the key file of this region's node")
    return found
