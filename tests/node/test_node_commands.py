"""The node's socket: what it takes, what it answers, and that nothing that somebody sends stops it."""

import json
import os
import socket
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_region import DAY, SPEC, Clock, ask

from gridbourse import errors
from gridbourse.chain.revert import contract_error
from gridbourse.cli.main import gridbourse
from gridbourse.client.own_keys import sign_order
from gridbourse.errors import (
    ChainCorrupted,
    ChainLocked,
    ContractReverted,
    EnvelopeError,
    InvalidValue,
    KeyReused,
    NodeUnreachable,
    OrderRefused,
    RpcError,
    TransactionRejected,
)
from gridbourse.market.types import Reason
from gridbourse.node.commands import client, requests
from gridbourse.node.commands.codec import decode, read_line, write_line
from gridbourse.node.commands.failures import decode_error, encode_error
from gridbourse.node.commands.server import MAX_LINE_BYTES
from gridbourse.node.commands.table import document
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.hosting.node import Node
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.region import Region
from gridbourse.text import Message, say

QUICK = JobSchedule(step_seconds=0.05, anchor_seconds=0.2)
SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def node(folder):
    with Node(Region.open(folder, clock=Clock()), folder, QUICK) as running:
        yield running


@pytest.fixture
def path(node, folder):
    return folder / "node.sock"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A node that must survive all that is sent to it."""
    folder = tmp_path_factory.mktemp("shared") / "region"
    Region.create(folder, SPEC, clock=Clock()).close()
    with Node(Region.open(folder, clock=Clock()), folder, QUICK):
        yield folder / "node.sock"


def asked(path, command):
    return decode(type(command).ANSWER, client.ask_once(path, command))


def said(path, data):
    """What the node says to some bytes, line by line, until it has said something or closed the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as lines:
            return [json.loads(line) for line in lines]


def signed_order(path, folder, name="Anna", energy_wh=1_000, **changes):
    keys = RegionKeys(folder).nodes.load_node(name)
    context = asked(path, requests.ReadSigningContext(name, keys.address))
    return sign_order(keys, replace(context, **changes), ask(energy_wh))


# What goes over the wire comes back as it was

