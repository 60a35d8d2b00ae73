"""Text as every database keeps it: whoever writes a record may write anything."""

from __future__ import annotations


def stored_text(text: str) -> str:
    """Text without what a database refuses: halves of characters, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
