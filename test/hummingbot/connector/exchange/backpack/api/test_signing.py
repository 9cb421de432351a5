"""Signatures, checked with PyNaCl's own verifier, and key pairs that cannot work."""

import base64
import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from hummingbot.connector.exchange.backpack.api import signing
from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    ExecuteOrder,
    ExecuteOrders,
    GetStatus,
)
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side
from hummingbot.connector.exchange.backpack.api.signing import (
    CredentialsError,
    Signer,
    generate_key_pair,
    signed_text,
    verify,
)

NOW_MS = 1_795_000_000_123
# RFC 8032, section 7.1, tests 1 and 2: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "r",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
]


def b64(hexadecimal):
    """Base64 of hexadecimal digits."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def accepted(api_key, signature, message):
    """Whether PyNaCl's verifier, which shares no code with ours, accepts a signature."""
    try:
        VerifyKey(base64.b64decode(api_key)).verify(message.encode(), base64.b64decode(signature))
    except BadSignatureError:
        return False
    return True


# --- the signed text ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parts", "timestamp_ms"),
    [
        ("cancel", [("orderCancel", {"symbol": "BTC_USDT", "orderId": "28"})], 1614550000000),
        (
            "query",
            [("orderQueryAll", {"symbol": "SOL_USDC", "marketType": "SPOT", "limit": 100})],
            1,
        ),
        ("no_params", [("balanceQuery", {})], 1614550000000),
        (
            "batch",
            [
                (
                    "orderExecute",
                    {
                        "symbol": "SOL_USDC_PERP",
                        "side": "Bid",
                        "orderType": "Limit",
                        "price": price,
                        "quantity": quantity,
                    },
                )
                for price, quantity in (("141", "12"), ("140", "11"))
            ],
            1750793021519,
        ),
        ("ws", [("subscribe", {})], 1614550000000),
    ],
)
def test_signed_text_is_that_of_the_sample(sample, name, parts, timestamp_ms):
    """The vendor's worked examples, and other clients'."""
    expected = sample("signing_strings")
    assert set(expected) == {"cancel", "query", "no_params", "batch", "ws"}
    assert signed_text(parts, timestamp_ms=timestamp_ms, window_ms=5000) == expected[name]


def test_signed_text_of_our_requests_is_that_of_the_sample(sample):
    """The same texts, out of typed requests."""
    expected = sample("signing_strings")
    orders = tuple(
        ExecuteOrder(
            symbol="SOL_USDC_PERP",
            side=Side.BID,
            order_type=OrderType.LIMIT,
            price=Decimal(price),
            quantity=Decimal(quantity),
        )
        for price, quantity in (("141", "12"), ("140", "11"))
    )
    batch = ExecuteOrders(orders=orders).signed_parts()
    assert signed_text(batch, timestamp_ms=1750793021519, window_ms=5000) == expected["batch"]
    cancel = CancelOrder(symbol="BTC_USDT", order_id="28").signed_parts()
    assert signed_text(cancel, timestamp_ms=1614550000000, window_ms=5000) == expected["cancel"]


def test_signed_text_has_raw_values_and_time_last():
    """Nothing is encoded, nothing of the time is sorted in, lists repeat their key."""
    parameters = {
        "zone": "a b&c=%",
        "marketType": ["SPOT", "PERP"],
        "flag": True,
        "other": False,
        "count": 0,
        "Upper": "x",
    }
    assert signed_text([("test", parameters)], timestamp_ms=9, window_ms=60_000) == (
        "instruction=test&Upper=x&count=0&flag=true&marketType=SPOT&marketType=PERP&other=false"
        "&zone=a b&c=%&timestamp=9&window=60000"
    )


VALUES = st.text(max_size=5) | st.integers() | st.booleans() | st.lists(st.text(max_size=3))
PARAMETERS = st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=6)


@given(st.data(), PARAMETERS)
def test_signed_text_does_not_depend_on_the_order_of_the_keys(data, parameters):
    """The exchange sorts them itself."""
    shuffled = dict(data.draw(st.permutations(list(parameters.items()))))
    assert signed_text([("i", shuffled)], timestamp_ms=1, window_ms=2) == signed_text(
        [("i", parameters)], timestamp_ms=1, window_ms=2
    )


