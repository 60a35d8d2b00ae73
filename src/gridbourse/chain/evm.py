"""The Ethereum virtual machine: revm through pyrevm, and all that has to be known about it.

pyrevm keeps two layers: a database, and above it the journal of one Ethereum transaction, which it never
closes. Here **the journal lives for exactly one block**: `begin` opens it, `finish` reads from it what the
block changed and empties it again, and `apply` writes changes into the database. So

- memory is bounded, and a block's changes are known, can be stored and can be committed to;
- a block that is not applied leaves no trace;
- gas is a pure function of the state before the block and of the block. A block's first transaction costs
  what it costs on Ethereum (Cancun). A later one finds warm what an earlier one touched, and a slot's
  original value (EIP-2200) is the one before the block: it costs less, and the same on every node;
- a contract that destroys itself is gone at the end of the block that created it (EIP-6780 says: of the
  transaction).

Gas costs nothing and there is no coin: no balance is ever other than zero. ``BLOCKHASH`` has no meaning here
(revm invents a value from the number), ``PREVRANDAO`` and ``COINBASE`` are zero.

pyrevm is imported nowhere else, and ``tests/chain/test_evm.py`` pins every behaviour of it that this module
stands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from struct import iter_unpack
from typing import cast

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env, ExecutionResult, JournalCheckpoint

from gridbourse.chain.block import AccountChange
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import Rejection, TransactionRejected

RULES = "CANCUN"

# Runtime code is put behind this init code, which returns it: PUSH4 size, DUP1, PUSH1 14, PUSH1 0,
# CODECOPY, PUSH1 0, RETURN.
_INIT_CODE = "63{size:08x}80600e6000396000f3"
_SCRATCH = "0x" + "5c" * 20
_CODE_PADDING_BYTES = 33
_STORAGE = "}, storage: {"
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*) ")


@dataclass(frozen=True, slots=True)
class Message:
    """What to run: `data` sent to the contract `to`; with ``to=None``, the creation of a contract from it."""

    sender: Address
    to: Address | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message ended.

    Parameters
    ----------
    succeeded
        Whether its effects hold.
    gas_used
        Gas after refunds.
    output
        What it returned, or what the contract said on reverting.
    halt
        Why the EVM stopped it, if it did, e.g. ``"OutOfGas"``.
    contract_address
        The contract it created.
    logs
        Address, topics and data of each event.
    """

    succeeded: bool
    gas_used: int
    output: bytes = b""
    halt: str = ""
    contract_address: Address | None = None
    logs: tuple[tuple[Address, tuple[bytes, ...], bytes], ...] = ()


