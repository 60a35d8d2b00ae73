"""The paper's market between organisations that share nothing but a network: real processes, real CometBFT."""

import signal
import stat
from decimal import Decimal
from itertools import pairwise

import pytest

from gridbourse.chain.cometbft.process import find_cometbft
from gridbourse.chain.ethereum import EthereumChain
from gridbourse.errors import ChainError
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.paper import report as paper_report
from gridbourse.paper.organisations import DEVIATIONS_WH, MASTER_NAMES, SPEC, TRADES, Consortium
from gridbourse.units import MONEY_UNITS_PER_YUAN

EVERYBODY = (*MASTER_NAMES, REGULATOR)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The folder of a consortium whose processes have all ended, what came of it, and who was where."""
    try:
        find_cometbft()
    except ChainError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("consortium") / "all"

    def disturb(what):
        """Kill a master while its users trade, and restart the node of another."""
        if what.startswith("User 8,"):
            restart(running, "aggregator", "run", signal.SIGKILL)
        if what.startswith("User 1,"):
            restart(running, "user", "node", signal.SIGTERM)

    with Consortium(folder, disturb) as running:
        result = running.run()
        processes = list(running._running)
    return folder, result, running._seats, processes


def restart(running, name, command, number):
    """End one of an organisation's processes and start it again."""
    seat = running._seats[name]
    (process,) = (one for one in running._running if one.args[3] == command and str(seat.folder) in one.args[4])
    process.send_signal(number)
    process.wait(30)
    running._running.remove(process)
    running._start(seat, *process.args[3:])


def test_every_node_tells_the_papers_table_3(ended):
    _, result, _, _ = ended
    assert tuple(result.tables) == EVERYBODY
    assert all(before == after for before, after in pairwise(result.tables.values()))
    paper_report.check(result.tables["source"], result.trades)


def test_the_regulator_proves_every_trade_and_finds_nothing_wrong(ended):
    _, result, _, _ = ended
    assert [trace["deal"] for trace in result.traces] == list(range(1, TRADES + 1))
    assert all(trace["holds"] for trace in result.traces)
    assert "Every record is where, what and whose it has to be" in result.audit


def test_the_day_is_settled_among_the_masters_by_one_price(ended):
    _, result, _, _ = ended
    region_wh = sum(DEVIATIONS_WH.values())
    (price,) = set(result.prices.values())
    assert price.region_wh == region_wh < 0
    settled = {line["node"]: line for line in result.settled}
    for user, deviation_wh in DEVIATIONS_WH.items():
        line = settled[user]
        assert int(line["long_wh"]) - int(line["short_wh"]) == deviation_wh
        traded = sum(trade.money * ((trade.seller == user) - (trade.buyer == user)) for trade in result.trades)
        assert Decimal(line["yuan"]) * MONEY_UNITS_PER_YUAN == traded + deviation_wh * price.price_ticks


def test_each_organisation_holds_its_own_keys_and_chain_and_nobody_elses(ended):
    folder, _, _, _ = ended
    for name in EVERYBODY:
        own = folder / name
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        keys = {path.name for path in (own / "region" / "keys").rglob("*.json")}
        users = {f"{node.node_id.replace(' ', '%20')}.json" for node in nodes_of(name)}
        assert keys == {f"{name}.json"} | users
        assert {path.stem for path in own.rglob("*.chain")} == ({name} if name != REGULATOR else set())
        private = [*(own / "region" / "keys").rglob("*"), own / "node" / "validator.key.json"]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private if path.is_file())
    assert not list((folder / "network").rglob("*key*")), "nobody made another's keys"


def nodes_of(name):
    return next((master.nodes for master in SPEC.masters if master.name == name), ())


def test_nothing_is_left_running(ended):
    _, _, seats, processes = ended
    assert len(processes) == 2 * len(MASTER_NAMES) + 1, "those that were killed were started again"
    assert {tuple(process.args[3:5]): process.returncode for process in processes if process.returncode} == {}
    for seat in seats.values():
        with pytest.raises(ChainError):
            EthereumChain(seat.url, patience_seconds=0.1)
