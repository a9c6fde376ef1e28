"""Unpack the wheels that lie in a folder, without pip and without a network; or download them, as `make gpu-wheels`.

They are for Python 3.12 on x86-64.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PLATFORMS = ("manylinux_2_35_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
SMALL = "triton.tar.xz"
"""The file of all that the step `triton` needs, packed by `pack_triton`."""

HOME = "python-home.tar.xz"
"""The file of a whole Python 3.12 with its shared library, for Triton's stub where the system's has none."""


def unpack(wheel: Path, target: Path) -> None:
    """Unpack a wheel's files into a folder, programs executable.

    Raises:
        SystemExit: The file is not a whole wheel.
    """
    try:
        opened = zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise SystemExit(f"{wheel} is not a whole wheel: download it again.") from None
    with opened as archive:
        archive.extractall(target)
        for entry in archive.infolist():
            if mode := entry.external_attr >> 16 & 0o777:
                (target / entry.filename).chmod(mode | 0o200)


def unpack_packages(folder: Path, target: Path) -> list[str]:
    """Unpack every wheel of a folder into one folder of packages; return their names."""
    found = sorted(folder.glob("*.whl"))
    for wheel in found:
        unpack(wheel, target)
    return [wheel.name for wheel in found]


def unpack_triton(folder: Path, target: Path) -> tuple[str, str]:
    """Unpack Triton's wheel, NumPy 1 and, if it is there, Python; or all three from the one archive of `pack_triton`.

    Returns:
        The folders of Triton and of Python. The first is empty if a wheel is missing, the second if there is no Python.
    """
    if (folder / SMALL).is_file():
        _extract(folder / SMALL, target)
    else:
        server, numpy = (sorted(folder.glob(f"{name}-*.whl")) for name in ("nvidia_pytriton", "numpy"))
        if not (server and numpy):
            return "", ""
        unpack(server[-1], target / "server")
        unpack(numpy[-1], target / "numpy")
        if (folder / HOME).is_file():
            _extract(folder / HOME, target / "home")
    return str(target), str(target / "home") if (target / "home").is_dir() else ""


def _extract(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as file:
        file.extractall(target, filter="data")


def download(names: Path, folder: Path) -> None:
    """Download the wheels of a list for the target into a folder."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.12", "--implementation", "cp", "-d", str(folder), "-r", str(names)]
    for each in _PLATFORMS:
        command += ["--platform", each]
    subprocess.run(command, check=True)


def pack_python(target: Path) -> None:
    """Write this Python 3.12, with its shared library and without tests, into an archive.

    Raises:
        SystemExit: This is another Python, or it has no shared library.
    """
    library = Path(sysconfig.get_config_var("LIBDIR")) / "libpython3.12.so.1.0"
    if sys.version_info[:2] != (3, 12) or not library.is_file():
        raise SystemExit("run this with a Python 3.12 that was built with --enable-shared.")
    left_out = (
        "/test",
        "/idlelib",
        "/tkinter",
        "/ensurepip",
        "/site-packages",
        "/__pycache__",
        "/config-3.12",
        "/lib2to3",
    )

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = f"/{entry.name}/"
        return None if any(f"{each}/" in name or f"{each}-" in name for each in left_out) else entry

    stripped = target.with_suffix(".library")
    subprocess.run(["strip", "--strip-unneeded", "-o", str(stripped), str(library)], check=True)
    with tarfile.open(target, "w:xz", preset=6) as archive:
        archive.add(stripped, "lib/libpython3.12.so.1.0")
        archive.add(sysconfig.get_path("stdlib"), "lib/python3.12", filter=wanted)
    stripped.unlink()


def pack_triton(folder: Path) -> None:
    """Write what the check needs of a folder's wheels, for Python 3.12 alone, into one archive of half the size."""
    with tempfile.TemporaryDirectory() as made:
        target = Path(made)
        unpack_triton(folder, target)
        shutil.rmtree(target / "numpy/numpy/f2py", ignore_errors=True)
        inside = "pytriton/tritonserver"
        wanted = [f"{inside}/bin", f"{inside}/backends", f"{inside}/python_backend_stubs/3.12", "nvidia_pytriton.libs"]
        for library in target.glob("server/nvidia_pytriton.libs/*"):
            if library.name.startswith("libpython"):
                library.unlink()
            else:
                subprocess.run(["strip", "--strip-unneeded", str(library)], check=False, capture_output=True)
        with tarfile.open(folder / SMALL, "w:xz", preset=4) as archive:
            for part in wanted:
                archive.add(target / "server" / part, f"server/{part}")
            for part in ("numpy", "home"):
                if (target / part).is_dir():
                    archive.add(target / part, part, filter=_without_tests)


def _without_tests(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "/tests" in entry.name else entry


def main() -> None:
    """Download both lists into their folders; or `python FILE`, `triton FOLDER`: pack Python, or what Triton needs."""
    pack = {"python": pack_python, "triton": pack_triton}.get(sys.argv[1])
    if pack:
        return pack(Path(sys.argv[2]))
    for names, folder in zip(("wheels", "wheels-triton"), map(Path, sys.argv[1:3]), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        download(_HERE / f"{names}.txt", folder)
        for path in sorted(folder.iterdir()):
            print(f"{path.stat().st_size / 2**20:6.1f} MiB  {path}")
    return None


if __name__ == "__main__":
    main()
