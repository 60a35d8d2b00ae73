"""What lies on a slave chain and is not what it claims to be is rejected, and changes nothing on the main chain."""

import json
from dataclasses import asdict
from itertools import product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_region import PERIOD, ask, bid, trade, write

from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.commitment import commit
from gridbourse.crypto.envelope import EncryptionKey, seal
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import ContractReverted, EnvelopeError, InvalidValue
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.records import Confirmation, DayOpened, DealDetails, NodeRegistered, OrderDetails
from gridbourse.ledger.sealing import _place, open_record, seal_record
from gridbourse.market.types import DealState, EnergyType, Side

ORDER = {
    "user_id": "Anna",
    "location": "Roof 1",
    "energy_quota_wh": 1_000,
    "side": 0,
    "energy_types": 2,
    "period": PERIOD,
    "energy_wh": 1_000,
    "price_ticks": 3_600,
    "replaces": 0,
    "automatic": False,
}
DECISION = {"user_id": "Anna", "deal_id": 1, "side": 0, "confirmed": True}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def agreed(region):
    region.offer([("Anna", ask())])
    region.offer([("Bert", bid())])
    region.deliver()
    return region


def append(region, node_id, kind, content, *, into=None):
    """Let a node write any content to its slave chain."""
    node = region.master_of(node_id).nodes[node_id]
    ledger = (into or region.master_of(node_id)).slave.ledger
    node._wallet.send(ledger.append(kind, content))


def payload_record(region, node_id, kind, payload):
    """The content of a record that is sealed as it should be, whatever it says."""
    node, ledger = region.master_of(node_id).nodes[node_id], region.master_of(node_id).slave.ledger
    seed, commitment = bytes(32), commitment_to(payload)
    place = _place(ledger, node.address, kind, commitment)
    return commitment + seal(seed + payload, place=place, recipients=node._readers)


def commitment_to(payload):
    """What commits to the fields of a payload, if it has any; its seed is 32 zero bytes."""
    try:
        return commit(json.loads(payload), bytes(32))
    except (ValueError, TypeError, LookupError, RecursionError):
        return bytes(32)


def require_rejected(region, master_name, count=1):
    """The newest records are rejected, the main chain stays as it is, and the region still trades."""
    relay, main = region.relays[master_name], region.main
    height, rejected = main.chain.head().height, len(relay.rejected_records)
    assert relay.submit() == []
    assert main.chain.head().height == height
    found = relay.rejected_records[rejected:]
    newest = [record.head for record in region.masters[master_name].slave.records()][-count:]
    assert [(entry.index, entry.leaf) for entry in found] == [(head.index, head.leaf) for head in newest]
    region.offer([("Arno", ask(energy_wh=7, price_ticks=100))])
    region.offer([("Bea", bid(energy_wh=7, price_ticks=100))])
    trade(region)
    assert main.market.deal(main.market.deal_count()).state is DealState.SETTLED


def test_a_decision_signed_by_another_node_is_rejected(agreed):
    arno = agreed.masters["roofs"].nodes["Arno"]
    forged = Confirmation("Anna", 1, Side.ASK, confirmed=True)
    append(agreed, "Arno", forged.KIND, seal_record(arno._slave.ledger, arno.address, forged, arno._readers))
    require_rejected(agreed, "roofs")


def test_a_decision_about_somebody_elses_deal_is_not_taken_up(agreed):
    agreed.masters["roofs"].slave.submit_records(
        [agreed.masters["roofs"].nodes["Arno"].decide(1, side, confirmed=False) for side in Side]
    )
    assert agreed.relays["roofs"].submit() == []
    assert agreed.main.market.deal(1).state is DealState.INTENT
    assert [question.deal_id for question in agreed.deliver()] == [1, 1]


def test_a_decision_about_a_deal_that_never_was_is_not_taken_up(agreed):
    agreed.masters["roofs"].slave.submit_records(
        [agreed.masters["roofs"].nodes["Anna"].decide(99, Side.ASK, confirmed=True)]
    )
    assert agreed.relays["roofs"].submit() == []


