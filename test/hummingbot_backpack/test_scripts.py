"""The scripts a person starts, and the set-up they share, with a stand-in for Python and pip."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["bench", "compare", "demo", "hummingbot", "soak", "test"]

# Does what the set-up asks of Python; how pip behaves is read from a file beside the project.
STAND_IN = """\
#!/usr/bin/env bash
case "$1 $2" in
    "-c "*) exit 0 ;;
    "--version "*) echo "Python 3.12.99" ;;
    "-m venv")
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "version = 3.12.99" >"$3/pyvenv.cfg"
        ;;
    "-m pip")
        echo "$*" >>"$PROJECT/pip-calls"
        echo "Collecting hummingbot"
        source "$PROJECT/pip-behaviour"
        ;;
esac
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_how_to_use_it_from_any_folder(name, tmp_path):
    result = subprocess.run(
        [ROOT / "scripts" / name, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.lower().startswith("usage:")


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/hummingbot", "scripts/test", ".ci/run"])
def test_it_can_be_executed(name):
    assert (ROOT / name).stat().st_mode & stat.S_IXUSR


class Project:
    """A copy of the scripts in a project of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project with a space"
        shutil.copytree(ROOT / "scripts", self.folder / "scripts")
        (self.folder / "hummingbot_backpack").mkdir()
        for name in ("pyproject.toml", "constraints.txt", "hummingbot_backpack/overlay.pth"):
            (self.folder / name).write_text(f"{name}\n")
        (self.folder / "pip-calls").touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.pyenv = folder / "pyenv"
        self.pip_does("exit 0")

    def add_python(self, place: Path, text: str = STAND_IN) -> Path:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)
        return place

    def pip_does(self, commands: str) -> None:
        (self.folder / "pip-behaviour").write_text(commands + "\n")

    def pip_calls(self) -> list[str]:
        return (self.folder / "pip-calls").read_text().splitlines()

    def start(self, commands: str, **variables: str) -> subprocess.Popen[str]:
        # The tools that the scripts use, and no Python but the test's own.
        tools = self.folder.parent / "tools"
        if not tools.exists():
            tools.mkdir()
            for tool in (
                *("bash", "cat", "cksum", "cp", "cut", "dirname", "env", "grep", "ln", "ls"),
                *("mkdir", "mv", "readlink", "rm", "sed", "sleep", "tail", "touch"),
            ):
                (tools / tool).symlink_to(shutil.which(tool))
        return subprocess.Popen(
            ["bash", "-c", f'. "{self.folder}/scripts/_lib.sh"; {commands}'],
            env={
                "PATH": f"{self.bin}:{tools}",
                "HOME": str(self.folder.parent),
                "PYENV_ROOT": str(self.pyenv),
                "PROJECT": str(self.folder),
                **variables,
            },
            cwd="/",
            # A shell that begins with SIGINT ignored, as in a background job, cannot trap it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(commands, **variables)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def project_with_python(project):
    project.add_python(project.bin / "python3.12")
    return project


BROKEN_SHIM = "#!/usr/bin/env bash\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n"


def test_a_shim_that_fails_is_passed_over_for_pyenvs_own_version(project):
    project.add_python(project.bin / "python3.12", BROKEN_SHIM)
    project.add_python(project.bin / "python3.13")
    found = project.add_python(project.pyenv / "versions/3.12.7/bin/python3")
    assert project.run("find_python").stdout.strip() == str(found)


def test_the_tested_version_is_preferred_to_a_newer_one(project):
    project.add_python(project.bin / "python3.14")
    project.add_python(project.bin / "python3")
    found = project.add_python(project.bin / "python3.12")
    assert project.run("find_python").stdout.strip() == str(found)


def test_a_newer_version_will_do(project):
    found = project.add_python(project.bin / "python3.14")
    assert project.run("find_python").stdout.strip() == str(found)


def test_any_python_that_is_new_enough_will_do(project):
    found = project.bin / "python3"
    found.symlink_to(sys.executable)
    assert project.run("find_python").stdout.strip() == str(found)


def test_the_person_may_choose(project_with_python):
    chosen = project_with_python.add_python(project_with_python.folder.parent / "own/python")
    variables = {"HUMMINGBOT_BACKPACK_PYTHON": str(chosen)}
    assert project_with_python.run("find_python", **variables).stdout.strip() == str(chosen)

    variables = {"HUMMINGBOT_BACKPACK_PYTHON": "/nowhere/python"}
    result = project_with_python.run("set_up", **variables)
    assert result.returncode == 1
    assert "/nowhere/python is no working Python" in result.stderr


def test_without_python_it_says_what_to_install(project):
    result = project.run("set_up; echo not reached")
    assert result.returncode == 1
    assert "not reached" not in result.stdout
    assert "apt-get install python3.12" in result.stderr
    assert not (project.folder / ".venv").exists()
    assert not os.path.lexists(project.folder / ".venv.lock")


def test_the_first_run_installs_and_the_next_one_does_not(project_with_python):
    first = project_with_python.run("set_up && echo ready")
    assert (first.returncode, first.stdout) == (0, "ready\n")
    assert "compiled on the first installation" in first.stderr
    (call,) = project_with_python.pip_calls()
    folder = project_with_python.folder
    assert call.endswith(f"install -c {folder}/constraints.txt -e {folder}[test]")

    second = project_with_python.run("set_up && echo ready")
    assert (second.returncode, second.stdout, second.stderr) == (0, "ready\n", "")
    assert len(project_with_python.pip_calls()) == 1


@pytest.mark.parametrize(
    "name",
    ["pyproject.toml", "constraints.txt", "hummingbot_backpack/overlay.pth"],
)
def test_it_installs_again_when_what_it_depends_on_has_changed(project_with_python, name):
    project_with_python.run("set_up")
    (project_with_python.folder / name).write_text("changed\n")
    project_with_python.run("set_up")
    assert len(project_with_python.pip_calls()) == 2


def test_an_environment_whose_python_has_gone_is_made_anew(project_with_python):
    project_with_python.run("set_up")
    python = project_with_python.folder / ".venv/bin/python"
    python.unlink()
    result = project_with_python.run("set_up && echo ready")
    assert result.stdout == "ready\n"
    assert "does not work any more" in result.stderr
    assert python.exists()


def test_a_folder_that_is_no_environment_is_not_deleted(project_with_python):
    place = project_with_python.folder / ".venv"
    place.mkdir()
    (place / "diary.txt").write_text("x")
    result = project_with_python.run("set_up")
    assert result.returncode == 1
    assert "Move it away" in result.stderr
    assert (place / "diary.txt").exists()


def test_a_failed_installation_shows_the_end_of_the_log_and_what_to_do(project_with_python):
    project_with_python.pip_does("echo \"error: command 'g++' failed\"; exit 1")
    result = project_with_python.run("set_up; echo not reached")
    assert result.returncode == 1
    assert "not reached" not in result.stdout
    assert str(project_with_python.folder / ".venv/install.log") in result.stderr
    assert "error: command 'g++' failed" in result.stderr
    assert "build-essential" in result.stderr

    project_with_python.pip_does("exit 0")
    assert project_with_python.run("set_up").returncode == 0


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_stops_everything_and_is_continued(project_with_python, sign):
    pid_file = project_with_python.folder / "compiler"
    project_with_python.pip_does('sleep 1000 & echo $! >"$PROJECT/compiler"; wait')
    # As started from a terminal: a background job of a shell would ignore SIGINT.
    process = project_with_python.start("set_up; echo not reached")
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip())
    compiler = int(pid_file.read_text())
    process.send_signal(sign)
    output, errors = process.communicate(timeout=30)

    assert process.returncode == 128 + sign
    assert "not reached" not in output
    assert "The next run goes on with it" in errors
    wait_for(lambda: not alive(compiler))
    assert not os.path.lexists(project_with_python.folder / ".venv.lock")

    project_with_python.pip_does("exit 0")
    result = project_with_python.run("set_up && echo ready")
    assert result.stdout == "ready\n"
    assert "Making a Python environment" not in result.stderr


def test_two_runs_at_once_install_once(project_with_python):
    project_with_python.pip_does('until [ -e "$PROJECT/go" ]; do sleep 0.05; done')
    first = project_with_python.start("set_up && echo ready")
    wait_for(project_with_python.pip_calls)
    second = project_with_python.start("set_up && echo ready")
    assert "Waiting for another run" in second.stderr.readline()
    (project_with_python.folder / "go").touch()
    for process in (first, second):
        output, _ = process.communicate(timeout=30)
        assert output == "ready\n"
    assert len(project_with_python.pip_calls()) == 1


def test_the_lock_of_a_killed_run_does_not_hold_anybody_up(project_with_python):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (project_with_python.folder / ".venv.lock").symlink_to(str(gone.pid))
    assert project_with_python.run("set_up && echo ready").stdout == "ready\n"


def test_a_long_installation_shows_that_it_is_alive(project_with_python):
    project_with_python.pip_does('until [ -e "$PROJECT/go" ]; do sleep 0.05; done')
    process = project_with_python.start("_say_every_s=1; set_up")
    for line in process.stderr:
        if " s: Collecting hummingbot" in line:
            break
    else:
        pytest.fail("no sign of life")
    (project_with_python.folder / "go").touch()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_scripts_pass_their_arguments_on(project_with_python):
    project_with_python.run("set_up")
    # Python, once installed, prints what it is asked to run.
    stand_in = '#!/usr/bin/env bash\n[ "$1" = -c ] || printf "%s\\n" "$@"\n'
    project_with_python.add_python(project_with_python.folder / ".venv/bin/python", stand_in)
    for tool in ("ruff", "mypy"):
        project_with_python.add_python(project_with_python.folder / f".venv/bin/{tool}", stand_in)
    scripts = f'"{project_with_python.folder}/scripts'

    result = project_with_python.run(f'{scripts}/hummingbot" connect "back pack"')
    assert result.stdout.splitlines() == ["-m", "hummingbot_backpack", "connect", "back pack"]
    result = project_with_python.run(f'{scripts}/demo" --minutes 1')
    assert result.stdout.splitlines() == ["-m", "hummingbot_backpack.demo", "--minutes", "1"]
    result = project_with_python.run(f'{scripts}/test" -k "a b"')
    assert result.stdout.splitlines()[-4:] == ["-m", "pytest", "-k", "a b"]


@pytest.mark.parametrize("tool", ["ruff", "mypy", "python"])
def test_a_failing_check_fails_the_run_and_the_rest_is_done_all_the_same(project_with_python, tool):
    project_with_python.run("set_up")
    for name in ("ruff", "mypy", "python"):
        status = 1 if name == tool else 0
        stand_in = f'#!/usr/bin/env bash\n[ "$1" = -c ] || {{ echo {name} $1; exit {status}; }}\n'
        project_with_python.add_python(project_with_python.folder / f".venv/bin/{name}", stand_in)
    result = project_with_python.run(f'"{project_with_python.folder}/scripts/test"')
    assert result.returncode != 0
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith("==")] == [
        "ruff check",
        "ruff format",
        "mypy",
        "python -m",
    ]
    assert (f"failed before pytest: {tool}" in result.stderr) is (tool != "python")


def wait_for(condition, timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended but was not waited for yet still has its number.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
