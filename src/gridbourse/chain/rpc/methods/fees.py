"""What gas costs, and what it cost."""

from __future__ import annotations

from typing import Any

from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.methods.parameters import height_of, read_block_number, read_percentiles
from gridbourse.chain.rpc.values import quantity, read_whole
from gridbourse.errors import RpcError

_MAX_HISTORY_BLOCKS = 1_024
_FREE = "0x0"


class FeeMethods:
    """The methods on fees. Gas has a limit and is measured, but nobody pays for it: every fee is zero.

    Parameters
    ----------
    chain
        The chain.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def gas_price(self) -> str:
        """What a transaction of the old kind should bid."""
        return quantity(self._chain.fees().max_fee_per_gas)

    def max_priority_fee_per_gas(self) -> str:
        """What whoever makes the block should be bid on top."""
        return quantity(self._chain.fees().max_priority_fee_per_gas)

    def base_fee(self) -> str:
        """Base fee of the next block."""
        return _FREE

    def blob_base_fee(self) -> str:
        """Base fee of blobs, which no transaction may carry."""
        return _FREE

    def fee_history(self, count: object, newest: object, percentiles: object = None) -> dict[str, Any]:
        """Fees of a range of blocks and how full they were; at most 1,024 blocks, and none before the genesis."""
        wanted = read_whole(count, "blockCount", 2**64 - 1)
        asked = read_block_number(newest, "newestBlock")
        ranks = read_percentiles(percentiles)
        last = height_of(self._chain, asked)
        if last is None:
            head = self._chain.head().height
            raise RpcError(Code.SERVER_ERROR, f"request beyond head block: requested {asked}, head {head}")
        shown = min(wanted, _MAX_HISTORY_BLOCKS, last + 1)
        if not shown:
            return {"oldestBlock": "0x0", "baseFeePerGas": [], "gasUsedRatio": []}
        oldest = last - shown + 1
        headers = [self._chain.header(height) for height in range(oldest, last + 1)]
        history = {
            "oldestBlock": quantity(oldest),
            "baseFeePerGas": [_FREE] * (shown + 1),
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "baseFeePerBlobGas": [_FREE] * (shown + 1),
            "blobGasUsedRatio": [0.0] * shown,
        }
        return history | ({"reward": [[_FREE] * len(ranks)] * shown} if ranks else {})
