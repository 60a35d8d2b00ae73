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
