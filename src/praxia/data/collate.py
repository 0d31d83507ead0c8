"""Collate: examples -> Batch (numbers normalised, texts tokenised, pictures stacked as uint8)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.data.number_transforms import Numbers
from praxia.data.sample import Sample, Window
from praxia.data.supervision.supervision import Example
from praxia.errors import DataError
from praxia.geometry.scene import View


class Collate:
    """Holds what turns examples into tensors: number transforms and the backbone's text rendering.

    text: object with prompt_ids(tokenizer, text) and target_ids(tokenizer, text), or None for models without a backbone.
    numbers: per embodiment. embodiments: index of each name.
    """

    def __init__(self, numbers: dict[str, Numbers], text: Any = None, tokenizer: Any = None, embodiments: Sequence[str] = ()):
        self.numbers, self.embodiments = numbers, {name: i for i, name in enumerate(embodiments)}
        self.pad = tokenizer.pad_token_id if tokenizer is not None else 0
        if text is not None:
            self._prompt = lru_cache(maxsize=100_000)(lambda s: tuple(text.prompt_ids(tokenizer, s)))
            self._target = lru_cache(maxsize=100_000)(lambda s: tuple(text.target_ids(tokenizer, s)))
        self.text = text is not None

    def __call__(self, examples: Sequence[Example], indices: Sequence[int] | None = None) -> Batch:
        """All examples must have the same parts and view roles."""
        samples = [e.sample for e in examples]
        numbers = [self._numbers(s) for s in samples]
        return Batch(
            size=len(examples),
            views=view_batch([s.views for s in samples]) if samples[0].views else None,
            prompt=self._tokens([self._prompt(e.prompt) for e in examples]) if self.text else None,
            target=self._tokens([self._target(e.target) for e in examples]) if self.text and examples[0].target is not None else None,
            state=_state(samples, numbers),
            future=_chunk([s.future for s in samples], samples, numbers),
            past=_chunk([s.past for s in samples], samples, numbers),
            embodiment=torch.tensor([self.embodiments.get(s.embodiment, 0) for s in samples]) if self.embodiments else None,
            dense={k: torch.from_numpy(np.stack([e.dense[k] for e in examples])) for k in examples[0].dense},
            sample_index=torch.tensor(list(indices)) if indices is not None else None,
        )

    def _numbers(self, sample: Sample) -> Numbers:
        if sample.embodiment not in self.numbers:
            raise DataError(f"no number transforms for embodiment {sample.embodiment!r}; the recipe has {sorted(self.numbers)}")
        return self.numbers[sample.embodiment]

    def _tokens(self, rows: list[tuple[int, ...]]) -> Tokens:
        """Right-padded to the longest row, rounded up to a multiple of 4 so that few different shapes occur."""
        length = -(-max(len(r) for r in rows) // 4) * 4
        ids = np.full((len(rows), length), self.pad, dtype=np.int64)
        valid = np.zeros((len(rows), length), dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)], valid[i, : len(row)] = row, True
        return Tokens(torch.from_numpy(ids), torch.from_numpy(valid))


def _state(samples: list[Sample], numbers: list[Numbers]) -> Tensor | None:
    if samples[0].state is None:
        return None
    return torch.from_numpy(np.stack([n.state_forward(s.state) for s, n in zip(samples, numbers, strict=True) if s.state is not None]))


def _chunk(windows: list[Window | None], samples: list[Sample], numbers: list[Numbers]) -> Chunk | None:
    if windows[0] is None:
        return None
    present = [w for w in windows if w is not None]
    # One embodiment is the common case: transform all rows at once unless a transform looks at each anchor state.
    actions = [n.action_forward(w.actions, s.state) for w, s, n in zip(present, samples, numbers, strict=True)]
    states = [n.state_forward(w.states) for w, n in zip(present, numbers, strict=True)]
    return Chunk(*(torch.from_numpy(np.stack(rows)) for rows in (states, actions, [w.valid for w in present])))


def view_batch(views: Sequence[tuple[View, ...]]) -> ViewBatch:
    """Views of B samples with the same roles in the same order -> ViewBatch."""
    roles = tuple(v.role for v in views[0])
    for i, one in enumerate(views):
        if tuple(v.role for v in one) != roles:
            raise DataError(f"sample {i} has views {[v.role for v in one]}, the batch has {list(roles)}; name the same roles for every source")
    b, v = len(views), len(roles)
    affine = np.stack([view.affine for one in views for view in one]).reshape(b, v, 2, 3)
    size = np.array([view.size if view.size != (0, 0) else view.image.shape[:2] for one in views for view in one]).reshape(b, v, 2)
    K, T = np.full((b, v, 3, 3), np.nan, np.float32), np.full((b, v, 4, 4), np.nan, np.float32)
    for i, one in enumerate(views):
        for j, view in enumerate(one):
            if view.camera is not None:
                K[i, j] = view.camera.K
                if view.camera.T_base_cam is not None:
                    T[i, j] = view.camera.T_base_cam
    seen_twice = {r for r in roles if roles.count(r) > 1}
    names = tuple(f"{r}:{k}" if r in seen_twice else r for k, r in enumerate(roles))
    depth = None
    if any(view.depth is not None for view in views[0]):
        depth = tuple(_stack([one[j].depth for one in views], [one[j].image for one in views]) for j in range(v))
    return ViewBatch(
        roles=names,
        images=tuple(torch.from_numpy(np.stack([one[j].image for one in views])) for j in range(v)),
        affine=torch.from_numpy(affine.astype(np.float32)),
        size=torch.from_numpy(size.astype(np.float32)),
        valid=torch.tensor([[view.valid for view in one] for one in views]),
        K=torch.from_numpy(K),
        T_base_cam=torch.from_numpy(T),
        time=torch.tensor([[view.time for view in one] for one in views], dtype=torch.float32),
        depth=depth,
    )


def _stack(depths: list[np.ndarray | None], images: list[np.ndarray]) -> Tensor:
    """A view without depth is unknown everywhere (0), the published form of a missing prior."""
    return torch.from_numpy(np.stack([d if d is not None else np.zeros(i.shape[:2], np.float32) for d, i in zip(depths, images, strict=True)]))
