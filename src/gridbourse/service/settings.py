"""How the service is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from gridbourse.node.jobs import JobSchedule


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
        What one caller may ask for, lasting and at once.
    sign_ins_per_minute
        Attempts to sign in, for one address.
    job_schedule
        How often the region does what masters do.
    """

    public_url: str = "http://127.0.0.1:8000"
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_body_bytes: int = 256 * 1024
    requests_per_second: float = 50.0
    burst: int = 200
    sign_ins_per_minute: float = 10.0
    job_schedule: JobSchedule = field(default_factory=JobSchedule)

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS, so that cookies are for TLS only."""
        return self.public_url.startswith("https://")

    @property
    def domain(self) -> str:
        """Host and port of `public_url`."""
        return self.public_url.split("://", 1)[1].split("/", 1)[0]