# --- signatures -----------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_signature_is_the_published_one(seed, public, message, signature):
    """Test vectors of the standard."""
    assert Signer(b64(public), b64(seed)).sign(message) == b64(signature)


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.text())
def test_signature_of_any_text_verifies_independently(seed, message):
    """With any key pair; the key is the one PyNaCl derives."""
    api_key, api_secret = generate_key_pair(seed)
    assert base64.b64decode(api_key) == bytes(SigningKey(seed).verify_key)
    signature = Signer(api_key, api_secret).sign(message)
    assert accepted(api_key, signature, message)
    assert verify(api_key, signature, message)


def test_headers_of_every_private_request_verify(requests, signer, key_pair):
    """Signature over the text of the request; time and window as sent."""
    private = [request for request in requests.values() if request.instruction]
    assert len(private) == 11
    for request in private:
        headers = signer.headers(request, timestamp_ms=NOW_MS, window_ms=60_000)
        assert set(headers) == {"X-API-Key", "X-Signature", "X-Timestamp", "X-Window"}
        assert (headers["X-Timestamp"], headers["X-Window"]) == ("1795000000123", "60000")
        assert headers["X-API-Key"] == key_pair[0]
        message = signed_text(request.signed_parts(), timestamp_ms=NOW_MS, window_ms=60_000)
        assert accepted(key_pair[0], headers["X-Signature"], message)


def test_headers_window_is_five_seconds_unless_told(requests, signer, key_pair):
    """The default of the exchange, sent and signed."""
    headers = signer.headers(requests["GetAccount"], timestamp_ms=NOW_MS)
    assert headers["X-Window"] == "5000"
    message = f"instruction=accountQuery&timestamp={NOW_MS}&window=5000"
    assert accepted(key_pair[0], headers["X-Signature"], message)


def test_headers_of_a_public_request_are_none(requests, signer):
    """A key that is not needed is not sent."""
    public = [request for request in requests.values() if request.instruction is None]
    assert len(public) == 10
    assert [signer.headers(request, timestamp_ms=NOW_MS) for request in public] == [{}] * 10


def test_subscription_is_four_strings_that_verify(signer, key_pair):
    """Topics are not part of the text."""
    api_key, signature, timestamp, window = signer.subscription(timestamp_ms=NOW_MS)
    assert (api_key, timestamp, window) == (key_pair[0], "1795000000123", "5000")
    message = "instruction=subscribe&timestamp=1795000000123&window=5000"
    assert accepted(key_pair[0], signature, message)
    assert signer.subscription(timestamp_ms=NOW_MS, window_ms=7)[3] == "7"


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "ABC_USDT"},
        {"side": Side.ASK},
        {"order_type": OrderType.MARKET},
        {"price": Decimal("2.50")},
        {"price": None},
        {"quantity": Decimal(41)},
        {"client_id": 8},
        {"client_id": None},
        {"post_only": False},
        {"reduce_only": False},
    ],
    ids=str,
)
def test_signature_breaks_with_any_change_of_a_parameter(signer, key_pair, change):
    """Even where the value stays the same number."""
    order = ExecuteOrder(
        symbol="ABC_USDC",
        side=Side.BID,
        order_type=OrderType.LIMIT,
        price=Decimal("2.5"),
        quantity=Decimal(40),
        client_id=7,
        post_only=True,
    )
    signature = signer.headers(order, timestamp_ms=NOW_MS)["X-Signature"]
    changed = msgspec.structs.replace(order, **change)

    def verifies(parts, **times):
        message = signed_text(parts, **({"timestamp_ms": NOW_MS, "window_ms": 5000} | times))
        return accepted(key_pair[0], signature, message)

    assert verifies(order.signed_parts())
    assert not verifies(changed.signed_parts())
    assert not verifies(order.signed_parts(), timestamp_ms=NOW_MS + 1)
    assert not verifies(order.signed_parts(), window_ms=5001)
    assert not verifies([("orderCancel", order.parameters())])
    assert not verifies([*order.signed_parts(), *order.signed_parts()])


def test_verify_refuses_the_signature_of_another_key(signer, key_pair, other_key_pair):
    """And of another text."""
    signature = signer.sign("text")
    assert verify(key_pair[0], signature, "text")
    assert not verify(other_key_pair[0], signature, "text")
    assert not verify(key_pair[0], signature, "text ")


