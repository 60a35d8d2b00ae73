"""What lies in a region's folder, beside its chains and keys."""

from __future__ import annotations

DESCRIPTION_FILE = "region.toml"
"""Who takes part."""
SERVICE_FILE = "service.sqlite"
"""The web service's own: accounts, sessions, tokens."""
NODE_FILE = "node.sqlite"
"""The node's own: under which keys records were submitted."""
READINGS_FILE = "meter.readings"
"""Accepted meter readings."""
SOCKET_FILE = "node.sock"
"""Where the running node listens."""
INDEX_FILE = "index.sqlite"
"""What the chains hold, to be asked for; it is built again where it is missing."""
INDEX_URL_FILE = "index.url"
"""The URL of a PostgreSQL database that holds the index instead; it may hold a password."""
