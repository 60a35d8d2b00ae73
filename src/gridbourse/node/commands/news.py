"""What the chains hold, told to web servers on this connection until they read the index themselves."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gridbourse.index.chain_state import MAIN
from gridbourse.index.news import MainBlock, News
from gridbourse.node.chain_reader import ChainReader
from gridbourse.node.node import Region

TOLD_TOGETHER = 200


class NewsHistory:
    """Reads blocks as they come, and keeps them for those who come later; the owner's thread uses it.

    Parameters
    ----------
    region
        The region, opened to be watched.
    publish
        Tells all who follow.
    """

    def __init__(self, region: Region, publish: Callable[[dict[str, Any]], None]) -> None:
        self._reader = ChainReader(region)
        self._publish = publish
        self._told: list[News] = []

    def publish_new(self) -> None:
        """Tell what is new."""
        news = self._reader.news()
        self._told += news
        for event in _events(news):
            self._publish(event)

    def since(self, heights: Mapping[str, int]) -> list[dict[str, Any]]:
        """What lies behind some heights."""
        return list(_events([block for block in self._told if block.head.height > heights.get(_chain_of(block), 0)]))


def read_news(event: Mapping[str, Any]) -> Sequence[News]:
    """Read what was told."""
    news: Sequence[News] = pickle.loads(base64.b64decode(event["news"]))  # noqa: S301 - told by our own node
    return news


def _chain_of(block: News) -> str:
    return MAIN if isinstance(block, MainBlock) else block.master


def _events(news: Sequence[News]) -> Iterator[dict[str, Any]]:
    for first in range(0, len(news), TOLD_TOGETHER):
        content = pickle.dumps(list(news[first : first + TOLD_TOGETHER]), pickle.HIGHEST_PROTOCOL)
        yield {"event": "news", "news": base64.b64encode(content).decode()}
