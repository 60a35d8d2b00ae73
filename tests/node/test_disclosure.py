"""One field of a record is shown to a stranger, who checks it against the main chain and learns no other."""

import json
import shutil
import time
from contextlib import closing
from dataclasses import asdict, replace
from random import Random

import pytest
from click.testing import CliRunner
from small_region import PERIOD, SPEC, Clock, ask, bid, trade, write
from test_proof_mutations import mutated_bytes, mutated_proof

from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.cli.main import gridbourse
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import record_leaf
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.commitment import commit, prove_field
from gridbourse.crypto.envelope import seal
from gridbourse.errors import EnvelopeError, InvalidValue, ProofError
from gridbourse.ledger import sealing
from gridbourse.ledger.balancing_records import ScheduleDetails
from gridbourse.ledger.disclosure import Disclosure, verify_disclosure
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.types import DealState, EnergyType, Side
from gridbourse.node.disclosing import disclose_record
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.region import Region


@pytest.fixture(scope="module")
def traded(prepared, tmp_path_factory):
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("traded") / "region")
    with Region.open(folder, clock=Clock()) as region:
        for period in (PERIOD, PERIOD + 1):
            write(region, "Anna", ask(period=period))
            write(region, "Bert", bid(period=period))
            trade(region)
        region.report("Bert", "losses", '{"kWh":7}')
        region.anchor()
        yield region


def index_of(region, master, kind):
    return next(record.index for record in region.masters[master].slave.records() if record.kind == kind)


@pytest.fixture(scope="module")
def order(traded):
    """Number of Anna's first order on the slave chain of roofs."""
    return index_of(traded, "roofs", RecordKind.ORDER)


@pytest.fixture(scope="module")
def shown(traded, order):
    return disclose_record(traded, "roofs", order, ["price_ticks", "period"], holder="Anna")


def refused(region, disclosure, *words):
    with pytest.raises(ProofError) as error:
        verify_disclosure(disclosure, region.main)
    assert all(word in str(error.value) for word in words), error.value


# --- what a disclosure proves ---


def test_a_stranger_learns_the_price_and_what_proves_it(traded, shown):
    proven = verify_disclosure(shown, traded.main)
    assert proven.fields == {"price_ticks": 3_600, "period": PERIOD}
    assert (proven.kind, proven.by_master) == (RecordKind.ORDER, False)
    assert proven.author == traded.masters["roofs"].nodes["Anna"].address
    assert proven.anchor == traded.main.anchors.anchors(1)[0]
    assert proven.order_id == traded.main.market.deal(1).ask


def test_the_document_survives_json_and_does_not_hold_the_other_fields(traded, shown):
    text = json.dumps(shown.document())
    assert Disclosure.read(json.loads(text)) == shown
    for secret in ("Anna", "Roof", b"Anna".hex(), "energy_wh", "location"):
        assert secret not in text


@pytest.mark.parametrize("holder", ["Anna", "roofs/encryption", "roofs", REGULATOR])
def test_everybody_who_opens_the_record_can_show_it(traded, order, holder):
    shown = disclose_record(traded, "roofs", order, ["user_id"], holder=holder)
    assert verify_disclosure(shown, traded.main).fields == {"user_id": "Anna"}


@pytest.mark.parametrize("holder", ["Arno", "Bert", "grid/encryption"])
def test_who_cannot_open_the_record_cannot_show_it(traded, order, holder):
    with pytest.raises(EnvelopeError):
        disclose_record(traded, "roofs", order, ["price_ticks"], holder=holder)


def test_a_record_of_the_master_is_answered_for_by_its_anchor(traded):
    deal = index_of(traded, "grid", RecordKind.DEAL)
    shown = disclose_record(traded, "grid", deal, ["price_ticks", "state", "side"], holder="Bert")
    assert shown.transaction == b""
    proven = verify_disclosure(Disclosure.read(json.loads(json.dumps(shown.document()))), traded.main)
    assert proven.fields == {"price_ticks": 3_600, "state": DealState.INTENT, "side": Side.BID}
    assert (proven.by_master, proven.order_id) == (True, None)


