"""A changed byte anywhere in a chain's file is found and named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from probe import ALICE, BOB, GENESIS, SEALER, call_data, deploy, signed, store, stores

from gridbourse.chain.block import Header
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.integrity import PAGE_BYTES
from gridbourse.errors import ChainCorrupted

FLIPS = 150


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A cleanly closed chain with calls, reverts, creations and events."""
    path = tmp_path_factory.mktemp("sound") / "chain.sqlite"
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        probe = deploy(chain)
        for first in range(1, 61, 6):
            chain.submit(stores(probe, first, 6))
        chain.submit([signed(BOB, 0, probe, call_data("refuse()")), signed(BOB, 1, probe, call_data("makeChild()"))])
    return path


@pytest.fixture
def copy(sound, tmp_path):
    path = tmp_path / "chain.sqlite"
    shutil.copy(sound, path)
    shutil.copy(f"{sound}-pages", f"{path}-pages")
    return path


def crashed(copy):
    """Only the file itself, as a crash leaves it."""
    copy.with_name("chain.sqlite-pages").unlink()
    return copy


def change(path, statement: str, *arguments: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, arguments)
        assert db.total_changes > 0


def everything(path) -> list:
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        blocks = [chain.block(height) for height in range(1, chain.head().height + 1)]
        return [blocks, list(chain.logs()), list(chain.logs(address=blocks[0].receipts[0].contract_address))]


