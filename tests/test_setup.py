"""Proofs that set-up is reproducible, in step with pyproject.toml, and says one clear line when it cannot work."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCKS = ("run.lock", "tracing.lock", "dev.lock")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SH = "/bin/sh"


def asked_for(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for in the set that a lock pins."""
    groups = PROJECT["dependency-groups"]
    texts = [*PROJECT["project"]["dependencies"], *groups["build"], *(groups["dev"] if lock == "dev.lock" else [])]
    texts += PROJECT["project"]["optional-dependencies"]["tracing"] if lock != "run.lock" else []
    return [Requirement(text) for text in texts]


def pinned(lock: str) -> dict[str, Version]:
    """The packages that a lock pins, by name."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}


def unmet(asked: list[Requirement], pins: dict[str, Version]) -> list[str]:
    """The requirements that a lock does not meet, each with why."""
    found = []
    for requirement in asked:
        version = pins.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{requirement} is not in the lock")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement} is locked at {version}")
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_in_step_with_pyproject(lock: str) -> None:
    """Everything pyproject.toml asks for is pinned at a version that it allows; else: make lock."""
    assert unmet(asked_for(lock), pinned(lock)) == []


def test_lock_out_of_step_is_noticed() -> None:
    """A new requirement, and one with a raised bound, are both seen."""
    asked = [Requirement("redis>=9"), Requirement("Some_Thing")]
    assert unmet(asked, {"redis": Version("8.1.0")}) == [
        "redis>=9 is locked at 8.1.0",
        "Some_Thing is not in the lock",
    ]


def test_run_lock_brings_no_tool_of_development() -> None:
    """What only development asks for is pinned in dev.lock alone, and what both have is the same version."""
    run, dev = pinned("run.lock"), pinned("dev.lock")
    only_dev = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependency-groups"]["dev"]}
    assert not only_dev & run.keys()
    assert {name: dev[name] for name in run} == run


def test_tracing_is_an_extra() -> None:
    """What serves without a word has nothing of it; with it the rest is the same, package by package."""
    run, tracing, dev = pinned("run.lock"), pinned("tracing.lock"), pinned("dev.lock")
    assert not [name for name in run if name.startswith(("opentelemetry", "protobuf", "requests"))]
    assert {name: tracing[name] for name in run} == run
    assert {name: dev[name] for name in tracing} == tracing
    assert "opentelemetry-sdk" in tracing


def test_locks_pin_every_package_that_is_installed() -> None:
    """Nothing in .venv has come from outside the locks, and each is the locked version."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    installed = dict(line.split("==") for line in said.stdout.splitlines() if "==" in line)
    pins = pinned("dev.lock")
    ours = {"pip", "setuptools", "panel-gateway"}  # The first two came with venv itself.
    foreign = {
        name: version
        for name, version in installed.items()
        if canonicalize_name(name) not in ours and str(pins.get(canonicalize_name(name))) != str(Version(version))
    }
    assert foreign == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_no_address(lock: str) -> None:
    """Each pin carries hashes, and nothing in the file says where it was made or fetched."""
    text = (ROOT / lock).read_text("utf-8")
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pins) > 20
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert re.findall(r"https?:|file:|--(?:extra-)?index-url|--find-links|--trusted-host|^#.*|@", text) == []


def test_setup_is_posix_sh() -> None:
    """The script parses as plain sh: on Debian that is dash."""
    assert subprocess.run([SH, "-n", str(ROOT / "setup.sh")], check=False).returncode == 0