def test_every_field_of_every_record_is_shown(traded):
    shown_kinds = set()
    for number, master in enumerate(traded.masters.values(), start=1):
        anchored = traded.main.anchors.last_anchor(number).leaf_count
        for record in list(master.slave.records())[:anchored]:
            details = master.encryption_node.open(record)
            for name, value in asdict(details).items():
                shown = disclose_record(traded, master.membership.name, record.index, [name], holder=REGULATOR)
                assert verify_disclosure(shown, traded.main).fields == {name: value}
            shown_kinds.add(details.KIND)
    assert shown_kinds >= {*range(RecordKind.ORDER, RecordKind.REPORT + 1)}


def test_a_series_is_shown_as_a_whole(region):
    node = region.masters["roofs"].nodes["Anna"]
    region.masters["roofs"].slave.submit_records(
        [node.sign(ScheduleDetails("Anna", "north", PERIOD, (7, 8), (0, 2**40)))]
    )
    region.anchor()
    index = region.masters["roofs"].slave.ledger.leaf_count() - 1
    shown = disclose_record(region, "roofs", index, ["drawn_wh"], holder="Anna")
    sent = Disclosure.read(json.loads(json.dumps(shown.document())))
    assert verify_disclosure(sent, region.main).fields == {"drawn_wh": (0, 2**40)}
    for series in ([0], [0, 2**40, 0], [2**40, 0], ["0", 2**40], "0", 0):
        refused(region, replace(sent, fields=(replace(sent.fields[0], value=series),)), "'drawn_wh'")


def test_a_master_whose_key_was_rotated_still_answers_for_its_records(folder, clock):
    with Region.open(folder, clock=clock) as region:
        write(region, "Anna", ask())
        write(region, "Bert", bid())
        trade(region)
        shown = disclose_record(
            region, "grid", index_of(region, "grid", RecordKind.DEAL), ["price_ticks"], holder="Bert"
        )
        region.rotate_keys("grid")
        assert verify_disclosure(shown, region.main).by_master


# --- what cannot be shown ---


def test_what_is_not_there_is_named(traded, order):
    for master, index, fields, holder, named in (
        ("nobody", order, ["price_ticks"], "Anna", "master: 'nobody'"),
        ("roofs", 10_000, ["price_ticks"], "Anna", "record: 10000"),
        ("roofs", order, ["price"], "Anna", "field: 'price'"),
        ("roofs", order, [], "Anna", "fields: "),
        ("roofs", order, ["price_ticks"], "Nobody", "name: 'Nobody'"),
    ):
        with pytest.raises(InvalidValue, match=named):
            disclose_record(traded, master, index, fields, holder=holder)


def test_a_record_that_is_not_anchored_yet_cannot_be_shown(region):
    write(region, "Anna", ask())
    with pytest.raises(InvalidValue, match="anchored"):
        disclose_record(region, "roofs", region.masters["roofs"].slave.ledger.leaf_count() - 1, ["side"], holder="Anna")


# --- what somebody forges ---


def test_nothing_that_is_altered_is_accepted(traded, shown):
    price, period = shown.fields
    for forged, words in (
        ({"fields": (replace(price, value=3_599),)}, ["'price_ticks'", "commits"]),
        ({"fields": (replace(price, name="energy_wh"),)}, ["'energy_wh'"]),
        ({"fields": (price, replace(period, salt=price.salt))}, ["'period'"]),
        ({"fields": ()}, ["no field"]),
        ({"master_id": 2}, []),
        ({"master_id": 7}, ["master 7"]),
        ({"anchor": 1}, []),
        ({"anchor": 100}, ["no anchor 100"]),
        ({"anchor": -1}, ["no anchor -1"]),
        ({"index": shown.index + 1}, []),
        ({"kind": RecordKind.DECISION}, ["no field 'price_ticks'"]),
        ({"kind": 99}, ["kind 99"]),
        ({"author": bytes(20)}, []),
        ({"content": shown.content[:-1]}, []),
        ({"inclusion": shown.inclusion[:-1]}, []),
        ({"transaction": b""}, ["did not sign"]),
        ({"transaction": shown.transaction[:-1]}, ["did not sign"]),
    ):
        refused(traded, replace(shown, **forged), *words)


