"""Several signed transactions as one of CometBFT's.

CometBFT checks, gossips, proposes and stores its transactions one by one, which costs much more than one of ours
is worth. What comes in together therefore travels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from gridbourse.chain import rlp
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.errors import InvalidValue, TransactionRejected

MAX_BUNDLE_BYTES = 1_000_000
"""A bundle ends with the transaction that reaches this; CometBFT's own limit is above it by the largest one."""
CACHE_BYTES = 64_000_000


def encode_bundle(raw_transactions: Sequence[bytes]) -> bytes:
    """Put signed transactions into one of CometBFT's."""
    return rlp.encode(list(raw_transactions))


class BundleReader:
    """Takes bundles apart, and recovers each signature once.

    A transaction is seen several times between its arrival and its block; only the newest are remembered. Threads may
    share a reader.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, SignedTransaction] = {}
        self._known_bytes = 0
        self._lock = Lock()

    def read(self, bundle: bytes) -> list[SignedTransaction]:
        """Transactions of a bundle.

        Raises
        ------
        TransactionRejected
            It is no bundle, or a transaction in it is malformed.
        """
        return [self.decode(raw) for raw in split_bundle(bundle)]

    def read_well_formed(self, bundle: bytes) -> list[SignedTransaction]:
        """Transactions of a bundle without those that are malformed."""
        found = []
        try:
            raws = split_bundle(bundle)
        except TransactionRejected:
            return []
        for raw in raws:
            try:
                found.append(self.decode(raw))
            except TransactionRejected:
                continue
        return found

    def forget(self, raw: bytes) -> None:
        """Give up the place of a transaction that is in a block."""
        with self._lock:
            if self._known.pop(raw, None) is not None:
                self._known_bytes -= len(raw)

    def decode(self, raw: bytes) -> SignedTransaction:
        """Read a transaction.

        Raises
        ------
        TransactionRejected
            It is malformed.
        """
        known = self._known.get(raw)
        if known is not None:
            return known
        signed = SignedTransaction.decode(raw)
        with self._lock:
            self._known_bytes += 0 if raw in self._known else len(raw)
            self._known[raw] = signed
            while self._known_bytes > CACHE_BYTES:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._known_bytes -= len(oldest)
        return signed


def split_bundle(bundle: bytes) -> list[bytes]:
    """Raw transactions of a bundle.

    Raises
    ------
    TransactionRejected
        It is no bundle.
    """
    try:
        raws = [rlp.to_bytes(item) for item in rlp.to_list(rlp.decode(bundle))]
    except InvalidValue as error:
        raise TransactionRejected(f"malformed bundle: {error}") from error
    if not raws:
        raise TransactionRejected("an empty bundle: put at least one transaction into it")
    return raws
