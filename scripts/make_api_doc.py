#!/usr/bin/env python
"""Write api-doc/openapi.json and api-doc/asyncapi.json from the wire layer's types.

The description cannot differ from the code: it is made from the same types that encode and decode.
`--check` writes nothing and fails if the files are not what they would be.
"""

import argparse
import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec

from hummingbot.connector.exchange.backpack.api import models, streams
from hummingbot.connector.exchange.backpack.api.endpoints import ENDPOINTS, Endpoint, Method
from hummingbot.connector.exchange.backpack.backpack_environments import LIVE

FOLDER = Path(__file__).resolve().parents[1] / "api-doc"
REFERENCE = "#/components/schemas/{name}"
VERSION = "1"
TOPICS = {
    "depth.{symbol}": streams.DepthDiff[models.DepthLevel],
    "depth.{window}.{symbol}": streams.DepthDiff[models.DepthLevel],
    "trade.{symbol}": streams.PublicTrade,
    "bookTicker.{symbol}": streams.BookTicker,
    "ticker.{symbol}": streams.TickerUpdate,
    "kline.{interval}.{symbol}": streams.KlineUpdate,
    "markPrice.{symbol}": streams.MarkPriceUpdate,
    streams.ORDER_UPDATES: streams.AnyOrderUpdate.__value__,
    streams.BALANCE_UPDATES: streams.BalanceUpdate,
}


def openapi() -> dict[str, Any]:
    """Describe every REST operation of the wire layer."""
    fields = {e: msgspec.structs.fields(e) for e in ENDPOINTS}
    types = [e.response for e in ENDPOINTS] + [f.type for e in ENDPOINTS for f in fields[e]]
    described, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    replies = dict(zip(ENDPOINTS, described, strict=False))
    parameters = iter(described[len(ENDPOINTS) :])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        schemas = [(field, next(parameters)) for field in fields[endpoint]]
        paths.setdefault(endpoint.path, {})[endpoint.method.value.lower()] = _operation(
            endpoint, schemas, replies[endpoint]
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Backpack Exchange, as this project uses it",
            "version": VERSION,
            "description": inspect.getdoc(models),
        },
        "servers": [{"url": LIVE.rest_url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Signature",
                    "description": "ED25519 signature of instruction, parameters, time and window.",
                }
            },
        },
    }


def _operation(
    endpoint: type[Endpoint[Any]], schemas: list[tuple[Any, Any]], reply: dict[str, Any]
) -> dict[str, Any]:
    kind = "text/plain" if endpoint.response in {str, int} else "application/json"
    operation: dict[str, Any] = {
        "operationId": endpoint.__name__,
        "description": inspect.getdoc(endpoint),
        "x-rate-limit": endpoint.bucket.value,
        "responses": {
            "200": {"description": "Done.", "content": {kind: {"schema": reply}}},
            "default": {"description": "An error: JSON with code and message, or plain text."},
        },
    }
    if endpoint.instruction is not None:
        operation["security"] = [{"signature": []}]
        operation["x-instruction"] = endpoint.instruction
    if endpoint.method is Method.GET:
        operation["parameters"] = [
            {
                "name": field.encode_name,
                "in": "query",
                "required": field.required,
                "schema": schema,
            }
            for field, schema in schemas
        ]
    else:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": _body(schemas)}},
            "required": True,
        }
    return operation


def _body(schemas: list[tuple[Any, Any]]) -> dict[str, Any]:
    if [field.name for field, _ in schemas] == ["orders"]:
        batch: dict[str, Any] = schemas[0][1]
        return batch  # a bare array
    return {
        "type": "object",
        "properties": {field.encode_name: schema for field, schema in schemas},
        "required": [field.encode_name for field, _ in schemas if field.required],
    }


def asyncapi() -> dict[str, Any]:
    """Describe every stream of the wire layer."""
    payloads, components = msgspec.json.schema_components(
        list(TOPICS.values()), ref_template=REFERENCE
    )
    return {
        "asyncapi": "2.6.0",
        "info": {
            "title": "Backpack streams, as this project uses them",
            "version": VERSION,
            "description": inspect.getdoc(streams),
        },
        "servers": {"live": {"url": LIVE.ws_url, "protocol": "wss"}},
        "channels": {
            topic: {
                "subscribe": {
                    "message": {
                        "payload": {
                            "type": "object",
                            "properties": {"stream": {"type": "string"}, "data": payload},
                            "required": ["stream", "data"],
                        }
                    }
                }
            }
            for topic, payload in zip(TOPICS, payloads, strict=True)
        },
        "components": {"schemas": components},
    }


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    check = parser.parse_args().check
    stale = []
    for name, content in (("openapi.json", openapi()), ("asyncapi.json", asyncapi())):
        encoded = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
        file = FOLDER / name
        if check and (not file.is_file() or file.read_bytes() != encoded):
            stale.append(name)
        elif not check:
            FOLDER.mkdir(exist_ok=True)
            file.write_bytes(encoded)
            print(f"wrote {file.relative_to(FOLDER.parent)}")
    if stale:
        print(f"out of date: {', '.join(stale)}; run scripts/make_api_doc.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
