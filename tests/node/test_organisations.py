"""Organisations that do not share a machine: each holds its own keys, and meets the others on the main chain."""

import pytest
from organisations import NAMES, Organisations
from small_region import DAY, PAYMENT, SPEC, Fuse, PowerCut, ask, bid, records_of

from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import DealDetails
from gridbourse.market.types import DealState
from gridbourse.node.folder.chains import MAIN
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.folder.setup import PublicKeys, found, share_of
from gridbourse.node.region import Region


@pytest.fixture
def organisations(tmp_path, clock):
    everybody = Organisations(tmp_path, clock)
    yield everybody
    everybody.close()


@pytest.fixture
def founded(organisations):
    organisations.found()
    return organisations


@pytest.fixture
def members(founded):
    """The two masters' regions, whose day is open and whose buyer has a deposit."""
    roofs, grid = founded.open("roofs"), founded.open("grid")
    for region in (roofs, grid):
        region.open_day(DAY)
    grid.deposit({"Bert": 10**9}, DAY, PAYMENT)
    return roofs, grid


@pytest.fixture
def traded(members):
    """A deal that each party's organisation took up, answered and recorded by itself."""
    roofs, grid = members
    roofs.offer([("Anna", ask())])
    grid.offer([("Bert", bid())])
    for region in (roofs, grid):
        region.answer(region.deliver(), confirmed=True)
    grid.settle()
    roofs.deliver()
    for region in (roofs, grid):
        region.anchor()
    return members


def test_a_folder_holds_nobody_elses_keys_nodes_or_chain(founded, members):
    found_in = {
        name: {str(path.relative_to(founded.folder / name)) for path in (founded.folder / name).rglob("*.json")}
        for name in NAMES
    }
    assert found_in == {
        "roofs": {"public.json", "keys/masters/roofs.json", "keys/nodes/Anna.json", "keys/nodes/Arno.json"},
        "grid": {"public.json", "keys/masters/grid.json", "keys/nodes/Bert.json", "keys/nodes/Bea.json"},
        REGULATOR: {"public.json", "keys/regulator.json"},
    }
    text = {name: (founded.folder / name / "region.toml").read_text() for name in NAMES}
    assert [name for name in NAMES if "Roof 1" in text[name]] == ["roofs"]
    assert [name for name in NAMES if (founded.folder / name / "grid.chain").exists()] == ["grid"]


def test_each_master_registers_its_own_slave_chain_when_it_first_opens(founded):
    consortium = founded.open("grid").main.consortium
    assert [consortium.slave_chain(number) is None for number in (1, 2)] == [True, False]
    founded.open("roofs")
    assert consortium.slave_chain(1).chain_id == SPEC.chain_id + 1


@pytest.mark.parametrize("submission", range(1, 5))
def test_setting_up_a_slave_chain_that_was_interrupted_is_gone_on_with(founded, submission):
    folder, fuse = founded.folder / "roofs", Fuse(submission)
    with pytest.raises(PowerCut):
        Region.open(folder, clock=founded.clock, observe=fuse.observe, chains={MAIN: founded.main})
    roofs = founded.open("roofs")
    assert list(roofs.masters) == ["roofs"]
    assert roofs.masters["roofs"].slave.ledger.leaf_count() == 2


def test_a_trade_runs_between_organisations_that_know_of_each_other_by_the_main_chain_alone(traded):
    roofs, grid = traded
    assert roofs.main.market.deal(1).state is DealState.SETTLED
    for region, name, user in ((roofs, "roofs", "Anna"), (grid, "grid", "Bert")):
        assert [deal.user_id for deal in records_of(region, name, DealDetails)] == [user, user]


def test_the_regulator_traces_a_trade_over_the_chains_that_it_is_let_read(founded, traded):
    roofs, grid = traded
    chains = {"roofs": roofs.masters["roofs"].slave.chain, "grid": grid.masters["grid"].slave.chain}
    regulator = founded.open(REGULATOR, **chains).regulator
    assert regulator.trace(1).holds
    assert regulator.audit() == []


def test_a_chain_that_the_regulator_may_not_read_is_named(founded, traded):
    roofs, _ = traded
    regulator = founded.open(REGULATOR, roofs=roofs.masters["roofs"].slave.chain).regulator
    seller, buyer = regulator.trace(1).parties
    assert all(step.holds for step in seller.steps)
    assert "slave chain grid" in buyer.steps[-1].finding
    assert not buyer.steps[-1].holds
    (finding,) = regulator.audit()
    assert "slave chain grid" in finding


@pytest.mark.parametrize(
    ("name", "act", "remedy"),
    [
        ("roofs", lambda region: region.settle(), "settlement agent, master grid"),
        ("roofs", lambda region: region.credit({1: 1}, bytes(32)), "settlement agent, master grid"),
        ("roofs", lambda region: region.regulator, "regulator's keys"),
        ("roofs", lambda region: region.offer([("Bert", bid())]), "function node"),
        ("roofs", lambda region: region.rotate_keys("Bert"), "function node"),
        ("roofs", lambda region: region.rotate_keys("grid"), "key file"),
        ("roofs", lambda region: region.rotate_keys(REGULATOR), "key file"),
        ("grid", lambda region: region.revoke_node("Anna"), "function node"),
    ],
)
def test_what_needs_somebody_elses_key_is_refused_and_whose_is_named(founded, name, act, remedy):
    for other in ("roofs", "grid"):
        founded.open(other) if other != name else None
    region = founded.open(name)
    with pytest.raises(InvalidValue, match=remedy):
        act(region)


def test_the_main_chain_has_to_be_open_or_to_lie_in_the_folder(founded):
    with pytest.raises(InvalidValue, match="main\\.chain"):
        Region.open(founded.folder / "roofs")


def test_whoever_has_not_handed_in_keys_is_named_before_anything_is_deployed(organisations):
    roofs, grid, regulator = organisations.handed_in
    for handed_in, named in (([roofs, regulator], "grid"), ([roofs, grid], REGULATOR)):
        with pytest.raises(InvalidValue, match=f"those of {named} too"):
            found(organisations.main, SPEC, handed_in)
    with pytest.raises(InvalidValue, match="one file for each"):
        found(organisations.main, SPEC, [roofs, roofs, grid, regulator])
    with pytest.raises(InvalidValue, match="another address"):
        found(organisations.main, SPEC, [roofs, PublicKeys("grid", roofs.address_hex, "00"), regulator])
    assert organisations.main.head().height == 0


def test_public_keys_are_handed_in_as_a_file(organisations, tmp_path):
    for public in organisations.handed_in:
        public.write(tmp_path / "public.json")
        assert PublicKeys.read(tmp_path / "public.json") == public
    (tmp_path / "public.json").write_text('{"name": "x", "address_hex": "12", "encryption_public_hex": ""}')
    with pytest.raises(InvalidValue, match="address_hex of x"):
        PublicKeys.read(tmp_path / "public.json")


def test_public_keys_follow_a_rotation(founded):
    folder = founded.folder / "roofs"
    before = PublicKeys.read(folder / "public.json")
    founded.open("roofs").rotate_keys("roofs/encryption")
    after = PublicKeys.read(folder / "public.json")
    assert (after.address_hex, after.name) == (before.address_hex, before.name)
    assert after.encryption_public_hex != before.encryption_public_hex


def test_nobody_gets_a_share_of_a_region_that_it_is_no_member_of():
    with pytest.raises(InvalidValue, match="roofs, grid, or regulator"):
        share_of(SPEC, "stranger")
