"""Chains that others run are read over their JSON-RPC, and believed as far as the main chain and signatures go."""

from dataclasses import replace

import pytest
from organisations import Organisations
from small_region import DAY, PAYMENT, ask, bid

from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.errors import ChainError, InvalidValue
from gridbourse.market.types import DealState, EnergyType
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.device import Device
from gridbourse.node.folder.chains import nodes_of, read_token, token_file
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop

ALLOWS_ALL = AutoTradingLimits(
    active=True,
    energy_type=EnergyType.PV,
    accepted_types=EnergyType.any(),
    lowest_sell_ticks=0,
    highest_buy_ticks=9_000,
    smallest_wh=1,
)


@pytest.fixture
def organisations(tmp_path, clock):
    everybody = Organisations(tmp_path, clock)
    everybody.found()
    everybody.serve_main()
    yield everybody
    everybody.close()


@pytest.fixture
def members(organisations):
    """Both masters, each with a loop of its own, on a main chain that they know over its JSON-RPC alone."""
    regions = [organisations.open_remotely(name) for name in ("roofs", "grid")]
    loops = [RegionLoop(region, JobSchedule(anchor_seconds=0.0)) for region in regions]
    step(loops)
    regions[1].deposit({"Bert": 10**9}, DAY, PAYMENT)
    return regions, loops


def step(loops):
    for loop in loops:
        loop.step()


@pytest.fixture
def traded(members):
    """A deal that came about without a hand after both users signed what they want."""
    (roofs, grid), loops = members
    roofs.set_limits({"Anna": ALLOWS_ALL})
    grid.set_limits({"Bert": ALLOWS_ALL})
    for region, node_id, offer in ((roofs, "Anna", ask()), (grid, "Bert", bid())):
        master = region.master_of(node_id)
        master.slave.submit_records([master.nodes[node_id].offer(offer, automatic=True)])
        step(loops)
    for _ in range(4):
        step(loops)
    return roofs, grid


def regulator_of(organisations, **chains):
    for name, chain in chains.items():
        organisations.serve_slave(name, chain)
    return organisations.open_remotely(REGULATOR).regulator


def slave_chain(region, name):
    return region.masters[name].slave.chain


def test_masters_trade_settle_and_anchor_by_their_loops_alone(traded):
    roofs, grid = traded
    assert grid.main.market.deal(1).state is DealState.SETTLED
    for region, name in ((roofs, "roofs"), (grid, "grid")):
        master = region.masters[name]
        anchor = region.main.anchors.last_anchor(master.membership.master_id)
        assert anchor.leaf_count == master.slave.ledger.leaf_count()


def test_without_a_mandate_a_deal_waits_for_its_user(members):
    (roofs, grid), loops = members
    roofs.offer([("Anna", ask())])
    grid.offer([("Bert", bid())])
    step(loops)
    assert grid.main.market.deal(1).state is DealState.INTENT
    assert [question.node.spec.node_id for question in grid.deliver()] == ["Bert"]


def test_what_a_user_writes_while_a_loop_steps_is_not_anchored_before_it_is_taken_up(members, monkeypatch):
    (roofs, _), (loop, _) = members
    master = roofs.masters["roofs"]
    rematch = roofs.relays["roofs"].rematch

    def write_then_rematch():
        master.slave.submit_records([master.nodes["Anna"].offer(ask())])
        rematch()

    monkeypatch.setattr(roofs.relays["roofs"], "rematch", write_then_rematch)
    loop.step()
    anchored = roofs.main.anchors.last_anchor(1).leaf_count
    assert anchored == master.slave.ledger.leaf_count() - 1


def test_the_regulator_traces_over_servers_of_those_it_does_not_trust(organisations, traded):
    roofs, grid = traded
    chains = {"roofs": slave_chain(roofs, "roofs"), "grid": slave_chain(grid, "grid")}
    regulator = regulator_of(organisations, **chains)
    trace = regulator.trace(1)
    assert trace.holds, [step for party in trace.parties for step in party.steps if not step.holds]
    assert regulator.audit() == []


