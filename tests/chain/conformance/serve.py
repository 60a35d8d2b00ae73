"""Serves the chain in a file by JSON-RPC until it is killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from probe import GENESIS, SEALER

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.server import RpcServer


def main(path: Path, port: int) -> None:
    with EmbeddedChain(path, GENESIS, SEALER) as chain, RpcServer(chain, port=port):
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
