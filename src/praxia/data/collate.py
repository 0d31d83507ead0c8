"""Collate: examples -> Batch (numbers normalised, texts tokenised, pictures stacked as uint8)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.data.numbers import Numbers
from praxia.data.sample import Sample, Window
from praxia.data.supervision.pose_text import shortened
from praxia.data.supervision.supervision import Example
from praxia.errors import ConfigError, DataError, unknown
from praxia.geometry.scene import View
from praxia.tokens.quantity import FittedVocabulary, Parts

T = TypeVar("T")


class Collate:
    """Holds what turns examples into tensors: number transforms and the backbone's text rendering.

    text: object with prompt_ids(tokenizer, text) and target_ids(tokenizer, text), or None for models without a backbone.
    numbers: per embodiment. embodiments: index of each name. vocabulary: what writes the quantities of a target as tokens.
    state_in_prompt: whether the prompt of an example that asks for actions (it has a state and no answer) also holds the state (pi0.5).
    """

    def __init__(
        self,
        numbers: dict[str, Numbers],
        text: Any = None,
        tokenizer: Any = None,
        embodiments: Sequence[str] = (),
        vocabulary: FittedVocabulary | None = None,
        state_in_prompt: bool = False,
    ):
        self.numbers, self.embodiments = numbers, {name: i for i, name in enumerate(embodiments)}
        self.pad = tokenizer.pad_token_id if tokenizer is not None else 0
        if text is not None:
            if tokenizer is None:
                raise ConfigError("Collate renders texts for a backbone but was given no tokenizer; set Recipe.tokenizer")
            self._prompt = lru_cache(maxsize=100_000)(lambda s: tuple(text.prompt_ids(tokenizer, s)))
            self._answer = lru_cache(maxsize=100_000)(lambda s: tuple(text.target_ids(tokenizer, s)))
            self._talk = lambda texts: text.dialogue_ids(tokenizer, texts)
            self._state_prompt = lambda s, state: tuple(text.state_prompt_ids(tokenizer, s, state))
            self._phrase = lru_cache(maxsize=100_000)(lambda s: tuple(tokenizer.encode(s, add_special_tokens=False)))
        self.text, self._vocabulary, self._state_in_prompt = text is not None, vocabulary, state_in_prompt

    def __call__(self, examples: Sequence[Example], indices: Sequence[int] | None = None) -> Batch:
        """All examples must have the same parts, view roles and stored picture sizes. Raises DataError otherwise."""
        samples = [e.sample for e in examples]
        views = _all_or_none("pictures", [s.views or None for s in samples])
        state = self._state(samples)
        return Batch(
            size=len(examples),
            views=view_batch(views) if views else None,
            prompt=self._prompts(examples, state) if self.text else None,
            target=self._targets(examples) if self.text else None,
            state=state,
            future=self._chunk([s.future for s in samples], samples, "future"),
            past=self._chunk([s.past for s in samples], samples, "past"),
            action_dims=self._action_dims(samples) if all(s.embodiment in self.numbers for s in samples) else None,
            embodiment=self._robots(samples) if self.embodiments else None,
            phrases=self._phrases([e.phrases for e in examples]) if self.text else None,
            dense={k: torch.from_numpy(np.stack([e.dense[k] for e in examples])) for k in examples[0].dense},
            sample_index=torch.tensor(list(indices)) if indices is not None else None,
        )

    def _robots(self, samples: list[Sample]) -> Tensor | None:
        """Indices of the samples' robots; None where nobody acts, or where pictures are of a robot that never does."""
        if not any(s.embodiment for s in samples) or all(s.future is None and s.embodiment not in self.embodiments for s in samples):
            return None
        return torch.tensor([self._index(s.embodiment) for s in samples])

    def _index(self, embodiment: str) -> int:
        if embodiment not in self.embodiments:
            raise DataError(unknown("embodiment of the model", embodiment, self.embodiments) + "; name every robot in ModelSpec.embodiments")
        return self.embodiments[embodiment]

    def _prompts(self, examples: Sequence[Example], state: Tensor | None) -> Tokens | None:
        prompts = _all_or_none("a prompt", [e.prompt for e in examples])
        if prompts is None:
            return None
        asked = [self._said(prompt, "prompt") for prompt in prompts]
        if self._state_in_prompt and state is None and any(e.sample.future is not None for e in examples):
            raise ConfigError("the model reads the robot's state from the prompt (form 'pi05'), but the data has none; add state to the dataset card")
        if not self._state_in_prompt or any(e.target is not None for e in examples) or state is None:
            return self._tokens([self._prompt(text) for text in asked])
        return self._tokens([self._state_prompt(text, row) for text, row in zip(asked, state_integers(state.numpy()).tolist(), strict=True)])

    def _state(self, samples: list[Sample]) -> Tensor | None:
        states = _all_or_none("a state", [s.state for s in samples])
        if states is None:
            return None
        return _per_robot(samples, self._numbers, lambda numbers, rows: numbers.state_forward(np.stack([states[i] for i in rows])))

    def _chunk(self, windows: list[Window | None], samples: list[Sample], name: str) -> Chunk | None:
        present = _all_or_none(f"a {name} window", windows)
        if present is None:
            return None

        def actions(numbers: Numbers, rows: list[int]) -> np.ndarray:
            from_start = name == "past" and numbers.past == "start"
            anchors = _all_or_none("a state", [present[i].start if from_start else samples[i].state for i in rows])
            return numbers.action_forward(np.stack([present[i].actions for i in rows]), np.stack(anchors) if anchors else None)

        return Chunk(
            states=_per_robot(samples, self._numbers, lambda numbers, rows: numbers.state_forward(np.stack([present[i].states for i in rows]))),
            actions=_per_robot(samples, self._numbers, actions),
            valid=torch.from_numpy(np.stack([w.valid for w in present])),
        )

    def _action_dims(self, samples: list[Sample]) -> Tensor | None:
        """bool [B, A]: slots that each sample's robot has; None where its numbers fill the vector."""
        dims = [self._numbers(s.embodiment).action_dims for s in samples]
        narrow = next((d for d in dims if d is not None), None)
        return None if narrow is None else torch.from_numpy(np.stack([np.ones_like(narrow) if d is None else d for d in dims]))

    def _numbers(self, embodiment: str) -> Numbers:
        if embodiment not in self.numbers:
            raise DataError(f"no number transforms for embodiment {embodiment!r}; the recipe has {sorted(self.numbers)}")
        return self.numbers[embodiment]

    def _targets(self, examples: Sequence[Example]) -> Tokens | None:
        present = _all_or_none("a target text", [e.target for e in examples])
        if present is None or not any(e.later for e in examples):
            return self._tokens([self._target(e, target) for e, target in zip(examples, present, strict=True)]) if present else None
        talks = [self._talk((str(target), *e.later)) for e, target in zip(examples, present, strict=True)]
        tokens = self._tokens([tuple(ids) for ids, _ in talks])
        said = torch.zeros_like(tokens.valid)
        for row, (_, replies) in zip(said, talks, strict=True):
            row[: len(replies)] = torch.tensor(replies)
        return replace(tokens, said=said)

    def _target(self, example: Example, target: str | Parts) -> tuple[int, ...]:
        ids = self._answer(self._said(target, "target"))
        if example.prompt is None or isinstance(target, str) or not example.most_tokens:
            return ids
        most = example.most_tokens - len(self._prompt(self._said(example.prompt, "prompt")))
        if len(ids) <= most:
            return ids
        return self._answer(self._said(shortened(target, most, lambda parts: len(self._answer(self._said(parts, "target")))), "target"))

    def _said(self, parts: str | Parts, what: str) -> str:
        if isinstance(parts, str):
            return parts
        if self._vocabulary is None:
            raise ConfigError(f"a supervision's {what} holds numbers, but the model has no vocabulary that writes them; set ModelSpec.vocabulary")
        return self._vocabulary.text(parts)

    def _phrases(self, phrases: list[tuple[str, ...]]) -> Tokens | None:
        if not phrases[0]:
            return None
        flat = self._tokens([self._phrase(text) for row in phrases for text in row])
        return Tokens(*(t.unflatten(0, (len(phrases), -1)) for t in (flat.ids, flat.valid)))

    def _tokens(self, rows: list[tuple[int, ...]]) -> Tokens:
        """Right-padded to the longest row, rounded up to a multiple of 4 so that few different shapes occur."""
        length = -(-max(1, *(len(r) for r in rows)) // 4) * 4
        ids = np.full((len(rows), length), self.pad, dtype=np.int64)
        valid = np.zeros((len(rows), length), dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)], valid[i, : len(row)] = row, True
        return Tokens(torch.from_numpy(ids), torch.from_numpy(valid))