def clone(folder: Path) -> Path:
    """The files that setup.sh reads, as in a fresh clone."""
    (folder / "gateway").mkdir(parents=True)
    for name in ("setup.sh", "pyproject.toml", *LOCKS, "gateway/__init__.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def set_up(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs setup.sh there; it gets so far as to fail, never so far as to install."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    command = [SH, str(folder / "setup.sh"), *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=kept | environment, timeout=60, cwd="/"
    )


def program(path: Path, script: str) -> Path:
    """A small shell program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{SH}\n{script}\n")
    path.chmod(0o755)
    return path


def only_tools(folder: Path) -> str:
    """A PATH with what setup.sh itself calls, and no Python."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cat", "cut", "dirname", "grep", "rm", "sha256sum", "sh"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def test_setup_without_a_set_says_how_it_is_used(tmp_path: Path) -> None:
    """Neither run nor dev: the two words are shown, and nothing is made."""
    done = set_up(clone(tmp_path / "clone"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ./setup.sh run|dev\n")
    assert not (tmp_path / "clone" / ".venv").exists()


def test_missing_python_is_one_clear_line(tmp_path: Path) -> None:
    """No Python on PATH: what to install, and a non-zero exit."""
    done = set_up(clone(tmp_path / "clone"), "run", PATH=only_tools(tmp_path / "bin"))
    assert done.returncode == 1
    assert done.stderr == (
        "setup: no Python found; "
        "install Python 3.11 or newer (Debian: apt install python3 python3-venv) or set PYTHON.\n"
    )


def test_old_python_is_one_clear_line(tmp_path: Path) -> None:
    """A python3 that is too old is not used, and the line says so."""
    path = only_tools(tmp_path / "bin")
    program(tmp_path / "bin" / "python3", "exit 1")  # What an old one answers to "are you at least 3.11?".
    done = set_up(clone(tmp_path / "clone"), "run", PATH=path)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: python3 is older than 3.11; install Python 3.11 or newer")
    assert done.stderr.count("\n") == 1


def test_python_of_the_callers_choice_has_to_exist(tmp_path: Path) -> None:
    """PYTHON that names nothing is not silently replaced by another."""
    done = set_up(clone(tmp_path / "clone"), "dev", PYTHON="/no/such/python")
    assert done.returncode == 1
    assert done.stderr == ("setup: PYTHON=/no/such/python is not a program; give the path of a Python 3.11 or newer.\n")


def test_missing_venv_is_one_clear_line(tmp_path: Path) -> None:
    """Debian's python3 without python3-venv: the line names the package."""
    script = f'case "$*" in *ensurepip*) exit 1 ;; *) exec "{sys.executable}" "$@" ;; esac'
    bare = program(tmp_path / "bare-python", script)
    done = set_up(clone(tmp_path / "clone"), "run", PYTHON=str(bare))
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: {bare} lacks venv or ensurepip; install them (Debian: apt install python3-venv) and run this again.\n"
    )


def test_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A folder that cannot be written to is named."""
    folder = clone(tmp_path / "clone")
    # A folder in the way of the file that setup.sh tries to write: that refuses root too, unlike permissions.
    (folder / ".setup-try").mkdir()
    done = set_up(folder, "run")
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: cannot write in {folder}; check the folder's owner and that its disk is not read-only.\n"
    )


def fake_python(folder: Path) -> Path:
    """A Python that is real but for two things: the .venv it makes is empty, and its pip only notes what is asked."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return program(
        folder / "python",
        f"""
case "$*" in
"-m venv .venv")
    mkdir -p .venv/bin .venv/lib/python{version}/site-packages/pip
    cp "$0" .venv/bin/python
    cp "$0" .venv/bin/gateway ;;
"-m pip "*) printf '%s\\n' "$*" >>pip-was-asked ;;
*) exec "{sys.executable}" "$@" ;;
esac""",
    )


def test_nothing_changed_means_nothing_done(tmp_path: Path) -> None:
    """The first run installs by hash; then neither set has anything to do, until a file that it came from changes."""
    folder, python = clone(tmp_path / "clone"), str(fake_python(tmp_path))
    asked = folder / "pip-was-asked"

    first = set_up(folder, "dev", PYTHON=python)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.endswith("setup: ready: .venv/bin/gateway\n")
    locked, ours = asked.read_text().splitlines()
    assert "--require-hashes" in locked
    assert locked.endswith("-r dev.lock")
    assert "--no-deps" in ours
    asked.unlink()

    for words in ("dev", "run"):  # dev has all of run.
        done = set_up(folder, words)
        assert (done.returncode, done.stdout, done.stderr, asked.exists()) == (0, "", "", False)

    with (folder / "dev.lock").open("a") as lock:
        lock.write("# changed\n")
    assert set_up(folder, "dev").returncode == 0
    assert "-r dev.lock" in asked.read_text()


def test_failed_installation_is_not_taken_for_done(tmp_path: Path) -> None:
    """After pip failed, the next run tries again instead of believing an old stamp."""
    folder, python = clone(tmp_path / "clone"), fake_python(tmp_path)
    broken = program(tmp_path / "broken", python.read_text().replace("printf", "exit 1; printf"))
    for _ in range(2):
        done = set_up(folder, "run", PYTHON=str(broken))
        assert done.returncode == 1
        assert done.stderr == "setup: could not install what run.lock names (pip's own words above).\n"


def test_help_is_the_default_and_lists_every_target() -> None:
    """`make` alone says what can be made; each target of the file is in the list."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    assert targets >= {"demo", "run", "test", "lint", "bench", "clean", "help"}
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(re.findall(r"^ {2}make ([a-z-]+) {2,}\S", done.stdout, flags=re.MULTILINE)) == targets


def test_package_has_every_file(tmp_path: Path) -> None:
    """A wheel built from here carries SQL and other data beside the Python, so that an installed gateway works too."""
    build = "import sys; from flit_core.buildapi import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    with zipfile.ZipFile(tmp_path / done.stdout.strip()) as wheel:
        carried = {name for name in wheel.namelist() if name.startswith("gateway/")}
    files = (path for path in (ROOT / "gateway").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert carried == {path.relative_to(ROOT).as_posix() for path in files}
