"""Record what a program writes below a folder, and show the folder as a power cut at each moment could leave it.

Only what was synced is sure to be on the disk. Of the rest, a power cut may keep everything, only the names, some of
the content, or one change without those before it. `Disk` scans the folder before and after each call that changes
names or syncs, so writes of native libraries are recorded too; their own syncs are not, and count as missing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import pytest

Names = dict[str, int]
"""Entries of a folder: the inode of each name."""

Tree = dict[str, tuple[int, bytes] | None]
"""Mode and content of each file by its path; None for a folder."""

CALLS = ("fsync", "rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir")


@dataclass(frozen=True)
class Moment:
    """State of the folder at one moment.

    Attributes:
        after: The call before it.
        synced: Inode that this call has synced; None if it synced nothing below the folder.
        folders: Entries of every folder by its inode.
        files: Mode and content of every file by its inode.
    """

    after: str
    synced: int | None
    folders: dict[int, Names]
    files: dict[int, tuple[int, bytes]]


@dataclass(frozen=True)
class Cut:
    """The folder after a power cut.

    Attributes:
        when: The last call before it, and what of the unsynced changes was kept.
        tree: The folder's content.
        last: True if the cut came after the last call.
    """

    when: str
    tree: Tree
    last: bool


class Disk:
    """A folder whose changes are recorded."""

    def __init__(self, root: Path) -> None:
        """Take the folder; what is in it counts as synced."""
        self.root = root
        self.moments: list[Moment] = []
        self._open: dict[int, int] = {}
        self._lock = RLock()

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record all that is done in the block, by any thread of this process."""
        with pytest.MonkeyPatch.context() as patch:
            self._scan("the start", None)
            for name in CALLS:
                patch.setattr(os, name, self._recorded(name, getattr(os, name)))
            try:
                yield
            finally:
                patch.undo()
                self._scan("the end", None)
                for descriptor in self._open.values():
                    os.close(descriptor)
                self._open.clear()

    def _recorded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self._scan(f"the writes before {name}", None)
                done = call(*arguments, **options)
                said = f"{name} {' '.join(str(each).rpartition('/')[2] for each in arguments)}"
                synced = None
                if name == "fsync":
                    descriptor = arguments[0] if isinstance(arguments[0], int) else arguments[0].fileno()
                    synced = os.fstat(descriptor).st_ino
                    said = f"fsync {os.readlink(f'/proc/self/fd/{descriptor}').removeprefix(f'{self.root}/')}"
                self._scan(said, synced)
                return done

        return recorded

    def _scan(self, after: str, synced: int | None) -> None:
        folders: dict[int, Names] = {}
        files: dict[int, tuple[int, bytes]] = {}
        left = [str(self.root)]
        while left:
            path = left.pop()
            names = folders[os.stat(path).st_ino] = {}
            for entry in os.scandir(path):
                held = self._hold(entry.path)
                if held is None:
                    continue
                inode, mode, descriptor = held
                names[entry.name] = inode
                if stat.S_ISDIR(mode):
                    left.append(entry.path)
                elif inode not in files:
                    files[inode] = stat.S_IMODE(mode), os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        moment = Moment(after, synced if synced in folders or synced in files else None, folders, files)
        before = self.moments[-1] if self.moments else None
        if moment.synced is not None or before is None or (before.folders, before.files) != (folders, files):
            self.moments.append(moment)

    def _hold(self, path: str) -> tuple[int, int, int] | None:
        """Keep a file open, so that its inode is not used again and no lock on it is lost; None if it is gone."""
        try:
            found = os.stat(path, follow_symlinks=False)
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                return None
            if found.st_ino not in self._open:
                self._open[found.st_ino] = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mode, self._open[found.st_ino]

    @property
    def syncs(self) -> list[int]:
        """Positions of the moments that a sync has made."""
        return [at for at, moment in enumerate(self.moments) if moment.synced is not None]

    def cuts(self, *, without: int | None = None) -> Iterator[Cut]:
        """Yield what power cuts can leave, at every moment; as if the sync at position `without` were not made."""
        first = self.moments[0]
        top = os.stat(self.root).st_ino
        names, content = dict(first.folders), dict(first.files)
        changes: list[dict[int, Names]] = []
        before = first
        for at, moment in enumerate(self.moments):
            if change := _changed_names(before, moment):
                changes.append(change)
            if moment.synced is not None and at != without:
                if moment.synced in moment.files:
                    content[moment.synced] = moment.files[moment.synced]
                else:
                    names[moment.synced] = moment.folders[moment.synced]
                    changes = [
                        left for each in changes if (left := {k: v for k, v in each.items() if k != moment.synced})
                    ]
            before, last = moment, at == len(self.moments) - 1
            for kept, some_names, some_content in _outcomes(moment, names, content, changes):
                yield Cut(f"after {moment.after}, with {kept}", _tree(top, some_names, some_content), last)


