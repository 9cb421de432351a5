"""Orders, fills and funds as the exchange's REST bodies.

What the recordings show is kept to the letter: a market order's reply has neither `price` nor
`postOnly`, a limit order's no `quoteQuantity`, history rows have both; times are milliseconds in
replies and naive ISO text in histories.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from ..api.models import Market, OrderType
from .events import FillRecord, OrderRecord
from .wire import US_PER_MS, Json, naive_iso, number, optional

# --- orders -------------------------------------------------------------------------------------


def order(record: OrderRecord, market: Market) -> Json:
    """An order as POST, GET and DELETE of ``/order`` show it. `createdAt` in ms."""
    is_limit = record.order_type is OrderType.LIMIT
    row: Json = {
        "clientId": record.client_id,
        "createdAt": record.created_at_us // US_PER_MS,
        "executedQuantity": number(record.executed_quantity),
        "executedQuoteQuantity": number(record.executed_quote_quantity),
        "id": str(record.order_id),
        "orderType": record.order_type.value,
    }
    if is_limit:
        row["postOnly"] = record.post_only
        row["price"] = optional(record.price)
    row["quantity"] = optional(order_quantity(record))
    if not is_limit:
        row["quoteQuantity"] = optional(quote_quantity(record, market))
    row |= {
        "reduceOnly": None,
        "relatedOrderId": None,
        "selfTradePrevention": record.self_trade_prevention.value,
        "side": record.side.value,
        "status": record.status.value,
    }
    row |= _no_stop_loss()
    row |= {"strategyId": None, "symbol": record.symbol}
    row |= _no_take_profit()
    row["timeInForce"] = record.time_in_force.value
    row |= _no_trigger()
    row["triggeredAt"] = None
    return row


def historic_order(record: OrderRecord, market: Market) -> Json:
    """One row of ``/wapi/v1/history/orders``: naive ISO time, `quoteQuantity` on every order."""
    row: Json = {
        "clientId": record.client_id,
        "createdAt": naive_iso(record.created_at_us),
        "executedQuantity": number(record.executed_quantity),
        "executedQuoteQuantity": number(record.executed_quote_quantity),
        "expiryReason": record.expiry_reason,
        "id": str(record.order_id),
        "orderType": record.order_type.value,
        "postOnly": record.post_only if record.order_type is OrderType.LIMIT else None,
        "price": optional(record.price),
        "quantity": optional(order_quantity(record)),
        "quoteQuantity": optional(quote_quantity(record, market)),
        "selfTradePrevention": record.self_trade_prevention.value,
        "side": record.side.value,
        "slippageTolerance": None,
        "slippageToleranceType": None,
        "status": record.status.value,
    }
    row |= _no_stop_loss()
    row |= {"strategyId": None, "symbol": record.symbol, "systemOrderType": None}
    row |= _no_take_profit()
    row["timeInForce"] = record.time_in_force.value
    row |= _no_trigger()
    return row


def order_quantity(record: OrderRecord) -> Decimal | None:
    """Base quantity of an order; of a market order by quote amount what was executed."""
    if record.quantity is None and record.executed_quantity:
        return record.executed_quantity
    return record.quantity


def quote_quantity(record: OrderRecord, market: Market) -> Decimal | None:
    """Quote amount of an order: price times quantity, or a market order's own.

    Recorded market orders by base quantity show the amount rounded up to a tick (3.82 of 3.81428).
    """
    if record.quote_quantity is not None:
        return record.quote_quantity
    if record.price is not None and record.quantity is not None:
        return record.price * record.quantity
    if record.executed_quote_quantity:
        tick = market.filters.price.tick_size
        return (record.executed_quote_quantity / tick).to_integral_value(ROUND_CEILING) * tick
    return None


def _no_stop_loss() -> Json:
    return {"stopLossLimitPrice": None, "stopLossTriggerBy": None, "stopLossTriggerPrice": None}


def _no_take_profit() -> Json:
    return {
        "takeProfitLimitPrice": None,
        "takeProfitTriggerBy": None,
        "takeProfitTriggerPrice": None,
    }


def _no_trigger() -> Json:
    return {"triggerBy": None, "triggerPrice": None, "triggerQuantity": None}


def batch_placed(record: OrderRecord, market: Market) -> Json:
    """Element of a batch reply for an order that was accepted."""
    return {"operation": "Ok", **order(record, market)}


def batch_refused(code: str | None, message: str) -> Json:
    """Element of a batch reply for an order that was refused."""
    return {"operation": "Err", "code": code or "INVALID_ORDER", "message": message}


def fill(record: FillRecord) -> Json:
    """One row of ``/wapi/v1/history/fills``. `clientId` is text here, unlike everywhere else."""
    return {
        "clientId": None if record.client_id is None else str(record.client_id),
        "fee": number(record.fee),
        "feeSymbol": record.fee_symbol,
        "isMaker": record.is_maker,
        "orderId": str(record.order_id),
        "price": number(record.price),
        "quantity": number(record.quantity),
        "side": record.side.value,
        "symbol": record.symbol,
        "systemOrderType": None,
        "timestamp": naive_iso(record.time_us),
        "tradeId": record.trade_id,
    }


# --- account ------------------------------------------------------------------------------------


def balances(funds: Mapping[str, tuple[Decimal, Decimal]]) -> Json:
    """``/api/v1/capital``: available and locked by asset, assets at zero left out."""
    return {
        asset: {"available": number(available), "locked": number(locked), "staked": "0"}
        for asset, (available, locked) in sorted(funds.items())
        if available or locked
    }


def account(fees_bps: tuple[Decimal, Decimal], limit_orders: int) -> Json:
    """``/api/v1/account``; `fees_bps` are maker and taker in basis points."""
    maker_bps, taker_bps = fees_bps
    return {
        "autoBorrowSettlements": True,
        "autoLend": False,
        "autoRealizePnl": True,
        "autoRepayBorrows": True,
        "borrowLimit": "1000000",
        "futuresMakerFee": "2",
        "futuresTakerFee": "5",
        "leverageLimit": "10",
        "limitOrders": limit_orders,
        "liquidating": False,
        "positionLimit": "10000000",
        "spotMakerFee": number(maker_bps),
        "spotTakerFee": number(taker_bps),
        "triggerOrders": 0,
    }


def collateral(funds: Mapping[str, tuple[Decimal, Decimal]], prices: Mapping[str, Decimal]) -> Json:
    """``/api/v1/capital/collateral`` of an account without positions, every asset weighted in full.

    Args:
        funds: available and locked by asset.
        prices: USDC for one unit of an asset; an asset without one counts as nothing.
    """
    rows: list[Json] = []
    equity = locked_equity = Decimal(0)
    for asset, (available, locked) in sorted(funds.items()):
        price = prices.get(asset, Decimal(0))
        value = (available + locked) * price
        equity += value
        locked_equity += locked * price
        rows.append(
            {
                "assetMarkPrice": number(price),
                "availableQuantity": number(available),
                "balanceNotional": number(value),
                "collateralValue": number(value),
                "collateralWeight": "1",
                "lendQuantity": "0",
                "openOrderQuantity": number(locked),
                "symbol": asset,
                "totalQuantity": number(available + locked),
            }
        )
    return {
        "assetsValue": number(equity),
        "borrowLiability": "0",
        "collateral": rows,
        "imf": "1",
        "liabilitiesValue": "0",
        "marginFraction": None,
        "mmf": "0.007",
        "netEquity": number(equity),
        "netEquityAvailable": number(equity - locked_equity),
        "netEquityLocked": number(locked_equity),
        "netExposureFutures": "0",
        "pnlUnrealized": "0",
        "unsettledEquity": "0",
    }
