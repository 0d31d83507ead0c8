"""together: several supervisions that ask nothing, taught on the same pictures in the same forward."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.registry import register


@register("supervision/together")
@dataclass(frozen=True)
class Together:
    """For `beside`: dense targets and phrases of all `parts`, which must be of different names."""

    parts: tuple[Any, ...]
    name: str = "together"
    asks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("Together.parts is empty; name supervisions that ask nothing, e.g. (SceneGrounding(), TargetMasks())")
        if asking := [part.name for part in self.parts if getattr(part, "asks", True)]:
            raise ConfigError(f"Together.parts: {', '.join(asking)} asks something, and a sample is asked one thing; make it a Source of its own")

    @property
    def needs(self) -> Needs:
        """Everything that a part needs."""
        needs = [part.needs for part in self.parts]
        return Needs(**{field.name: max(getattr(one, field.name) for one in needs) for field in fields(Needs)})

    def only(self, kept: Callable[[Any], bool]) -> Any:
        """The parts that are kept: None, one alone, or some together."""
        parts = tuple(part for part in self.parts if kept(part))
        return replace(self, parts=parts) if len(parts) > 1 else next(iter(parts), None)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None where a part has nothing to say. Raises ConfigError for parts that give targets of one name."""
        example = Example(sample, None)
        for part in self.parts:
            taught: Example | None = part(sample, rng)
            if taught is None:
                return None
            if twice := sorted(example.dense.keys() & taught.dense.keys()) or (["phrases"] if example.phrases and taught.phrases else []):
                raise ConfigError(f"Together.parts: two of them give {', '.join(twice)}; leave one out")
            example = replace(example, dense=example.dense | taught.dense, phrases=example.phrases or taught.phrases)
        return example
