"""What a trader answers when connecting the demo, checked. Light: every start loads it."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Self

DEFAULT_BALANCES = "USDC=10000, SOL=50"
DEFAULT_MARKET = "auto"
DEFAULT_FEES = "8/10"

# Of the exchange's tiers only the first one's spot fees are known to us; there are higher ones.
_TIERS = {"tier1": DEFAULT_FEES}

_ASSET = re.compile(r"[A-Za-z0-9.]{1,20}")
_LARGEST_BALANCE = Decimal(10) ** 12
_LARGEST_FEE_BPS = Decimal(100)
_MARKETS = ("auto", "live", "synthetic")
_REPLAY = "replay:"


def parse_balances(text: str) -> dict[str, Decimal]:
    """Starting balances: ``USDC=10000, SOL=50``.

    Raises:
        ValueError: not of this form; the text says what is wrong with which part.
    """
    balances: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        asset, equals, amount = (piece.strip() for piece in part.partition("="))
        if not equals or not _ASSET.fullmatch(asset):
            raise ValueError(f"'{part}' is not ASSET=AMOUNT. Write for example {DEFAULT_BALANCES}.")
        if asset.upper() in balances:
            raise ValueError(f"{asset.upper()} is given twice.")
        balances[asset.upper()] = _number(amount, f"the amount of {asset}", Decimal(0))
    if not any(balances.values()):
        raise ValueError(f"At least one asset is needed, for example {DEFAULT_BALANCES}.")
    return balances


def parse_market(text: str) -> tuple[str, str]:
    """Where the market comes from: kind and, for a replay, the file.

    Raises:
        ValueError: no such kind.
    """
    text = text.strip()
    if text.lower() in _MARKETS:
        return text.lower(), ""
    if text.lower().startswith(_REPLAY) and text[len(_REPLAY) :].strip():
        return "replay", text[len(_REPLAY) :].strip()
    raise ValueError(
        f"'{text}' is not a market source. Choose auto (the live market if it can be reached), "
        "live, synthetic, or replay:FILE."
    )


def check_replay_file(path: str) -> None:
    """Check, of an answer, that there is such a file to replay.

    Raises:
        ValueError: there is none.
    """
    if path and not Path(path).expanduser().is_file():
        raise ValueError(f"There is no file {path} to replay.")


def parse_fees(text: str) -> tuple[Decimal, Decimal]:
    """Maker and taker fee in basis points: ``8/10``; a negative one is a rebate.

    ``tier1`` stands for those of the exchange's first tier.

    Raises:
        ValueError: not of this form, or more than 100 basis points (1 %).
    """
    fees = _TIERS.get(text.lower().replace(" ", ""), text)
    maker, slash, taker = (piece.strip() for piece in fees.partition("/"))
    if not slash:
        raise ValueError(
            f"'{text}' is not MAKER/TAKER. Write both fees in basis points, such as {DEFAULT_FEES} "
            "for 0.08 % and 0.10 %, or tier1, which is the same. Other tiers go by their fees."
        )
    least = -_LARGEST_FEE_BPS
    return (
        _number(maker, "the maker fee", least, _LARGEST_FEE_BPS),
        _number(taker, "the taker fee", least, _LARGEST_FEE_BPS),
    )


def _number(text: str, what: str, least: Decimal, largest: Decimal = _LARGEST_BALANCE) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"'{text}' is not a number ({what}).") from None
    if not number.is_finite() or not least <= number <= largest:
        raise ValueError(f"{what} is {text}; it must be between {least} and {largest:f}.")
    return number


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What a demo exchange is like.

    Attributes:
        balances: starting balances by asset, as sorted pairs.
        market: ``auto``, ``live``, ``synthetic`` or ``replay``.
        replay_file: recorded stream of a replay.
        maker_fee_bps: basis points of what is received.
        taker_fee_bps: as `maker_fee_bps`.
        state_file: where balances and orders outlive the bot; empty to forget them.
    """

    balances: tuple[tuple[str, Decimal], ...]
    market: str
    replay_file: str
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    state_file: str = ""

    @classmethod
    def parse(cls, balances: str, market: str, fees: str, state_file: str) -> Self:
        """From the texts of the configuration, an empty one standing for its default.

        Raises:
            ValueError: one of them makes no sense; the text says which and why.
        """
        kind, replay_file = parse_market(market or DEFAULT_MARKET)
        maker_fee_bps, taker_fee_bps = parse_fees(fees or DEFAULT_FEES)
        return cls(
            balances=tuple(sorted(parse_balances(balances or DEFAULT_BALANCES).items())),
            market=kind,
            replay_file=replay_file,
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=taker_fee_bps,
            state_file=state_file.strip(),
        )