def flip(path, offset: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def test_every_flipped_byte_of_a_closed_chain_is_found_and_its_page_named(sound, copy):
    size = sound.stat().st_size
    chosen = random.Random(2021)
    for _ in range(FLIPS):
        offset, mask = chosen.randrange(size), chosen.randrange(1, 256)
        flip(copy, offset, mask)
        with pytest.raises(ChainCorrupted) as caught:
            EmbeddedChain(copy, GENESIS, SEALER)
        assert caught.value.place.startswith(f"page {offset // PAGE_BYTES + 1}, ")
        flip(copy, offset, mask)
    assert everything(copy) == everything(sound)


def test_after_a_crash_every_flipped_byte_is_found_or_means_nothing(sound, copy):
    expected = everything(sound)
    size = sound.stat().st_size
    chosen = random.Random(94)
    crashed(copy)
    found = 0
    for _ in range(FLIPS):
        shutil.copy(sound, copy)
        copy.with_name("chain.sqlite-pages").unlink(missing_ok=True)
        flip(copy, chosen.randrange(size), chosen.randrange(1, 256))
        try:
            assert everything(copy) == expected
        except ChainCorrupted:
            found += 1
    assert found > FLIPS / 2


@pytest.mark.parametrize(
    ("statement", "place", "finding"),
    [
        ("UPDATE blocks SET header = zeroblob(9) WHERE height = 4", "block 4", "unreadable header"),
        ("UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 5) WHERE height = 4", "block", "header"),
        ("UPDATE blocks SET changes = zeroblob(9) WHERE height = 4", "block 4", "state changes"),
        ("UPDATE blocks SET changes = x'c0' WHERE height = 4", "block 4", "state changes"),
        ("DELETE FROM blocks WHERE height = 4", "block 4", "missing"),
        ("DELETE FROM blocks WHERE height = 1", "block 1", "missing"),
        ("DELETE FROM blocks WHERE height = 12", "database", "outside the chain"),
        ("DELETE FROM transactions WHERE height = 4 AND position = 2", "block 4", "transaction 2: missing"),
        ("DELETE FROM transactions WHERE height = 4 AND position = 5", "block 4", "transactions are not those"),
        ("UPDATE transactions SET height = 99 WHERE height = 4", "block 4", "transactions are not those"),
        ("UPDATE transactions SET raw = x'02' WHERE height = 4 AND position = 2", "block 4", "transaction 2"),
        ("UPDATE transactions SET hash = x'02' WHERE height = 4 AND position = 2", "block 4", "transaction 2"),
        ("UPDATE transactions SET receipt = x'02' WHERE height = 4 AND position = 2", "block 4", "receipts"),
        ("DELETE FROM logs WHERE height = 4 AND position = 2", "block 4", "transaction 2: the log index"),
        ("UPDATE logs SET topic0 = x'02' WHERE height = 4 AND position = 2", "block 4", "transaction 2: the log index"),
        ("INSERT INTO logs VALUES (x'01', 99, 0, x'02')", "log index", "no event"),
        ("INSERT INTO transactions VALUES (99, 0, x'01', x'02', x'03')", "database", "outside the chain"),
        ("INSERT INTO transactions VALUES (-1, 0, x'01', x'02', x'03')", "database", "outside the chain"),
        ("INSERT INTO blocks VALUES (0, x'01', x'02')", "database", "outside the chain"),
    ],
)
def test_a_row_changed_through_sqlite_is_named(copy, statement, place, finding):
    change(crashed(copy), statement)
    with pytest.raises(ChainCorrupted) as caught:
        EmbeddedChain(copy, GENESIS, SEALER)
    assert caught.value.place.startswith(place)
    assert finding in caught.value.finding
    assert caught.value.path == copy


def test_two_rows_that_changed_places_are_named(copy):
    change(crashed(copy), "UPDATE transactions SET position = 99 WHERE height = 4 AND position = 2")
    change(copy, "UPDATE transactions SET position = 2 WHERE height = 4 AND position = 3")
    change(copy, "UPDATE transactions SET position = 3 WHERE height = 4 AND position = 99")
    with pytest.raises(ChainCorrupted, match="block 4: its transactions are not those"):
        EmbeddedChain(copy, GENESIS, SEALER)


@pytest.mark.parametrize("height", [1, 5, 12])
def test_a_changed_header_is_named_rather_than_its_neighbour(copy, height):
    with closing(sqlite3.connect(crashed(copy))) as db:
        [header] = db.execute("SELECT header FROM blocks WHERE height = ?", (height,)).fetchone()
    for offset in (12, len(header) - 1):
        changed = bytearray(header)
        changed[offset] ^= 1
        change(copy, "UPDATE blocks SET header = ? WHERE height = ?", bytes(changed), height)
        with pytest.raises(ChainCorrupted) as caught:
            EmbeddedChain(copy, GENESIS, SEALER)
        assert caught.value.place == f"block {height}"


def test_a_chain_sealed_anew_by_another_key_is_refused(copy):
    with closing(sqlite3.connect(crashed(copy))) as db:
        [header] = db.execute("SELECT header FROM blocks WHERE height = 12").fetchone()
    for forged in (Header.decode(header), replace(Header.decode(header), sealer=ALICE.address)):
        change(copy, "UPDATE blocks SET header = ? WHERE height = 12", forged.sealed_by(ALICE).encode())
        with pytest.raises(ChainCorrupted, match="block 12"):
            EmbeddedChain(copy, GENESIS, SEALER)


def test_a_block_cut_off_the_end_after_a_crash_leaves_a_sound_shorter_chain(copy):
    change(crashed(copy), "DELETE FROM transactions WHERE height = 12")
    change(copy, "DELETE FROM blocks WHERE height = 12")
    with EmbeddedChain(copy, GENESIS, SEALER) as chain:
        assert chain.head().height == 11


def test_a_truncated_file_is_found(copy):
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) // 2])
    with pytest.raises(ChainCorrupted, match="pages"):
        EmbeddedChain(copy, GENESIS, SEALER)
    with pytest.raises(ChainCorrupted):
        EmbeddedChain(crashed(copy), GENESIS, SEALER)


def test_a_deleted_file_is_found(copy):
    copy.unlink()
    with pytest.raises(ChainCorrupted, match="0 pages"):
        EmbeddedChain(copy, GENESIS, SEALER)


def test_a_write_ahead_log_that_appears_beside_a_closed_chain_is_found(copy):
    copy.with_name("chain.sqlite-wal").write_bytes(b"anything")
    with pytest.raises(ChainCorrupted, match=r"chain.sqlite-wal.*remove it"):
        EmbeddedChain(copy, GENESIS, SEALER)


def test_another_database_is_no_chain(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE other (value)")
    with pytest.raises(ChainCorrupted, match="not the tables of a chain"):
        EmbeddedChain(path, GENESIS, SEALER)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(ChainCorrupted, match="not a database"):
        EmbeddedChain(path, GENESIS, SEALER)


def test_blocks_that_were_sealed_wrongly_are_found_by_running_them_again(tmp_path, monkeypatch):
    path = tmp_path / "chain.sqlite"
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        probe = deploy(chain)
        monkeypatch.setattr("gridbourse.chain.evm.Evm.finish", lambda evm: evm.discard() or ())
        chain.submit([signed(BOB, 0, probe, store(1, 2))])
        monkeypatch.undo()
        with pytest.raises(ChainCorrupted, match="block 2: executing it gives something else"):
            chain.verify()
