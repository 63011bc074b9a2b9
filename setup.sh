#!/bin/sh
# Makes .venv and installs what the gateway needs: `./setup.sh run` for running it, `./setup.sh dev` for working on it as well.
#
# POSIX sh, because it runs before anything else is installed. Every version and hash comes from run.lock or dev.lock.
# When nothing changed since the last time it only compares one stamp. PYTHON=/path/to/python picks the interpreter.
set -eu

wanted=3.11 # The oldest Python the gateway runs on, as in pyproject.toml.

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Empty the variables that point a Python elsewhere than its own library: .venv stands alone.
unset PYTHONHOME PYTHONPATH || true

new_enough() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }

pick_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON is not a program; give the path of a Python $wanted or newer."
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python $wanted or newer."
        picked=$PYTHON
        return
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null 2>&1 && new_enough "$name"; then
            picked=$name
            return
        fi
    done
    if command -v python3 >/dev/null 2>&1; then
        fail "python3 is older than $wanted; install Python $wanted or newer (Debian: apt install python3 python3-venv) or set PYTHON."
    fi
    fail "no Python found; install Python $wanted or newer (Debian: apt install python3 python3-venv) or set PYTHON."
}

digest() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}

# One line that changes whenever an installation made from these files would.
stamp_of() { # $1: run or dev
    {
        printf '%s %s\n' "$1" "$here" # The folder too: the scripts in .venv/bin name it, so a moved clone is made anew.
        cat "$1.lock" pyproject.toml setup.sh gateway/__init__.py
    } | digest | cut -d ' ' -f 1
}

# dev includes run: with a fresh dev set there is nothing to do for run.
is_fresh() { # $1: run or dev
    [ -x .venv/bin/python ] && [ -x .venv/bin/gateway ] && [ -f ".venv/.setup-$1" ] || return 1
    read -r kept <".venv/.setup-$1" || return 1
    [ "$kept" = "$(stamp_of "$1")" ] || return 1
    is_sound
}

# Whether .venv still works: the interpreter behind its link may have been removed or have become another version since,
# or PYTHON may ask for another one now.
is_sound() {
    [ -x .venv/bin/python ] || return 1
    .venv/bin/python -I -S -c 'import os, sys
version = "%d.%d" % sys.version_info[:2]
kept = os.path.isdir(f".venv/lib/python{version}/site-packages/pip")
sys.exit(not kept or sys.version_info < (3, 11) or sys.argv[1] not in ("", version))' "$asked_for" 2>/dev/null
}

make_venv() {
    [ -n "$asked_for" ] || pick_python
    say "making .venv with $("$picked" -c 'import platform, sys; print("Python", platform.python_version(), "at", sys.executable)')"
    if ! "$picked" -c 'import venv, ensurepip' 2>/dev/null; then
        fail "$picked lacks venv or ensurepip; install them (Debian: apt install python3-venv) and run this again."
    fi
    rm -rf .venv || fail "cannot remove the old .venv in $here; check whom it belongs to."
    if ! said=$("$picked" -m venv .venv 2>&1); then
        printf '%s\n' "$said" >&2
        rm -rf .venv
        fail "$picked could not make .venv (said above); on Debian: apt install python3-venv."
    fi
}

install() { # $1: run or dev
    rm -f .venv/.setup-run .venv/.setup-dev
    say "installing the $(grep -c '==' "$1.lock") packages that $1.lock names (up to a minute)"
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: -r "$1.lock" ||
        fail "could not install what $1.lock names (pip's own words above)."
    say "installing the gateway itself"
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --no-index --editable . ||
        fail "could not install the gateway (pip's own words above)."
    stamp_of "$1" >".venv/.setup-$1"
    say "ready: .venv/bin/gateway"
}

case "${1:-}" in
run | dev) set_name=$1 ;;
*)
    printf 'usage: ./setup.sh run|dev\n  run  what the gateway needs to run\n  dev  that, and what its tests and checks need\n' >&2
    exit 2
    ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$here"
asked_for= # The minor version that PYTHON stands for; empty when any will do.
if [ -n "${PYTHON:-}" ]; then
    pick_python
    asked_for=$("$picked" -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])')
fi
if is_fresh dev || { [ "$set_name" = run ] && is_fresh run; }; then exit 0; fi
# `test -w` answers yes to root even on a read-only disk, so write something.
(: >"$here/.setup-try") 2>/dev/null || fail "cannot write in $here; check the folder's owner and that its disk is not read-only."
rm -f "$here/.setup-try"
is_sound || make_venv # A sound one is kept: pip then only installs what differs.
install "$set_name"
