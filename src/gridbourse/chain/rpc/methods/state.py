"""The state: accounts, and messages that are run on it and forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gridbourse.chain.interface import Chain
from gridbourse.chain.revert import contract_error
from gridbourse.chain.rpc.errors import Code, halt_words
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.objects import access_list_object
from gridbourse.chain.rpc.methods.overrides import BlockOverride, read_state_overrides
from gridbourse.chain.rpc.methods.parameters import MAX_VALUES, BlockName, Call, height_of, read_block
from gridbourse.chain.rpc.values import data, quantity, read_address, read_list, read_object, read_slot
from gridbourse.chain.simulation import AccountOverride, Message, Simulation
from gridbourse.crypto.keys import Address
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
        if older := self._older(named):
            return quantity(older.account(account)[0])
        return quantity(self._chain.account(account).nonce)

    def balance(self, address: object, block: object = None) -> str:
        """Coins of an account."""
        account = read_address(address, "address")
        if older := self._older(read_block(block)):
            return quantity(older.account(account)[1])
        return quantity(self._chain.account(account).balance_wei)

    def code(self, address: object, block: object = None) -> str:
        """Code of a contract."""
        account = read_address(address, "address")
        if older := self._older(read_block(block)):
            return data(older.code(account))
        return data(self._chain.account(account).code)

    def storage(self, address: object, slot: object, block: object = None) -> str:
        """Word of a contract's storage."""
        account, place = read_address(address, "address"), read_slot(slot, "slot")
        return data((self._older(read_block(block)) or self._chain).storage(account, place))

    def storage_values(self, requests: object, block: object = None) -> dict[str, list[str]]:
        """Words of several contracts' storage."""
        wanted = {
            text: (
                read_address(text, "address"),
                [read_slot(slot, text) for slot in read_list(slots, text, MAX_VALUES)],
            )
            for text, slots in read_object(requests, "requests").items()
        }
        if (count := sum(len(slots) for _, slots in wanted.values())) > MAX_VALUES:
            raise InvalidValue("requests", f"{count} slots", f"at most {MAX_VALUES}")
        source = self._older(read_block(block)) or self._chain
        return {
            text: [data(source.storage(account, slot)) for slot in slots] for text, (account, slots) in wanted.items()
        }

    def proof(self, address: object, slots: object, block: object = None) -> dict[str, Any]:
        """What an account and some slots hold, with the nodes of the state trie that prove it (EIP-1186)."""
        account = read_address(address, "address")
        texts = read_list(slots, "storageKeys", MAX_VALUES)
        keys = [read_slot(text, "storageKeys") for text in texts]
        proven = self._chain.prove(self._height(read_block(block)), account, keys)
        return {
            "address": data(account),
            "nonce": quantity(proven.nonce),
            "balance": quantity(proven.balance_wei),
            "codeHash": data(proven.code_hash),
            "storageHash": data(proven.storage_root),
            "accountProof": [data(node) for node in proven.nodes],
            "storageProof": [
                {
                    "key": str(text).lower(),
                    "value": quantity(entry.value),
                    "proof": [data(node) for node in entry.nodes],
                }
                for text, entry in zip(texts, proven.slots, strict=True)
            ],
        }

    def _older(self, block: BlockName) -> Simulation | None:
        """The state behind a block that is not the newest."""
        height = self._height(block)
        return None if height == self._chain.head().height else self._chain.simulate(height)

    # Execution

    def call(self, message: object, block: object = None, overrides: object = None, blocks: object = None) -> str:
        """Run a call and forget it; without a receiver, what the created contract's code would be."""
        call, named = self.read_call(message), read_block(block)
        accounts, other = read_state_overrides(overrides), BlockOverride.read(blocks)
        if self._is_plain(named, call, accounts, other):
            gas = self._limits.call_gas if call.gas is None else min(call.gas, self._limits.call_gas)
            return data(self._chain.call(call.to, call.data, sender=call.sender, gas_limit=gas))
        simulation = self.simulation(named, accounts, other)
        outcome = simulation.call(self.message(simulation, call))
        if not outcome.succeeded:
            raise contract_error(outcome.output, outcome.halt)
        return data(outcome.output)

    def estimate_gas(
        self, message: object, block: object = None, overrides: object = None, blocks: object = None
    ) -> str:
        """Gas limit with which a transaction succeeds."""
        call, named = self.read_call(message), read_block(block)
        accounts, other = read_state_overrides(overrides), BlockOverride.read(blocks)
        # Less than a transaction costs before it begins bounds nothing, as in geth.
        most = self._limits.call_gas
        gas = most if call.gas is None or call.gas < _TRANSACTION_GAS else min(call.gas, most)
        try:
            if self._is_plain(named, call, accounts, other):
                return quantity(self._chain.estimate_gas(call.to, call.data, sender=call.sender, gas_limit=gas))
            simulation = self.simulation(named, accounts, other)
            found = simulation.estimate_gas(self.message(simulation, replace(call, gas=gas)))
            if isinstance(found, int):
                return quantity(found)
            raise contract_error(found.output, found.halt)
        except ContractReverted as error:
            if error.reverted or error.error != "OutOfGas":
                raise
            raise RpcError(Code.SERVER_ERROR, f"gas required exceeds allowance ({gas})") from error

    def create_access_list(self, message: object, block: object = None, overrides: object = None) -> dict[str, Any]:
        """What a transaction accesses, and the gas that it uses if it says so."""
        call, named = self.read_call(message), read_block(block)
        simulation = self.simulation(named, read_state_overrides(overrides), BlockOverride())
        accessed, outcome = simulation.access_list(self.message(simulation, call))
        found: dict[str, Any] = {
            "accessList": access_list_object(accessed),
            "gasUsed": quantity(outcome.gas_used),
        }
        if outcome.succeeded:
            return found
        return found | {"error": halt_words(outcome.halt or "Revert")}

    def simulation(
        self, block: BlockName, accounts: Mapping[Address, AccountOverride], other: BlockOverride
    ) -> Simulation:
        """A block that is supposed behind another, on other accounts."""
        simulation = self._chain.simulate(self._height(block))
        if other != BlockOverride():
            simulation.place(other.over(simulation.placed))
        simulation.suppose(accounts)
        return simulation

    def message(self, simulation: Simulation, call: Call) -> Message:
        """What a call runs; the sender's nonce, where it is not given, is the next."""
        most = self._limits.call_gas
        nonce = simulation.account(call.sender)[0] if call.nonce is None else call.nonce
        gas = most if call.gas is None else min(call.gas, most)
        return Message(gas, call.sender, call.to, call.data, call.value, nonce, call.access_list)

    def fill_transaction(self, message: object) -> dict[str, Any]:
        """Complete a transaction of type 2, ready to be signed."""
        call = self.read_call(message)
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
            "accessList": access_list_object(call.access_list),
        }
        return {"tx": filled}

    def read_call(self, message: object) -> Call:
        """Read a transaction object for this chain."""
        return Call.read(message, self._chain.chain_id)

    def _is_plain(
        self, block: BlockName, call: Call, accounts: Mapping[Address, AccountOverride], other: BlockOverride
    ) -> bool:
        """Whether a call is one of those that every engine can run, also where another node does it."""
        is_newest = self._height(block) == self._chain.head().height
        return is_newest and not (call.value or call.access_list or accounts) and other == BlockOverride()

    def _height(self, block: BlockName) -> int:
        height = height_of(self._chain, block)
        if height is None:
            raise RpcError(Code.SERVER_ERROR, "header not found")
        return height
