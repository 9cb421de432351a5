"""Arguments of the command line as values; argparse shows the text of an `ArgumentTypeError`."""

import argparse
import re
from collections.abc import Callable
from decimal import Decimal

from .fault_script import parse_fault
from .settings import DEFAULT_BALANCES, AccountSettings

_LARGEST_PORT = 65_535
_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,12})?", re.ASCII)
_FEE = re.compile(r"-?\d{1,4}(\.\d{1,4})?", re.ASCII)
_ASSET = re.compile(r"[A-Za-z0-9.]{1,20}", re.ASCII)


def port(text: str) -> int:
    """A TCP port."""
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a TCP port (0 to 65535)")
    return int(text)


def count(text: str) -> int:
    """A whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text[:9])


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:  # noqa: PLR2004 (also refuses NaN and infinity)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def url(scheme: str) -> Callable[[str], str]:
    """Reads addresses of a scheme, with or without TLS."""

    def read(text: str) -> str:
        if not text.startswith((f"{scheme}://", f"{scheme}s://")):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not an address of {scheme}:// or {scheme}s://"
            )
        return text

    return read


def fault(text: str) -> str:
    """The text of a fault script that makes sense."""
    try:
        return parse_fault(text).text
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e


def fee(text: str) -> Decimal:
    """A fee in basis points."""
    if not _FEE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a fee in basis points, such as 8 or -1.5"
        )
    return Decimal(text)


def balance(text: str) -> tuple[str, Decimal]:
    """An asset and how much of it."""
    asset, separator, amount = text.partition("=")
    if not separator or not _ASSET.fullmatch(asset) or not _AMOUNT.fullmatch(amount):
        raise argparse.ArgumentTypeError(f"{text!r} is not ASSET=AMOUNT, such as USDC=1000")
    return asset, Decimal(amount)


def account(text: str) -> AccountSettings:
    """An account with what is given of keys and balances."""
    name, *parts = text.split(":")
    if not name:
        raise argparse.ArgumentTypeError("an account needs a name")
    # Base64 has no "=" but at its end, so balances are told from keys by their number of parts.
    keys = parts[:2] if len(parts) >= 2 else []  # noqa: PLR2004 (key and secret)
    rest = parts[len(keys) :]
    try:
        (amounts,) = rest or [""]
        balances = dict(map(balance, amounts.split(","))) if amounts else DEFAULT_BALANCES
    except (ValueError, argparse.ArgumentTypeError) as e:
        # The text is not repeated: it may hold a secret.
        raise argparse.ArgumentTypeError("expected NAME[:KEY:SECRET][:USDC=1000,SOL=2]") from e
    api_key, api_secret = keys or ("", "")
    return AccountSettings(name=name, api_key=api_key, api_secret=api_secret, balances=balances)
