"""Single fields of a record shown by somebody whose keys lie in a region's folder."""

from __future__ import annotations

from collections.abc import Sequence

from gridbourse.errors import InvalidValue
from gridbourse.ledger.disclosure import Disclosure, disclose
from gridbourse.node.region import Region


def disclose_record(region: Region, master: str, index: int, fields: Sequence[str], *, holder: str) -> Disclosure:
    """Let somebody who can open a record show single fields of it, with what proves them.

    Parameters
    ----------
    region
        The region.
    master
        Name of the master on whose slave chain the record lies.
    index
        The record's number in the log.
    fields
        What to show.
    holder
        Whose keys open the record: a function node, a master (by its encryption node), or ``regulator``.

    Raises
    ------
    InvalidValue
        There is no such master, record, field or holder here, or the record is not anchored yet.
    EnvelopeError
        The record is not sealed to the holder.
    """
    names = [own.name for own in region.spec.masters]
    slave = region.parts.slave(region.main, master, region.masters) if master in names else None
    if slave is None:
        raise InvalidValue("master", master, f"one whose slave chain this folder can read, of {', '.join(names)}")
    keys = region.parts.keys.opening(region.spec, holder)
    return disclose(region.main, names.index(master) + 1, slave, index, fields, keys)
