"""What the masters decide together, by `gridbourse vote`."""

import shutil

import pytest
from click.testing import CliRunner

from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.cli.main import gridbourse
from gridbourse.cli.vote import vote
from gridbourse.contracts.consortium import ValidatorKeys
from gridbourse.contracts.votes import open_votes
from gridbourse.crypto.possession import proves_validator, validator_statement
from gridbourse.errors import ContractReverted, InvalidValue
from gridbourse.market.types import Role, Settings
from gridbourse.node.folder.setup import PublicKeys
from gridbourse.node.folder.wiring import open_main_chain
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

SETTINGS = Settings(300, 0, 9_000, 900, 64)
ROLES = {"source": Role.SOURCE, "grid": Role.GRID, "user": Role.USER}
SPEC = RegionSpec(
    "voting",
    900,
    SETTINGS,
    tuple(MasterSpec(name, role, (NodeSpec(f"{name} 1", NodeKind.PV, ""),)) for name, role in ROLES.items()),
)
ACCOUNT = "0x" + "11" * 20


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voting") / "region"
    Region.create(folder, SPEC).close()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "region")


@pytest.fixture
def say(folder):
    def say(*arguments, voter=None):
        options = ["--as", voter] if voter else []
        result = CliRunner().invoke(vote, [*arguments, "--region", str(folder), *options])
        if result.exception is not None:
            raise result.exception
        return result.output

    return say


def consortium_of(folder, read):
    with Region.open(folder) as region:
        return read(region.main.consortium)


def test_more_than_half_of_the_masters_carry_an_action(folder, say):
    assert "not carried out yet" in say("suspend", "source", voter="grid")
    assert "carried out\n" in say("suspend", "1", voter="user")
    assert not consortium_of(folder, lambda consortium: consortium.master(1).active)


def test_what_is_not_carried_yet_is_listed_with_those_who_voted(folder, say):
    assert "No vote is open" in say("list")
    say("admit", ACCOUNT, "user", voter="grid")
    (action_id,) = consortium_of(folder, lambda consortium: consortium.open_actions())
    ballot = consortium_of(folder, lambda consortium: consortium.ballot_on(action_id))
    assert (ballot.proposer, ballot.in_favour, ballot.against, ballot.in_force) == (2, (2,), (), b"")
    listed = say("list")
    assert "grid" in listed
    assert action_id.hex()[:8] in listed
    say("admit", ACCOUNT, "user", voter="source")
    assert "No vote is open" in say("list")


def test_a_vote_is_withdrawn_or_opposed(folder, say):
    say("settings", "--cap", "0.8", voter="grid")
    ((open_vote,),) = (consortium_of(folder, open_votes),)
    assert (open_vote.arguments[0][2], open_vote.replaces[0][2]) == (8_000, 9_000), "the new cap, and the old one"
    action_id = open_vote.action_id.hex()[:8]
    say("oppose", action_id, voter="user")
    (open_vote,) = consortium_of(folder, open_votes)
    assert (open_vote.voters, open_vote.opponents) == ((2,), (3,))
    say("withdraw", action_id, voter="grid")
    assert "No vote is open" in say("list")
    with pytest.raises(InvalidValue, match="action"):
        say("withdraw", action_id, voter="grid")


def test_a_setting_that_is_not_named_stays(folder, say):
    for voter in ("grid", "user"):
        say("settings", "--cap", "0.8", "--trading-role", "user", voter=voter)
    changed = consortium_of(folder, lambda consortium: consortium.settings())
    assert changed == Settings(300, 0, 8_000, 900, 64, frozenset({Role.USER}))


def test_the_settlement_agent_and_the_regulator_are_voted_on(folder, say, tmp_path):
    PublicKeys("regulator", "22" * 20, "33" * 32).write(tmp_path / "public.json")
    for voter in ("grid", "user"):
        say("agent", "user", voter=voter)
        say("regulator", str(tmp_path / "public.json"), voter=voter)
    with open_main_chain(folder) as (main, _, _):
        assert main.consortium.settlement_agent() == 3
        assert main.consortium.regulator().account.hex() == "22" * 20


@pytest.mark.parametrize(
    ("arguments", "voter", "field"),
    [
        (("suspend", "source"), None, "--as"),
        (("suspend", "source"), "nobody", "--as"),
        (("suspend", "nobody"), "grid", "master"),
        (("admit", "0x12", "user"), "grid", "account"),
        (("settings",), "grid", "settings"),
    ],
)
def test_wrong_input_is_named(say, arguments, voter, field):
    with pytest.raises(InvalidValue) as wrong:
        say(*arguments, voter=voter)
    assert wrong.value.field == field


def test_a_second_vote_of_the_same_master_is_refused(say):
    say("suspend", "source", voter="grid")
    with pytest.raises(ContractReverted, match="VotedAlready"):
        say("suspend", "source", voter="grid")


def test_it_is_a_command_of_gridbourse():
    assert "Vote as a master" in CliRunner().invoke(gridbourse, ["vote", "--help"]).output


def test_a_master_registers_its_validator_with_a_proof_for_itself(folder, say, tmp_path):
    made = NodeFolder(tmp_path / "node").make_keys()
    assert "registered" in say("validator", str(tmp_path / "node"), voter="source")
    registered = consortium_of(folder, lambda consortium: consortium.validator(1))
    assert registered == ValidatorKeys(made.public_key, made.node_id)
    with open_main_chain(folder) as (main, _, _):
        ((number, keys, proof),) = main.consortium.registrations()
        statements = [
            validator_statement(main.chain.chain_id, main.consortium.address, master_id, keys.node_id)
            for master_id in (1, 2)
        ]
    assert number == 1
    assert [proves_validator(keys.public_key, statement, proof) for statement in statements] == [True, False]
    with pytest.raises(InvalidValue, match="validator"):
        say("validator", str(tmp_path), voter="grid")