def _changed_names(before: Moment, after: Moment) -> dict[int, Names]:
    """Return the folders whose entries have changed, with the changed names; inode 0 stands for a removed name."""
    changed = {}
    for inode, names in after.folders.items():
        known = before.folders.get(inode, {})
        differ = {name: names.get(name, 0) for name in known | names if known.get(name) != names.get(name)}
        if differ:
            changed[inode] = differ
    return changed


def _outcomes(
    now: Moment, names: dict[int, Names], content: dict[int, tuple[int, bytes]], changes: list[dict[int, Names]]
) -> Iterator[tuple[str, dict[int, Names], dict[int, tuple[int, bytes]]]]:
    """Yield what may be left of names and of content: by inode, as `_tree` takes them."""
    unsynced = {inode: (mode, b"") for inode, (mode, _) in now.files.items()}
    synced = unsynced | content
    yield "only what was synced", names, synced
    yield "all names", names | now.folders, synced
    yield "everything", names | now.folders, content | now.files
    for number, change in enumerate(changes if len(changes) > 1 else []):
        alone = {inode: _apply(names.get(inode, {}), differ) for inode, differ in change.items()}
        yield f"one change of names, {number}", names | alone, synced
    dirty = [inode for inode, file in now.files.items() if synced[inode][1] != file[1]]
    padded = {inode: (mode, synced[inode][1].ljust(len(text), b"\0")) for inode, (mode, text) in now.files.items()}
    if dirty:
        yield "zeros in place of content", names | now.folders, content | padded
        torn = {inode: (synced[inode][0], now.files[inode][1][: len(now.files[inode][1]) // 2]) for inode in dirty}
        yield "half of the content", names | now.folders, synced | torn
    for inode in dirty if len(dirty) > 1 else []:
        yield f"the content of one file, {inode}", names | now.folders, synced | {inode: now.files[inode]}
        one = content | padded | {inode: now.files[inode]}
        yield f"the content of one file, {inode}, and zeros in the others", names | now.folders, one


def _apply(names: Names, changed: Names) -> Names:
    return {name: inode for name, inode in (names | changed).items() if inode}


def _tree(top: int, names: dict[int, Names], content: dict[int, tuple[int, bytes]]) -> Tree:
    tree: Tree = {}
    left = [("", top)]
    while left:
        path, folder = left.pop()
        for name, inode in names.get(folder, {}).items():
            below = f"{path}{name}"
            if inode in content:
                tree[below] = content[inode]
            else:
                tree[below] = None
                left.append((f"{below}/", inode))
    return tree


class PowerCuts:
    """Reads a folder after each possible power cut, once for equal folders."""

    def __init__(self, disk: Disk, copy: Path, read: Callable[[Path], object], *, unread: str = "\0") -> None:
        """Take a recorded folder.

        Args:
            disk: The recorded folder.
            copy: A folder to write each state into.
            read: Returns what a reader of the folder finds; an exception is a broken promise.
            unread: Beginning of the names of files and folders that no reader opens.
        """
        self._disk, self._copy, self._read, self._unread = disk, copy, read, unread
        self._known: dict[tuple[Any, ...], object] = {}

    def broken(self, old: object, new: object, *between: object, without: int | None = None) -> str | None:
        """Return the first cut after which another state than these is read, or at the end another than the new one."""
        for cut in self._disk.cuts(without=without):
            found = self.state_after(cut)
            if found not in ((new,) if cut.last else (old, new, *between)):
                return f"{cut.when}: {found!r}"
        return None

    def needless(self, old: object, new: object, *between: object) -> list[str]:
        """Return the syncs without which no power cut breaks the promise."""
        syncs = self._disk.syncs
        return [self._disk.moments[at].after for at in syncs if not self.broken(old, new, *between, without=at)]

    def copies(self) -> Iterator[Path]:
        """Yield a folder with each different state after a cut, with all that no reader opens."""
        seen = set()
        for cut in self._disk.cuts():
            key = _key(cut.tree)
            if key not in seen:
                seen.add(key)
                write_tree(cut.tree, self._copy)
                yield self._copy

    def state_after(self, cut: Cut) -> object:
        """Return what is read after a cut; the text of the exception if reading fails."""
        tree = {
            path: file
            for path, file in cut.tree.items()
            if not any(part.startswith(self._unread) for part in path.split("/"))
        }
        key = _key(tree)
        if key not in self._known:
            write_tree(tree, self._copy)
            try:
                self._known[key] = self._read(self._copy)
            except Exception as error:
                self._known[key] = f"{type(error).__name__}: {error}"
        return self._known[key]


def _key(tree: Tree) -> tuple[Any, ...]:
    return tuple(sorted((path, file or (0, b"folder")) for path, file in tree.items()))


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree into a folder, in place of all that it has."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, file in sorted(tree.items()):
        if file is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(file[1])
            (folder / path).chmod(file[0])
