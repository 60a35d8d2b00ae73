"""Nodes that trade are killed at random, application, CometBFT or both; no acknowledged trade is lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from loaded_node import HIGHEST_TICKS, buyer_of, seller_of
from networks import NAMES, Network, eventually, require_cometbft

from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.genesis import read_genesis
from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.market.events import DealSettled, IntentRecorded
from gridbourse.market.types import DealState, Role, Settings
from gridbourse.units import PERIOD_SECONDS

SCRIPT = Path(__file__).with_name("loaded_node.py")
LIBRARY = os.pathsep.join(str(SCRIPT.parents[level]) for level in (0, 1))
NODE, COMET, BOTH = "the node", "its CometBFT", "both"
SETTINGS = Settings(cooling_off_seconds=7_200, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64)
ROLES = (Role.SOURCE, Role.GRID, Role.AGGREGATOR, Role.USER)
MASTERS = range(1, len(NAMES) + 1)
DEPOSIT, QUOTA_WH = 10**12, 2**39


class LoadedNode:
    """A master's node in a process of its own that trades all the time; it can be killed and started again."""

    def __init__(self, folder: Path, market: bytes, master: int, period: int) -> None:
        self._command = [sys.executable, str(SCRIPT), str(folder), market.hex(), str(master), str(period)]
        self.acknowledged: list[bytes] = []
        self.deals: list[tuple[int, ...]] = []
        self.start()

    def start(self) -> None:
        self.heads: list[str] = []
        self.stopped = False
        self.comet_pid: int | None = None
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": LIBRARY},
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def kill(self, what: str) -> None:
        if what != NODE:  # it may have another CometBFT than the last time
            self.comet_pid = None
            self.ask("comet")
            eventually(lambda: self.comet_pid is not None)
        if what != COMET:
            self.process.kill()
        if what != NODE and self.comet_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.comet_pid, signal.SIGKILL)
        if what != COMET:
            self.process.wait()
            self._reader.join()
            self.start()

    def end(self) -> None:
        """Kill what is left of it."""
        self.process.kill()
        if self.comet_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.comet_pid, signal.SIGKILL)

    def ask(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._reader.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            word, *values = line.split()
            if word == "done" and line.endswith("\n"):
                self.acknowledged.append(bytes.fromhex(values[0]))
            elif word == "deal" and line.endswith("\n"):
                self.deals.append(tuple(map(int, values)))
            elif word == "ready":
                self.comet_pid = int(values[0])
            elif word == "head":
                self.heads.append(line)
            elif word == "stopped":
                self.stopped = True


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.nightly)])
def test_killed_at_random_no_acknowledged_trade_is_lost_or_done_twice(tmp_path, kills):
    require_cometbft()
    network = Network(tmp_path)
    network.start()
    period = int(time.time()) // PERIOD_SECONDS + 96
    market = _open_market(network, period)
    network.wait_equal()
    network.stop()
    nodes = {name: LoadedNode(tmp_path / name, market, master, period) for master, name in enumerate(NAMES, start=1)}
    with ExitStack() as cleaning:
        for node in nodes.values():
            cleaning.callback(node.end)
        _kill_at_random(nodes, kills)
        _come_to_rest(nodes)
        for node in nodes.values():
            node.close()
        cleaning.pop_all()
    _check_files(tmp_path, nodes, market, period)


def _open_market(network, period):
    """The contracts, and below each master one trader that sells and one that buys."""
    chain = network["hydro"].chain
    wallets = [Wallet(chain, network.accounts[name]) for name in NAMES]
    founders = {wallet.address: role for wallet, role in zip(wallets, ROLES, strict=True)}
    regulator = RegulatorKeys(SigningKey(b"\x05" * 32).address, b"\x06" * 32)
    market = MainChain.create(chain, Wallet(chain, network.deployer), founders, regulator, SETTINGS).market
    for master, wallet in zip(MASTERS, wallets, strict=True):
        pseudonyms = [number.to_bytes(32, "big") for number in (seller_of(master), buyer_of(master))]
        quota = market.set_quotas({(seller_of(master), period): QUOTA_WH})
        wallet.send_many([market.register_traders(pseudonyms), quota])
    settling = wallets[ROLES.index(Role.GRID)]
    settling.send(market.deposit({buyer_of(master): DEPOSIT for master in MASTERS}, bytes(32)))
    return market.address


