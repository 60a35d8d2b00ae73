"""How a page shows the fields of a record: with their units, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from gridbourse.api.schema import EnergyTypeName
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.text import Translation
from gridbourse.web import formats

_ENERGIES = {"energy_wh", "energy_quota_wh", "reserve_wh", "smallest_wh"}
_PRICES = {"price_ticks", "lowest_sell_ticks", "highest_buy_ticks"}
_ORDERS = {"own_order", "other_order", "order", "replaces"}
_TYPES = {"energy_types", "accepted_types", "energy_type"}


def shower(t: Translation, calendar: DeliveryCalendar) -> Callable[[str, object], object]:
    """How a field is shown, given its name and its value."""

    def shown(name: str, value: object) -> object:
        if isinstance(value, bool):
            return t("yes" if value else "no")
        return _number(name, value, t, calendar) if isinstance(value, int) else _text(name, str(value), t)

    return shown


def _number(name: str, value: int, t: Translation, calendar: DeliveryCalendar) -> object:
    if name in _ENERGIES:
        return Markup("{} {}").format(formats.kwh(value), t("unit.energy"))
    if name in _PRICES:
        return Markup("{} {}").format(formats.price(value), t("unit.price"))
    if name in _ORDERS:
        return f"{value:016x}" if value else "–"
    match name:
        case "period" | "first_period":
            return calendar.dated_span(value)
        case "day":
            return date_text(value)
        case "max_share_permille":
            return f"{value / 10:g} %"
        case "limit_w":
            return f"{value:,} {t('unit.power')}"
        case _:
            return value


def _text(name: str, value: str, t: Translation) -> str:
    if name in _TYPES:
        names = value.split("|")
        is_any = len(names) == len(EnergyTypeName)
        return t("type.any") if is_any else t("list.comma").join(t(f"type.{one}") for one in names)
    match name:
        case "side":
            return t(f"side.{value}")
        case "state":
            return t(f"deal.{value}")
        case "kind":
            return t(f"node.{value}")
        case _:
            return value
