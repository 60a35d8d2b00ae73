"""A day is settled between organisations that see the main chain and their own slave chain only."""

from dataclasses import replace

import pytest
from organisations import Organisations
from small_region import DAY, PAYMENT, PERIOD, SPEC, Clock, Fuse, PowerCut, ask, bid, records_of, trade, write

from gridbourse.contracts.balancing import ImbalancePrice
from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import Line, PowerNetwork
from gridbourse.ledger.balancing_records import MeteredDetails, MeteredTotal, StatementDetails
from gridbourse.node.dispatch import Scheduling
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.jobs.metering.metered_files import MeteredFiles
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import DUE_MARGIN_SECONDS, DaySettlement, record_metered
from gridbourse.node.settling.settle_day import settle_day, statement_of
from gridbourse.region.description import NodeKind, NodeSpec

PERIODS = range(PERIOD, PERIOD + 2)
ROOFS = {"Anna": [900, 0], "Arno": [0, None]}
GRID = {"Bert": [-1_000, -300], "Bea": [-50, 0]}
OWN = {"roofs": ROOFS, "grid": GRID}
DAY_END = (DAY + 1) * 86_400
DUE = DAY_END + 86_400
AGENT = 2


def record(region, energies):
    record_metered(region, {node_id: dict(zip(PERIODS, own, strict=True)) for node_id, own in energies.items()})


class Traded:
    """Both masters in folders of their own, after Anna sold 1 kWh to Bert."""

    def __init__(self, folder):
        self.clock = Clock()
        self.everybody = Organisations(folder, self.clock)
        self.everybody.found()
        self.regions = {name: self.everybody.open(name) for name in ("roofs", "grid")}
        for region in self.regions.values():
            region.open_day(DAY)
        roofs, grid = self.regions.values()
        grid.deposit({"Bert": 10**9}, DAY, PAYMENT)
        write(roofs, "Anna", ask())
        roofs.submit()
        write(grid, "Bert", bid())
        grid.submit()
        for region in (roofs, grid):
            region.answer(region.deliver(), confirmed=True)
        grid.settle()
        roofs.deliver()
        self.settlements = {name: DaySettlement(region) for name, region in self.regions.items()}

    def meter(self, *names):
        for name in names or OWN:
            record(self.regions[name], OWN[name])

    def step(self, *names):
        for name in names or OWN:
            self.settlements[name].step()

    def prices(self):
        main = self.regions["grid"].main
        entries = main.balancing.entries(1, main.chain.head().height)
        return [entry.price for entry in entries if hasattr(entry, "price")]

    def audit(self):
        for region in self.regions.values():
            region.anchor()
        chains = {name: self.regions[name].masters[name].slave.chain for name in self.regions}
        return self.everybody.open(REGULATOR, **chains).regulator.audit()


@pytest.fixture
def traded(tmp_path):
    scene = Traded(tmp_path)
    yield scene
    scene.everybody.close()


@pytest.fixture
def settled(traded):
    traded.meter()
    traded.step()
    traded.step()
    return traded


def test_separate_organisations_come_to_the_statements_of_a_region_in_one_folder(settled, region):
    write(region, "Anna", ask())
    write(region, "Bert", bid())
    trade(region)
    settle_day(region, PERIODS, ROOFS | GRID)
    for name, own in OWN.items():
        for node_id in own:
            assert statement_of(settled.regions[name], node_id, DAY) == statement_of(region, node_id, DAY)
    assert settled.audit() == []


def test_the_price_and_the_regions_imbalance_are_public_and_nothing_else_is(settled):
    assert settled.prices() == [ImbalancePrice(PERIOD, 3_960, -150, 1_000), ImbalancePrice(PERIOD + 1, 4_400, -300, 0)]
    roofs, grid = (settled.regions[name].masters[name] for name in OWN)
    entries = roofs.main.balancing.entries(1, roofs.main.chain.head().height)
    first, second = (entry for entry in entries if not hasattr(entry, "price"))
    total = MeteredTotal(PERIOD, (900, 0), (0, 0), (PERIOD + 1,), records=0, as_of_block=0)
    opened = grid.encryption_node.open_submitted(first.record)
    assert replace(opened, records=0, as_of_block=0) == total
    with pytest.raises(Exception, match="not sealed"):
        roofs.encryption_node.open_submitted(second.record)


def test_what_follows_from_the_chains_is_done_once(settled):
    settled.step()
    settled.settlements = {name: DaySettlement(region) for name, region in settled.regions.items()}
    settled.meter()
    settled.step()
    assert len(settled.prices()) == 2
    for name, region in settled.regions.items():
        assert len(records_of(region, name, MeteredDetails)) == len(records_of(region, name, StatementDetails)) == 2
    main = settled.regions["grid"].main
    assert len(list(main.balancing.entries(1, main.chain.head().height))) == 2 + len(PERIODS)


