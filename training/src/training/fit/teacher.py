"""Vectors that a teacher gives texts: calculated once, kept in files, and reduced to a student's dimensions.

A folder belongs to one teacher (weights, modules and greatest length). It holds parts of some thousand texts each: the
digests of the texts with their prompts, and their vectors. A part is written aside and renamed, so that a calculation
that was killed continues with the texts that are missing; other runs with the same texts calculate nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sentence_transformers.sentence_transformer.losses import EmbedDistillLoss
from torch import Tensor

from akin.storage.durable import sync, sync_folder
from training.arrays import Floats
from training.errors import ConfigurationError
from training.fit import models
from training.fit.batches import NO_TEXTS, PairFile
from training.progress import log_duration

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PART = 4096
_ALIGNED = 2000
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")

Digests = NDArray[np.int64]


class TeacherVectors:
    """Unit vectors of texts in files that are mapped into memory, FP16.

    Attributes:
        digests: digests of the texts, sorted.
        dim: dimensions of a vector.
    """

    def __init__(self, folder: Path) -> None:
        """Take a folder with at least one part."""
        parts = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        self._vectors = [np.load(part / "vectors.npy", mmap_mode="r") for part in parts]
        self._starts = np.cumsum([0, *map(len, self._vectors)])
        digests = np.concatenate([np.load(part / "texts.npy") for part in parts])
        self._rows = np.argsort(digests, kind="stable")
        self.digests: Digests = digests[self._rows]
        self.dim = int(self._vectors[0].shape[1])

    def read(self, digests: Digests) -> Floats:
        """Return the vectors of texts, all of which must be there: float32 [texts, dim]."""
        rows = self._rows[np.searchsorted(self.digests, digests)]
        parts = np.searchsorted(self._starts, rows, side="right") - 1
        found = np.empty((len(rows), self.dim), dtype=np.float32)
        for part in np.unique(parts).tolist():
            here = parts == part
            found[here] = self._vectors[part][rows[here] - self._starts[part]]
        return found


class Distilled(EmbedDistillLoss):
    """Distance of a model's vectors to a teacher's. A label is the digest of a text, by which its vector is read.

    A teacher with more dimensions is reduced to those of the model along the principal axes of its vectors of the
    training texts, without a centre, which keeps as much of their inner products as is possible. The result is turned
    towards the vectors that the model has before training: no angle changes, and less has to be unlearnt.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        vectors: TeacherVectors,
        prompts: Mapping[str, str],
        texts: Mapping[int, str],
        distance: Any,
    ) -> None:
        """Take the model, the teacher's vectors and prompts, and the training texts by their digests.

        Raises:
            ConfigurationError: The teacher has fewer dimensions than the model.
        """
        super().__init__(model, distance_metric=distance)
        dim = model.get_embedding_dimension() or 0
        if vectors.dim < dim:
            raise ConfigurationError(
                f"loss.teacher has {vectors.dim} dimensions and the model {dim}: choose a teacher with as many or more."
            )
        self._vectors, self._prompts = vectors, dict(prompts)
        self.axes: Floats | None = None
        if vectors.dim > dim:
            digests = np.fromiter(texts, np.int64, len(texts))
            self.axes = principal_axes(vectors, digests, dim)
            chosen = np.random.default_rng(0).permutation(digests)[:_ALIGNED]
            own = model.encode(
                [texts[digest] for digest in chosen.tolist()], normalize_embeddings=True, show_progress_bar=False
            )
            self.axes = self.axes @ orthogonal_procrustes(self._targets(chosen), np.asarray(own, dtype=np.float32))[0]

    def add_labels(self, batch: Mapping[str, list[str]]) -> dict[str, Any]:
        """Return the column of labels: the digests of the texts of each pair."""
        columns = [name for name in batch if name not in NO_TEXTS]
        digests = [[digest_text(text, self._prompts[role(name, columns)]) for text in batch[name]] for name in columns]
        return {"label": [list(row) for row in zip(*digests, strict=True)]}

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch."""
        assert labels is not None
        targets = self._targets(labels.cpu().numpy().ravel())
        loss: Tensor = super().forward(sentence_features, torch.from_numpy(targets).reshape(*labels.shape, -1))
        return loss

    def _targets(self, digests: Digests) -> Floats:
        found = self._vectors.read(digests)
        if self.axes is not None:
            found = found @ self.axes
            found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found


def build_distilled(
    model: SentenceTransformer, teacher: SentenceTransformer, pairs: PairFile, distance: str
) -> Distilled:
    """Return the loss for the pairs of a file, with the teacher's vectors calculated as far as they are missing.

    Raises:
        ConfigurationError: The teacher has fewer dimensions than the model.
    """
    vectors, texts = fill(teacher, pairs)
    return Distilled(model, vectors, find_prompts(teacher), texts, distance)


def fill(teacher: SentenceTransformer, pairs: PairFile) -> tuple[TeacherVectors, dict[int, str]]:
    """Calculate the vectors that are missing, and return all vectors of the teacher and the texts by their digests."""
    folder = pairs.store / digest_teacher(teacher)
    folder.mkdir(parents=True, exist_ok=True)
    prompts = find_prompts(teacher)
    texts: dict[int, str] = {}
    by_prompt: dict[str, dict[int, str]] = {}
    for pair in pairs.read():
        columns = [name for name, text in pair.items() if text and name not in NO_TEXTS]
        for name in columns:
            prompt = prompts[role(name, columns)]
            digest = digest_text(pair[name], prompt)
            texts[digest] = by_prompt.setdefault(prompt, {})[digest] = pair[name]
    known = TeacherVectors(folder).digests if any(folder.glob("[!.]*")) else np.empty(0, dtype=np.int64)
    missing = len(np.setdiff1d(np.fromiter(texts, np.int64, len(texts)), known))
    if missing:
        with log_duration(f"encoding {missing:,} of {len(texts):,} texts with the teacher"):
            for prompt, found in by_prompt.items():
                _encode(
                    teacher, folder, {digest: found[digest] for digest in found.keys() - set(known.tolist())}, prompt
                )
    return TeacherVectors(folder), texts


def principal_axes(vectors: TeacherVectors, digests: Digests, dim: int) -> Floats:
    """Return the first principal axes of vectors, without a centre: float32 [teacher's dimensions, dim]."""
    moment = np.zeros((vectors.dim, vectors.dim))
    for start in range(0, len(digests), _PART):
        part = vectors.read(np.sort(digests)[start : start + _PART]).astype(np.float64)
        moment += part.T @ part
    axes = np.linalg.eigh(moment)[1][:, ::-1][:, :dim]
    return np.ascontiguousarray(axes, dtype=np.float32)


def find_prompts(teacher: SentenceTransformer) -> dict[str, str]:
    """Return the prompts that the teacher puts before queries and documents, by their role; empty if it has none."""
    known = {name: text or "" for name, text in teacher.prompts.items()}
    default = known.get(teacher.default_prompt_name or "", "")
    document = next((known[name] for name in _DOCUMENT_PROMPTS if name in known), default)
    return {"query": known.get("query", default), "document": document}


def role(column: str, columns: Sequence[str]) -> str:
    """Return the role of a column: the anchor of a pair is a query, all other texts are documents."""
    return "query" if column == "anchor" and len(columns) > 1 else "document"


def digest_text(text: str, prompt: str) -> int:
    """Return a whole number of 64 bits that stands for a text with its prompt."""
    digest = hashlib.sha256(f"{prompt}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def digest_teacher(teacher: SentenceTransformer) -> str:
    """Return the SHA-256 of everything that decides a teacher's vectors: weights, modules and greatest length."""
    digest = hashlib.sha256(f"{teacher.max_seq_length}".encode())
    for module in teacher:
        config: dict[str, Any] = getattr(module, "get_config_dict", dict)()
        digest.update(f"{type(module).__name__} {json.dumps(config, sort_keys=True, default=str)}".encode())
    for name, tensor in sorted(teacher.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _encode(teacher: SentenceTransformer, folder: Path, texts: Mapping[int, str], prompt: str) -> None:
    """Write the vectors of texts in parts, each of them completely or not at all; in bf16 if the device has it."""
    device = teacher.device.type
    precision = models.choose_precision("auto", device)
    # Texts of similar length together need less padding.
    order = sorted(texts, key=lambda digest: (len(texts[digest]), digest))
    for start in range(0, len(order), _PART):
        part = order[start : start + _PART]
        with models.autocast(precision, device):
            vectors = teacher.encode(
                [texts[digest] for digest in part],
                prompt=prompt,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_tensor=True,
            )
        aside = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        try:
            np.save(aside / "texts.npy", np.array(part, dtype=np.int64))
            np.save(aside / "vectors.npy", vectors.float().cpu().numpy().astype(np.float16))
            target = folder / hashlib.sha256(np.array(part).tobytes()).hexdigest()[:16]
            sync_folder(aside)
            try:
                os.rename(aside, target)
                sync(folder)
            except OSError:
                # Another process may have written the same part meanwhile.
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