@pytest.mark.parametrize("stray", ["!", " ", "\n", "-"])
def test_verify_of_a_signature_with_stray_characters_is_a_value_error(signer, key_pair, stray):
    """A signature that does not decode has an answer of its own, whatever it would be without."""
    signature = signer.sign("text")
    for spoiled in (stray + signature, signature[:9] + stray + signature[9:]):
        with pytest.raises(ValueError, match=r"."):
            verify(key_pair[0], spoiled, "text")
    with pytest.raises(ValueError, match=r"."):
        verify(stray + key_pair[0], signature, "text")


@pytest.mark.parametrize(
    ("api_key", "signature"),
    [
        ("", "A" * 86 + "=="),
        ("not base64!", "A" * 86 + "=="),
        ("ключ", "A" * 86 + "=="),
        ("A" * 43 + "=", ""),
        ("A" * 43 + "=", "A" * 43 + "="),
        ("A" * 43 + "=", "A" * 85 + "!=="),
        ("A" * 86 + "==", "A" * 86 + "=="),
    ],
)
def test_verify_of_what_is_no_key_or_signature_is_a_value_error(api_key, signature):
    """A server has another answer for these than for a wrong signature."""
    with pytest.raises(ValueError, match=r"."):
        verify(api_key, signature, "text")


@settings(max_examples=200)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.text())
def test_verify_of_any_key_and_signature_is_false(api_key, signature, message):
    """Nobody passes by chance, and no key makes the check itself fail."""
    assert verify(b64(api_key.hex()), b64(signature.hex()), message) is False


ANY_TEXT = st.text() | st.binary(max_size=70).map(lambda raw: b64(raw.hex()))


@settings(max_examples=200)
@given(ANY_TEXT, ANY_TEXT, st.text())
def test_verify_of_anything_is_false_or_a_value_error(api_key, signature, message):
    """Whatever a client sends, the server's check does not fall over."""
    with contextlib.suppress(ValueError):
        assert verify(api_key, signature, message) is False


# --- key pairs ------------------------------------------------------------------------------

NEITHER_SHOWN = "neither key nor secret is in the text"


@pytest.fixture
def refused():
    """The message with which a pair is refused; it must hold neither half of it."""

    def message_of(api_key, api_secret):
        with pytest.raises(CredentialsError) as caught:
            Signer(api_key, api_secret)
        shown = f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"
        for part in (api_key, api_secret):
            if len(part) > 8:
                assert part not in shown, NEITHER_SHOWN
                assert part.strip()[:10] not in shown, NEITHER_SHOWN
        assert caught.value.__context__ is None
        return str(caught.value)

    return message_of


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_key_pair_that_is_empty_names_what_is_missing(refused, key_pair, blank):
    """And where to get it."""
    assert "The Backpack API key is empty." in refused(blank, key_pair[1])
    assert "The Backpack API secret is empty." in refused(key_pair[0], blank)
    both = refused(blank, blank)
    assert both.startswith("The Backpack API key and the API secret are empty.")
    assert "backpack.exchange" in both


def test_key_pair_swapped_says_so(refused, key_pair):
    """The most common mistake."""
    assert "are swapped" in refused(key_pair[1], key_pair[0])


def test_key_pair_swapped_with_a_long_secret_says_so_too(refused, key_pair):
    """A secret of 64 bytes in the place of the key."""
    long = base64.b64encode(base64.b64decode(key_pair[1]) + base64.b64decode(key_pair[0])).decode()
    assert "are swapped" in refused(long, key_pair[0])


def test_key_pair_with_a_long_secret_twice_does_not_claim_a_swap(refused, key_pair):
    """The key is what is wrong here."""
    long = base64.b64encode(base64.b64decode(key_pair[1]) + base64.b64decode(key_pair[0])).decode()
    message = refused(long, long)
    assert "swapped" not in message
    assert "API key" in message


@pytest.mark.parametrize("cut", [1, 2, 4, 20, 43])
def test_key_pair_truncated_names_the_part_and_its_length(refused, key_pair, cut):
    """Characters are counted for the trader."""
    api_key, api_secret = key_pair
    assert f"API key is not complete or not base64: it has {44 - cut} characters" in refused(
        api_key[:-cut], api_secret
    )
    assert f"API secret is not complete or not base64: it has {44 - cut} characters" in refused(
        api_key, api_secret[:-cut]
    )


