"""The suite's own check of its logs: a check that cannot fail proves nothing."""

import base64
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from hummingbot.connector.exchange.backpack.api.signing import Signer, generate_key_pair

TESTS = Path(__file__).parents[4]


@pytest.fixture
def logger():
    """A logger that nobody else uses."""
    logger = logging.getLogger("hummingbot.of_the_secret_watch")
    yield logger
    logger.propagate, logger.disabled = True, False
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def found(secret_watch):
    """What the watch has found since the last time; it does not fail this test."""

    def taken():
        lines, secret_watch.found = secret_watch.found, []
        return lines

    yield taken
    secret_watch.found = []


@pytest.fixture(params=["secret", "signature"])
def hidden(request):
    """The bytes of a secret or signature that was made just now."""
    key, secret = generate_key_pair(os.urandom(32))
    text = secret if request.param == "secret" else Signer(key, secret).sign("instruction=x")
    return base64.b64decode(text)


def as_base64(raw):
    return base64.b64encode(raw).decode()


FORMS = {
    "base64": as_base64,
    "URL-safe": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "percent-encoded": lambda raw: quote(as_base64(raw), safe=""),
    "hex": bytes.hex,
    "HEX": lambda raw: raw.hex().upper(),
    "bytes": repr,
    "numbers": lambda raw: str(list(raw)),
    "beginning": lambda raw: as_base64(raw)[:18],
    "middle": lambda raw: as_base64(raw)[5:36],
    "end": lambda raw: as_base64(raw)[-18:],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("around", ["{}", "ws://exchange.invalid/?a=1&b={}&c=2", "{{'k': '{}'}}"])
def test_every_form_is_found(logger, found, hidden, form, around):
    """Whole or in part, whatever stands around it."""
    logger.debug(around.format(form(hidden)))
    assert len(found()) == 1


def as_argument(logger, text):
    logger.debug("sent %s", {"headers": [text]})


def as_argument_that_cannot_be_shown(logger, text):
    logger.debug("sent %d", text)


def as_exception(logger, text):
    logger.debug("failed", exc_info=ValueError(text))


def as_cause(logger, text):
    error = OSError("refused")
    error.__cause__ = ValueError(text)
    logger.debug("failed", exc_info=error)


def as_extra(logger, text):
    logger.debug("sent", extra={"request": {"X-Signature": text}})


def as_stack(logger, text):
    parts = {"levelno": logging.DEBUG, "stack_info": f"sign({text})"}
    logger.handle(logging.makeLogRecord(parts))


@pytest.mark.parametrize(
    "tell",
    [
        as_argument,
        as_argument_that_cannot_be_shown,
        as_exception,
        as_cause,
        as_extra,
        as_stack,
    ],
)
def test_it_is_found_wherever_a_record_holds_it(logger, found, hidden, tell):
    """Another handler may write any of it."""
    tell(logger, as_base64(hidden))
    assert len(found()) == 1


@pytest.fixture
def everything_off():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "settings", [{"propagate": False}, {"level": logging.CRITICAL}, {"disabled": True}], ids=str
)
def test_no_setting_of_a_logger_hides_it(logger, found, hidden, everything_off, settings):
    """Hummingbot's own settings of logging keep loggers from telling the root."""
    vars(logger).update(settings)
    logger.debug(as_base64(hidden))
    (line,) = found()
    assert logger.name in line
    assert as_base64(hidden)[:8] not in line


def test_what_is_no_secret_is_not_found(logger, found, secret_watch):
    """API keys are public, and the watch reads what only handlers of DEBUG would get."""
    records = secret_watch.records
    key, _ = generate_key_pair(os.urandom(32))
    logger.debug(
        "connected with %s to %s", key, {"order": 1_795_000_000_123_500, "zeros": "0" * 99}
    )
    logger.debug("asked for %s, %d%%", [9] * 40, 100)
    assert found() == []
    assert secret_watch.records == records + 2


def test_handlers_get_what_they_would_get_without_it(logger, caplog):
    """A record is made for the watch alone where its logger's level keeps it back."""
    logger.setLevel(logging.INFO)
    caplog.set_level(logging.DEBUG)
    logger.debug("not shown")
    logger.info("shown")
    assert [record.getMessage() for record in caplog.records] == ["shown"]


def test_signatures_are_known_until_many_others_were_made(logger, found, secret_watch):
    """What is kept does not grow without end."""
    key, secret = generate_key_pair(os.urandom(32))
    signer = Signer(key, secret)
    first = signer.sign("first")
    for number in range(5_000):
        signer.sign(f"{number}")
    logger.debug(first)
    assert len(found()) == 1
    for number in range(5_000):
        signer.sign(f"{number}")
    logger.debug(first)
    assert found() == []


LEAKS = """
import logging, os
from hummingbot.connector.exchange.backpack.api.signing import generate_key_pair
from hummingbot.connector.exchange.backpack.api.signing import Signer
import pytest

key, secret = generate_key_pair(os.urandom(32))
def log(text): logging.getLogger("quiet").debug(text)

def test_that_tells_nothing(): log(key)
def test_that_tells_a_secret(): log(secret)
def test_that_tells_a_signature(): log(Signer(key, secret).sign("x"))
@pytest.fixture
def leaking():
    yield
    log(secret)
def test_whose_end_tells_a_secret(leaking): pass
def test_after_it(): pass
"""


def test_the_test_that_tells_is_the_one_that_fails(tmp_path):
    """A run of pytest with this suite's own conftest, and tests that leak."""
    folder = tmp_path / "test"
    folder.mkdir()
    for name in ("conftest.py", "secret_watch.py"):
        shutil.copy(TESTS / name, folder)
    (folder / "test_leaks.py").write_text(LEAKS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--import-mode=importlib", "-rA", "--rootdir=.", "test"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    results = {tuple(line.split()[:2]) for line in run.stdout.splitlines()}
    assert {
        ("PASSED", "test/test_leaks.py::test_that_tells_nothing"),
        ("FAILED", "test/test_leaks.py::test_that_tells_a_secret"),
        ("FAILED", "test/test_leaks.py::test_that_tells_a_signature"),
        ("ERROR", "test/test_leaks.py::test_whose_end_tells_a_secret"),
        ("PASSED", "test/test_leaks.py::test_after_it"),
    } <= results, run.stdout
    assert "a signature was logged (quiet, DEBUG" in run.stdout


def test_a_signature_in_a_log_file_is_found(secret_watch, tmp_path):
    """Of processes that tests have started: there nobody looks at the records."""
    key, secret = generate_key_pair(os.urandom(32))
    signature = Signer(key, secret).sign("instruction=subscribe&timestamp=1&window=5000")
    (tmp_path / "exchange.log").write_text(f"ready with key {key}\n")
    assert secret_watch.logs_with_signatures(tmp_path) == []
    leaking = tmp_path / "bot" / "logs_of_a_day.log.1"
    leaking.parent.mkdir()
    leaking.write_text(f"DEBUG headers {{'X-Signature': '{signature}'}}\n")
    assert secret_watch.logs_with_signatures(tmp_path) == [leaking]
    leaking.unlink()  # else the check at the end of the run finds it too
