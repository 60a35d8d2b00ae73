"""The small region as three organisations: each in a folder of its own, with nobody else's keys."""

from contextlib import ExitStack

from small_region import SPEC

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.suite import suite_named
from gridbourse.network.description import write_region
from gridbourse.network.engines import BLOCK_GAS_LIMIT, MAIN
from gridbourse.network.founding import found, make_keys, share_of
from gridbourse.network.region import Region
from gridbourse.network.rotation import REGULATOR, RegionKeys

NAMES = ("roofs", "grid", REGULATOR)


def make_folder(folder, name):
    """What an organisation does before the founding; returns what it hands in."""
    folder.mkdir()
    spec = share_of(SPEC, name)
    write_region(spec, folder / "region.toml")
    own = [master for master in spec.masters if master.name == name]
    return make_keys(RegionKeys(folder), own, suite_named(spec.suite), regulator=name == REGULATOR)


class Organisations:
    """Everybody's region on one main chain, which all of them know as they know it from a node of theirs."""

    def __init__(self, folder, clock):
        self.folder, self.clock = folder, clock
        self.handed_in = [public for name in NAMES for public in make_folder(folder / name, name)]
        key = SigningKey.generate()
        genesis = Genesis(SPEC.chain_id, key.address, gas_limit=BLOCK_GAS_LIMIT)
        self.main = EmbeddedChain(folder / "main.chain", genesis, key, clock=clock)
        self._opened = ExitStack()

    def found(self):
        found(self.main, SPEC, self.handed_in)

    def open(self, name, **chains):
        region = Region.open(self.folder / name, clock=self.clock, chains={MAIN: self.main, **chains})
        return self._opened.enter_context(region)

    def close(self):
        self._opened.close()
        self.main.close()
