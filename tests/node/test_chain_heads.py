"""A chain's file that was lost, shortened or replaced is noticed when its region is opened, by what others recorded."""

import os
import random
import shutil
from multiprocessing import get_context

import pytest
from forged_chain import ChainFile
from small_region import SPEC, Clock, ask, bid

from gridbourse.chain.transaction import Transaction
from gridbourse.errors import ChainCorrupted, InvalidValue
from gridbourse.node.region import Region

NAMES = ("main", "roofs", "grid")


def work(folder):
    with Region.open(folder, clock=Clock()) as region:
        region.offer([("Anna", ask()), ("Bert", bid(price_ticks=3_500))])
        region.anchor()


def replace_with(older, folder, name):
    shutil.copy(older / f"{name}.chain", folder / f"{name}.chain")


@pytest.fixture
def older(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "older")


@pytest.mark.parametrize("name", NAMES)
def test_an_older_copy_of_one_file_is_refused_and_the_newest_is_taken(folder, older, tmp_path, name):
    work(folder)
    newest = shutil.copytree(folder, tmp_path / "newest")
    replace_with(older, folder, name)
    for _ in ("once", "again"):
        with pytest.raises(ChainCorrupted, match="the file ends with block") as caught:
            Region.open(folder, clock=Clock())
    assert caught.value.path == folder / f"{name}.chain"
    assert caught.value.place.startswith("block ")
    assert "put its newest copy back" in caught.value.finding
    assert "gridbourse region restore" in caught.value.finding
    replace_with(newest, folder, name)
    Region.open(folder, clock=Clock()).close()


@pytest.mark.parametrize("name", NAMES)
def test_an_older_copy_that_was_gone_on_with_is_refused(folder, older, name):
    work(folder)
    file = ChainFile(older, SPEC, name, Clock())
    with file.open() as chain:
        for nonce in range(20):
            chain.submit([a_transaction(chain, file.keys.sealer, nonce)])
    replace_with(older, folder, name)
    with pytest.raises(ChainCorrupted, match="the file holds another block") as caught:
        Region.open(folder, clock=Clock())
    assert caught.value.path == folder / f"{name}.chain"


def a_transaction(chain, key, nonce):
    return Transaction(chain.chain_id, nonce, 30_000, key.address, b"").sign(key).raw


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("left", [None, b""], ids=["lost", "emptied"])
def test_a_lost_file_is_named_and_no_new_one_begun(folder, name, left):
    path = folder / f"{name}.chain"
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    with pytest.raises(InvalidValue, match=rf"{name}\.chain is not missing or empty: put its newest copy back"):
        Region.open(folder, clock=Clock())
    assert not path.exists() or path.read_bytes() == b""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", ["journal lost", "journal cut"])
def test_a_journal_that_is_lost_after_a_kill_is_noticed(folder, name, cut):
    kill_at_work(folder)
    journal = folder / f"{name}.chain-journal"
    if cut == "journal lost":
        journal.unlink()
    else:
        journal.write_bytes(b"")
    with pytest.raises(ChainCorrupted) as caught:
        Region.open(folder, clock=Clock())
    assert caught.value.path.name.startswith(f"{name}.chain")


def test_killed_at_work_it_opens_again_with_all_heads(folder):
    chosen = random.Random(12)
    for _ in range(3):
        kill_at_work(folder, rounds=chosen.randrange(1, 4))
        with Region.open(folder, clock=Clock()) as region:
            heights = {chain.path.stem: chain.head().height for chain in region.parts.engines.files.values()}
            region.offer([("Anna", ask())])
            assert region.parts.engines.files["roofs"].head().height > heights["roofs"]


def test_an_anchor_of_more_than_the_slave_chain_holds_is_noticed_where_the_main_chain_lies_elsewhere(folder, older):
    work(folder)
    main = ChainFile(folder, SPEC, "main", Clock())
    for name in ("roofs", "grid"):
        replace_with(older, folder, name)
    with main.open() as chain, pytest.raises(ChainCorrupted, match="the main chain holds an anchor of them") as caught:
        Region.open(folder, clock=Clock(), chains={"main": chain})
    assert caught.value.path == folder / "roofs.chain"
    assert caught.value.place.startswith("blocks ")


def kill_at_work(folder, rounds=2):
    """Let a region write, and its process end without closing anything."""
    process = get_context("spawn").Process(target=_work_and_die, args=(folder, rounds))
    process.start()
    process.join()
    assert process.exitcode == KILLED


KILLED = 9


def _work_and_die(folder, rounds):
    region = Region.open(folder, clock=Clock())
    for number in range(rounds):
        region.offer([("Anna", ask(price_ticks=3_600 + number)), ("Bert", bid(price_ticks=3_500 - number))])
        region.anchor()
    for file in region.parts.engines.files.values():
        file.keep_heads()
    os._exit(KILLED)