def test_a_record_that_its_author_never_signed_does_not_pass_by_the_masters_anchor(region):
    """A master can anchor any leaf it likes. It cannot sign for Anna, nor make her signature say something else."""
    roofs, grid = region.masters["roofs"], region.masters["grid"]
    anna, ledger = roofs.nodes["Anna"], roofs.slave.ledger
    write(region, "Anna", ask())
    genuine = roofs.slave.chain.transaction(list(roofs.slave.records())[-1].transaction_hash).raw
    details = OrderDetails("Anna", "Roof 1", 1_000, Side.ASK, EnergyType.PV, PERIOD, 1_000, 9)
    seed, stated = bytes(32), asdict(details)
    content = commit(stated, seed) + b"whatever the envelope holds"
    leaf = record_leaf(anna.address, RecordKind.ORDER, content)
    roofs.main_wallet.send(region.main.anchors.anchor(Anchor(1, roofs.slave.chain.head().height, 1, leaf)))
    forged = Disclosure(
        master_id=1,
        anchor=0,
        index=0,
        author=anna.address,
        kind=RecordKind.ORDER,
        content=content,
        inclusion=(),
        transaction=b"",
        fields=(prove_field(stated, seed, "price_ticks"),),
    )
    by_master = Wallet(roofs.slave.chain, roofs.slave_wallet._key).sign([ledger.append(RecordKind.ORDER, content)])
    elsewhere = Wallet(grid.slave.chain, anna._keys.signing).sign([ledger.append(RecordKind.ORDER, content)])
    for transaction in (b"", genuine, *by_master, *elsewhere):
        refused(region, replace(forged, transaction=transaction), "did not sign")
    signed = Wallet(roofs.slave.chain, anna._keys.signing).sign([ledger.append(RecordKind.ORDER, content)])
    assert verify_disclosure(replace(forged, transaction=signed[0]), region.main).fields == {"price_ticks": 9}


def test_a_field_of_a_type_that_its_kind_does_not_have_is_refused(region, monkeypatch):
    """Readers reject such a record, so a stranger must not take it for one."""
    roofs = region.masters["roofs"]
    anna, ledger = roofs.nodes["Anna"], roofs.slave.ledger
    stated = {"user_id": "Anna", "title": 7, "body": "{}"}
    commitment = commit(stated, bytes(32))
    place = sealing._place(ledger, anna.address, RecordKind.REPORT, commitment)
    content = commitment + seal(bytes(32) + json.dumps(stated).encode(), place=place, recipients=anna._readers)
    (raw,) = anna._wallet.sign([ledger.append(RecordKind.REPORT, content)])
    roofs.slave.submit_records([raw])
    region.anchor()
    index = ledger.leaf_count() - 1
    with pytest.raises(EnvelopeError):
        disclose_record(region, "roofs", index, ["title"], holder="Anna")
    monkeypatch.setattr(sealing, "_details", lambda kind, stated: kind(**stated))
    with pytest.raises(ProofError, match="no NodeReport states this"):
        disclose_record(region, "roofs", index, ["title"], holder="Anna")


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_no_mutated_disclosure_is_accepted(traded, shown, count):
    random, refused_count = Random(count), 0
    grid_order = index_of(traded, "grid", RecordKind.ORDER)
    other = disclose_record(traded, "grid", grid_order, ["price_ticks", "period"], holder="Bert")
    while refused_count < count:
        mutated = mutated_disclosure(shown, other, random)
        if mutated != shown:
            with pytest.raises(ProofError):
                verify_disclosure(mutated, traded.main)
            refused_count += 1


