"""What a master who owns a chain's sealer can make of the chain's file: other blocks, and receipts that lie."""

from gridbourse._native import Header, Receipt, ordered_root
from gridbourse.chain import rlp
from gridbourse.chain.block import Genesis, Log
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.crypto.node_keys import KeyFolder
from gridbourse.node.folder.chains import BLOCK_GAS_LIMIT

PARENT_HASH, RECEIPTS_ROOT, SEAL = 3, 5, 12
"""Places in the list that a header is."""


class ChainFile:
    """A chain's file in a region's folder, and the keys to it."""

    def __init__(self, folder, spec, name, clock):
        number = [master.name for master in spec.masters].index(name if name != "main" else "grid") + 1
        self.path = folder / f"{name}.chain"
        self.keys = KeyFolder(folder / "keys" / "masters").load_master(name if name != "main" else "grid")
        chain_id = spec.chain_id + (number if name != "main" else 0)
        self._genesis = Genesis(chain_id, self.keys.sealer.address, gas_limit=BLOCK_GAS_LIMIT)
        self._clock = clock

    def open(self):
        return EmbeddedChain(self.path, self._genesis, self.keys.sealer, clock=self._clock)

    def remove(self):
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()


def vouch_for(folder, spec, name, clock):
    """Let the other files of the folder record no more of a chain than its beginning: in truth they lie elsewhere."""
    with ChainFile(folder, spec, name, clock).open() as forged:
        for witness in {"main", *(master.name for master in spec.masters)} - {name}:
            with ChainFile(folder, spec, witness, clock).open() as chain:
                chain._core.put_meta(forged.record_name, bytes(8) + forged.header(0).hash)
                chain._core.set_progress(0)


def forge_receipts(file, lie):
    """Write a chain's file anew with receipts that say what no transaction did; all its seals are genuine.

    `lie` is told each block's height and logs, as lists of address, topics and data, and gives others.
    """
    with file.open() as chain:
        blocks = [rlp.decode(chain._core.encoded_block(height)) for height in range(1, chain.head().height + 1)]
    file.remove()
    with file.open() as chain:
        for height, (header, transactions, receipts, changes) in enumerate(blocks, start=1):
            told = [_lied(receipt, lambda logs, height=height: lie(height, logs)) for receipt in receipts]
            header[PARENT_HASH], header[SEAL] = chain.head().hash, b""
            header[RECEIPTS_ROOT] = ordered_root([_consensus_bytes(receipt) for receipt in told])
            plain = Header.decode(rlp.encode(header))
            sealed = plain.sealed(file.keys.sealer.sign(plain.seal_digest))
            block = [rlp.decode(sealed.encode()), transactions, [rlp.encode(receipt) for receipt in told], changes]
            chain._core.append_encoded(rlp.encode(block), 0)


def _lied(receipt, lie):
    *outcome, logs = rlp.decode(receipt)
    return [*outcome, lie(logs)]


def _consensus_bytes(receipt):
    """What Ethereum's receipts trie holds (EIP-2718, EIP-658)."""
    kind, succeeded, _, cumulative, *_, logs = receipt
    bloom = Receipt(bytes(32), 1, 0, True, 0, None, b"", "", [_log(log) for log in logs]).bloom
    return kind + rlp.encode([succeeded, cumulative, bloom, logs])


def _log(log):
    address, topics, data = log
    return Log(address, topics, data, 1, bytes(32), 0)
