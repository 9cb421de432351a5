"""The account's order history, page after page."""

import math
from collections.abc import AsyncIterator
from itertools import count

from .api.endpoints import GetOrderHistory
from .api.models import HistoricOrder, Symbol, milliseconds
from .api.replies import Rows
from .backpack_constants import HISTORY_PAGE
from .backpack_web_utils import RestClient


async def latest_orders(
    rest: RestClient, *, since_ms: float, symbol: Symbol | None = None
) -> AsyncIterator[Rows[HistoricOrder]]:
    """Pages of the history, newest first, until all orders made since a time were told.

    Args:
        rest: asks the exchange; each page is one of the 30 such requests of a minute.
        since_ms: time of the exchange's clock, ms since the epoch; infinity for one page only.
        symbol: of one market only.

    Raises:
        BackpackError: no answer.
    """
    for page in count():
        offset = page * HISTORY_PAGE or None
        rows = await rest.send_rows(
            GetOrderHistory(symbol=symbol, limit=HISTORY_PAGE, offset=offset)
        )
        yield rows
        told_ms = min((milliseconds(r.created_at_utc) for r in rows.read), default=math.inf)
        if len(rows.read) + len(rows.unreadable) < HISTORY_PAGE or told_ms < since_ms:
            return
