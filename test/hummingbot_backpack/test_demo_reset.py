"""``scripts/hummingbot --reset-demo``: what is deleted, and when it is refused."""

import json

import pytest

from hummingbot.connector.exchange.backpack.simulator.state_file import StateFile
from hummingbot_backpack import demo_reset, home


def configure(folder, text):
    (folder / "conf/connectors/backpack_demo.yml").write_text(
        f"connector: backpack_demo\nbackpack_demo_state_file: {json.dumps(text)}\n"
    )


@pytest.fixture
def folder(tmp_path):
    return home.prepare(tmp_path / "home")


@pytest.mark.parametrize(
    "text", ["demo.json", " data/demo.json ", "{tmp}/else/demo.json", "~/d.js"]
)
def test_the_configured_file_goes_and_nothing_else(folder, tmp_path, monkeypatch, text):
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    text = text.format(tmp=tmp_path)
    configure(folder, text)
    place = text.strip().replace("~", str(tmp_path / "user"))
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    other = file.with_name("other.json")
    other.write_text("{}")
    said = demo_reset.reset(folder)
    assert not file.exists()
    assert other.exists()
    assert str(file) in said
    assert "Deleted" in said
    assert "There is no" in demo_reset.reset(folder)


@pytest.mark.parametrize("text", ["", "  ", None])
def test_without_a_state_file_there_is_nothing_to_do(folder, text):
    if text is not None:
        configure(folder, text)
    assert "keeps no state file" in demo_reset.reset(folder)


def test_a_file_in_use_stays(folder):
    configure(folder, "demo.json")
    file = StateFile(folder / "demo.json")
    file.path.write_text("{}")
    file.acquire()
    with pytest.raises(demo_reset.ResetError, match="in use by another running demo"):
        demo_reset.reset(folder)
    assert file.path.exists()
    file.release()
    demo_reset.reset(folder)
    assert not file.path.exists()


def test_a_configuration_that_cannot_be_read_is_named(folder):
    (folder / "conf/connectors/backpack_demo.yml").write_text("a: [")
    with pytest.raises(demo_reset.ResetError, match=r"backpack_demo\.yml cannot be read"):
        demo_reset.reset(folder)


@pytest.mark.timeout(300)
def test_the_command_refuses_while_the_bot_runs_and_works_after_it(hbot):
    assert "keeps no state file" in hbot.run("--reset-demo")
    hbot.connect_demo(state_file="demo.json", balances="USDC=500, SOL=3")
    hbot.run("create", "simple_pmm", "--set=exchange=backpack_demo", "--name=demo.yml")
    hbot.run("start", "demo.yml")
    hbot.wait_for_log("demo", "Network status has changed to NetworkStatus.CONNECTED")
    hbot.run("--reset-demo", code=2)
    assert "in use by another running demo" in hbot.said
    assert "Traceback" not in hbot.said
    file = hbot.home / "demo.json"
    assert file.exists()
    hbot.run("stop")
    assert f"Deleted {file}" in hbot.run("--reset-demo")
    assert not file.exists()
    # With a command it is done before that.
    file.write_text("damaged")
    assert "| USDC  | 500" in hbot.run("--reset-demo", "balance")
    assert "--reset-demo" in hbot.run("--help")
