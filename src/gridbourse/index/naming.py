"""From the numbers of the contract to the names of the API, and back."""

from __future__ import annotations

from gridbourse.api.schema import EnergyTypeName, SideName
from gridbourse.market.types import EnergyType, OrderId, Side


def side_name(side: Side) -> SideName:
    """Name of a side."""
    return SideName(side.name.lower())


def side_of(name: SideName) -> Side:
    """The side of a name."""
    return Side[name.upper()]


def type_names(types: EnergyType) -> list[EnergyTypeName]:
    """Names of energy types."""
    return [EnergyTypeName(str(one.name).lower()) for one in EnergyType if one in types]


def type_name(energy_type: EnergyType) -> EnergyTypeName:
    """Name of one energy type."""
    return EnergyTypeName(str(energy_type.name).lower())


def types_of(names: list[EnergyTypeName] | None) -> EnergyType:
    """The energy types of names; all of them if none is named."""
    types = EnergyType(0)
    for name in names or EnergyTypeName:
        types |= EnergyType[name.upper()]
    return types


def order_text(order_id: OrderId) -> str:
    """Write an order's id."""
    return f"{order_id.pack():016x}"
