"""The paper's market between organisations: four masters and the regulator, each with processes and keys of its own.

Every organisation is played by the commands that a company would run: `gridbourse node` for its node of the main chain
and `gridbourse run` for its masters; its users act by `gridbourse device`. What passes between organisations is what
has to: public keys, the genesis, the token with which the regulator reads a slave chain, and payments. Nothing here
reads a private key or opens a slave chain.
"""

from __future__ import annotations

import csv
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from gridbourse.chain.clock import system_clock
from gridbourse.chain.cometbft.process import find_cometbft
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.contracts.balancing import ImbalancePrice, Publication
from gridbourse.contracts.main_chain import MainChain
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.errors import ChainError, InvalidValue
from gridbourse.files.writing import write_private_csv
from gridbourse.market.types import DealState, OrderId, Side
from gridbourse.node.folder.chains import token_file
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.folder.setup import PublicKeys, share_of
from gridbourse.node.jobs.metering.metered_files import METERED_FIELDS
from gridbourse.paper.market import ARRIVALS, DEPOSIT, ORDERS, Row, Trade, region_spec
from gridbourse.region.description import Engine, MainChainSpec, RegionSpec
from gridbourse.region.description_file import write_region
from gridbourse.simulation.scenario.values import Want
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS, format_kwh, format_price, format_yuan

SPEC = region_spec()
MASTER_NAMES = tuple(master.name for master in SPEC.masters)
SETTLEMENT_AGENT = "grid"
TRADES = 6

DEVIATIONS_WH = {
    "User 1": -8_000,
    "User 2": 5_000,
    "User 3": -3_000,
    "User 4": -12_000,
    "User 5": 2_000,
    "User 6": -9_000,
    "User 7": 0,
    "User 8": 4_000,
    "User 9": -1_500,
    "User 10": 6_000,
}
"""How far from what it traded each user's meter is; our choice, as the paper has no meters."""

_HOST = "127.0.0.1"
_DEVICES_AT_ONCE = 2
_POLL_SECONDS = 0.3
_STOP_SECONDS = 20.0
_PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Seat:
    """Where an organisation is: its folder, and the ports of this machine that its processes listen on."""

    name: str
    folder: Path
    p2p: int
    json_rpc: int
    nodes_rpc: int
    regulator_rpc: int

    @property
    def node(self) -> Path:
        """The folder of its node."""
        return self.folder / "node"

    @property
    def region(self) -> Path:
        """The folder of its share of the region."""
        return self.folder / "region"

    @property
    def url(self) -> str:
        """Where its node tells of the main chain."""
        return f"http://{_HOST}:{self.json_rpc}"


@dataclass(frozen=True, slots=True)
class ConsortiumResult:
    """What came of it.

    Parameters
    ----------
    tables
        Table 3 as the node of each organisation tells it.
    trades
        The trades, with the names of their parties.
    traces
        The regulator's walk from each trade, as `gridbourse trace` exports it.
    prices
        The imbalance price of the traded period as the node of each organisation tells it.
    settled
        The lines of all masters' statement files, each with the master's name as ``master``.
    audit
        What `gridbourse audit` says in the end.
    """

    tables: dict[str, list[Row]]
    trades: list[Trade]
    traces: list[dict[str, Any]]
    prices: dict[str, ImbalancePrice]
    settled: list[dict[str, str]]
    audit: str


