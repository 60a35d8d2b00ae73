"""Communities 园区: nodes of one master that share what some of them generate."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.region.fields import Fields, toml_text
from gridbourse.region.names import require_name
from gridbourse.rules.sharing import SharingKey, equal_keys

_WHOLE_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class CommunitySpec:
    """A community.

    Parameters
    ----------
    name
        Different from every other of its master.
    key
        How it shares.
    plants
        Nodes whose fed in energy is shared.
    members
        Nodes among which it is.
    shares_permille
        Of each member, for keys that stand; their sum is 1000. Empty for equal ones.

    Raises
    ------
    InvalidValue
        Nobody is in it, somebody twice, or the shares are none.
    """

    name: str
    key: SharingKey
    plants: tuple[str, ...]
    members: tuple[str, ...]
    shares_permille: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_name("master.community.name", self.name)
        for field, nodes in (("plants", self.plants), ("members", self.members)):
            if not nodes or len(set(nodes)) < len(nodes):
                raise InvalidValue(f"master.community.{field}", list(nodes), "names of nodes, each once")
        shares = self.shares_permille
        is_whole = len(shares) == len(self.members) and min(shares) >= 0 and sum(shares) == _WHOLE_PERMILLE
        if shares and not is_whole:
            remedy = f"a whole number for each of {len(self.members)} members, 1000 in all; or nothing for equal shares"
            raise InvalidValue("master.community.shares_permille", list(shares), remedy)

    @property
    def keys(self) -> tuple[Fraction, ...]:
        """What of the generation is each member's, where keys stand."""
        if not self.shares_permille:
            return equal_keys(len(self.members))
        return tuple(Fraction(share, _WHOLE_PERMILLE) for share in self.shares_permille)

    @classmethod
    def read(cls, fields: Fields) -> CommunitySpec:
        """Read a table ``[[master.community]]``. Raises `InvalidValue`."""
        spec = cls(
            fields.take("name", str),
            fields.word("key", SharingKey) or SharingKey.DYNAMIC,
            tuple(map(str, fields.take("plants", list))),
            tuple(map(str, fields.take("members", list))),
            fields.integers("shares_permille"),
        )
        fields.require_empty()
        return spec

    def lines(self) -> list[str]:
        """The same table, as it is written."""
        plants, members = (", ".join(map(toml_text, names)) for names in (self.plants, self.members))
        lines = ["", "[[master.community]]", f"name = {toml_text(self.name)}", f"key = {toml_text(self.key)}"]
        lines += [f"plants = [{plants}]", f"members = [{members}]"]
        if self.shares_permille:
            lines += [f"shares_permille = {list(self.shares_permille)}"]
        return lines

    def require_nodes(self, known: Collection[str]) -> None:
        """Refuse nodes that are not its master's. Raises `InvalidValue`."""
        strangers = sorted({*self.plants, *self.members} - set(known))
        if strangers:
            raise InvalidValue(f"community {self.name}", strangers, "function nodes of the same master")
