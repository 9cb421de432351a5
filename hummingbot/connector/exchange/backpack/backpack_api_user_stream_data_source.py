"""Our orders and balances from the private streams, as typed events for the connector."""

import asyncio
import time
from typing import TYPE_CHECKING, override

from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from .api.errors import DecodeError, SubscriptionRejected
from .api.streams import (
    BALANCE_UPDATES,
    ORDER_UPDATES,
    PRIVATE_EVENTS,
    frame_decoder,
    parse_frame,
)
from .backpack_stream import BackpackStream

if TYPE_CHECKING:
    from .backpack_connector_base import BackpackConnectorBase

_TOPICS = (ORDER_UPDATES, BALANCE_UPDATES)


class BackpackAPIUserStreamDataSource(UserStreamTrackerDataSource):
    """Puts private events into Hummingbot's queue.

    Nothing confirms a subscription, so one counts as accepted when the exchange has answered
    anything else than an error after it; a ping sent right behind it makes sure that there is an
    answer.
    """

    def __init__(self, connector: "BackpackConnectorBase") -> None:
        super().__init__()
        self._connector = connector
        self._decoder = frame_decoder(PRIVATE_EVENTS)
        self._stream = BackpackStream(
            "account", connector.ws_url, self, self.logger(), sleep=self._sleep
        )
        self._output: asyncio.Queue[object] = asyncio.Queue()
        self._subscribed_s: float | None = None

    @property
    def stream(self) -> BackpackStream:
        """The connection, for its health."""
        return self._stream

    @property
    def is_subscribed(self) -> bool:
        """Whether events of our account are coming."""
        return (
            self._subscribed_s is not None
            and self._stream.is_connected
            and self._stream.last_message_s > self._subscribed_s
        )

    @property
    @override
    def last_recv_time(self) -> float:
        age_s = self._stream.age_s if self.is_subscribed else None
        return 0 if age_s is None else time.time() - age_s

    @override
    async def listen_for_user_stream(self, output: "asyncio.Queue[object]") -> None:
        self._output = output
        await self._stream.run()

    async def on_open(self, stream: BackpackStream) -> None:
        """Subscribe, signed anew: a signature is valid for seconds only."""
        await self._connector.ensure_clock()
        await stream.subscribe(_TOPICS, self._connector.auth.subscription())
        self._subscribed_s = time.monotonic()
        await stream.ping()
        # Whatever happened while there was no stream is asked for.
        self._connector.request_reconciliation()

    def on_lost(self) -> None:
        """Events may be missed from now on."""
        self._subscribed_s = None
        self._connector.request_reconciliation()

    def on_message(self, payload: str) -> None:
        """Hand one event on."""
        try:
            self._output.put_nowait(parse_frame(payload, self._decoder))
        except DecodeError as e:
            # An order state that this version does not know, perhaps: what it means is asked for,
            # not guessed.
            self.logger().error(f"Backpack sent an account event that cannot be read: {e}")
            self._connector.request_reconciliation()
        except SubscriptionRejected as e:
            self._subscribed_s = None
            self.logger().error(
                f"{e}. No order or balance events arrive. Check the API key, and that the clock "
                "of this computer is "
                "right; the connector goes on trying."
            )
            raise

    @override
    async def stop(self) -> None:
        await self._stream.close()

    @override
    async def _connected_websocket_assistant(self) -> WSAssistant:
        msg = "the account stream holds its own connection"
        raise NotImplementedError(msg)

    @override
    async def _subscribe_channels(self, websocket_assistant: WSAssistant) -> None:
        await self.on_open(self._stream)
