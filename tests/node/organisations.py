"""The small region as three organisations: each in a folder of its own, with nobody else's keys."""

from contextlib import ExitStack
from dataclasses import replace

from small_region import SPEC

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.crypto.keys import SigningKey
from gridbourse.node.folder.chains import BLOCK_GAS_LIMIT, MAIN, make_token, read_token, token_file
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.folder.setup import found, make_share
from gridbourse.node.region import Region
from gridbourse.region.description import Engine, MainChainSpec
from gridbourse.region.description_file import read_region, write_region

NAMES = ("roofs", "grid", REGULATOR)


class Organisations:
    """Everybody's region on one main chain, which all of them know as they know it from a node of theirs."""

    def __init__(self, folder, clock, spec=SPEC):
        self.folder, self.clock, self.spec = folder, clock, spec
        self.handed_in = [make_share(folder / name, spec, name) for name in NAMES]
        key = SigningKey.generate()
        genesis = Genesis(spec.chain_id, key.address, gas_limit=BLOCK_GAS_LIMIT)
        self.main = EmbeddedChain(folder / "main.chain", genesis, key, clock=clock)
        self._opened = ExitStack()

    def found(self):
        found(self.main, self.spec, self.handed_in)

    def open(self, name, **chains):
        region = Region.open(self.folder / name, clock=self.clock, chains={MAIN: self.main, **chains})
        return self._opened.enter_context(region)

    def serve_main(self):
        """Serve the main chain as a node does, and let all folders name it."""
        server = self._opened.enter_context(RpcServer(self.main, port=0))
        for name in NAMES:
            self.change(name, main_chain=MainChainSpec(Engine.ETHEREUM, server.url))

    def serve_slave(self, name, chain):
        """Let the regulator read a slave chain."""
        token = read_token(self.folder / name, name)
        server = self._opened.enter_context(RpcServer(chain, port=0, token=token, read_only=True))
        masters = read_region(self.folder / REGULATOR / "region.toml").masters
        named = tuple(replace(own, slave_chain_url=server.url) if own.name == name else own for own in masters)
        self.change(REGULATOR, masters=named)
        shown = token_file(self.folder / REGULATOR, name)
        if not shown.exists():
            make_token(self.folder / REGULATOR, name)
        shown.write_text(token)
        return server.url

    def open_remotely(self, name):
        """Open a folder by what it says itself."""
        return self._opened.enter_context(Region.open(self.folder / name, clock=self.clock))

    def change(self, name, **changes):
        path = self.folder / name / "region.toml"
        write_region(replace(read_region(path), **changes), path)

    def close(self):
        self._opened.close()
        self.main.close()
