"""What a failed execution says: Solidity's two built-in errors, and everything else as it came."""

from __future__ import annotations

from gridbourse.errors import ContractReverted

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC_UINT256 = bytes.fromhex("4e487b71")


def contract_error(revert_data: bytes, halt: str = "") -> ContractReverted:
    """Turn what an execution left behind into the error to raise.

    Implements the Solidity ABI, "Error handling": ``Error(string)`` and ``Panic(uint256)``. An error that a
    contract declares itself comes as ``"Unknown"`` with its raw data, because naming it takes the contract's
    ABI.

    Parameters
    ----------
    revert_data
        What the contract returned on reverting.
    halt
        The EVM's reason where the contract did not get to say anything, e.g. ``"OutOfGas"``.
    """
    if halt:
        return ContractReverted(halt)
    selector, body = revert_data[:4], revert_data[4:]
    if selector == _ERROR_STRING and len(body) >= 64:
        size = int.from_bytes(body[32:64], "big")
        return ContractReverted("Error", (body[64 : 64 + size].decode(errors="replace"),), revert_data)
    if selector == _PANIC_UINT256 and len(body) == 32:
        return ContractReverted("Panic", (int.from_bytes(body, "big"),), revert_data)
    return ContractReverted("Unknown", (), revert_data)