def test_a_late_reading_brings_a_new_total_a_new_price_and_new_statements(settled):
    record(settled.regions["roofs"], ROOFS | {"Arno": [0, 300]})
    settled.step()
    settled.step()
    assert settled.prices()[2:] == [ImbalancePrice(PERIOD + 1, 4_000, 0, 0)]
    assert statement_of(settled.regions["roofs"], "Arno", DAY).lines[1].imbalance_money == 300 * 4_000
    assert statement_of(settled.regions["grid"], "Bert", DAY).lines[1].price_ticks == 4_000
    assert settled.audit() == []


def test_nobody_is_settled_before_everybody_submitted_or_its_time_is_over(traded):
    traded.meter("grid")
    traded.step()
    assert traded.prices() == []
    traded.clock.now = DUE + DUE_MARGIN_SECONDS
    traded.step("grid")
    # Who is silent is taken to have fed in the 1 kWh that its user sold.
    assert traded.prices() == [ImbalancePrice(PERIOD, 3_960, -50, 1_000), ImbalancePrice(PERIOD + 1, 4_400, -300, 0)]
    assert statement_of(traded.regions["grid"], "Bea", DAY).lines[0].imbalance_money == -50 * 3_960
    (finding,) = traded.audit()
    assert "roofs did not submit in time" in finding


def test_who_submits_late_is_taken_in_and_everybody_settled_anew(traded):
    traded.meter("grid")
    traded.clock.now = DUE + DUE_MARGIN_SECONDS
    traded.step("grid")
    traded.meter("roofs")
    traded.step("roofs", "grid", "roofs")
    assert traded.prices()[2:] == [ImbalancePrice(PERIOD, 3_960, -150, 1_000)]
    assert statement_of(traded.regions["roofs"], "Anna", DAY).lines[0].imbalance_money == -100 * 3_960
    assert traded.audit() == []


def test_an_agent_that_does_not_wait_is_found(traded):
    traded.meter("grid")
    traded.step("grid")
    traded.clock.now = DAY_END
    publish(traded, ImbalancePrice(PERIOD, 3_960, -50, 1_000))
    findings = traded.audit()
    assert any("did not wait for what roofs has to submit" in finding for finding in findings)


def publish(scene, *prices):
    grid = scene.regions["grid"].masters["grid"]
    as_of_block = grid.main.chain.head().height
    grid.main_wallet.send(grid.main.balancing.publish_imbalance_prices(prices, as_of_block))


@pytest.mark.parametrize(
    ("ticks", "region_wh", "reference_wh"), [(3_961, -150, 1_000), (3_960, -149, 1_000), (3_960, -150, 0)]
)
def test_an_agent_that_publishes_another_price_or_imbalance_is_found(settled, ticks, region_wh, reference_wh):
    publish(settled, ImbalancePrice(PERIOD, ticks, region_wh, reference_wh))
    (finding,) = settled.audit()
    assert "imbalance price of period" in finding
    assert "0.3960 yuan/kWh for -150 Wh" in finding


def test_a_price_that_does_not_take_in_a_total_in_time_is_found(settled):
    record(settled.regions["roofs"], ROOFS | {"Arno": [0, 300]})
    settled.step("roofs")
    assert settled.audit() == []
    settled.clock.now += 86_400
    settled.regions["roofs"].open_day(DAY + 1)
    (finding,) = settled.audit()
    assert "does not take in what was submitted since" in finding


def test_a_master_that_lies_about_its_total_is_found(settled):
    roofs = settled.regions["roofs"].masters["roofs"]
    (said,) = [
        roofs.encryption_node.open_submitted(entry.record)
        for entry in roofs.main.balancing.entries(1, roofs.main.chain.head().height)
        if getattr(entry, "master_id", None) == 1
    ]
    roofs.submit([replace(said, fed_in_wh=(1_900, 0))], AGENT)
    settled.step("grid")
    (finding,) = settled.audit()
    assert "submission 2 of roofs: states 1900 Wh" in finding
    assert "says 900 Wh" in finding


STATEMENT_LIES = {
    "a price that was not published": (lambda true: replace(true, price_ticks=(3_000, 4_400)), "was not published"),
    "other energies than metered": (lambda true: replace(true, fed_in_wh=(1_000, 0)), "other energies than were"),
}


@pytest.mark.parametrize("lie", STATEMENT_LIES)
def test_a_statement_by_something_else_is_found(settled, lie):
    change, words = STATEMENT_LIES[lie]
    true = records_of(settled.regions["roofs"], "roofs", StatementDetails)[0]
    settled.regions["roofs"].masters["roofs"].write([(change(true), ())])
    findings = settled.audit()
    assert any(words in finding and "slave chain roofs" in finding for finding in findings)


