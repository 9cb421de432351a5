"""The committed description of the interface is the one the types give."""

import json
import subprocess
import sys
from pathlib import Path

from hummingbot.connector.exchange.backpack.api.endpoints import ENDPOINTS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_description_is_up_to_date():
    """Whoever changes a type writes the description anew."""
    script = REPOSITORY / "scripts" / "make_api_doc.py"
    made = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr


def test_description_has_every_operation_and_resolves_every_reference():
    """Nothing is missing and no reference leads nowhere."""
    described = json.loads((REPOSITORY / "api-doc" / "openapi.json").read_text())
    operations = {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert {(e.method.value, e.path) for e in ENDPOINTS} == set(operations)
    for endpoint in ENDPOINTS:
        operation = operations[endpoint.method.value, endpoint.path]
        assert operation.get("x-instruction") == endpoint.instruction
    schemas = described["components"]["schemas"]
    for reference in references(described):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(value):
    """Every ``$ref`` inside a JSON value."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)