@pytest.mark.parametrize("prefix", ["", "0x"])
@pytest.mark.parametrize("count", [32, 64])
def test_key_pair_in_hexadecimal_digits_says_so(refused, key_pair, prefix, count):
    """Some tools show keys that way."""
    digits = (base64.b64decode(key_pair[1]) * 2)[:count].hex()
    assert "API secret looks like hexadecimal" in refused(key_pair[0], prefix + digits)
    assert "API key looks like hexadecimal" in refused(prefix + digits.upper(), key_pair[1])


@pytest.mark.parametrize("spoil", ["'{}'", "{} {}", "{}!", "ключ{}", "{}\x00", "-{}"])
def test_key_pair_with_foreign_characters_is_not_base64(refused, key_pair, spoil):
    """Quotes, blanks within, other alphabets."""
    api_key, api_secret = key_pair
    assert "not base64" in refused(api_key, spoil.format(api_secret, api_secret))
    assert "not base64" in refused(spoil.format(api_key, api_key), api_secret)


def test_key_pair_mismatched_says_that_the_halves_are_of_different_pairs(
    refused, key_pair, other_key_pair
):
    """Found before the first request."""
    assert "does not belong to the API key" in refused(key_pair[0], other_key_pair[1])
    assert "does not belong to the API key" in refused(other_key_pair[0], key_pair[1])
    assert "does not belong to the API key" in refused(key_pair[0], key_pair[0])


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_key_pair_of_unrelated_seeds_never_signs(seed, other):
    """Any two different seeds."""
    pair, unrelated = generate_key_pair(seed), generate_key_pair(other)
    if seed == other:
        assert Signer(pair[0], unrelated[1]).api_key == pair[0]
        return
    with pytest.raises(CredentialsError):
        Signer(pair[0], unrelated[1])


@given(st.text(), st.text())
def test_key_pair_of_any_text_is_refused_with_words(api_key, api_secret):
    """Never with another exception."""
    with pytest.raises(CredentialsError, match="Backpack"):
        Signer(api_key, api_secret)


@pytest.mark.parametrize("around", ["{}\n", "  {}", "\t{}\r\n"])
def test_key_pair_with_blanks_around_works(key_pair, around):
    """As it comes from the clipboard."""
    signer = Signer(*(around.format(part) for part in key_pair))
    assert signer.api_key == key_pair[0]


def test_key_pair_with_a_secret_of_seed_and_public_key_works(key_pair, signer):
    """Some tools keep both: the first half signs."""
    long = base64.b64decode(key_pair[1]) + base64.b64decode(key_pair[0])
    other = Signer(key_pair[0], base64.b64encode(long).decode())
    assert other.sign("text") == signer.sign("text")


@pytest.mark.parametrize("length", [16, 31, 33, 48, 63, 65])
def test_key_pair_with_a_secret_of_another_length_is_refused(refused, key_pair, length):
    """Valid base64 alone is not enough."""
    secret = base64.b64encode(bytes(range(1, length + 1))).decode()
    assert f"it has {len(secret)} characters" in refused(key_pair[0], secret)


def test_signer_shows_neither_key_nor_secret(signer, key_pair):
    """In no text that a log may hold."""
    shown = f"{signer!r} {signer!s} {[signer]}"
    assert shown == "Signer(<hidden>) Signer(<hidden>) [Signer(<hidden>)]"
    assert key_pair[1] not in shown
    assert not hasattr(signer, "__dict__")


def test_signed_request_never_carries_the_secret(requests, signer, key_pair):
    """Neither in headers nor in the subscription."""
    for request in requests.values():
        assert key_pair[1] not in json.dumps(signer.headers(request, timestamp_ms=NOW_MS))
    assert key_pair[1] not in signer.subscription(timestamp_ms=NOW_MS)


def test_generate_key_pair_gives_base64_of_32_bytes_each():
    """The same pair for the same seed, another for another."""
    pair = generate_key_pair(bytes(32))
    assert pair == generate_key_pair(bytes(32)) != generate_key_pair(bytes(31) + b"\x01")
    assert [len(base64.b64decode(part, validate=True)) for part in pair] == [32, 32]
    assert Signer(*pair).headers(GetStatus(), timestamp_ms=NOW_MS) == {}


def test_signing_limits_are_the_exchanges():
    """The default and the greatest window, in milliseconds."""
    assert (signing.DEFAULT_WINDOW_MS, signing.MAX_WINDOW_MS) == (5_000, 60_000)