class Evm:
    """State and execution.

    Parameters
    ----------
    chain_id
        What ``CHAINID`` returns.
    gas_limit
        What ``GASLIMIT`` returns, and the most gas of one message.
    """

    def __init__(self, chain_id: int, gas_limit: int) -> None:
        self._evm = EVM(env=Env(cfg=CfgEnv(chain_id=chain_id)), gas_limit=gas_limit, spec_id=RULES)

        self._base: JournalCheckpoint

    def begin(self, height: int, timestamp: int) -> None:
        """Open the journal of a block."""
        self._evm.set_block_env(BlockEnv(number=height, timestamp=timestamp))
        self._base = self._evm.snapshot()

    def discard(self) -> None:
        """Empty the journal, as if the block had never been."""
        self._evm.revert(self._base)

    def finish(self) -> tuple[AccountChange, ...]:
        """Read what the block changed, by rising address, and empty the journal."""
        after = {_address(text): info for text, info in self._evm.journal_state.items()}
        storage = _changed_slots(self._evm.journal_str)
        self.discard()
        changes = []
        with self._scratch():
            for address, slots in sorted(storage.items()):
                now, before = after[address], self._evm.basic(_hex(address))
                is_new = now.code_hash != before.code_hash
                code = _without_padding(now.code, now.code_hash) if is_new else None
                if slots or code is not None or now.nonce != before.nonce:
                    changes.append(AccountChange(address, now.nonce, code, slots))
        return tuple(changes)

    def apply(self, changes: Iterable[AccountChange]) -> None:
        """Write changes into the database; no block is open."""
        evm = self._evm
        for change in changes:
            address = _hex(change.address)
            code_hash = self._know(change.code) if change.code else self._account(address).code_hash
            evm.insert_account_info(address, AccountInfo(nonce=change.nonce, code_hash=code_hash))
            for key, value in iter_unpack("32s32s", change.slots):
                checkpoint = evm.snapshot()  # writing a slot also loads its account into the journal
                evm.insert_account_storage(address, int.from_bytes(key, "big"), int.from_bytes(value, "big"))
                evm.revert(checkpoint)

    def execute(self, message: Message, gas_limit: int) -> Outcome:
        """Run a message inside the journal; whatever becomes of it, the sender's nonce rises by one.

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        self._evm.reset_transient_storage()
        sender = _hex(message.sender)
        try:
            if message.to is None:
                contract_address = _address(self._evm.deploy(sender, message.data, gas=gas_limit))
                return self._success(b"", contract_address)
            self._raise_nonce(sender)
            output = self._evm.message_call(sender, _hex(message.to), calldata=message.data, gas=gas_limit)
            return self._success(output, None)
        except RuntimeError as error:
            return self._failure(error)

    def nonce(self, address: Address) -> int:
        """Nonce of an account, in the journal if a block is open."""
        return self._account(_hex(address)).nonce

    def code(self, address: Address) -> bytes:
        """Code of an account, without the journal."""
        with self._scratch():
            return _without_padding(self._evm.get_code(_hex(address)), self._evm.basic(_hex(address)).code_hash)

    def storage(self, address: Address, slot: int) -> bytes:
        """Word in a slot of an account's storage, without the journal."""
        with self._scratch():
            return int(self._evm.storage(_hex(address), slot)).to_bytes(32, "big")

    @contextmanager
    def _scratch(self) -> Iterator[None]:
        """Whatever is loaded or done inside leaves the journal again."""
        checkpoint = self._evm.snapshot()
        try:
            yield
        finally:
            self._evm.revert(checkpoint)

    def _account(self, address: str) -> AccountInfo:
        with self._scratch():
            return self._evm.basic(address)

    def _raise_nonce(self, sender: str) -> None:
        """Do what pyrevm's message call leaves out; its creation does it by itself."""
        info = self._evm.basic(sender)
        self._evm.insert_account_info(sender, AccountInfo(nonce=info.nonce + 1, code_hash=info.code_hash))

    def _know(self, code: bytes) -> bytes:
        """Put code into the database's table of codes and return its hash.

        revm analyses code that a creation returns once, but code handed to it raw again at every call.
        """
        with self._scratch():
            init_code = bytes.fromhex(_INIT_CODE.format(size=len(code))) + code
            analysed = self._evm.basic(self._evm.deploy(_SCRATCH, init_code))
        self._evm.insert_account_info(_SCRATCH, analysed)
        self._evm.insert_account_info(_SCRATCH, AccountInfo())
        return keccak256(code)

    def _success(self, output: bytes, contract_address: Address | None) -> Outcome:
        result = cast("ExecutionResult", self._evm.result)
        logs = []
        for log in result.logs:
            topics, data = log.data
            logs.append((_address(log.address), tuple(topics), data))
        return Outcome(
            succeeded=True,
            gas_used=result.gas_used,
            output=output,
            contract_address=contract_address,
            logs=tuple(logs),
        )

    def _failure(self, error: RuntimeError) -> Outcome:
        result = self._evm.result
        if result is None:
            text = f"the EVM refuses to start it: {error}"
            raise TransactionRejected(
                text, Rejection.INTRINSIC_GAS if "Gas" in text else Rejection.INIT_CODE
            ) from error
        output = _OUTPUT.search(str(error))
        return Outcome(
            succeeded=False,
            gas_used=result.gas_used,
            output=bytes.fromhex(output[1]) if output else b"",
            halt=result.reason.partition("(")[0] if result.is_halt else "",
        )


def _hex(address: Address) -> str:
    return "0x" + address.hex()


@lru_cache(maxsize=1_024)
def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _without_padding(code: bytes | None, code_hash: bytes | None) -> bytes:
    """The engine hands out code with the zeros that its analysis puts behind it; the hash is of the code alone."""
    padded = code or b""
    bare = padded[:-_CODE_PADDING_BYTES]
    return bare if keccak256(bare) == code_hash else padded


def _changed_slots(journal: str) -> dict[Address, bytes]:
    """Changed slots of every account in the journal, except accounts that destroyed themselves.

    pyrevm shows storage only in the text of the journal. All contents are numbers and hexadecimal, so no
    contract can write anything there that looks like its structure.
    """
    storage: dict[Address, bytes] = {}
    accounts_end = journal.index("}, transient_storage: {")
    position = journal.find(": Account {", 0, accounts_end)
    while position >= 0:
        address = _address(journal[position - 42 : position])
        slots_start = journal.index(_STORAGE, position) + len(_STORAGE)  # skips the code, by far the longest part
        slots_end = journal.index("}, status: AccountStatus(", slots_start)
        status_end = journal.index(")", slots_end)
        if "SelfDestructed" not in journal[slots_end:status_end]:
            storage[address] = b"".join(sorted(_changed(journal[slots_start:slots_end])))
        position = journal.find(": Account {", status_end, accounts_end)
    return storage


def _changed(storage: str) -> Iterator[bytes]:
    """Key and value of those slots of an account whose value is another than before the block."""
    for slot in storage.split(" }, "):
        key, _, values = slot.removesuffix(" }").partition(": StorageSlot { previous_or_original_value: ")
        before, _, value = values.partition(", present_value: ")
        if value != before:
            yield int(key).to_bytes(32, "big") + int(value).to_bytes(32, "big")
