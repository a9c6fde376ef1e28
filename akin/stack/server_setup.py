"""Set up the Triton server of an installed wheel: the server's files, and the Python that runs the encoder in it.

Both are installed by pip from the locks that the wheel has, wheels alone, each checked by its digest. They are written
beside their folder, which is then renamed: a setup that was interrupted leaves nothing that looks complete. A clone has
them in `.triton`, made by `make setup`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from akin.errors import NotSetUp
from akin.installation import IS_CLONE, LOCKS
from akin.messages import waiting_for
from akin.papers.sample import FILE_NAME, MEMBER_SHA256
from akin.sample import sample_folder, sample_path
from akin.stack.processes import end_with_parent
from akin.stack.tritonserver import PROGRAM, is_installation, require_plain_paths, wheel_server
from akin.stack_settings import Settings
from akin.storage.durable import replace_file
from akin.storage.locks import hold_lock

SERVER, PYTHON = LOCKS / "tritonserver.lock", LOCKS / "triton.lock"
GLIBC = (2, 35)
"""The oldest C library that the server's wheel runs with."""

NEWEST_PYTHON = (3, 12)
"""The newest Python with a wheel of NumPy 1, which the server's Python backend was compiled for."""

MADE_FROM = "made-from"
"""File that marks a folder that this module made, with the digest of what it was made from."""

ASIDE = ".setup-"
"""Part of the names of folders beside the server's, which are removed; a folder of a user hardly has it in its name."""

WAIT_SECONDS = 1800.0
SAY_SECONDS = 3.0

Say = Callable[[str], None]


def set_up_server(settings: Settings, say: Say, wheels: Path | None = None) -> bool:
    """Make the server's folder, unless it is there; return True if it was made.

    Args:
        settings: Where the folder is (`AKIN_TRITON_HOME`).
        say: Called with lines of progress.
        wheels: Folder of the wheels to install from, without a network; None for the package index.

    Raises:
        BadSetting: The server cannot run where the folders are.
        NotSetUp: There is no server for this machine, a wheel is missing or another than the locked one, or the folder
            cannot be written.
    """
    if is_ready(settings):
        return False
    home = settings.triton_home
    if IS_CLONE:
        raise NotSetUp(f"no Triton server in {home}: run `make setup`.")
    require_platform()
    require_plain_paths(home, settings.run, settings.repository)
    python = find_python()
    busy = NotSetUp(f"another command has been setting up {home} for {WAIT_SECONDS / 60:.0f} minutes: try again later.")
    waiting = waiting_for(say, f"sets up the Triton server in {home}", WAIT_SECONDS)
    try:
        with hold_lock(home.with_name(f".{home.name}.lock"), WAIT_SECONDS, busy, waiting):
            if is_ready(settings):  # by another command, meanwhile
                return False
            require_own(home)
            say(f"setting up the Triton server in {home} (once; 160 MB of wheels, 510 MB on the disk)")
            _make(home, python, say, wheels)
    except OSError as error:
        raise NotSetUp(
            f"cannot write {error.filename or home}: {error.strerror or error}. Set AKIN_DATA to another folder."
        ) from error
    say("the Triton server is set up")
    return True


def is_ready(settings: Settings) -> bool:
    """Return True if there is a server: an installation, one made otherwise, or one made from these locks."""
    if is_installation(settings):
        return True
    try:
        same = (settings.triton_home / MADE_FROM).read_text("utf-8") == fingerprint()
        return same and (settings.triton_home / "python/bin/python").exists()  # the Python that it links to
    except FileNotFoundError:
        return (wheel_server(settings) / PROGRAM).is_file()
    except (OSError, ValueError):
        return False


def fingerprint() -> str:
    """Return a digest of the locks, from which the server is made."""
    return hashlib.sha256(SERVER.read_bytes() + PYTHON.read_bytes()).hexdigest()


def require_platform() -> None:
    """Check that the server's wheel runs on this machine.

    Raises:
        NotSetUp: It does not; the message names the containers.
    """
    library, version = platform.libc_ver()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if sys.platform == "linux" and platform.machine() == "x86_64" and library == "glibc" and numbers >= GLIBC:
        return
    here = f"{platform.system()} {platform.machine()}" + (f" with {library or 'another C library'} {version}".rstrip())
    raise NotSetUp(
        f"there is no Triton server for {here}: its wheel needs Linux on x86-64 with glibc {GLIBC[0]}.{GLIBC[1]} or "
        "newer. Run Akin in containers (`docker compose up` in a clone, docs/containers.md); `akin search` and the "
        "page (`python -m gradio_ui`) work here with its service."
    )


def find_python() -> str:
    """Return the Python for the server: this one, or another of this machine if this one is too new.

    Raises:
        NotSetUp: There is none.
    """
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for version in ("3.12", "3.11"):
        if found := shutil.which(f"python{version}"):
            # It may be a link to nothing, or a shim that chooses by the current folder.
            code = "import os, sys; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"
            done = subprocess.run([found, "-I", "-c", code], capture_output=True, text=True, check=False)
            its_version, _, program = done.stdout.strip().partition(" ")
            if done.returncode == 0 and its_version == version:
                return program
    raise NotSetUp(
        f"the server's Python needs NumPy 1, which has no wheel for Python {sys.version_info.major}."
        f"{sys.version_info.minor}, and there is no python3.12 or python3.11 on PATH: install one beside it "
        "(uv python install 3.12), or install Akin with it (uv tool install --python 3.12 …)."
    )