addresses = st.binary(min_size=20, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
commands = st.one_of(
    st.builds(requests.ReadSigningContext, texts, addresses),
    st.builds(
        requests.Submit,
        texts,
        st.binary(min_size=1, max_size=200),
        st.none() | st.builds(requests.IdempotencyKey, texts, texts, st.binary(min_size=32, max_size=32)),
    ),
    st.builds(
        requests.Credit,
        st.integers(0, 2**24),
        st.dictionaries(texts, st.integers(1, 2**80)),
        st.binary(min_size=32, max_size=32),
    ),
    st.builds(requests.ReadBlock, texts, st.integers(1, 2**62)),
    st.builds(
        requests.Vote,
        texts,
        st.one_of(
            st.builds(requests.ChangeSettings, cap_ticks=st.none() | st.integers(0, 2**16 - 1)),
            st.builds(requests.Suspend, texts),
            st.builds(requests.ChangeSettlementAgent, texts),
        ),
    ),
    st.builds(requests.OfferOnce, st.lists(st.builds(requests.NodeOffer, texts, st.just(ask())), max_size=3)),
)


@given(commands)
def test_a_command_arrives_as_it_was_sent(command):
    sent = read_line(client.command_line(1, command))
    assert decode(requests.COMMANDS[sent["command"]], sent["fields"]) == command


ERRORS = [
    InvalidValue("energy_wh", -1, "a positive number"),
    TransactionRejected("nonce: 3 is not the next", errors.Rejection.NONCE_TOO_LOW),
    ContractReverted("WrongState", (1, "x"), b"\x01"),
    ChainCorrupted(Path("main.chain"), "block 3", "another hash"),
    RpcError(-32_000, "no", "0x"),
    OrderRefused(Reason(1)),
    errors.ServiceProblem(503, "stopped", "try again", (("a", "b"),)),
    errors.ReadingsRefused("two of three", (("1", "too old"),)),
    errors.NotFound(Message("there is no deal {deal} of yours", deal=7)),
    contract_error(b"", None),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_with_its_type_text_field_and_remedy(error):
    arrived = decode_error(read_line(write_line(encode_error(error))))
    assert (type(arrived), str(arrived)) == (type(error), str(error))
    for name in ("field", "remedy", "reason", "error", "status", "faults"):
        assert getattr(arrived, name, None) == getattr(error, name, None)
    assert say(Message.of(arrived), "zh") == say(Message.of(error), "zh")


def test_an_error_that_nobody_expects_arrives_as_one_of_the_program():
    arrived = decode_error(read_line(write_line(encode_error(ZeroDivisionError("7")))))
    assert type(arrived) is RuntimeError
    assert "ZeroDivisionError" in str(arrived)


# What is wrong is refused by field and remedy

WRONG = [
    ("block", {"chain": "main"}, "height"),
    ("block", {"chain": "main", "height": 0}, "height"),
    ("block", {"chain": "main", "height": True}, "height"),
    ("block", {"chain": "main", "height": 1.0}, "height"),
    ("block", {"chain": "main", "height": "1"}, "height"),
    ("block", {"chain": "main", "height": 10**400}, "height"),
    ("block", {"chain": "", "height": 1}, "chain"),
    ("block", {"chain": "elsewhere", "height": 1}, "chain"),
    ("block", {"chain": "main", "height": 1, "depth": 2}, "depth"),
    ("block", ["main", 1], "fields"),
    ("transaction", {"chain": "main", "hash": "0x12"}, "hash"),
    ("transaction", {"chain": "main", "hash": "12" * 32}, "hash"),
    ("submit", {"node_id": "Anna", "transaction": "0xzz"}, "transaction"),
    ("submit", {"node_id": "Anna", "transaction": "0x" + "00" * 16_385}, "transaction"),
    ("submit", {"node_id": "Anna", "transaction": "0x02", "idempotency": {"principal": "a"}}, "idempotency.key"),
    ("submit", {"node_id": "Nobody", "transaction": "0x02"}, "node_id"),
    ("open_record", {"master": "roofs", "index": 0, "height": 1, "reader": "anybody"}, "reader"),
    ("vote", {"master": "roofs", "action": {"type": "Abolish"}}, "action.type"),
    ("vote", {"master": "roofs", "action": {"type": "Suspend"}}, "action.master"),
    ("vote", {"master": "roofs", "action": {"type": "Admit", "account": "0x" + "1" * 40, "role": "king"}}, "role"),
    ("credit", {"day": DAY, "moneys": {"Bert": -1}, "payment_reference": "0x" + "01" * 32}, "moneys.Bert"),
    ("back_up", {"archive": "/no/such/folder/x.tar"}, "archive"),
    ("back_up", {"archive": "a\0b"}, "archive"),
    ("no_such_command", {}, "command"),
]


@pytest.mark.parametrize(("name", "fields", "field"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_command_is_refused_by_field_and_remedy(shared, name, fields, field):
    (answer,) = said(shared, write_line({"id": 1, "command": name, "fields": fields}))
    assert answer["id"] == 1
    assert answer["error"]["name"] == "InvalidValue"
    assert answer["error"]["fields"]["field"].endswith(field)
    assert answer["error"]["fields"]["remedy"]


# Nothing that is sent stops the node or leaves anybody waiting

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields_of_commands = st.sampled_from([name for name in requests.COMMANDS if name != "subscribe"]).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.dictionaries(
            st.sampled_from(sorted(encode_fields(name)) or ["x"]) | st.text(max_size=5), json_values, max_size=5
        ),
    )
)


def encode_fields(name):
    return requests.COMMANDS[name].__dataclass_fields__


@settings(max_examples=60, **SHARED)
@given(st.binary(max_size=400))
@example(b"[" * 100_000 + b"\n")
@example(b'{"id": 1, "id": 2}\n')
@example(b'{"id": NaN, "command": "health"}\n')
@example(b'{"id": 1, "command": "health", "fields": {"x": ' + b"9" * 5_000 + b"}}\n")
@example(b'{"id": 1, "command": "\\ud800", "fields": {}}\n')
@example(b'{"id": 1, "command": "audit", "fields": {"x": {"text": "", "template": "{a:>99999999999}", "parts": {}}}}\n')
@example(b"\0" * 1_000 + b"\n\n\n")
def test_whatever_bytes_come_every_line_is_answered_or_refused_and_the_node_goes_on(shared, data):
    told = said(shared, data)
    assert len(told) == data.count(b"\n")
    assert all("error" in one or "answer" in one for one in told)
    assert client.ask_once(shared, requests.ReadHealth())["last_round"]["failures"] == []


@settings(max_examples=60, **SHARED)
@given(st.lists(fields_of_commands, min_size=1, max_size=4))
def test_whatever_fields_a_command_has_it_is_answered_or_refused_on_purpose(shared, tmp_path, sent):
    lines = b"".join(
        write_line({"id": number, "command": name, "fields": fields}) for number, (name, fields) in enumerate(sent)
    )
    told = said(shared, lines)
    assert sorted(one["id"] for one in told) == list(range(len(sent)))
    assert not [one for one in told if one.get("error", {}).get("name") == "RuntimeError"], told


def test_a_line_that_does_not_end_is_refused_and_the_connection_closed(shared):
    (refused,) = said(shared, b"[" * (MAX_LINE_BYTES + 1_000))
    assert refused["error"]["fields"]["field"] == "line"


def test_a_program_that_reads_nothing_is_cut_off_and_others_are_served(shared, monkeypatch):
    monkeypatch.setattr("gridbourse.node.commands.server.MAX_UNREAD_BYTES", 100_000)
    line = write_line({"id": 1, "command": "rules", "fields": {}})
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(shared))
        deaf.settimeout(60)

        def send():
            while True:
                deaf.sendall(line * 100)

        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            send()
    assert client.ask_once(shared, requests.ReadHealth())


def test_many_programs_ask_at_once_and_each_gets_its_own_answers(shared):
    answers = {}

    def talk(number):
        lines = b"".join(
            write_line({"id": number * 1_000 + turn, "command": "block", "fields": {"chain": "main", "height": 1}})
            for turn in range(50)
        )
        answers[number] = [one["id"] for one in said(shared, lines)]

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: sorted(ids) for number, ids in answers.items()} == {
        number: [number * 1_000 + turn for turn in range(50)] for number in range(8)
    }