def state_integers(state: np.ndarray) -> np.ndarray:
    """Normalised numbers as 256 even bins over [-1, 1], int64 0 to 255, those outside clipped (pi0.5)."""
    return np.clip(np.floor((np.asarray(state, np.float64) + 1) * 128), 0, 255).astype(np.int64)


def _all_or_none(what: str, values: Sequence[T | None]) -> list[T] | None:
    """The values if all are there, None if none is; DataError if some are."""
    present = [value for value in values if value is not None]
    if present and len(present) < len(values):
        raise DataError(
            f"{len(present)} of {len(values)} samples of a batch have {what}, the first without is sample "
            f"{next(i for i, value in enumerate(values) if value is None)}; give sources of one supervision the same parts"
        )
    return present or None


def _per_robot(samples: list[Sample], numbers: Callable[[str], Numbers], make: Callable[[Numbers, list[int]], np.ndarray]) -> Tensor:
    """Rows of all samples, transformed robot by robot: make(numbers of the robot, its row indices) -> [rows, ..., D]."""
    rows: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        rows.setdefault(sample.embodiment, []).append(i)
    made = {name: make(numbers(name), group) for name, group in rows.items()}
    if len(made) == 1:
        return torch.from_numpy(next(iter(made.values())))
    shapes = {name: part.shape[1:] for name, part in made.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"robots of one batch have numbers of different shapes {shapes}; widen them into shared slots with SlotMap in Recipe.numbers")
    out = np.empty((len(samples), *next(iter(shapes.values()))), np.float32)
    for name, group in rows.items():
        out[group] = made[name]
    return torch.from_numpy(out)