def require_own(home: Path) -> None:
    """Check that nothing else is lost when the folder is made again.

    Raises:
        NotSetUp: It holds files that this module has not made.
        OSError: It cannot be read.
    """
    if home.exists() and not (home / MADE_FROM).is_file() and any(home.iterdir()):
        raise NotSetUp(f"{home} holds other files than a Triton server: set AKIN_TRITON_HOME to another folder.")


def download(settings: Settings, folder: Path, say: Say) -> None:
    """Write all that `set_up_server` and the demonstration need without a network into a folder.

    Raises:
        NotSetUp: A wheel cannot be downloaded, or the folder cannot be written.
        PapersError: The sample papers cannot be fetched.
    """
    require_platform()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, lock in enumerate((SERVER, PYTHON), 1):
            say(f"downloading the wheels of {lock.name} ({number} of 2)")
            # For the Python that the server would have here: the machine without a network must have the same version.
            _pip(["download", "--dest", str(folder)], lock, None, say, python=Path(find_python()))
        shutil.copyfile(sample_path(settings), folder / FILE_NAME)
    except OSError as error:
        raise NotSetUp(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error


def take_sample(settings: Settings, folder: Path) -> None:
    """Copy the sample papers of `download` into the data folder, if they are in the folder; wrong ones are refused.

    Raises:
        NotSetUp: The file is not the sample, or the data folder cannot be written.
    """
    source, target = folder / FILE_NAME, sample_folder(settings) / FILE_NAME
    if not source.is_file():
        return
    try:
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
            raise NotSetUp(f"{source} is not the sample: its digest is another one. Download it again.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            replace_file(target, content)
    except OSError as error:
        raise NotSetUp(f"cannot copy {source} to {target}: {error.strerror or error}.") from error


def _make(home: Path, python: str, say: Say, wheels: Path | None) -> None:
    """Install both parts beside the folder, and rename.

    Raises:
        NotSetUp: pip failed.
        OSError: A folder cannot be written.
    """
    # Only one command at a time is here: what has this prefix is of one that was killed.
    prefix = f".{home.name}{ASIDE}"
    for left in home.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=prefix, dir=home.parent))
    try:
        say("  the server (1 of 2)")
        _pip(["install", "--target", str(aside / "server")], SERVER, wheels, say)
        say("  the encoder's Python (2 of 2)")
        made = subprocess.run([python, "-I", "-m", "venv", "--without-pip", aside / "python"], stdin=subprocess.DEVNULL)
        if made.returncode:
            raise NotSetUp(
                f"{python} cannot make an environment (the reason is printed above): install its module venv."
            )
        _pip(["install"], PYTHON, wheels, say, python=aside / "python/bin/python")
        (aside / MADE_FROM).write_text(fingerprint(), "utf-8")
        os.chmod(aside, 0o755)
        if home.exists():
            home.rename(Path(tempfile.mkdtemp(prefix=prefix, dir=home.parent)) / "old")
        aside.rename(home)
    finally:
        for left in home.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)


def _pip(command: Sequence[str], lock: Path, wheels: Path | None, say: Say, python: Path | None = None) -> None:
    """Run pip for a lock and tell its progress.

    Raises:
        NotSetUp: pip is missing or failed.
    """
    if find_spec("pip") is None:
        raise NotSetUp(f"pip is not installed beside Akin: run {sys.executable} -m ensurepip, or install pip with uv.")
    source = ["--no-index", "--find-links", str(wheels)] if wheels else []
    arguments = [
        sys.executable, "-P", "-m", "pip", *(["--python", str(python)] if python else []), *command,
        "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check",
        "--progress-bar", "raw", *source, "--requirement", str(lock),
    ]  # fmt: skip
    # Settings of a user's pip that would put files elsewhere, or contradict --target.
    unwanted = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_QUIET", "PIP_NO_DEPS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    kept: list[str] = []
    with subprocess.Popen(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", preexec_fn=end_with_parent,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in _progress(process.stdout, say):
                kept = [*kept[-40:], line]
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise NotSetUp(_reason(kept, lock, wheels))


def _progress(output: Iterable[str], say: Say) -> Iterator[str]:
    """Yield the lines of pip that are no progress, and tell what it does every few seconds."""
    package, told = "", time.monotonic()
    for line in output:
        of_file = re.fullmatch(r"Progress (\d+) of (\d+)\s*", line)
        if not of_file:
            yield line.rstrip()
            if found := re.match(r"Collecting ([\w.-]+)|(Installing)", line):
                package = found[1] or "unpacking"
        if package and time.monotonic() - told > SAY_SECONDS:
            told = time.monotonic()
            say(f"    {package}" + (f": {int(of_file[1]) >> 20} of {int(of_file[2]) >> 20} MB" if of_file else ""))


def _reason(output: Sequence[str], lock: Path, wheels: Path | None) -> str:
    """Return an error message for the last lines of a pip that failed."""
    text = "\n".join(output)
    wrong = "THESE PACKAGES DO NOT MATCH THE HASHES" in text
    errors = [line.removeprefix("ERROR: ") for line in output if line.startswith("ERROR")] or list(output[-3:])
    told = " / ".join(" ".join(line.split()) for line in errors[-2:])[:600]
    if wrong:
        return f"a wheel is not the one of {lock}: its digest is another one, and nothing was set up. pip says: {told}"
    where = f"{wheels} lacks a wheel of {lock}; `akin setup --download FOLDER` fills a folder"
    if wheels is None:
        where = (
            f"the wheels of {lock} could not be installed. Check the network, the free space and pip's settings, and "
            "run the command again (what was downloaded is in pip's cache), or use `akin setup --offline FOLDER`"
        )
    return f"{where}. pip says: {told or 'nothing'}"
