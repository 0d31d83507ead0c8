"""Prior decoder: a flow decoder that sees only a latent and a noisy chunk, trained before any VLA (Action Priors §III-C, Eq. 4-7)."""

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.attention import Attention
from praxia.models.heads.flow import integrate, path, skewed_time
from praxia.models.heads.head import Head, chunk_validity
from praxia.models.heads.time_embedding import time_embedding
from praxia.models.qwen3_core import ModulatedQwen3, Qwen3Size, zero_linear
from praxia.models.spec_checks import check_counts, check_positive
from praxia.models.states import AttentionGeometry, HeadOutput, PrefixStates
from praxia.registry import register


@register("head/prior_decoder")
@dataclass(frozen=True)
class PriorDecoder:
    """Sizes of the decoder; the stack defaults to Qwen3-0.6B. Flow time r: 0 = noise, 1 = data.

    latent_width: numbers in the condition. latent: it enters as a `token` before the actions (published), or is added to the `time`.
    output: the last layer starts at `zero` or `random`. draws: (noise, time) pairs per sample in one step. time_alpha: see `skewed_time`,
    1 = uniform.
    """

    horizon: int = 15
    action_width: int = 37
    latent_width: int = 1024
    core: Qwen3Size = field(default_factory=Qwen3Size)
    latent: Literal["token", "time"] = "token"
    output: Literal["zero", "random"] = "zero"
    draws: int = 1
    steps: int = 10
    time_alpha: float = 1.5
    attention: Attention = "sdpa"

    def __post_init__(self) -> None:
        check_counts(self, "horizon", "latent_width", "draws", "steps")
        check_counts(self, "action_width", least=0)
        check_positive(self, "time_alpha")

    def build(self, geometry: AttentionGeometry | None, prefix_width: int) -> "PriorDecoderHead":
        """The module; it does not look at the prefix."""
        return PriorDecoderHead(self)


class PriorDecoderHead(Head):
    """[latent, H noisy actions] -> H velocities; the flow time enters through the norms."""

    def __init__(self, spec: PriorDecoder):
        super().__init__()
        self.spec, self.steps = spec, spec.steps
        width = spec.core.width
        self.stack = ModulatedQwen3(spec.core, spec.attention)
        self.latent_in = nn.Linear(spec.latent_width, width)
        self.action_in = nn.Linear(spec.action_width, width)
        self.time_in = nn.Linear(width, width)
        self.time_out = nn.Linear(width, width)
        self.action_out = (zero_linear if spec.output == "zero" else nn.Linear)(width, spec.action_width)

    def load_checkpoint(self) -> None:
        """Read the stack's public weights; the modulation stays zero, so that every block starts as it was."""
        self.stack.load_state_dict(self.stack.state_dict() | self.spec.core.public_weights())

    def draw(self, batch_size: int, generator: torch.Generator) -> Draws:
        spec = self.spec
        noise = torch.randn(batch_size, spec.draws, spec.horizon, spec.action_width, generator=generator)
        return Draws(noise=noise, time=skewed_time(torch.rand(batch_size, spec.draws, generator=generator), spec.time_alpha))

    def forward(self, prefix: PrefixStates | None, condition: Tensor | None, batch: Batch, draws: Draws) -> HeadOutput:
        assert batch.future is not None and draws.noise is not None and draws.time is not None
        noisy, target = path(batch.future.actions, draws.noise, draws.time)
        return HeadOutput(self.velocity(condition, noisy, draws.time), target, chunk_validity(batch))

    def velocity(self, latent: Tensor | None, noisy: Tensor, time: Tensor) -> Tensor:
        """dx/dr at flow time `time` [B, K] for noisy chunks [B, K, H, A] and one latent [B, Z] each sample -> float32 [B, K, H, A]."""
        if latent is None:
            raise ConfigError("head 'prior_decoder' acts on a latent; give the model a conditioner (ModelSpec.conditioner)")
        b, k = time.shape
        told = self.latent_in(latent).repeat_interleave(k, dim=0)
        clock, rows = self.time_in(time_embedding(time.flatten(), self.spec.core.width)), self.action_in(noisy.flatten(0, 1))
        if self.spec.latent == "token":
            rows = torch.cat([told[:, None], rows], dim=1)
        else:
            clock = clock + told
        states = self.stack(rows, F.silu(self.time_out(F.silu(clock))))
        return self.action_out(states[:, -self.spec.horizon :]).float().unflatten(0, (b, k))

    def noise(self, batch_size: int, generator: torch.Generator) -> Tensor:
        return torch.randn(batch_size, self.spec.horizon, self.spec.action_width, generator=generator)

    def sample(
        self, prefix: PrefixStates | None, condition: Tensor | None, state: Tensor | None, noise: Tensor, steps: int, dims: Tensor | None = None
    ) -> Tensor:
        return integrate(lambda chunk, time: self.velocity(condition, chunk, time), noise, steps, dims)
