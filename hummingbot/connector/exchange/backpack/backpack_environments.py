"""Where an exchange is: a value, so that no other code asks which one it talks to."""

import os
from dataclasses import dataclass
from typing import Protocol

LIVE_REST_URL = "https://api.backpack.exchange"
LIVE_WS_URL = "wss://ws.backpack.exchange"
REST_URL_VARIABLE = "BACKPACK_REST_URL"
WS_URL_VARIABLE = "BACKPACK_WS_URL"


class Environment(Protocol):
    """One exchange."""

    @property
    def name(self) -> str:
        """For messages and the request budget."""

    @property
    def rest_url(self) -> str:
        """Address of all REST operations, without a path; known once it is started."""

    @property
    def ws_url(self) -> str:
        """Address of all streams; known once it is started."""

    async def start(self) -> None:
        """Have the exchange running."""


@dataclass(frozen=True, slots=True)
class OutsideEnvironment:
    """An exchange that runs elsewhere, whatever is done here."""

    name: str
    rest_url: str
    ws_url: str

    async def start(self) -> None:
        """Nothing to do."""


LIVE = OutsideEnvironment("live", LIVE_REST_URL, LIVE_WS_URL)


def outside_environment() -> OutsideEnvironment:
    """The live exchange, or the one that ``BACKPACK_REST_URL`` and ``BACKPACK_WS_URL`` name.

    Raises:
        ValueError: only one of the two variables is set: reads and writes would go to different
            exchanges.
    """
    rest_url = os.environ.get(REST_URL_VARIABLE, "").rstrip("/")
    ws_url = os.environ.get(WS_URL_VARIABLE, "").rstrip("/")
    if bool(rest_url) != bool(ws_url):
        missing = WS_URL_VARIABLE if rest_url else REST_URL_VARIABLE
        msg = (
            f"{missing} is not set although the other address is. Set both {REST_URL_VARIABLE} "
            f"and {WS_URL_VARIABLE} to use another exchange, or neither to use the live one."
        )
        raise ValueError(msg)
    return OutsideEnvironment("custom", rest_url, ws_url) if rest_url else LIVE
