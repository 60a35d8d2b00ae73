"""What masters, nodes and the region are called on a page: their display names in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gridbourse.region.description import RegionSpec
from gridbourse.text import Language


@dataclass(frozen=True, slots=True)
class ShownNames:
    """The names of a region in one language.

    Parameters
    ----------
    region
        The region's.
    masters, nodes
        Those of the masters and nodes that the description lists, by short name.
    """

    region: str
    masters: Mapping[str, str]
    nodes: Mapping[str, str]

    @classmethod
    def of(cls, spec: RegionSpec, language: Language) -> Self:
        """Read them from a region's description."""
        masters = {master.name: master.display_name.read(language, master.name) for master in spec.masters}
        nodes = {
            node.node_id: node.display_name.read(language, node.node_id)
            for master in spec.masters
            for node in master.nodes
        }
        return cls(spec.display_name.read(language, spec.name), masters, nodes)

    def master(self, name: str) -> str:
        """What a master is called."""
        return self.masters.get(name, name)

    def node(self, node_id: str) -> str:
        """What a function node is called; one that the description does not list by its id."""
        return self.nodes.get(node_id, node_id)
