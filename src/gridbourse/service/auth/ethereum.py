"""Sign-In with Ethereum (ERC-4361): a message that says who signs in where, signed by the key that signs in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from gridbourse.crypto.keys import Address, keccak256, recover
from gridbourse.errors import GridbourseError, SignInRefused
from gridbourse.text import Message

STATEMENT = "Sign in to the gridbourse exchange."
MAX_MESSAGE_CHARACTERS = 2_000
CLOCK_SKEW_SECONDS = 60

# ERC-4361, "Message Format": the whole message, line by line, in this order and no other.
_MESSAGE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<domain>[^\s/?#]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?:(?P<statement>[^\n]+)\n)?\n"
    r"URI: (?P<uri>[^\n]+)\n"
    r"Version: (?P<version>[^\n]+)\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,19})\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,64})\n"
    r"Issued At: (?P<issued_at>[^\n]+)"
    r"(?:\nExpiration Time: (?P<expires_at>[^\n]+))?"
    r"(?:\nNot Before: (?P<not_before>[^\n]+))?"
    r"(?:\nRequest ID: (?P<request_id>[^\n]*))?"
    r"(?:\nResources:(?P<resources>(?:\n- [^\n]+)*))?"
)
# RFC 3339, section 5.6.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """The fields of a message.

    Parameters
    ----------
    domain, uri
        Where it signs in: host and port, and the address of the page or service.
    address
        Who signs in.
    chain_id
        The region's main chain.
    nonce
        Was given out for one sign-in.
    issued_at, expires_at, not_before
        Seconds since the epoch.
    """

    domain: str
    uri: str
    address: Address
    chain_id: int
    nonce: str
    issued_at: float
    expires_at: float | None = None
    not_before: float | None = None

    def text(self) -> str:
        """Write the message."""
        lines = [
            f"{self.domain} wants you to sign in with your Ethereum account:",
            f"{checksum_address(self.address)}",
            "",
            STATEMENT,
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {_time_text(self.issued_at)}",
        ]
        if self.expires_at is not None:
            lines.append(f"Expiration Time: {_time_text(self.expires_at)}")
        return "\n".join(lines)


def verify(message: str, signature: bytes, *, domain: str, chain_id: int, now: float) -> SignInMessage:
    """Check a message and its signature; whether its nonce was given out is the caller's to find out.

    Parameters
    ----------
    message, signature
        The text, and `r || s || v` of `personal_sign` (ERC-191, version 0x45).
    domain, chain_id
        Where it must sign in.
    now
        Seconds since the epoch.

    Raises
    ------
    SignInRefused
        The message is malformed, is for another place or time, or another key signed it.
    """
    if len(message) > MAX_MESSAGE_CHARACTERS or (found := _MESSAGE.fullmatch(message)) is None:
        text = "message: not as ERC-4361 writes it; sign the text that {path} gives"
        raise SignInRefused(Message(text, path="/api/v1/sign-in/message"))
    stated = SignInMessage(
        domain=found["domain"],
        uri=found["uri"],
        address=Address(bytes.fromhex(found["address"][2:])),
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=_seconds("Issued At", found["issued_at"]),
        expires_at=_seconds("Expiration Time", found["expires_at"]) if found["expires_at"] else None,
        not_before=_seconds("Not Before", found["not_before"]) if found["not_before"] else None,
    )
    host = re.match(r"[a-z][a-z0-9+.-]*://([^/?#]+)", stated.uri)
    checks = (
        (found["version"] == "1", Message("Version: give 1")),
        (stated.domain == domain, Message("domain: this is {domain}", domain=domain)),
        (host is not None and host[1] == domain, Message("URI: give one on {domain}", domain=domain)),
        (stated.chain_id == chain_id, Message("Chain ID: this region's is {chain_id}", chain_id=chain_id)),
        (stated.issued_at <= now + CLOCK_SKEW_SECONDS, Message("Issued At: lies in the future")),
        (
            stated.expires_at is None or now < stated.expires_at,
            Message("Expiration Time: is over; ask for a new message"),
        ),
        (stated.not_before is None or now >= stated.not_before, Message("Not Before: is not yet reached")),
    )
    for holds, wrong in checks:
        if not holds:
            raise SignInRefused(wrong)
    if _signer(message, signature) != stated.address:
        text = "signature: not that of {address} over this message"
        raise SignInRefused(Message(text, address=checksum_address(stated.address)))
    return stated


def message_digest(message: str) -> bytes:
    """What `personal_sign` signs (ERC-191, version 0x45)."""
    data = message.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def checksum_address(address: Address) -> str:
    """Write an address with the checksum of ERC-55."""
    digits = address.hex()
    digest = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(check, 16) >= 8 else digit for digit, check in zip(digits, digest, strict=False)
    )


def _signer(message: str, signature: bytes) -> Address | None:
    """Who signed; None if nobody did. The last byte is 27 or 28 with most wallets, 0 or 1 with some."""
    if len(signature) != 65 or signature[64] not in {0, 1, 27, 28}:
        return None
    try:
        return recover(message_digest(message), signature[:64] + bytes([signature[64] % 27]))
    except GridbourseError:
        return None


def _seconds(field: str, text: str) -> float:
    if not _TIME.fullmatch(text):
        raise SignInRefused(Message("{field}: give a time as RFC 3339 writes it", field=field))
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError as error:
        raise SignInRefused(Message("{field}: there is no such time", field=field)) from error


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