# Who may


def test_the_socket_is_its_owners_alone(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_user_is_cut_off_without_a_word(path, monkeypatch):
    monkeypatch.setattr("gridbourse.node.commands.server._OUR_PEERS", {os.geteuid() + 1})
    with pytest.raises(NodeUnreachable):
        client.ask_once(path, requests.ReadHealth())


def test_two_nodes_do_not_run_one_region(node, folder):
    with pytest.raises(ChainLocked):
        Region.open(folder)


def test_a_socket_that_a_killed_node_left_is_no_obstacle(folder):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "node.sock"))
    with Node(Region.open(folder, clock=Clock()), folder, QUICK):
        assert client.ask_once(folder / "node.sock", requests.ReadHealth())
    assert not (folder / "node.sock").exists()


def test_a_folder_may_lie_deeper_than_an_address_is_long(prepared, tmp_path):
    import shutil

    folder = shutil.copytree(prepared, tmp_path / ("deep" * 20) / ("deeper" * 10) / "region")
    with Node(Region.open(folder, clock=Clock()), folder, QUICK):
        assert client.ask_once(folder / "node.sock", requests.ReadHealth())["process"] == os.getpid()


# Submitting


def test_a_signed_record_is_written_once_however_often_it_is_submitted(path, folder, node):
    raw = signed_order(path, folder)
    first = asked(path, requests.Submit("Anna", raw))
    again = asked(path, requests.Submit("Anna", raw))
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert (again.leaf, again.details) == (first.leaf, first.details)
    assert orders_of(node, "Anna") == [1_000]


def test_under_one_key_two_records_that_ask_for_the_same_are_written_once(path, folder, node):
    key = requests.IdempotencyKey("node:Anna", "k", b"\x01" * 32)
    first = asked(path, requests.Submit("Anna", signed_order(path, folder), key))
    other = asked(path, requests.Submit("Anna", signed_order(path, folder), key))
    assert (other.is_repeated, other.leaf) == (True, first.leaf)
    assert orders_of(node, "Anna") == [1_000]


def test_under_one_key_nothing_else_may_be_asked_for(path, folder, node):
    key = requests.IdempotencyKey("node:Anna", "k", b"\x01" * 32)
    asked(path, requests.Submit("Anna", signed_order(path, folder), key))
    with pytest.raises(KeyReused):
        asked(path, requests.Submit("Anna", signed_order(path, folder, energy_wh=5), replace(key, digest=b"\x02" * 32)))
    assert orders_of(node, "Anna") == [1_000]


def test_a_key_is_remembered_after_a_restart(folder):
    key = requests.IdempotencyKey("node:Anna", "k", b"\x01" * 32)
    path, leaves = folder / "node.sock", set()
    for _ in range(2):
        with Node(Region.open(folder, clock=Clock()), folder, QUICK) as node:
            leaves.add(asked(path, requests.Submit("Anna", signed_order(path, folder), key)).leaf)
            assert orders_of(node, "Anna") == [1_000]
    assert len(leaves) == 1


def test_a_key_whose_record_never_reached_the_chain_is_free_for_another(path, folder, node):
    key = requests.IdempotencyKey("node:Anna", "k", b"\x01" * 32)
    with pytest.raises(errors.GridbourseError):
        asked(path, requests.Submit("Anna", signed_order(path, folder, gas_limit=21_000), key))
    assert not asked(path, requests.Submit("Anna", signed_order(path, folder), key)).is_repeated
    assert orders_of(node, "Anna") == [1_000]


