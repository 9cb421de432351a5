"""Fails the test in which a secret or a signature is logged, by whatever logger at whatever level.

Nothing is kept of what is logged. Every record is made, as with DEBUG logging on everywhere, and
looked through for pieces of the secrets and signatures that were made in this process; handlers get
to see only what they would have seen otherwise.
"""

import base64
import logging
import re
import traceback
from urllib.parse import unquote

import pytest

# So many characters of a secret or signature in a row are a leak, whatever is around them.
PIECE = 16
# Pieces of all zeros and the like stand in other texts too.
_LEAST_DIFFERENT = 8
# Signatures of the moment: one that is told later than this many others is not noticed.
_SIGNATURES_KEPT = 5_000
# What a signature looks like: the base64 text of 64 bytes.
_SIGNATURE = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")
_LONG_WORD = re.compile(rf"\S{{{PIECE},}}")
_NUMBERS = re.compile(r"(?:\d{1,3}, ){16,}\d{1,3}")
_URL_SAFE = str.maketrans("-_", "+/")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class SecretWatch:
    """Looks through log records.

    Attributes:
        found: a line for each record that told a secret or a signature, without its text.
        records: how many were looked through.
    """

    def __init__(self):
        self.found = []
        self.records = 0
        self._secrets = set()
        self._signatures = set()
        self._older_signatures = set()
        self._signature_count = 0

    # === what must not be told

    def add_secret(self, seed):
        """Every part of a private key (32 bytes), in each form."""
        for form in _forms(seed):
            self._secrets.update(filter(_is_telling, _pieces(form, step=1)))

    def add_signature(self, signature):
        """A signature (base64), of which a piece that is twice as long is noticed."""
        for form in _forms(base64.b64decode(signature)):
            self._signatures.update(_pieces(form, step=PIECE))
        self._signature_count += 1
        if self._signature_count >= _SIGNATURES_KEPT:
            self._older_signatures, self._signatures = self._signatures, set()
            self._signature_count = 0

    # === what is told

    def check(self, record):
        """Look through one record."""
        self.records += 1
        for text in _texts_of(record):
            if kind := self._kind_of_leak(text):
                where = f"{record.name}, {record.levelname}, {record.pathname}:{record.lineno}"
                self.found.append(f"{kind} was logged ({where})")
                return

    def _kind_of_leak(self, text):
        for word in _words_of(text):
            for start in range(len(word) - PIECE + 1):
                piece = word[start : start + PIECE]
                if piece in self._secrets:
                    return "a secret"
                if piece in self._signatures or piece in self._older_signatures:
                    return "a signature"
        return None

    def fail_if_told(self):
        """Fail the running test for what was found since the last time."""
        found, self.found = self.found, []
        if found:
            pytest.fail("; ".join(dict.fromkeys(found)), pytrace=False)

    @staticmethod
    def logs_with_signatures(folder):
        """Log files below a folder, of processes that tests have started, that tell a signature."""
        return [
            file
            for file in folder.rglob("*.log*")
            if file.is_file() and _SIGNATURE.search(file.read_text(errors="replace"))
        ]

    # === where all pass

    def install(self):
        """Look through everything that is logged in this process from now on.

        Not by a handler: a logger's level, `propagate` and `disabled` keep records from those.
        """
        is_enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle

        def handled(logger, record):
            self.check(record)
            if is_enabled(logger, record.levelno):
                handle(logger, record)

        logging.Logger.isEnabledFor = lambda logger, level: True
        logging.Logger.handle = handled
        self._hear_of_new_ones()

    def _hear_of_new_ones(self):
        from hummingbot.connector.exchange.backpack.api import signing

        start, sign = signing.Signer.__init__, signing.Signer.sign
        generate = signing.generate_key_pair

        def started(signer, api_key, api_secret):
            start(signer, api_key, api_secret)
            self.add_secret(base64.b64decode(api_secret.strip())[: signing.KEY_BYTES])

        def signed(signer, message):
            signature = sign(signer, message)
            self.add_signature(signature)
            return signature

        def generated(seed):
            self.add_secret(seed)
            return generate(seed)

        signing.Signer.__init__, signing.Signer.sign = started, signed
        signing.generate_key_pair = generated

    # === pytest's hooks

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        yield
        self.fail_if_told()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        yield
        self.fail_if_told()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item):
        yield
        self.fail_if_told()


def _forms(raw):
    """Bytes as code might let them out; what is percent-encoded or URL-safe is read back first."""
    as_hex = raw.hex()
    yield from (base64.b64encode(raw).decode(), as_hex, as_hex.upper(), repr(raw)[2:-1])


def _pieces(form, step):
    """Pieces of a text, and its end."""
    form = form.translate(_URL_SAFE)
    return {
        form[start : start + PIECE] for start in (*range(0, len(form), step), len(form) - PIECE)
    }


def _is_telling(piece):
    return len(piece) == PIECE and len(set(piece)) >= _LEAST_DIFFERENT


def _texts_of(record):
    """Everything that a handler might write of a record."""
    try:
        yield record.getMessage()
    # What cannot be put together is shown by nobody, but its parts are.
    except Exception:  # noqa: BLE001
        yield str(record.msg)
    if record.args:
        yield repr(record.args)
    if record.exc_info and record.exc_info[1] is not None:
        yield from traceback.format_exception(record.exc_info[1])
    if record.stack_info:
        yield record.stack_info
    for name in vars(record).keys() - _USUAL:
        yield repr(getattr(record, name))


def _words_of(text):
    """The long words of a text in the forms that are known."""
    if "%" in text:
        text = unquote(text)
    for numbers in _NUMBERS.findall(text):
        listed = [int(number) for number in numbers.split(", ")]
        yield "".join(f"{number:02x}" for number in listed)
    yield from _LONG_WORD.findall(text.translate(_URL_SAFE))
