# Shell library of the scripts in this folder: finds Python and makes the environment in .venv.
# Source it; it defines functions and variables, and does nothing by itself.
#
#   root        the project's folder
#   venv        the environment's folder
#   set_up      makes or updates the environment; quick when there is nothing to do
#   show_help   shows the help of one of our Python modules, and needs no environment

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

_log=$venv/install.log
_stamp=$venv/installed
_lock=$root/.venv.lock
_oldest="3.12"
_say_every_s=15

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# True if the interpreter runs (a pyenv shim may exist and yet fail), is new enough and can make
# environments.
_usable() {
    "$1" -c "import sys, venv; sys.exit(sys.version_info < (${_oldest/./, }))" >/dev/null 2>&1
}

# Print the Python to use. Hummingbot is tested with 3.12, so that is looked for first.
find_python() {
    local candidate minor
    if [ -n "${HUMMINGBOT_BACKPACK_PYTHON:-}" ]; then
        _usable "$HUMMINGBOT_BACKPACK_PYTHON" ||
            die "HUMMINGBOT_BACKPACK_PYTHON=$HUMMINGBOT_BACKPACK_PYTHON is no working Python" \
                "$_oldest or newer (with its venv module). Correct or unset it."
        printf '%s\n' "$HUMMINGBOT_BACKPACK_PYTHON"
        return
    fi
    for minor in 12 13 14; do
        for candidate in "python3.$minor" \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor"*/bin/python3; do
            _usable "$candidate" || continue
            command -v "$candidate"
            return
        done
    done
    for candidate in python3 python; do
        _usable "$candidate" || continue
        command -v "$candidate"
        return
    done
    die "Python $_oldest or newer is needed (with its venv module), and none was found on PATH or" \
        "among pyenv's versions. Install one, then run this again:
  Debian, Ubuntu:  sudo apt-get install python3.12 python3.12-venv python3.12-dev
  macOS:           brew install python@3.12
  anywhere:        pyenv install 3.12
If you have one in another place: HUMMINGBOT_BACKPACK_PYTHON=/path/to/python ${0##*/}"
}

# What an environment depends on: another text here, and it is brought up to date.
_wanted() {
    printf '%s\n' "$root"
    sed -n 's/^version = /python /p' "$venv/pyvenv.cfg" 2>/dev/null
    cat "$root/pyproject.toml" "$root/constraints.txt" "$root/hummingbot_backpack/overlay.pth" |
        cksum
}

_ready() {
    [ -f "$_stamp" ] && [ "$(_wanted)" = "$(cat "$_stamp")" ] && "$venv/bin/python" -c '' 2>/dev/null
}

# Only one of several scripts installs; the others wait for it. The lock is a link that names its
# holder, because a link is made in one step.
_take_lock() {
    local holder told=
    until ln -s "$$" "$_lock" 2>/dev/null; do
        holder=$(readlink "$_lock") || continue
        if ! kill -0 "$holder" 2>/dev/null; then
            rm -f "$_lock" # its script was killed
            continue
        fi
        [ -n "$told" ] || say "Waiting for another run (process $holder) to finish installing."
        told=yes
        sleep 1
    done
}

_installer=
_clean_up() {
    if [ -n "$_installer" ]; then
        kill -TERM -- "-$_installer" 2>/dev/null
        say "Installation interrupted. The next run goes on with it."
    fi
    rm -f "$_lock"
}

# pip, with its output in the log, and a sign of life now and then.
_pip() {
    local started=$SECONDS next=$_say_every_s status
    # A process group of its own, so that interrupting takes pip's compilers along.
    set -m
    "$venv/bin/python" -m pip --disable-pip-version-check install "$@" >"$_log" 2>&1 </dev/null &
    _installer=$!
    set +m
    while kill -0 "$_installer" 2>/dev/null; do
        if [ $((SECONDS - started)) -ge $next ]; then
            say "  $((SECONDS - started)) s: $(_last_step)"
            next=$((next + _say_every_s))
        fi
        sleep 0.2
    done
    wait "$_installer"
    status=$?
    _installer=
    return $status
}

# The newest thing pip says it is doing, in one short line.
_last_step() {
    local step
    step=$(grep -E '^ *(Collecting|Downloading|Building|Installing|Preparing|Getting|Using)' "$_log" |
        tail -n 1 | cut -c 1-70)
    printf '%s' "${step:-starting}"
}

_install() {
    local python
    if ! _usable "$venv/bin/python"; then
        python=$(find_python) || exit 1
        if [ -e "$venv" ]; then
            [ -f "$venv/pyvenv.cfg" ] || [ -z "$(ls -A "$venv")" ] ||
                die "$venv exists and is no Python environment. Move it away, then run this again."
            say "The environment in $venv does not work any more; making a new one."
            rm -rf "$venv"
        fi
        say "Making a Python environment in $venv with $("$python" --version) ($python)."
        "$python" -m venv "$venv" ||
            die "$python cannot make an environment (see above). On Debian and Ubuntu its venv" \
                "module is a package of its own, such as python3.12-venv."
    fi
    rm -f "$_stamp"
    say "Installing Hummingbot, the plugin and the tools for the checks into $venv."
    if ! compgen -G "$venv/lib/python*/site-packages/hummingbot-*.dist-info" >/dev/null; then
        say "Hummingbot is compiled on the first installation: about 4 minutes on two cores."
    fi
    if ! _pip -c "$root/constraints.txt" -e "$root[test]"; then
        say "The installation failed. The last lines of $_log:"
        tail -n 15 "$_log" | sed 's/^/  /' >&2
        if grep -qiE "command '?(.*/)?(gcc|g\+\+|cc|c\+\+|clang|clang\+\+|x86_64[^ ]*)'? failed|Python\.h" "$_log"; then
            say "Hummingbot needs a C++ compiler and Python's header files:"
            say "  Debian, Ubuntu:  sudo apt-get install build-essential python3-dev"
            say "  macOS:           xcode-select --install"
        elif grep -qiE 'connection|resolve|timed out|No matching distribution' "$_log"; then
            say "pip could not get a package. Check the network, then run this again."
        fi
        exit 1
    fi
    _wanted >"$_stamp.new" && mv "$_stamp.new" "$_stamp"
    say "Installed in ${SECONDS} s."
}

set_up() {
    _ready && return
    trap _clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    _take_lock
    _ready || _install # another run may have installed it while this one waited
    rm -f "$_lock"
    trap - EXIT INT TERM HUP
}

show_help() {
    local python=$venv/bin/python
    _usable "$python" || python=$(find_python) || exit 1
    PYTHONPATH=$root exec "$python" -m "$1" --help
}