def test_of_two_answers_the_first_counts(agreed):
    anna = agreed.masters["roofs"].nodes["Anna"]
    agreed.masters["roofs"].slave.submit_records(
        [anna.decide(1, Side.ASK, confirmed=confirmed) for confirmed in (True, False)]
    )
    agreed.relays["roofs"].submit()
    assert agreed.main.market.deal(1).seller_confirmed


def test_an_answer_that_comes_too_late_stops_no_other(agreed, clock):
    clock.now += 200
    agreed.offer([("Arno", ask())])
    agreed.offer([("Bert", bid())])
    pending_confirmations = agreed.deliver()
    clock.now = agreed.main.market.deal(1).confirm_before + 1
    agreed.answer(pending_confirmations, confirmed=True)
    assert [agreed.main.market.deal(number).state for number in (1, 2)] == [DealState.INTENT, DealState.CONFIRMED]


def test_an_order_written_for_somebody_else_is_rejected(region):
    arno = region.masters["roofs"].nodes["Arno"]
    forged = OrderDetails("Anna", "Roof 1", 1_000, Side.ASK, EnergyType.PV, PERIOD, 1_000, 3_600)
    append(region, "Arno", forged.KIND, seal_record(arno._slave.ledger, arno.address, forged, arno._readers))
    require_rejected(region, "roofs")


def test_what_only_the_master_writes_is_rejected_from_a_node(region):
    anna = region.masters["roofs"].nodes["Anna"]
    forged = [
        DealDetails("Anna", Side.ASK, 1, 0, 0, 1, 1, DealState.SETTLED),
        DayOpened(1, "00" * 32),
        NodeRegistered("Arno", "pv", "Roof 1", "00" * 20, "00" * 32),
    ]
    for details in forged:
        append(region, "Anna", details.KIND, seal_record(anna._slave.ledger, anna.address, details, anna._readers))
    require_rejected(region, "roofs", len(forged))


def test_garbage_of_any_kind_is_rejected(region):
    garbage = list(product([*RecordKind, 0, 255], [b"", b"short", bytes(500), b"\xff" * 70_000]))
    for kind, content in garbage:
        append(region, "Anna", kind, content)
    require_rejected(region, "roofs", len(garbage))


def test_a_record_that_is_not_sealed_to_the_encryption_node_is_rejected(region):
    anna = region.masters["roofs"].nodes["Anna"]
    details = OrderDetails("Anna", "Roof 1", 1_000, Side.ASK, EnergyType.PV, PERIOD, 1_000, 3_600)
    append(region, "Anna", 1, seal_record(anna._slave.ledger, anna.address, details, [anna.encryption_public]))
    require_rejected(region, "roofs")


def test_a_record_copied_to_another_ledger_is_rejected(region):
    """Even a master who knows the user's key cannot move a record: it opens in its own place only."""
    roofs, grid = region.masters["roofs"], region.masters["grid"]
    write(region, "Anna", ask())
    record = list(roofs.slave.records())[-1]
    anna = roofs.nodes["Anna"]
    grid.slave_wallet.send(grid.slave.ledger.set_writers([anna.address], allowed=True))
    Wallet(grid.slave.chain, anna._keys.signing).send(grid.slave.ledger.append(record.kind, record.content))
    require_rejected(region, "grid")


def test_a_record_copied_by_another_author_is_rejected(region):
    write(region, "Anna", ask())
    region.relays["roofs"].submit()
    record = list(region.masters["roofs"].slave.records())[-1]
    append(region, "Arno", record.kind, record.content)
    require_rejected(region, "roofs")


def test_a_record_that_its_own_author_repeats_stands_for_one_order(region):
    write(region, "Anna", ask())
    record = list(region.masters["roofs"].slave.records())[-1]
    append(region, "Anna", record.kind, record.content)
    region.relays["roofs"].submit()
    append(region, "Anna", record.kind, record.content)
    region.relays["roofs"].submit()
    assert len(region.main.market.waiting_orders(PERIOD, Side.ASK)) == 1


