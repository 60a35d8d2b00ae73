"""A changed byte anywhere in a chain's file is found and named."""

from __future__ import annotations

import random
import shutil

import pytest
from probe import BOB, GENESIS, SEALER, call_data, deploy, signed, stores

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.local import ScrubPlace
from gridbourse.errors import ChainCorrupted

FLIPS = 150
STORED_BYTES = 4_104
"""A page of 4,096 bytes and its checksum."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A cleanly closed chain with calls, reverts, creations and events."""
    path = tmp_path_factory.mktemp("sound") / "main.chain"
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        probe = deploy(chain)
        for first in range(1, 61, 6):
            chain.submit(stores(probe, first, 6))
        chain.submit([signed(BOB, 0, probe, call_data("refuse()")), signed(BOB, 1, probe, call_data("makeChild()"))])
    return path


@pytest.fixture
def copy(sound, tmp_path):
    return shutil.copy(sound, tmp_path / "main.chain")


def everything(path) -> list:
    with EmbeddedChain(path, GENESIS, SEALER) as chain:
        blocks = [chain.block(height) for height in range(1, chain.head().height + 1)]
        return [blocks, list(chain.logs()), list(chain.logs(address=blocks[0].receipts[0].contract_address))]


def flip(path, offset: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def test_a_closed_chain_is_one_file_that_proves_itself(copy):
    with EmbeddedChain(copy, GENESIS, SEALER) as chain:
        chain.verify()
    assert [path.name for path in copy.parent.iterdir()] == ["main.chain"]


def test_every_flipped_byte_is_found_by_verification_and_its_page_named(sound, copy):
    written = [page for page in range(1, sound.stat().st_size // STORED_BYTES) if _is_written(sound, page)]
    chosen = random.Random(2021)
    for _ in range(FLIPS):
        page, offset, mask = chosen.choice(written), chosen.randrange(STORED_BYTES), chosen.randrange(1, 256)
        shutil.copy(sound, copy)
        flip(copy, page * STORED_BYTES + offset, mask)
        with pytest.raises(ChainCorrupted) as caught, EmbeddedChain(copy, GENESIS, SEALER) as chain:
            chain.verify()
        assert caught.value.path == copy
        assert caught.value.place.startswith(f"page {page}, bytes {page * STORED_BYTES} to ")
        assert "restore the file from a backup" in caught.value.finding


def _is_written(path, page: int) -> bool:
    return any(path.read_bytes()[page * STORED_BYTES : (page + 1) * STORED_BYTES])


def test_what_is_read_is_what_was_written_or_an_error(sound, copy):
    expected = everything(sound)
    size = sound.stat().st_size
    chosen = random.Random(94)
    found = 0
    for _ in range(FLIPS):
        shutil.copy(sound, copy)
        flip(copy, chosen.randrange(size), chosen.randrange(1, 256))
        try:
            assert everything(copy) == expected
        except ChainCorrupted:
            found += 1
    assert found


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.9])
def test_a_truncated_file_is_found(copy, kept):
    data = copy.read_bytes()
    copy.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ChainCorrupted), EmbeddedChain(copy, GENESIS, SEALER) as chain:
        chain.verify()


def test_the_scrub_goes_round_and_finds_a_flipped_byte_in_a_page_that_nobody_reads(copy):
    page = next(page for page in range(20, 200) if _is_written(copy, page))
    with EmbeddedChain(copy, GENESIS, SEALER) as chain:
        place = chain.scrub(ScrubPlace(), pages=1_000, blocks=5)
        assert place.block == 6
        assert chain.scrub(place, pages=1_000, blocks=1_000) == ScrubPlace(0, chain.head().height + 1)
        flip(copy, page * STORED_BYTES + 7, 1)
        with pytest.raises(ChainCorrupted, match=f"page {page},"):
            chain.scrub(ScrubPlace(), pages=1_000)


def test_a_verification_tells_how_far_it_is_and_executes_only_if_it_is_asked_to(copy):
    told = []
    with EmbeddedChain(copy, GENESIS, SEALER) as chain:
        chain.verify(executes=False, report=lambda *progress: told.append(progress))
        head = chain.head().height
    assert told[0][0] == "pages"
    assert told[-1] == ("blocks", head, head)


def test_another_file_is_no_chain(tmp_path):
    path = tmp_path / "other.chain"
    path.write_bytes(b"no database at all" * 1_000)
    with pytest.raises(ChainCorrupted):
        EmbeddedChain(path, GENESIS, SEALER)


def test_a_journal_of_other_blocks_beside_a_closed_chain_is_refused(sound, copy, tmp_path):
    other = tmp_path / "other.chain"
    chain = EmbeddedChain(other, GENESIS, SEALER)
    for nonce in range(20):
        chain.submit([signed(BOB, nonce, SEALER.address)])
    shutil.copy(f"{other}-journal", f"{copy}-journal")
    chain.close()
    with pytest.raises(ChainCorrupted, match=r"main.chain-journal: block 13: it does not stand on the head"):
        EmbeddedChain(copy, GENESIS, SEALER)
