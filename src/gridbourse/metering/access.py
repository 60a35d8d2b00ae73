"""Who may do what at a broker of one's own: meters by their keys, the head-end by a password made for it.

================ ===================================================== =================================================
user             password                                              what it may do
================ ===================================================== =================================================
``head-end``     made at the broker's start                            take readings of all meters, ask any for more
``meters``       base64 of 85 bytes for each meter behind the client:  publish readings of these meters, take what they
                 its address and its signature over client id and hour are asked for
================ ===================================================== =================================================

MQTT 3.1.1 has no challenge; so what a meter signs is good for one client id and for the hour before and after.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

from gridbourse.crypto.keys import Address, keccak256, recover
from gridbourse.errors import InvalidValue

HEAD_END, METERS = "head-end", "meters"
HOUR_SECONDS = 3_600
_DOMAIN = b"gridbourse meter connects"
_ADDRESS_BYTES, _SIGNATURE_BYTES = 20, 65
_PROOF_BYTES = _ADDRESS_BYTES + _SIGNATURE_BYTES


def connection_digest(client_id: str, hour: int) -> bytes:
    """What a meter signs to connect: client id and hour since the epoch, behind a label, so that it is no reading."""
    return keccak256(_DOMAIN + hour.to_bytes(8, "big") + client_id.encode())


def password_of(proofs: Iterable[tuple[Address, bytes]]) -> str:
    """Write the password of a client: addresses of meters and their signatures."""
    return base64.b64encode(b"".join(address + signature for address, signature in proofs)).decode()


def proven_meters(password: str, client_id: str, now: int) -> frozenset[Address]:
    """The meters that a password proves to be behind a client.

    Raises
    ------
    InvalidValue
        It is no such password, or a signature in it is not its meter's for this client and hour.
    """
    try:
        raw = base64.b64decode(password, validate=True)
    except ValueError as error:
        raise InvalidValue("password", "no base64", "addresses and signatures of meters") from error
    proofs = [raw[start : start + _PROOF_BYTES] for start in range(0, len(raw), _PROOF_BYTES)]
    if not proofs or len(proofs[-1]) != _PROOF_BYTES:
        raise InvalidValue("password", f"{len(raw)} bytes", f"{_PROOF_BYTES} bytes for each meter")
    hour = now // HOUR_SECONDS
    digests = [connection_digest(client_id, hour + ahead) for ahead in (0, -1, 1)]
    return frozenset(_proven(proof, digests) for proof in proofs)


def _proven(proof: bytes, digests: Iterable[bytes]) -> Address:
    address, signature = Address(proof[:_ADDRESS_BYTES]), proof[_ADDRESS_BYTES:]
    if not any(recover(digest, signature) == address for digest in digests):
        raise InvalidValue("password", f"meter 0x{address.hex()}", "its signature over this client id and hour")
    return address


class AccessList:
    """Who is connected, and what each may do.

    Parameters
    ----------
    head_end_password
        The head-end's.
    """

    def __init__(self, head_end_password: str) -> None:
        self._head_end_password = head_end_password
        self._meters: dict[str, frozenset[Address] | None] = {}
        """By client id, the meters behind it; None for the head-end."""

    def admit(self, client_id: str, user: str | None, password: str | None, now: int) -> bool:
        """Whether a client is let in, whatever it says."""
        if user == HEAD_END and hmac.compare_digest((password or "").encode(), self._head_end_password.encode()):
            self._meters[client_id] = None
            return True
        try:
            proven = proven_meters(password or "", client_id, now) if user == METERS else None
        except InvalidValue:
            proven = None
        if not proven or self._meters.get(client_id, proven) != proven:
            return False
        self._meters[client_id] = proven
        return True

    def allows(self, client_id: str, topic: str, *, publishes: bool) -> bool:
        """Whether a client may publish to a topic, or else subscribe to it and receive what comes there."""
        root, _, *middle, subject = topic.split("/") if topic.count("/") == 4 else ("", "", "", "")
        if client_id not in self._meters or root != "gridbourse" or middle[:1] != ["meters"]:
            return False
        known, meter = self._meters[client_id], middle[1]
        if known is None:
            return subject == ("resend" if publishes else "readings")
        return subject == ("readings" if publishes else "resend") and meter in {address.hex() for address in known}
