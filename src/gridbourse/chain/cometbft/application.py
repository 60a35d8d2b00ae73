"""What CometBFT asks of the application (ABCI 2.0), answered by the chain.

Field numbers are those of ``abci/types.proto``, CometBFT v0.38.
"""

from __future__ import annotations

from collections.abc import Callable

from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.snapshot import BadChunk, Restoration, Snapshots
from gridbourse.chain.cometbft.wire import Message, OrderedBlock, Snapshot, encode, repeated, varint
from gridbourse.errors import GridbourseError, InvalidValue, TransactionRejected

APP_VERSION = 1
_ACCEPT, _REJECT = 1, 2
_ABORT, _REJECT_OFFER, _REJECT_FORMAT = 2, 3, 4
_RETRY, _REJECT_SNAPSHOT = 3, 5
_REFUSED = 1
_PEER_BY_ID = "/p2p/filter/id/"


class Application:
    """Answers requests.

    Parameters
    ----------
    chain
        The chain that CometBFT orders.
    admits
        Whether a CometBFT node, by its id, may connect.
    """

    def __init__(self, chain: CometChain, admits: Callable[[bytes], bool]) -> None:
        self._chain = chain
        self._admits = admits
        self._snapshots = Snapshots(chain)
        self._restoration: Restoration | None = None
        # Request field: (response field, answer)
        self._answers: dict[int, tuple[int, Callable[[Message], bytes]]] = {
            1: (2, lambda request: encode((1, request.text(1)))),
            2: (3, lambda _: b""),
            3: (4, self._info),
            5: (6, self._init_chain),
            6: (7, self._query),
            8: (9, self._check_tx),
            11: (12, self._commit),
            12: (13, self._list_snapshots),
            13: (14, self._offer_snapshot),
            14: (15, self._load_snapshot_chunk),
            15: (16, self._apply_snapshot_chunk),
            16: (17, self._prepare_proposal),
            17: (18, self._process_proposal),
            20: (21, self._finalize_block),
        }

    def answer(self, data: bytes) -> bytes:
        """Answer a request; the bytes of a response.

        Raises
        ------
        InvalidValue
            It is no request that CometBFT sends to an application without vote extensions.
        """
        number, request = Message(data).only_field()
        if number not in self._answers:
            raise InvalidValue("abci", f"request {number}", "one of ABCI 2.0 without vote extensions")
        response, answer = self._answers[number]
        return encode((response, answer(request)))

    @staticmethod
    def failure(error: BaseException) -> bytes:
        """Response to a request that could not be answered: CometBFT stops."""
        return encode((1, encode((1, repr(error)))))

    def _info(self, _: Message) -> bytes:
        height = self._chain.ordered_height
        return encode((3, APP_VERSION), (4, height), (5, self._chain.head().hash if height else None))

    def _init_chain(self, _: Message) -> bytes:
        return encode((3, self._chain.head().hash))

    def _query(self, request: Message) -> bytes:
        path = request.text(2)
        if not path.startswith(_PEER_BY_ID):
            return b""
        node_id = path.removeprefix(_PEER_BY_ID)
        try:
            admitted = self._admits(bytes.fromhex(node_id))
        except ValueError:
            admitted = False
        return b"" if admitted else encode((1, _REFUSED), (3, f"node {node_id} is not that of a member"))

    def _check_tx(self, request: Message) -> bytes:
        try:
            if request.number(2):
                self._chain.check_again(request.content(1))
                return b""
            return encode((5, self._chain.check(request.content(1))))
        except TransactionRejected as error:
            return encode((1, _REFUSED), (3, str(error)))

    def _prepare_proposal(self, request: Message) -> bytes:
        timestamp = request.message(6).number(1)
        return encode(*repeated(1, self._chain.prepare(request.contents(2), request.number(1), timestamp)))

    def _process_proposal(self, request: Message) -> bytes:
        return encode((1, _ACCEPT if self._chain.process(OrderedBlock.read(request)) else _REJECT))

    def _finalize_block(self, request: Message) -> bytes:
        decision = self._chain.finalize(OrderedBlock.read(request))
        results = [encode((1, 0 if complete else _REFUSED)) for complete in decision.complete]
        updates = [encode((1, encode((1, key))), (2, power)) for key, power in decision.validator_updates]
        return encode(*repeated(2, results), *repeated(3, updates), (5, decision.app_hash))

    def _commit(self, _: Message) -> bytes:
        self._chain.commit()
        return b""

    def _list_snapshots(self, _: Message) -> bytes:
        return encode(*repeated(1, [snapshot.encode() for snapshot in self._snapshots.offered()]))

    def _load_snapshot_chunk(self, request: Message) -> bytes:
        return encode((1, self._snapshots.chunk(request.number(1), request.number(2), request.number(3))))

    def _offer_snapshot(self, request: Message) -> bytes:
        snapshot = Snapshot.read(request.message(1))
        if snapshot.format != Snapshots.FORMAT:
            return encode((1, _REJECT_FORMAT))
        if snapshot.hash != request.content(2):
            return encode((1, _REJECT_OFFER))
        self._restoration = Restoration(self._chain, snapshot)
        return encode((1, _ACCEPT))

    def _apply_snapshot_chunk(self, request: Message) -> bytes:
        if self._restoration is None:
            return encode((1, _ABORT))
        try:
            self._restoration.apply(request.number(1), request.content(2))
        except BadChunk:
            senders = [(3, sender) for sender in [request.text(3)] if sender]
            return encode((1, _RETRY), (2, varint(request.number(1))), *senders)
        except GridbourseError:
            self._restoration = None
            return encode((1, _REJECT_SNAPSHOT), *[(3, sender) for sender in [request.text(3)] if sender])
        return encode((1, _ACCEPT))
