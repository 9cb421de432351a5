"""What a trader sees while the demo runs: the bot's status in a few lines. Pure."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from hummingbot_backpack.demo_summary import number

_LABELLED = re.compile(r"  (\S[^:]*): (.+)")
# Lines of the strategy's status that are shown, in this order; the rest does not change or is shown
# by these.
_SHOWN = ("Mid price", "Last price", "Quotes", "Not quoting fully", "Fills", "Profit and loss")
_CONNECTION = "Connection"
_INDENT = 8
_LABEL_WIDTH = 17
_NARROWEST = 60


def status_block(elapsed_s: float, snapshot: Mapping[str, Any], width: int) -> str:
    """A few lines about a bot.

    Args:
        elapsed_s: since trading began.
        snapshot: Hummingbot's ``status.json``.
        width: of the terminal, in characters.

    Returns:
        Lines with a label each; the strategy's own text if it labels nothing that is known.
    """
    text = snapshot.get("format_status") or "no status yet"
    labelled = {
        found[1]: found[2] for line in text.splitlines() if (found := _LABELLED.fullmatch(line))
    }
    known = {label: labelled[label] for label in _SHOWN if label in labelled}
    if known:
        if balances := _balances(snapshot):
            known["Balances"] = balances
        if _CONNECTION in labelled:
            known[_CONNECTION] = labelled[_CONNECTION]
        body = "\n".join(_line(label, value, width) for label, value in known.items())
    else:
        body = textwrap.indent(textwrap.dedent(text).strip("\n"), " " * _INDENT)
    return f" {clock(elapsed_s):>{_INDENT - 3}}  {body[_INDENT:]}"


def clock(seconds: float) -> str:
    """Minutes and seconds, such as ``1:05``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def duration(minutes: float) -> str:
    """A time in words, such as ``2 minutes`` or ``30 seconds``."""
    seconds = round(minutes * 60)
    whole, rest = divmod(seconds, 60)
    parts = [f"{whole} minute{'s' * (whole != 1)}"] if whole else []
    if rest or not whole:
        parts.append(f"{rest} second{'s' * (rest != 1)}")
    return " ".join(parts)


def _line(label: str, value: str, width: int) -> str:
    start = f"{'':{_INDENT}}{label:<{_LABEL_WIDTH}}"
    return textwrap.fill(
        value,
        max(width, _NARROWEST),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _balances(snapshot: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{number(float(amount))} {asset}"
        for held in (snapshot.get("balances") or {}).values()
        for asset, amount in sorted(held.items())
    )