def test_who_may_not_write_is_refused_by_the_ledger(region):
    stranger = Wallet(region.masters["roofs"].slave.chain, NodeKeys.generate().signing)
    with pytest.raises(ContractReverted) as refused:
        stranger.send(region.masters["roofs"].slave.ledger.append(1, b"text"))
    assert refused.value.error == "NotWriter"
    assert refused.value.arguments == ("0x" + stranger.address.hex(),)


WRONG_FIELDS = [
    {"energy_wh": -1},
    {"energy_wh": 2**40},
    {"energy_wh": 1.5},
    {"energy_wh": True},
    {"energy_wh": "7"},
    {"period": 2**24},
    {"period": "soon"},
    {"price_ticks": 2**16},
    {"energy_quota_wh": -1},
    {"energy_quota_wh": 2**48},
    {"energy_types": 2**8},
    {"energy_types": -1},
    {"side": 2},
    {"replaces": 2 << 32},
    {"replaces": -1},
    {"side": 0.0},
    {"user_id": ["Anna"]},
    {"user_id": "Nobody"},
    {"location": None},
    {"more": 1},
]


def test_an_order_that_no_market_could_take_is_rejected(region):
    lacking = [{name: value for name, value in ORDER.items() if name != missing} for missing in ORDER]
    orders = [ORDER | wrong for wrong in WRONG_FIELDS] + lacking
    payloads = [json.dumps(order).encode() for order in orders]
    payloads += [
        json.dumps(ORDER | {"location": "\ud800"}).encode(),
        b"[" * 60_000,
        b"1" * 5_000,
        b"\xff",
        b"",
        b"NaN",
        b"[]",
        b"{}",
    ]
    for payload in payloads:
        append(region, "Anna", RecordKind.ORDER, payload_record(region, "Anna", RecordKind.ORDER, payload))
    require_rejected(region, "roofs", len(payloads))


def test_a_record_that_commits_to_other_fields_than_it_holds_is_rejected(region):
    node, ledger = region.masters["roofs"].nodes["Anna"], region.masters["roofs"].slave.ledger
    shown, held = json.dumps(ORDER).encode(), json.dumps(ORDER | {"price_ticks": 3_601}).encode()
    commitment = commitment_to(shown)
    place = _place(ledger, node.address, RecordKind.ORDER, commitment)
    for payload in (bytes(32) + held, bytes(31) + b"\x01" + shown, bytes(31) + shown):
        append(region, "Anna", RecordKind.ORDER, commitment + seal(payload, place=place, recipients=node._readers))
    require_rejected(region, "roofs", 3)
    findings = [finding for finding in region.regulator.audit() if "does not open for the regulator" in finding]
    assert ["commits to other fields" in finding for finding in findings] == [True, True, False]


KEY = EncryptionKey(b"\x01" * 32)
LEDGER = SlaveLedger(SimpleNamespace(chain_id=1), bytes(20))


@given(kind=st.sampled_from(RecordKind), fields=st.sampled_from([ORDER, DECISION]), changed=st.data())
def test_whatever_a_payload_says_it_opens_as_typed_details_or_not_at_all(kind, fields, changed):
    stated = fields | changed.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, ANYTHING)))
    payload = json.dumps(changed.draw(st.just(stated) | ANYTHING)).encode()
    commitment = commitment_to(payload)
    place = _place(LEDGER, bytes(20), kind, commitment)
    content = commitment + seal(bytes(32) + payload, place=place, recipients=[KEY.public_bytes])
    try:
        details = open_record(LEDGER, LedgerRecord(0, bytes(20), kind, bytes(32), 1, bytes(32), content), KEY)
    except EnvelopeError:
        return
    assert json.loads(payload) == json.loads(json.dumps(asdict(details)))


@pytest.mark.parametrize("field", ["energy_wh", "price_ticks", "period", "energy_quota_wh", "energy_types"])
def test_details_outside_the_contracts_words_cannot_even_be_made(field):
    fields = ORDER | {"side": Side.ASK, "energy_types": EnergyType.PV, field: 2**48}
    with pytest.raises(InvalidValue, match=field):
        OrderDetails(**fields)
