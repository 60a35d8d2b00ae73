"""Deals that wait for an answer are confirmed where their owners' limits allow it; the others wait for the owners."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.node.jobs.job import Task
from gridbourse.node.offering import consents
from gridbourse.node.region import Region
from gridbourse.node.relay import PendingConfirmation


class Answer:
    """Nodes answer by themselves."""

    name = "answer"
    every_seconds = 0.0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master of whose nodes any may answer."""
        for name, relay in region.relays.items():
            active = [node_id for node_id, limits in relay.limits.items() if limits.active]
            if allowed := consents(region, relay.pending_confirmations(active)):
                yield Task(name, partial(self._confirm, region, allowed))

    def _confirm(self, region: Region, allowed: list[PendingConfirmation]) -> None:
        region.answer(allowed, confirmed=True)
