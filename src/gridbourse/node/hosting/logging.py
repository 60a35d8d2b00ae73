"""What each process of the service begins with: how it logs, and how it collects garbage."""

from __future__ import annotations

import gc
import json
import logging
import sys
from datetime import UTC, datetime

YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER = 50_000, 2, 1_000_000_000


class JsonLines(logging.Formatter):
    """One JSON object for each line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        entry |= json.loads(message) if record.name == "gridbourse.access" else {"message": message}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def begin_process(log_level: int = logging.INFO) -> None:
    """Log to standard error, and search young objects only for garbage.

    What the market's state holds is no garbage, and nobody is answered while it is searched for cycles: the longer, the
    more orders there are. The cycles that requests leave behind are found while they are young.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=log_level, handlers=[handler], force=True)
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)
