"""How the service is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from starlette.types import Scope

from gridbourse.errors import InvalidValue
from gridbourse.node.jobs.job import JobSchedule

LOCAL = "local"
"""Who comes over no network: a command that opened the region itself."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Settings of a service.

    Parameters
    ----------
    public_url
        Where people and programs reach it, e.g. ``http://127.0.0.1:8000``: the domain of sign-in messages.
    allowed_hosts
        Names it answers to in the `Host` header.
    max_body_bytes
        Largest request body.
    requests_per_second, burst
        What one caller may ask for, lasting and at once: all sessions and tokens of one node, master or the regulator
        together, else an address.
    sign_ins_per_minute
        Attempts to sign in, for one address.
    streams_per_caller
        Event streams that one caller may follow at once.
    connections
        Most HTTP connections at once.
    trusted_proxies
        Networks (CIDR) of the reverse proxies in front, whose `X-Forwarded-For` is believed.
    job_schedule
        How often the region does what masters do.

    Raises
    ------
    InvalidValue
        A trusted proxy is no address and no network.
    """

    public_url: str = "http://127.0.0.1:8000"
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_body_bytes: int = 256 * 1024
    requests_per_second: float = 50.0
    burst: int = 200
    sign_ins_per_minute: float = 10.0
    streams_per_caller: int = 20
    connections: int = 1_000
    trusted_proxies: tuple[str, ...] = ()
    job_schedule: JobSchedule = field(default_factory=JobSchedule)

    def __post_init__(self) -> None:
        for network in self.trusted_proxies:
            try:
                ip_network(network)
            except ValueError as error:
                remedy = "an address, or a network like 10.0.0.0/8"
                raise InvalidValue("trusted_proxies", network, remedy) from error

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS, so that cookies are for TLS only."""
        return self.public_url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """Web origins of its own pages: that of `public_url`, whatever a proxy makes of the scheme on the way.

        A service that only this machine reaches has as many names as this machine has.
        """
        parts = urlsplit(self.public_url)
        port = f":{parts.port}" if parts.port else ""
        names = _LOOPBACK if parts.hostname in _LOOPBACK and not self.is_secure else ()
        return frozenset({f"{parts.scheme}://{parts.netloc}", *(f"{parts.scheme}://{name}{port}" for name in names)})

    def address_of(self, scope: Scope) -> str:
        """The address of whoever sent a request (ASGI scope).

        Each proxy appends the address that it got the request from to `X-Forwarded-For`; so it is read from the end,
        past the proxies that are trusted, and what stands before the first other address is hearsay.
        """
        client = scope.get("client")
        address = client[0] if client else LOCAL
        if not self._is_proxy(address):
            return address
        stated = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for hop in reversed(b",".join(stated).decode("latin-1").split(",")):
            if not (hop := hop.strip()):
                break
            address = hop
            if not self._is_proxy(address):
                break
        return address

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in ip_network(network) for network in self.trusted_proxies)

    @property
    def domain(self) -> str:
        """Host and port of `public_url`."""
        return self.public_url.split("://", 1)[1].split("/", 1)[0]
