"""A recipe that learns from datasets of the user's own (`--data`) in place of those it names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from praxia.data.recorded import Recorded, RecordedSource
from praxia.data.source import examples_of
from praxia.data.supervision import Example, Needs, Together
from praxia.errors import ConfigError
from praxia.stages.recipe import Recipe, Source, Stage


def with_data(recipe: Recipe, folders: Sequence[str], size: int = 0) -> Recipe:
    """The recipe with its action data, and sources that name no data, replaced by recorded datasets, in proportion to their episodes.

    Sources that teach no actions are kept where they have data of their own (stage 0); what was asked about the replaced data is asked about
    the new one if it knows the answers (objects and calibration), and left out otherwise. size: longer side the pictures are kept at, 0 = as stored.
    """
    data = [Recorded(str(folder), size=size) for folder in folders]
    opened = [d.open() for d in data]
    episodes = [len(np.unique(o.episodes)) for o in opened]
    shares = [count / sum(episodes) for count in episodes]
    return replace(recipe, stages=tuple(_with_data(stage, data, opened, shares) for stage in recipe.stages))


def _with_data(stage: Stage, data: Sequence[Recorded], opened: Sequence[RecordedSource], shares: Sequence[float]) -> Stage:
    acting = [s for s in stage.sources if s.supervision.needs.horizon > 0]
    replaced = [None, *(a.data for a in acting)]
    weight = sum(a.weight for a in acting)
    blind = bool(acting) and not acting[0].supervision.needs.pictures
    new = [
        replace(_taught(acting[0], o), data=replace(d, blind=blind), weight=weight * share)
        for d, o, share in zip(data, opened, shares, strict=True)
        if acting
    ]
    for source in stage.sources:
        if source.supervision.needs.horizon > 0:
            continue
        if source.data not in replaced:
            new.append(source)
        else:
            able = [(d, share) for d, o, share in zip(data, opened, shares, strict=True) if _answers(o, source)]
            new += [replace(source, data=d, weight=source.weight * share) for d, share in able]
    if stage.sources and not new:
        wanted = ", ".join(s.supervision.name for s in stage.sources)
        raise ConfigError(
            f"stage {stage.name!r}: none of the datasets of --data can teach {wanted}: that takes calibrated cameras and the tool's path or the "
            "objects' poses; add those columns to the dataset and its card, or leave the stage out in a recipe of your own"
        )
    return replace(stage, sources=tuple(new))


def _taught(source: Source, opened: RecordedSource) -> Source:
    """The source without what its supervision teaches beside the actions, where a dataset does not know it (which is printed)."""
    beside = getattr(source.supervision, "beside", None)
    if beside is None:
        return source

    def known(one: Any) -> bool:
        answers = _answers(opened, replace(source, supervision=one))
        if not answers:
            lacks = _lacks(one.needs)
            print(f"dataset {opened.name!r} does not know what {one.name} teaches beside actions ({lacks}): it is not taught there")
        return answers

    kept = beside.only(known) if isinstance(beside, Together) else beside if known(beside) else None
    return replace(source, supervision=replace(source.supervision, beside=kept))


def _answers(opened: RecordedSource, source: Source) -> bool:
    """Whether one of a few samples of a dataset has what a supervision asks for, and knows some of it: an example whose dense targets are marked
    unknown (`*_valid`) everywhere would be scored with an exact 0."""
    few = range(0, len(opened), max(1, len(opened) // 8))
    return any(_known(example) for example in examples_of(opened, few, source.supervision))


def _lacks(needs: Needs) -> str:
    """What a dataset may lack for a supervision, in words."""
    words = {"objects": "poses and ids of objects", "masks": "instance masks", "depth": "depth", "tool_path": "the tool's path"}
    return ", ".join(word for name, word in words.items() if getattr(needs, name))


def _known(example: Example) -> bool:
    return all(values.any() for name, values in example.dense.items() if name.endswith("_valid"))