class Consortium:
    """Four organisations and the regulator on this machine.

    Parameters
    ----------
    folder
        A new folder, below which each has its own.
    say
        Is told what goes on.

    Raises
    ------
    ChainError
        There is no program `cometbft`.
    InvalidValue
        The folder is not new.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        find_cometbft()
        if folder.exists():
            raise InvalidValue("folder", str(folder), "a new folder")
        self._folder = folder
        self._say = say
        ports = iter(_free_ports(4 * (len(MASTER_NAMES) + 1)))
        self._seats = {
            name: Seat(name, folder / name, *(next(ports) for _ in range(4))) for name in (*MASTER_NAMES, REGULATOR)
        }
        self._running: list[subprocess.Popen[bytes]] = []
        self._period = system_clock() // PERIOD_SECONDS + PERIODS_IN_24_HOURS
        self._order_ids: dict[str, OrderId] = {}

    def run(self) -> ConsortiumResult:
        """Found the consortium, run the paper's market through it, and let everybody tell how it ended."""
        self._make_folders()
        self._start_nodes()
        self._found()
        self._start_masters()
        self._pay()
        self._let_users_allow()
        self._enter_orders()
        self._wait_for("six trades are settled", self._is_settled)
        traces = self._let_regulator_trace()
        names = {order_id: user for user, order_id in self._order_ids.items()}
        tables = {seat.name: self._table(seat) for seat in self._seats.values()}
        with self._main(self._seats[REGULATOR]) as main:
            deals = {number: main.market.deal(number) for number in range(1, main.market.deal_count() + 1)}
        trades = [
            Trade(number, names[deal.bid], names[deal.ask], deal.energy_wh, deal.price_ticks)
            for number, deal in deals.items()
        ]
        self._hand_in_metered(trades)
        settled = self._settled_day()
        self._say("the regulator audits all chains")
        audit = self._command("audit", "--region", self._seats[REGULATOR].region)
        prices = {seat.name: self._price(seat) for seat in self._seats.values()}
        return ConsortiumResult(tables, trades, traces, prices, settled, audit)

    def close(self) -> None:
        """End every process: masters first, and when they have ended the nodes that they talk to."""
        is_node = {process: process.args[3] == "node" for process in self._running if isinstance(process.args, list)}
        for group in (False, True):
            ending = [process for process in self._running if is_node[process] is group]
            for process in ending:
                process.terminate()
            deadline = time.monotonic() + _STOP_SECONDS
            for process in ending:
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The founding

    def _make_folders(self) -> None:
        """Let everybody make its keys, and hand in the public ones; the genesis follows from those."""
        self._say("each organisation makes its keys in a folder of its own")
        handed_in = []
        for seat in self._seats.values():
            seat.folder.mkdir(parents=True, mode=0o700)
            description = seat.folder / "description.toml"
            write_region(self._description(seat), description)
            self._command("region", "keys", description, seat.region, "--name", seat.name)
            handed_in.append(self._command("network", "keys", seat.node))
        network, shared = self._folder / "network.toml", self._folder / "network"
        network.write_text(self._network(handed_in), "utf-8")
        self._command("network", "init", network, shared)
        for seat in self._seats.values():
            for file in ("genesis.json", "node.toml"):
                shutil.copy(shared / seat.name / file, seat.node / file)
        readable = self._seats[REGULATOR]
        for name in MASTER_NAMES:
            # The organisation hands the regulator the token that its server will ask for.
            token = token_file(readable.region, name)
            token.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy(token_file(self._seats[name].region, name), token)

    def _description(self, seat: Seat) -> RegionSpec:
        """What an organisation knows of the region: its own function nodes, its own node, whose chains it may read."""
        share = replace(share_of(SPEC, seat.name), main_chain=MainChainSpec(Engine.ETHEREUM, seat.url))
        if seat.name != REGULATOR:
            return share
        masters = (
            replace(master, slave_chain_url=f"http://{_HOST}:{self._seats[master.name].regulator_rpc}")
            for master in share.masters
        )
        return replace(share, masters=tuple(masters))

    def _network(self, handed_in: Sequence[str]) -> str:
        """The description of the main chain's network: public keys only."""
        deployer = PublicKeys.read(self._seats[SETTLEMENT_AGENT].region / "public.json").address_hex
        text = f'chain_id = {SPEC.chain_id}\ndeployer = "0x{deployer}"\n'
        for seat, keys in zip(self._seats.values(), handed_in, strict=True):
            votes = seat.name != REGULATOR
            text += f"\n[[{'organisations' if votes else 'observers'}]]\n"
            text += f'name = "{seat.name}"\np2p = "{_HOST}:{seat.p2p}"\njson_rpc = "{_HOST}:{seat.json_rpc}"\n'
            if votes:
                text += f'account = "0x{PublicKeys.read(seat.region / "public.json").address_hex}"\n'
            text += keys
        return text

    def _start_nodes(self) -> None:
        self._say("five nodes start; CometBFT lets four of them order the main chain")
        for seat in self._seats.values():
            self._start(seat, "node", seat.node)
        for seat in self._seats.values():
            EthereumChain(seat.url, chain_id=SPEC.chain_id, patience_seconds=_PATIENCE_SECONDS).close()

    def _found(self) -> None:
        self._say(f"{SETTLEMENT_AGENT} deploys the contracts with everybody's public keys")
        public = [seat.region / "public.json" for seat in self._seats.values()]
        self._command("region", "found", self._seats[SETTLEMENT_AGENT].region, *public)

    def _start_masters(self) -> None:
        self._say("four masters start, and register their slave chains")
        for name in MASTER_NAMES:
            seat = self._seats[name]
            options: list[object] = ["--nodes-rpc", f"{_HOST}:{seat.nodes_rpc}"]
            options += ["--regulator-rpc", f"{_HOST}:{seat.regulator_rpc}", "--anchor-seconds", 2]
            options += ["--customers", seat.folder / "customers.csv", "--metered", seat.folder / "metered"]
            options += ["--statements", seat.folder / "statements.csv"]
            if name == SETTLEMENT_AGENT:
                options += ["--payments", seat.folder / "payments.csv"]
            self._start(seat, "run", seat.region, *options)
        self._wait_for("all users have their numbers for the day", lambda: len(self._numbers()) == len(ORDERS))

    # The market

    def _numbers(self) -> dict[str, int]:
        """What masters tell their customers: the number to name in a payment for this delivery day."""
        day = date_text(DeliveryCalendar().day_of(self._period))
        numbers: dict[str, int] = {}
        for name in MASTER_NAMES:
            path = self._seats[name].folder / "customers.csv"
            if path.exists():
                with path.open(encoding="utf-8-sig", newline="") as file:
                    rows = [row for row in csv.DictReader(file) if row["day"] == day]
                numbers |= {row["node"]: int(row["trader"]) for row in rows}
        return numbers

    def _pay(self) -> None:
        """The buyers pay in, and the bank tells the settlement agent."""
        self._say("four buyers pay in")
        numbers = self._numbers()
        buyers = [order.participant for order in ORDERS if order.side is Side.BID]
        with (self._seats[SETTLEMENT_AGENT].folder / "payments.csv").open("x", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["reference", "trader", "yuan"])
            table.writerows([f"transfer {user}", numbers[user], format_yuan(DEPOSIT)] for user in buyers)

        def is_credited() -> bool:
            with self._main(self._seats[SETTLEMENT_AGENT]) as main:
                return all(main.market.trader(numbers[user]).free_money == DEPOSIT for user in buyers)

        self._wait_for("the payments are credited", is_credited)

    def _let_users_allow(self) -> None:
        """Every user states at which price its deals may be confirmed without asking: the one of its order."""
        self._say("ten users sign what their nodes may confirm by themselves")
        with ThreadPoolExecutor(_DEVICES_AT_ONCE) as pool:
            list(pool.map(self._allow, ORDERS))

    def _allow(self, order: Want) -> None:
        limit = "--sell-from" if order.side is Side.ASK else "--buy-up-to"
        self._device("allow", order.participant, limit, format_price(order.limit_ticks))

    def _enter_orders(self) -> None:
        """The users enter their orders in the paper's sequence, each when the one before is on the main chain."""
        for order in ARRIVALS:
            side = "sell" if order.side is Side.ASK else "buy"
            options: list[object] = [
                "--price",
                format_price(order.limit_ticks),
                "--period",
                DeliveryCalendar().begins(self._period),
                "--automatic",
            ]
            if order.side is Side.ASK:
                options += ["--type", str(order.energy_types.name).lower()]
            told = self._device("offer", order.participant, side, format_kwh(order.energy_wh), *options)
            self._order_ids[order.participant] = OrderId.unpack(int(told, 16))
            self._say(
                f"{order.participant}, below {self._master_of(order.participant)}, "
                f"offers to {side}: order {told.strip()}"
            )

    def _device(self, verb: str, user: str, *arguments: object) -> str:
        seat = self._seats[self._master_of(user)]
        slave = f"http://{_HOST}:{seat.nodes_rpc}"
        return self._command("device", verb, seat.region, user, *arguments, "--slave", slave)

    def _master_of(self, user: str) -> str:
        return next(master.name for master in SPEC.masters if user in [node.node_id for node in master.nodes])

    def _is_settled(self) -> bool:
        with self._main(self._seats[SETTLEMENT_AGENT]) as main:
            numbers = range(1, main.market.deal_count() + 1)
            states = [main.market.deal(number).state for number in numbers]
        return states == [DealState.SETTLED] * TRADES

    # How it ended

    def _table(self, seat: Seat) -> list[Row]:
        """The orders as an organisation's own node tells them, in the order of Table 3."""
        with self._main(seat) as main:
            stored = {user: main.market.order(order_id) for user, order_id in self._order_ids.items()}
        open_wh = {user: order.open_wh if order else 0 for user, order in stored.items()}
        return [
            Row(order.participant, order.side, order.energy_wh, open_wh[order.participant], order.limit_ticks)
            for order in ORDERS
        ]

    def _let_regulator_trace(self) -> list[dict[str, Any]]:
        """The regulator reads the slave chains where their masters let it, and holds them against its main chain."""
        self._say("the regulator traces every trade")
        folder = self._seats[REGULATOR].folder
        region = "--region", self._seats[REGULATOR].region
        traces: list[dict[str, Any]] = []
        for number in range(1, TRADES + 1):
            path = folder / f"trace-{number}.json"
            trace = partial(self._holds, "trace", number, *region, "--json", path)
            self._wait_for(f"trade {number} is proven", trace)
            traces.append(json.loads(path.read_text("utf-8")))
        return traces

    # The day after

    def _hand_in_metered(self, trades: Sequence[Trade]) -> None:
        """Every head-end hands its master what the meters of its users say of the period."""
        self._say("each master's head-end hands in what its users' meters say")
        metered_wh = dict(DEVIATIONS_WH)
        for trade in trades:
            metered_wh[trade.seller] += trade.energy_wh
            metered_wh[trade.buyer] -= trade.energy_wh
        for master in SPEC.masters:
            rows = [(node.node_id, self._period, metered_wh[node.node_id]) for node in master.nodes]
            folder = self._seats[master.name].folder / "metered"
            folder.mkdir(mode=0o700)
            write_private_csv(folder / "day.csv", METERED_FIELDS, rows)

    def _settled_day(self) -> list[dict[str, str]]:
        """Wait until every master has settled its users, without anybody's help."""
        settled: list[dict[str, str]] = []

        def is_settled() -> bool:
            settled[:] = self._statements()
            return len(settled) == len(DEVIATIONS_WH)

        self._wait_for("all users are settled by one imbalance price", is_settled)
        return settled

    def _statements(self) -> list[dict[str, str]]:
        lines: list[dict[str, str]] = []
        for name in MASTER_NAMES:
            path = self._seats[name].folder / "statements.csv"
            if path.exists():
                with path.open(encoding="utf-8-sig", newline="") as file:
                    lines += [row | {"master": name} for row in csv.DictReader(file)]
        return lines

    def _price(self, seat: Seat) -> ImbalancePrice:
        with self._main(seat) as main:
            entries = main.balancing.entries(1, main.chain.head().height)
            *_, newest = (entry.price for entry in entries if isinstance(entry, Publication))
        return newest

    def _holds(self, *arguments: object) -> bool:
        try:
            self._command(*arguments)
        except ChainError:
            return False
        return True

    # Processes

    def _main(self, seat: Seat) -> _OpenMain:
        return _OpenMain(seat.url)

    def _start(self, seat: Seat, *arguments: object) -> None:
        with (seat.folder / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                _gridbourse(arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append(process)

    def _command(self, *arguments: object) -> str:
        done = subprocess.run(_gridbourse(arguments), capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ChainError(f"gridbourse {' '.join(map(str, arguments[:2]))}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if any(process.poll() is not None for process in self._running):
                raise ChainError(f"a process ended; its log lies in {self._folder}")
            if time.monotonic() > deadline:
                raise ChainError(f"not within {_PATIENCE_SECONDS:g} s: {what}; the logs lie in {self._folder}")
            time.sleep(_POLL_SECONDS)
        self._say(what)


class _OpenMain:
    """The main chain as a node tells it, for a moment."""

    def __init__(self, url: str) -> None:
        self._chain = EthereumChain(url, chain_id=SPEC.chain_id)

    def __enter__(self) -> MainChain:
        return MainChain.open(self._chain)

    def __exit__(self, *_: object) -> None:
        self._chain.close()


def _gridbourse(arguments: Iterable[object]) -> list[str]:
    return [sys.executable, "-m", "gridbourse", *map(str, arguments)]


def _free_ports(count: int) -> list[int]:
    listening = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in listening]
    for server in listening:
        server.close()
    return ports
