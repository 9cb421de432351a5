"""The comparison with Hummingbot's own connector: what it runs, what it says, when it gives up."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hummingbot_backpack import compare, compare_run, overlay
from hummingbot_backpack.compare_report import table
from hummingbot_backpack.compare_run import Comparison, Failed, Result, Verdict

ROOT = Path(__file__).parents[2]
ACCEPTED, LOST = "post accepted then timed out", "post cut before arrival"


def test_scenarios_run_against_both_connectors(tmp_path):
    """An order whose answer is lost is adopted here, and told as failed by the other."""
    file = tmp_path / "results.json"
    result = subprocess.run(
        [sys.executable, "-m", "hummingbot_backpack.compare", "--only", "post", "--json", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    results = json.loads(file.read_text())
    ours, built_in = results["ours"], results["built_in"]
    assert list(ours) == list(built_in) == [ACCEPTED, LOST]
    assert {row["verdict"] for row in ours.values()} == {"holds"}
    assert built_in[ACCEPTED]["verdict"] == "fails"
    assert built_in[ACCEPTED]["words"] == "the order was told as failed"
    assert built_in[LOST]["verdict"] == "holds"
    assert result.stdout.splitlines()[2].split() == [*ACCEPTED.split(), "holds", *FAILS.split()]
    assert f"this connector, 1 of 2: {ACCEPTED}: holds" in result.stderr


FAILS = "fails: the order was told as failed"


def test_built_in_connector_gets_our_exchange_and_nothing_else_of_ours():
    """Otherwise it would not be the built-in one that is compared."""
    program = (
        "import importlib.util\n"
        "from hummingbot_backpack import compare_plugin\n"
        "compare_plugin.pytest_load_initial_conftests()\n"
        "import hummingbot.connector.exchange.backpack.simulator.local\n"
        "import hummingbot.connector.exchange.backpack.backpack_exchange as exchange\n"
        "package = 'hummingbot.connector.exchange.backpack'\n"
        "print('site-packages' in exchange.__file__)\n"
        "print(importlib.util.find_spec(package + '.backpack_stream'))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {overlay.DISABLE_VARIABLE: "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["True", "None"]


def test_words_that_are_in_no_name_are_refused(capsys):
    assert compare.main(["--only", "no such thing"]) == 2
    assert "no scenario is called 'no such thing'" in capsys.readouterr().err


def test_tests_that_cannot_be_loaded_are_no_result(tmp_path, monkeypatch):
    """The end of pytest's own output says why."""
    (tmp_path / "conftest.py").write_text("import no_such_module\n")
    monkeypatch.setattr(compare_run, "SCENARIOS", tmp_path)
    with pytest.raises(Failed, match="No module named 'no_such_module'"):
        compare_run.run()


ENDS = """\
import pytest

@pytest.fixture
def bot():
    yield
    raise OSError("cannot stop")

def test_that_holds():
    pass

def test_whose_assertion_speaks():
    assert False, "the book stayed wrong"

def test_that_breaks():
    raise OSError("no way")

def test_that_cannot_be_run():
    pytest.skip("has no such thing")

def test_that_cannot_be_stopped(bot):
    pass
"""


def test_result_says_in_a_few_words_what_went_wrong(tmp_path, monkeypatch):
    """A connector that cannot be stopped is no success either."""
    (tmp_path / "test_ends.py").write_text(ENDS)
    monkeypatch.setattr(compare_run, "SCENARIOS", tmp_path)
    comparison = compare_run.run("t")
    assert comparison.ours.keys() == comparison.built_in.keys()
    for results in (comparison.ours, comparison.built_in):
        ends = {name: (result.verdict, result.words) for name, result in results.items()}
        assert ends == {
            "that holds": (Verdict.HOLDS, ""),
            "whose assertion speaks": (Verdict.FAILS, "the book stayed wrong"),
            "that breaks": (Verdict.FAILS, "OSError: no way"),
            "that cannot be run": (Verdict.NOT_COMPARABLE, "has no such thing"),
            "that cannot be stopped": (Verdict.FAILS, "OSError: cannot stop"),
        }
    assert not comparison.ours_holds


def test_table_shows_each_scenario_and_the_sums():
    comparison = Comparison(
        ours={"one": Result(Verdict.HOLDS, "", 1.0), "two": Result(Verdict.HOLDS, "", 1.0)},
        built_in={
            "one": Result(Verdict.FAILS, "a fill was missed " * 5, 1.0),
            "two": Result(Verdict.NOT_COMPARABLE, "it has none", 1.0),
        },
    )
    lines = [" ".join(line.split()) for line in table(comparison).splitlines()]
    assert "one holds fails: a fill was missed a fill was missed a fill" in lines
    assert "two holds not comparable: it has none" in lines
    assert "holds 2 of 2 0 of 1" in lines


def test_script_can_be_executed_and_explains_itself(tmp_path):
    script = ROOT / "scripts" / "compare"
    assert script.stat().st_mode & stat.S_IXUSR
    result = subprocess.run(
        [script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.lower().startswith("usage:")
