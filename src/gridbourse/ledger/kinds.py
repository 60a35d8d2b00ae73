"""Kinds of records."""

from __future__ import annotations

from enum import IntEnum


class RecordKind(IntEnum):
    """What a record is about."""

    ORDER = 1
    DECISION = 2
    DEAL = 3
    DAY = 4
    NODE = 5
    REPORT = 6
    REVOCATION = 7
    MANDATE = 8
    SCHEDULE = 9
    NOMINATION = 10
    CAPACITY = 11
    STATEMENT = 12
    CANCELLATION = 13
    METER = 14
    METERED = 15
    METERED_TOTAL = 16
    PAYOUT_INSTRUCTION = 17
    PAYOUT_ORDER = 18
    PAYOUT_RESULT = 19
    ASSETS = 20