def mutated_disclosure(shown, other, random):
    field = random.choice(shown.fields)
    match random.randrange(9):
        case 0:
            return replace(shown, content=mutated_bytes(shown.content, [other.content], random))
        case 1:
            return replace(shown, inclusion=mutated_proof(shown.inclusion, random))
        case 2:
            return replace(shown, transaction=mutated_bytes(shown.transaction, [other.transaction], random))
        case 3:
            return replace(shown, author=mutated_bytes(shown.author, [other.author], random))
        case 4:
            name = random.choice(["index", "anchor", "master_id", "kind"])
            return replace(shown, **{name: random.randrange(12)})
        case 5:
            part = random.choice(["content", "inclusion", "transaction", "author", "fields"])
            return replace(shown, **{part: getattr(other, part)})
        case 6:
            changed = replace(field, salt=mutated_bytes(field.salt, [other.content], random))
        case 7:
            changed = replace(field, path=mutated_proof(field.path, random))
        case _:
            name, value = random.choice(["price_ticks", "period", "side", "user_id"]), random.randrange(2**16)
            changed = random.choice([replace(field, name=name), replace(field, value=value)])
    return replace(shown, fields=tuple(changed if one is field else one for one in shown.fields))


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document | {"more": 1},
        lambda document: {name: part for name, part in document.items() if name != "anchor"},
        lambda document: document | {"anchor": "0"},
        lambda document: document | {"anchor": True},
        lambda document: document | {"anchor": 2**64},
        lambda document: document | {"inclusion": {}},
        lambda document: document | {"inclusion": [1]},
        lambda document: document | {"transaction": "0X"},
        lambda document: document | {"transaction": document["transaction"].upper()},
        lambda document: document | {"record": []},
        lambda document: document | {"record": document["record"] | {"author": None}},
        lambda document: document | {"fields": [document["fields"][0] | {"value": 1.5}]},
        lambda document: document | {"fields": [document["fields"][0] | {"value": None}]},
        lambda document: document | {"fields": [document["fields"][0] | {"name": 1}]},
        lambda document: document | {"fields": "price_ticks"},
        lambda document: [document],
        lambda document: None,
    ],
)
def test_a_document_of_another_form_is_refused(shown, change):
    with pytest.raises(ProofError):
        Disclosure.read(change(json.loads(json.dumps(shown.document()))))


# --- a stranger who has nothing but a node of the main chain ---


def test_a_stranger_checks_it_through_a_node_of_the_main_chain(traded, shown, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    file, main = tmp_path / "price.json", traded.main
    file.write_text(json.dumps(shown.document()), "utf-8")
    addresses = [f"0x{address.hex()}" for address in main.contracts]
    with RpcServer(main.chain, port=0, read_only=True) as server:
        with closing(EthereumChain(server.url)) as chain:
            assert verify_disclosure(shown, MainChain.open(chain)) == verify_disclosure(shown, main)
        for contracts in ([], ["--contracts", *addresses]):
            checked = run("verify", file, "--rpc", server.url, *contracts)
            assert checked.exit_code == 0, checked.output
            assert "0.36 yuan/kWh" in checked.output
        file.write_text(json.dumps(replace(shown, index=shown.index + 1).document()), "utf-8")
        assert run("verify", file, "--rpc", server.url).exit_code == 2
        wrong = run("verify", file, "--rpc", server.url, "--contracts", *addresses[:3], "0x12")
        assert isinstance(wrong.exception, InvalidValue)
    assert run("verify", file).exit_code == 2


# --- the command ---


def run(*arguments):
    return CliRunner().invoke(gridbourse, ["disclosure", *map(str, arguments)])


def test_the_command_shows_a_field_and_checks_it(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    folder, file = tmp_path / "region", tmp_path / "price.json"
    with Region.create(folder, SPEC) as region:
        period = int(time.time()) // 900 + 96
        region.open_day(period // 96)
        (order_id,) = region.offer([("Anna", ask(period=period))])
        region.anchor()
        index = region.masters["roofs"].slave.ledger.leaf_count() - 1
    fields = ["--field", "price_ticks", "--field", "side", "--region", folder]
    made = run("create", "roofs", index, *fields, "--holder", "Anna", "--output", file)
    assert made.exit_code == 0, made.output
    checked = run("verify", file, "--region", folder)
    assert checked.exit_code == 0, checked.output
    for text in ("0.36 yuan/kWh", "ask", "signed by its function node", f"order {order_id.pack():x}", "holds"):
        assert text in checked.output
    assert "Roof" not in checked.output
    file.write_text(file.read_text().replace("3600", "3601"))
    checked = run("verify", file, "--region", folder)
    assert checked.exit_code == 2
    assert "does not hold: field 'price_ticks' is not what the record commits to" in checked.output