def _kill_at_random(nodes, kills):
    chosen = random.Random(kills)
    eventually(lambda: all(node.acknowledged for node in nodes.values()))
    for turn in range(kills):
        time.sleep(chosen.uniform(0.2, 2.0))
        victim = chosen.choice(list(nodes.values()))
        eventually(lambda victim=victim: victim.comet_pid is not None)
        victim.kill((NODE, COMET, BOTH)[turn % 3])
    # Everybody is back and goes on.
    before = {name: len(node.acknowledged) for name, node in nodes.items()}
    eventually(lambda: all(len(node.acknowledged) > before[name] for name, node in nodes.items()), seconds=120)


def _come_to_rest(nodes):
    for node in nodes.values():
        node.ask("stop")
    eventually(lambda: all(node.stopped for node in nodes.values()), seconds=120)

    def at_rest() -> bool:
        for node in nodes.values():
            node.heads.clear()
            node.ask("head")
        eventually(lambda: all(node.heads for node in nodes.values()))
        return len({node.heads[-1] for node in nodes.values()}) == 1

    eventually(at_rest)


def _check_files(folder, nodes, market_address, period):
    heads = set()
    for name in nodes:
        own = NodeFolder(folder / name)
        genesis, membership = read_genesis(own.genesis)
        with CometChain(own.chain, genesis, membership, lambda _: None) as chain:
            chain.verify()
            heads.add(chain.head().hash)
            sealed = [
                receipt.transaction_hash
                for height in range(1, chain.head().height + 1)
                for receipt in chain.block(height).receipts
                if receipt.succeeded
            ]
            assert len(set(sealed)) == len(sealed)
            market = EnergyMarket(chain, market_address)
            happened = market.events_between(1, chain.head().height)
            for node in nodes.values():
                assert set(node.acknowledged) <= set(sealed)
                assert len(set(node.acknowledged)) == len(node.acknowledged)
            _check_trades(happened, nodes, market)
            _check_conservation(market, period)
    assert len(heads) == 1


def _check_trades(happened, nodes, market):
    """Every acknowledged trade stands as it was acknowledged, and was acknowledged once."""
    trades = [
        (event.deal_id, event.ask.pack(), event.bid.pack(), event.energy_wh, event.price_ticks)
        for event in happened
        if isinstance(event, IntentRecorded)
    ]
    assert [deal_id for deal_id, *_ in trades] == list(range(1, market.deal_count() + 1))
    acknowledged = [deal for node in nodes.values() for deal in node.deals]
    assert 0 < len(set(acknowledged)) == len(acknowledged)
    assert set(acknowledged) <= set(trades)
    settled = [event.deal_id for event in happened if isinstance(event, DealSettled)]
    assert len(set(settled)) == len(settled)
    assert settled, "deals were confirmed by both parties and settled"


def _check_conservation(market, period):
    """Money and energy are neither made nor lost, and open deals hold exactly what is theirs."""
    deals = [market.deal(deal_id) for deal_id in range(1, market.deal_count() + 1)]
    open_deals = [deal for deal in deals if deal.state in {DealState.INTENT, DealState.CONFIRMED}]
    assert all(deal.price_ticks <= min(deal.bid.price_ticks, HIGHEST_TICKS) for deal in deals)
    numbers = range(1, market.trader_count() + 1)
    traders = {number: market.trader(number) for number in numbers}
    positions = {number: market.position(number, period) for number in numbers}
    for number in numbers:
        assert traders[number].held_money == sum(deal.money for deal in open_deals if deal.buyer == number)
        assert positions[number].held_wh == sum(deal.energy_wh for deal in open_deals if deal.seller == number)
    credited, debited = market.money_moved()
    assert sum(trader.free_money + trader.held_money for trader in traders.values()) == credited - debited
    assert sum(claims.sold_wh for claims in positions.values()) == sum(
        claims.bought_wh for claims in positions.values()
    )
