"""Private keys: one file for each node, for its owner's eyes, never overwritten."""

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.node_keys import KeyFolder, MasterKeys, NodeKeys
from gridbourse.errors import InvalidValue

AWKWARD_NAMES = ["User 1", "user 1", "..", ".", "a/b", "../up", "«", "c2ab", "%C2%AB", "用户", "a\0b", "CON", "x" * 80]


@pytest.fixture
def keys(tmp_path):
    return KeyFolder(tmp_path / "keys")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_nodes_keys_come_back(keys):
    own = NodeKeys.generate()
    keys.save_node("Anna", own)
    found = keys.load_node("Anna")
    assert (found.signing.secret, found.encryption.secret) == (own.signing.secret, own.encryption.secret)
    assert found.address == own.address


def test_a_masters_keys_come_back(keys):
    own = MasterKeys.generate()
    keys.save_master("grid", own)
    found = keys.load_master("grid")
    assert found.pseudonyms == own.pseudonyms
    assert found.sealer.secret == own.sealer.secret
    assert found.node.signing.secret == own.node.signing.secret
    assert found.node.encryption.secret == own.node.encryption.secret


def test_every_name_has_a_file_of_its_own_inside_the_folder(keys, tmp_path):
    saved = {name: NodeKeys.generate() for name in AWKWARD_NAMES}
    for name, own in saved.items():
        keys.save_node(name, own)
    assert {name: keys.load_node(name).address for name in saved} == {name: own.address for name, own in saved.items()}
    assert {path.parent for path in files(tmp_path)} == {tmp_path / "keys"}
    assert len(files(tmp_path)) == len(AWKWARD_NAMES)


def test_key_files_are_their_owners_alone(keys, tmp_path):
    keys.save_node("Anna", NodeKeys.generate())
    keys.save_master("grid", MasterKeys.generate())
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)] == [0o600, 0o600]


def test_keys_are_never_overwritten(keys):
    own = NodeKeys.generate()
    keys.save_node("Anna", own)
    for save in (
        lambda: keys.save_node("Anna", NodeKeys.generate()),
        lambda: keys.save_master("Anna", MasterKeys.generate()),
    ):
        with pytest.raises(InvalidValue, match="never overwritten"):
            save()
    assert keys.load_node("Anna").address == own.address


def test_a_missing_file_is_named(keys, tmp_path):
    with pytest.raises(InvalidValue, match=str(tmp_path)):
        keys.load_node("Anna")


def test_a_nodes_file_is_no_masters(keys):
    keys.save_node("grid", NodeKeys.generate())
    with pytest.raises(InvalidValue, match="sealer"):
        keys.load_master("grid")


@given(
    content=st.binary(max_size=50)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
        lambda value: json.dumps({"signing": value, "encryption": value}).encode()
    )
)
def test_a_file_that_holds_no_keys_is_named(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "Anna.json").write_bytes(content)
    with pytest.raises(InvalidValue):
        KeyFolder(folder).load_node("Anna")


@given(data=st.data())
def test_a_key_with_a_wrong_digit_is_named_instead_of_losing_every_order(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("keys")
    keys = KeyFolder(folder)
    keys.save_master("grid", MasterKeys.generate())
    (path,) = folder.glob("*.json")
    text = path.read_text("utf-8")
    place = data.draw(st.sampled_from([place for place, letter in enumerate(text) if letter in "0123456789abcdef"]))
    path.write_text(text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :], "utf-8")
    with pytest.raises(InvalidValue, match=r"grid\.json"):
        keys.load_master("grid")