def test_a_record_that_the_chain_does_not_take_keeps_no_other_out(path, folder, node):
    good, bad = signed_order(path, folder), signed_order(path, folder, "Arno", gas_limit=21_000)
    lines = [
        client.command_line(1, requests.Submit("Arno", bad)),
        client.command_line(2, requests.Submit("Anna", good)),
    ]
    told = {one["id"]: one for one in said(path, b"".join(lines))}
    assert told[1]["error"]["name"] == "TransactionRejected"
    assert "answer" in told[2]
    assert orders_of(node, "Anna") == [1_000]


@pytest.mark.parametrize("nonce", [1, 5])
def test_a_nonce_that_is_not_the_next_is_refused_with_the_next(path, folder, nonce):
    with pytest.raises(TransactionRejected, match="sign with 0"):
        asked(path, requests.Submit("Anna", signed_order(path, folder, nonce=nonce)))


def test_a_record_of_another_node_is_refused(path, folder):
    with pytest.raises((InvalidValue, EnvelopeError)):
        asked(path, requests.Submit("Arno", signed_order(path, folder, "Anna")))


def orders_of(node, name):
    """Quantities of a node's orders on its slave chain."""

    def read(region):
        master = region.master_of(name)
        details = map(master.encryption_node.open, master.slave.records())
        return [own.energy_wh for own in details if getattr(own, "user_id", None) == name and hasattr(own, "energy_wh")]

    return node.worker.run(read).result(60)


# The rest of the commands


def test_a_day_is_opened_money_credited_a_meter_entered_and_a_vote_cast(path, node):
    asked(path, requests.OpenDay(DAY + 1))
    asked(path, requests.Credit(DAY + 1, {"Bert": 7}, b"\x07" * 32))
    asked(path, requests.RegisterMeter("Anna", b"\x11" * 20, 17_000))
    for master in ("roofs", "grid"):
        in_force = asked(path, requests.Vote(master, requests.ChangeSettings(cap_ticks=8_000)))
    assert in_force.settings.cap_ticks == 8_000
    assert asked(path, requests.ReadRules()) == in_force


def test_what_lies_on_the_chains_is_read(path, folder):
    written = asked(path, requests.Submit("Anna", signed_order(path, folder)))
    height = 1
    block = asked(path, requests.ReadBlock("main", height))
    assert asked(path, requests.ReadTransaction("main", bytes.fromhex(block.transactions[0].hash[2:]))).height == height
    sealed = found(path, written.leaf)
    assert sealed.details is None
    for reader in ("master", "regulator"):
        opened = asked(path, requests.OpenRecord("roofs", sealed.record.index, sealed.record.height, reader))
        assert opened.details["user_id"] == "Anna"


def found(path, leaf):
    """The record with a leaf on the chain of roofs."""
    for height in range(1, 100):
        for index in range(100):
            try:
                record = asked(path, requests.OpenRecord("roofs", index, height))
            except errors.NotFound:
                continue
            if record.record.leaf == leaf:
                return record
    raise AssertionError("the record lies on its chain")


def test_the_regulator_traces_and_audits(path):
    assert asked(path, requests.Audit()) == []
    with pytest.raises(InvalidValue, match="deal"):
        asked(path, requests.TraceTrade(1))


# The command line, and what is written about it


def test_the_command_line_lists_and_sends_commands(path, folder):
    listed = CliRunner().invoke(gridbourse, ["command", "--list"], env={"COLUMNS": "200"})
    assert all(name in listed.output for name in requests.COMMANDS)
    told = CliRunner().invoke(gridbourse, ["command", "health", "--region", str(folder)])
    assert json.loads(told.output)["process"] == os.getpid()
    told = CliRunner().invoke(
        gridbourse, ["command", "block", "--json", '{"chain": "main", "height": 1}', "--region", str(folder)]
    )
    assert json.loads(told.output)["block"]["height"] == 1


def test_the_command_line_refuses_what_is_wrong_before_it_is_sent(folder):
    for arguments, match in (
        (["command", "health", "--region", str(folder)], "no node listens"),
        (["command", "health"], "--region"),
        (["command", "nonsense"], "NAME"),
        (["command", "block", "--json", '{"chain": 7, "height": 1}', "--region", str(folder)], "chain"),
        (["command", "block", "--json", "{", "--region", str(folder)], "JSON"),
    ):
        with pytest.raises(errors.GridbourseError, match=match):
            CliRunner().invoke(gridbourse, arguments, catch_exceptions=False)


def test_the_document_lists_the_commands_as_they_are():
    assert "\n".join(document()).strip() in DOCUMENT.read_text("utf-8")
