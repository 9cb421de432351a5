"""What every view says of a connector that trades demo money."""

from collections.abc import Iterable

NOTE = "Demo money: the Backpack connector trades on a simulated exchange; no order is real."

# Hummingbot's name of the connector that is never anything else.
CONNECTOR = "backpack_demo"

# How every line of its log begins.
PREFIX = "[demo money]"


def note_for(connectors: Iterable[object]) -> str:
    """The note if one of Hummingbot's connectors is a demo, else an empty text."""
    return NOTE if any(getattr(connector, "is_demo", False) for connector in connectors) else ""