def test_a_user_that_is_never_settled_is_found_after_a_day(traded):
    traded.meter()
    traded.step("roofs", "grid")
    assert traded.audit() == []
    traded.clock.now += 86_400
    for _ in range(2):
        traded.regions["grid"].open_day(traded.clock.now // 86_400 + 1)
        traded.clock.now += 86_400
    findings = traded.audit()
    assert sorted(finding.rpartition("for ")[2].split()[0] for finding in findings) == ["Anna", "Arno"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("blows_at", range(1, 8))
def test_a_power_cut_at_any_step_is_gone_on_from_and_nothing_is_there_twice(folder, clock, blows_at, after):
    with Region.open(folder, clock=clock) as region:
        write(region, "Anna", ask())
        write(region, "Bert", bid())
        trade(region)
    fuse = Fuse(blows_at, after=after)
    with (
        pytest.raises(PowerCut),
        Region.open(folder, clock=clock, observe=fuse.observe) as region,
    ):
        settle_day(region, PERIODS, ROOFS | GRID)
    with Region.open(folder, clock=clock) as region:
        settle_day(region, PERIODS, ROOFS | GRID)
        main = region.main
        assert len(list(main.balancing.entries(1, main.chain.head().height))) == 2 + len(PERIODS)
        for name, own in OWN.items():
            for kind in (MeteredDetails, StatementDetails):
                assert [details.user_id for details in records_of(region, name, kind)] == list(own)
        assert region.regulator.audit() == []


def test_loops_settle_a_day_from_files_by_themselves(traded, tmp_path):
    loops = []
    for name, own in OWN.items():
        folder = tmp_path / f"metered {name}"
        folder.mkdir()
        lines = [
            f"{node_id},{period},{'' if wh is None else wh}"
            for node_id, series in own.items()
            for period, wh in zip(PERIODS, series, strict=True)
        ]
        (folder / "day.csv").write_text("node,period,metered_wh\n" + "\n".join(lines) + "\n")
        loops.append(RegionLoop(traded.regions[name], JobSchedule(anchor_seconds=0.0), [MeteredFiles(folder)]))
    for _ in range(2):
        for loop in loops:
            loop.step()
            assert not loop.failures
    assert statement_of(traded.regions["roofs"], "Anna", DAY).totals.money == 1_000 * 3_600 - 100 * 3_960
    assert traded.audit() == []


def test_energies_of_two_days_or_of_nobody_are_refused(traded):
    with pytest.raises(InvalidValue, match="one local day"):
        record_metered(traded.regions["roofs"], {"Anna": {DAY * 96: 1, DAY * 96 - 1: 1}})
    with pytest.raises(InvalidValue, match="node_id"):
        record(traded.regions["roofs"], GRID)


def test_what_is_recorded_of_a_day_in_parts_adds_up(traded):
    roofs = traded.regions["roofs"]
    record_metered(roofs, {"Anna": {PERIOD: 900}})
    record_metered(roofs, {"Anna": {PERIOD + 2: 40}})
    record_metered(roofs, {"Anna": {PERIOD + 2: 50}})
    *_, details = records_of(roofs, "roofs", MeteredDetails)
    assert [details.metered_wh(period) for period in range(PERIOD, PERIOD + 3)] == [900, None, 50]


def test_another_settlement_agent_gets_the_sums_again_and_settles_on(settled):
    for region in settled.regions.values():
        (master,) = region.masters.values()
        consortium = region.main.consortium
        master.main_wallet.send(consortium.vote(consortium.change_settlement_agent(1)))
    record(settled.regions["grid"], GRID | {"Bea": [-150, 0]})
    settled.step("grid", "roofs", "roofs")
    assert settled.prices()[2:] == [ImbalancePrice(PERIOD, 3_960, -250, 1_000)]
    assert settled.audit() == []


SCHEDULED = replace(
    SPEC,
    masters=(
        SPEC.masters[0],
        replace(SPEC.masters[1], nodes=(*SPEC.masters[1].nodes, NodeSpec("Dispatch", NodeKind.DISPATCH, "Room 5"))),
    ),
)


def test_separate_organisations_nominate_and_the_dispatcher_publishes(tmp_path, clock):
    everybody = Organisations(tmp_path, clock, SCHEDULED)
    everybody.found()
    network = PowerNetwork(("all", "beyond"), [Line("line", "all", "beyond", 5_000, 100)])
    expected = {"roofs": {"Anna": [900, 100]}, "grid": {"Bert": [-400, -400], "Bea": [-100, 0]}}
    regions = {name: everybody.open(name) for name in expected}
    for name, energies in expected.items():
        scheduling = Scheduling(regions[name], network)
        scheduling.plan(PERIOD, {"Anna": energies["Anna"]} if "Anna" in energies else {})
        scheduling.nominate(PERIOD, energies)
    published = Scheduling(regions["grid"], network).publish(PERIODS)
    assert (published.delivered_wh, published.drawn_wh) == ((900, 100, 0, 0), (500, 400, 0, 0))
    with pytest.raises(InvalidValue, match="dispatcher"):
        Scheduling(regions["roofs"], network).publish(PERIODS)
    for region in regions.values():
        region.anchor()
    chains = {name: regions[name].masters[name].slave.chain for name in regions}
    regulator = everybody.open(REGULATOR, **chains).regulator
    trace = regulator.trace_capacity(PERIOD, "all", "beyond")
    assert [source.reading.name for source, _ in trace.nominations] == ["roofs", "grid"]
    assert regulator.audit() == []
    everybody.close()
