"""ModelSpec: which parts make a model. Frozen data; `VLA(spec)` builds it, the registry reads it back from JSON."""

from dataclasses import dataclass, field
from typing import Any, Literal

from praxia.errors import ConfigError
from praxia.models.spec_checks import check_counts
from praxia.registry import register


@register("tokens/learned")
@dataclass(frozen=True)
class LearnedTokens:
    """A group of learned embeddings in the prefix: action queries, a latent query, registers, soft prompts.

    per_embodiment: one table per embodiment (soft prompts). scale: initial standard deviation, relative to the
    RMS of the backbone's embeddings with the random weights it is built with, whatever is loaded later.
    """

    name: str
    count: int
    block: int = 1
    causal: bool = False
    per_embodiment: bool = False
    scale: float = 1.0


@register("tokens/special")
@dataclass(frozen=True)
class SpecialToken:
    """A group of one vocabulary token that is added to the tokenizer, e.g. `<SEG>`: its row of the embedding table, and a learned vector of its own
    on top (0 at the start), so that it learns where the table is frozen."""

    name: str
    token: str
    block: int = 1
    causal: bool = False


@register("tokens/history")
@dataclass(frozen=True)
class HistoryToken:
    """One token made of past states and actions (Action Priors §III-E); dropped by pass or mask `history`.

    drop: probability that a training sample loses the token (the cheap form of a second pass without it).
    form: made by the action `encoder`, or by an `mlp` from the raw numbers of `steps` steps (Table V: what the encoder is compared with).
    """

    name: str = "history"
    block: int = 0
    drop: float = 0.0
    form: Literal["encoder", "mlp"] = "encoder"
    steps: int = 15

    def __post_init__(self) -> None:
        check_counts(self, "steps")
        if not 0 <= self.drop < 1:
            raise ConfigError(f"HistoryToken.drop is {self.drop}; expected a probability from 0 (never dropped) to below 1")


TokenGroup = LearnedTokens | SpecialToken | HistoryToken


@register("model")
@dataclass(frozen=True)
class ModelSpec:
    """The composition. A part that is None or empty does not exist.

    backbone, head, conditioner, encoder: spec dataclasses with `build(...)`. adapters: vision adapters in order.
    tokens: further prefix groups. order: sequence order of the prefix; `views` stands for all views.
    readouts: name -> module spec that reads prefix states (mask decoder, geometry projector, positions).
    geometry: a geometry net that a stage trains (a frozen one belongs to the adapter or teacher that uses it).
    vocabulary: number tokens added to the tokenizer. action_width, state_width: widths of the normalised vectors.
    """

    backbone: Any = None
    adapters: tuple[Any, ...] = ()
    tokens: tuple[TokenGroup, ...] = ()
    order: tuple[str, ...] = ("views", "prompt", "target")
    prefix_attention: Literal["block", "causal"] = "block"
    vocabulary: Any = None
    encoder: Any = None
    conditioner: Any = None
    head: Any = None
    readouts: dict[str, Any] = field(default_factory=dict)
    geometry: Any = None
    embodiments: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> dict[str, str]:
        """Parts that start from public weights, and which."""
        named = {"backbone": self.backbone} | {part: getattr(getattr(self, part), "core", None) for part in ("encoder", "head")}
        found = {part: getattr(spec, "checkpoint", "") for part, spec in named.items()}
        return {part: checkpoint for part, checkpoint in found.items() if checkpoint}

    @property
    def relies_on(self) -> frozenset[str]:
        """Optional inputs (`cameras`, `depth`) that a part never missed in training where the data had them."""
        return frozenset().union(*(getattr(adapter, "relies_on", ()) for adapter in self.adapters))

    @property
    def reads_depth(self) -> bool:
        """Whether a part reads metric depth where it is there."""
        return any(getattr(adapter, "reads_depth", False) for adapter in self.adapters)

    @property
    def state_in_prompt(self) -> bool:
        """Whether the robot's state is written into the prompt of an action (pi0.5)."""
        return getattr(self.head, "state_in_prompt", False)
