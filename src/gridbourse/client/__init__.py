"""The client of the service: requests as values, and two thin transports that send them.

`market`, `orders`, `chains` and `session` make requests; `Client` and `AsyncClient` send them; `own_keys` signs what
holders of their own keys do not leave to the service.
"""

from gridbourse.client.events import ServerEvent
from gridbourse.client.transport import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ServerEvent"]