def view_batch(views: Sequence[tuple[View, ...]]) -> ViewBatch:
    """Views of B samples with the same roles in the same order -> ViewBatch."""
    roles = tuple(v.role for v in views[0])
    for i, one in enumerate(views):
        if tuple(v.role for v in one) != roles:
            raise DataError(f"sample {i} has views {[v.role for v in one]}, the batch has {list(roles)}; name the same roles for every source")
        for j, view in enumerate(one):
            if view.image.shape != views[0][j].image.shape:
                raise DataError(
                    f"sample {i}, view {view.role!r}: the stored picture is {view.image.shape[:2]}, the batch has {views[0][j].image.shape[:2]}; "
                    "give both sources the same size (Recorded.size)"
                )
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
    if any(view.depth is not None for one in views for view in one):
        depth = tuple(_stack([one[j].depth for one in views], [one[j].image for one in views]) for j in range(v))
    colour = None
    if any(view.colour is not None for one in views for view in one):
        unchanged = np.array([1.0, 1.0, 1.0, 0.0])
        factors = np.stack([unchanged if view.colour is None else view.colour for one in views for view in one])
        colour = torch.from_numpy(factors.reshape(b, v, 4).astype(np.float32))
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
        colour=colour,
    )


def _stack(depths: list[np.ndarray | None], images: list[np.ndarray]) -> Tensor:
    """A view without depth is unknown everywhere (0), the published form of a missing prior."""
    return torch.from_numpy(np.stack([d if d is not None else np.zeros(i.shape[:2], np.float32) for d, i in zip(depths, images, strict=True)]))
