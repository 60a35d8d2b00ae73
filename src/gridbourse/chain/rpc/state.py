"""The newest state: accounts, and messages that are run on it and forgotten."""

from __future__ import annotations

from typing import Any

from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.parameters import MAX_VALUES, BlockName, Call, height_of, read_block
from gridbourse.chain.rpc.values import data, quantity, read_address, read_list, read_object, read_slot
from gridbourse.errors import ContractReverted, InvalidValue, RpcError

_TRANSACTION_GAS = 21_000


class StateMethods:
    """The methods on the newest state.

    Parameters
    ----------
    chain
        The chain.
    limits
        How much one caller may ask for.
    """

    def __init__(self, chain: Chain, limits: Limits) -> None:
        self._chain = chain
        self._limits = limits

    # Accounts

    def transaction_count(self, address: object, block: object = None) -> str:
        """Nonce of an account; with ``pending`` that of the next transaction to send."""
        account, named = read_address(address, "address"), read_block(block)
        if named == "pending":
            return quantity(self._chain.next_nonce(account))
        self._require_newest(named)
        return quantity(self._chain.account(account).nonce)

    def balance(self, address: object, block: object = None) -> str:
        """Coins of an account."""
        account = read_address(address, "address")
        self._require_newest(read_block(block))
        return quantity(self._chain.account(account).balance_wei)

    def code(self, address: object, block: object = None) -> str:
        """Code of a contract."""
        account = read_address(address, "address")
        self._require_newest(read_block(block))
        return data(self._chain.account(account).code)

    def storage(self, address: object, slot: object, block: object = None) -> str:
        """Word of a contract's storage."""
        account, place = read_address(address, "address"), read_slot(slot, "slot")
        self._require_newest(read_block(block))
        return data(self._chain.storage(account, place))

    def storage_values(self, requests: object, block: object = None) -> dict[str, list[str]]:
        """Words of several contracts' storage."""
        wanted = {
            text: (
                read_address(text, "address"),
                [read_slot(slot, text) for slot in read_list(slots, text, MAX_VALUES)],
            )
            for text, slots in read_object(requests, "requests").items()
        }
        if (slots := sum(len(slots) for _, slots in wanted.values())) > MAX_VALUES:
            raise InvalidValue("requests", f"{slots} slots", f"at most {MAX_VALUES}")
        self._require_newest(read_block(block))
        return {
            text: [data(self._chain.storage(account, slot)) for slot in slots]
            for text, (account, slots) in wanted.items()
        }

    # Execution

    def call(self, message: object, block: object = None, overrides: object = None) -> str:
        """Run a call and forget it; without a receiver, what the created contract's code would be."""
        call = self._read_call(message)
        self._require_newest(read_block(block), overrides)
        gas = self._limits.call_gas if call.gas is None else min(call.gas, self._limits.call_gas)
        return data(self._chain.call(call.to, call.data, sender=call.sender, gas_limit=gas))

    def estimate_gas(self, message: object, block: object = None, overrides: object = None) -> str:
        """Gas limit with which a transaction succeeds."""
        call = self._read_call(message)
        self._require_newest(read_block(block), overrides)
        # Less than a transaction costs before it begins bounds nothing, as in geth.
        most = self._limits.call_gas
        gas = most if call.gas is None or call.gas < _TRANSACTION_GAS else min(call.gas, most)
        try:
            return quantity(self._chain.estimate_gas(call.to, call.data, sender=call.sender, gas_limit=gas))
        except ContractReverted as error:
            if error.reverted or error.error != "OutOfGas":
                raise
            raise RpcError(Code.SERVER_ERROR, f"gas required exceeds allowance ({gas})") from error

    def fill_transaction(self, message: object) -> dict[str, Any]:
        """Complete a transaction of type 2, ready to be signed."""
        call = self._read_call(message)
        fees = self._chain.fees()
        gas = int(self.estimate_gas(message), 16) if call.gas is None else call.gas
        most = fees.max_fee_per_gas if call.max_fee_per_gas is None else call.max_fee_per_gas
        tip = fees.max_priority_fee_per_gas if call.max_priority_fee_per_gas is None else call.max_priority_fee_per_gas
        if tip > most:
            raise InvalidValue("maxPriorityFeePerGas", tip, f"at most maxFeePerGas, {most}")
        nonce = self._chain.next_nonce(call.sender) if call.nonce is None else call.nonce
        filled: dict[str, Any] = {
            "type": "0x2",
            "chainId": quantity(self._chain.chain_id),
            "nonce": quantity(nonce),
            "to": data(call.to) if call.to else None,
            "gas": quantity(gas),
            "value": quantity(call.value),
            "input": data(call.data),
            "maxFeePerGas": quantity(most),
            "maxPriorityFeePerGas": quantity(tip),
            "gasPrice": quantity(most),
            "accessList": [],
        }
        return {"tx": filled}

    def _read_call(self, message: object) -> Call:
        call = Call.read(message, self._chain.chain_id)
        if call.value:
            text = f"insufficient funds for gas * price + value: address {data(call.sender)} have 0 want {call.value}"
            raise RpcError(Code.SERVER_ERROR, text)
        return call

    def _require_newest(self, block: BlockName, overrides: object = None) -> None:
        """Only the newest state is kept."""
        if overrides is not None and read_object(overrides, "stateOverrides"):
            raise InvalidValue("stateOverrides", "present", "none: they are not supported")
        height = height_of(self._chain, block)
        if height is None:
            raise RpcError(Code.SERVER_ERROR, "header not found")
        head = self._chain.head().height
        if height < head:
            text = f"the state of block {height} is not kept; ask at latest, now block {head}"
            raise RpcError(Code.RESOURCE_UNAVAILABLE, text)
