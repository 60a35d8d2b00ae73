"""Everything that regulator and service say can be said in Chinese."""

import ast
from copy import deepcopy
from pathlib import Path
from string import Formatter

import pytest
from small_region import PERIOD, ask, bid, trade, write

import gridbourse
from gridbourse.api.schema import DealStatus, SideName
from gridbourse.errors import ProofError
from gridbourse.market.types import EnergyType
from gridbourse.region.description import NodeKind
from gridbourse.service.rights import Kind, Right
from gridbourse.text import Message, read_translation, say

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
SOURCES = {path: ast.parse(path.read_text("utf-8")) for path in Path(gridbourse.__file__).parent.rglob("*.py")}
LABELS = read_translation("en").texts
CHINESE = {text: said for text, said in read_translation("zh").texts.items() if text not in LABELS}
"""The sentences that code makes; the other texts have a name, which every catalogue knows."""
NAMES = {str(kind.name).lower() for kind in EnergyType} | {
    str(name) for names in (DealStatus, SideName, NodeKind, Kind, Right) for name in names
}
"""What sentences name, each a sentence of its own."""


def written(function):
    """The sentences that a function says, be they written in the call or given the name `text` before."""
    calls = [
        node for node in ast.walk(function) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message"
    ]
    for call in calls:
        yield from (node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant))
    if any(getattr(call.args[0], "id", "") == "text" for call in calls):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "text":
                yield from (part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant))


def strings(tree):
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_sentence_has_its_translation():
    functions = [node for tree in SOURCES.values() for node in ast.walk(tree) if isinstance(node, FUNCTION)]
    said = {sentence for function in functions for sentence in written(function)}
    assert len(said) > 100
    assert said | NAMES <= CHINESE.keys(), (said | NAMES) - CHINESE.keys()


def test_no_translation_is_left_over():
    known = set.union(*map(strings, SOURCES.values()))
    assert CHINESE.keys() <= known | NAMES, CHINESE.keys() - known - NAMES


def parts(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("template", CHINESE)
def test_a_translation_has_the_parts_of_its_sentence(template):
    assert parts(CHINESE[template]) == parts(template)
    assert not any("a" <= letter <= "z" for letter in literal(CHINESE[template])), "English is left in it"


def literal(text):
    """A sentence without its parts and its units."""
    return "".join(literal for literal, *_ in Formatter().parse(text)).replace("0x", "")


def test_a_message_within_a_message_is_said_in_the_same_language():
    place = Message("slave chain {name}, record {index} in block {block}", name="roofs", index=7, block=9)
    finding = Message("{place} is not anchored yet", place=place)
    assert finding == "slave chain roofs, record 7 in block 9 is not anchored yet"
    assert say(finding, "zh") == "从链 roofs 第 9 区块的记录 7 尚未锚定"
    assert say(finding, "en") == finding
    assert Message.of(ProofError(finding)) is finding


def test_what_is_no_message_stays_as_it_is():
    assert say("block 7 does not hash", "zh") == "block 7 does not hash"
    assert Message.of(ProofError("plain")) == "plain"
    assert Message.of(ProofError()) == ""


def test_a_name_with_braces_does_no_harm():
    finding = Message("{place} is not anchored yet", place="chain {0} {name}")
    assert say(finding, "zh") == "chain {0} {name} 尚未锚定"
    for copied in (deepcopy(finding),):
        assert (copied, say(copied, "zh")) == (finding, say(finding, "zh"))


def is_chinese(text):
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def test_a_whole_trace_and_a_whole_audit_are_said_in_chinese(region):
    region.offer([("Bert", bid())])
    region.offer([("Anna", ask())])
    for finished in (False, True):
        traced = region.regulator.trace(1)
        assert traced.holds is finished
        for party in traced.parties:
            assert all(is_chinese(say(step.title, "zh")) for step in party.steps)
            assert all(is_chinese(say(step.finding, "zh")) for step in party.steps)
        trade(region)
    roofs = region.masters["roofs"]
    (order_id,) = region.offer([("Anna", ask(period=PERIOD + 1))])
    roofs.main_wallet.send(region.main.market.cancel_orders([order_id]))
    write(region, "Anna", ask(energy_wh=7))
    region.anchor()
    findings = region.regulator.audit()
    assert len(findings) == 2
    assert all(is_chinese(say(finding, "zh")) for finding in findings)