class Liar:
    """A slave chain whose server changes what it tells."""

    def __init__(self, chain, **lies):
        self._chain = chain
        self._lies = lies

    def __getattr__(self, name):
        return self._lies.get(name) or getattr(self._chain, name)


def dropping_logs(chain):
    """Leaves out the newest record."""
    return lambda **wanted: iter(list(chain.logs(**wanted))[:-1])


def changing_logs(chain):
    """Changes the last byte of every record."""

    def logs(**wanted):
        for log in chain.logs(**wanted):
            yield replace(log, data=log.data[:-33] + bytes([log.data[-33] ^ 1]) + log.data[-32:])

    return logs


def repeating_logs(chain):
    """Tells the newest record twice."""

    def logs(**wanted):
        found = list(chain.logs(**wanted))
        return iter([*found, *found[-1:]])

    return logs


@pytest.mark.parametrize("lie", [dropping_logs, changing_logs, repeating_logs])
def test_a_server_that_does_not_tell_what_was_anchored_is_found_out(organisations, traded, lie):
    roofs, grid = traded
    chain = slave_chain(roofs, "roofs")
    regulator = regulator_of(organisations, roofs=Liar(chain, logs=lie(chain)), grid=slave_chain(grid, "grid"))
    findings = regulator.audit()
    assert findings
    assert all("slave chain roofs" in finding or "main chain" in finding for finding in findings)
    assert not regulator.trace(1).holds


def test_a_server_of_another_chain_is_found_out(organisations, traded):
    _, grid = traded
    regulator = regulator_of(organisations, roofs=slave_chain(grid, "grid"), grid=slave_chain(grid, "grid"))
    assert not regulator.trace(1).holds
    assert "slave chain roofs is not the one that its master registered" in regulator.audit()


def test_the_regulator_can_write_nothing_over_the_server(organisations, traded):
    roofs, _ = traded
    url = organisations.serve_slave("roofs", slave_chain(roofs, "roofs"))
    chain = EthereumChain(url, token=read_token(organisations.folder / "roofs", "roofs"))
    with pytest.raises(ChainError):
        chain.send([b"\x02"])
    chain.close()


def test_without_the_token_a_chain_is_not_open(organisations, traded):
    roofs, grid = traded
    organisations.serve_slave("roofs", slave_chain(roofs, "roofs"))
    shown = token_file(organisations.folder / REGULATOR, "roofs")
    shown.write_text("another")
    regulator = regulator_of(organisations, grid=slave_chain(grid, "grid"))
    assert "slave chain roofs is not open to the regulator: nothing on it is proven" in regulator.audit()
    shown.unlink()
    with pytest.raises(InvalidValue, match="token"):
        organisations.open_remotely(REGULATOR)


@pytest.fixture
def device(organisations, members):
    """Anna's own device, which reaches her master's slave chain over its server."""
    (roofs, _), loops = members
    token = read_token(organisations.folder / "roofs", nodes_of("roofs"))
    with (
        RpcServer(slave_chain(roofs, "roofs"), port=0, token=token) as server,
        Device(organisations.folder / "roofs", "Anna", server.url) as acting,
    ):
        yield acting, loops[0], roofs


def test_a_user_trades_from_a_device_of_its_own(device):
    acting, loop, roofs = device
    leaf = acting.offer(ask())
    loop.step()
    order_id = acting.wait_for(leaf)
    assert roofs.main.market.order(order_id).open_wh == 1_000
    acting.cancel(order_id)
    loop.step()
    assert roofs.main.market.order(order_id) is None
    refused = acting.offer(ask(price_ticks=9_001))
    loop.step()
    assert acting.wait_for(refused).name == "PRICE_OUT_OF_BOUNDS"


def test_a_device_waits_for_its_master(device):
    acting, _, _ = device
    with pytest.raises(ChainError, match="not taken up"):
        acting.wait_for(acting.offer(ask()), timeout_seconds=0.1)


def test_a_device_acts_for_a_node_of_its_folder_only(organisations):
    with pytest.raises(InvalidValue, match="Bert"):
        Device(organisations.folder / "roofs", "Bert", "http://127.0.0.1:1")
