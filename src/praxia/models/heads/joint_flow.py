"""Joint flow expert (pi0, arXiv 2410.24164; pi0.5, 2504.16054): a Gemma expert that reads the prefix's keys and values; flow time 1 = noise.

x_t = t * noise + (1 - t) * actions, target = noise - actions; integration from t = 1 to 0.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, GemmaConfig, GemmaModel

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.backbone import additive_mask
from praxia.models.heads.flow import known
from praxia.models.heads.head import Head, chunk_validity
from praxia.models.heads.time_embedding import time_embedding
from praxia.models.layout import Group, TokenLayout
from praxia.models.modulated_gemma import ModulatedGemma
from praxia.models.spec_checks import check_choice, check_counts, check_positive
from praxia.models.states import AttentionGeometry, HeadOutput, PrefixStates, Want
from praxia.registry import register

# Parts of the public checkpoints (openpi's PyTorch form) and what they are here.
_PUBLIC = (("paligemma_with_expert.gemma_expert.model", "dit"), ("action_in_proj", "action_in_proj"), ("action_out_proj", "action_out_proj"))
_PUBLIC_FORMS = {
    "pi0": tuple((name, name) for name in ("state_proj", "action_time_mlp_in", "action_time_mlp_out")),
    "pi05": tuple((name, name) for name in ("time_mlp_in", "time_mlp_out")),
}


@register("head/joint_flow")
@dataclass(frozen=True)
class JointFlow:
    """Sizes of the expert and of the chunk; heads and head_dim come from the backbone, defaults are Gemma-300M.

    form: `pi0`: one state token before the chunk, the time is mixed into every action token. `pi05`: the state is written into the prompt as
    integers (no state token), the time modulates the expert's norms.
    action_width, state_width: widths of the number vectors the expert sees (published: both padded to 32).
    draws: (noise, time) pairs per prefix in one step. insulate: detach the prefix's keys and values (knowledge insulation).
    time_alpha: t = 0.001 + 0.999 * Beta(time_alpha, 1), skewed towards noise; Beta(a, 1) is u ** (1 / a) for uniform u.
    """

    horizon: int = 50
    action_width: int = 32
    state_width: int = 32
    width: int = 1024
    mlp: int = 4096
    draws: int = 1
    steps: int = 10
    insulate: bool = False
    form: Literal["pi0", "pi05"] = "pi0"
    time_alpha: float = 1.5
    attention: Attention = "sdpa"

    def __post_init__(self) -> None:
        check_counts(self, "horizon", "width", "mlp", "draws", "steps")
        check_counts(self, "action_width", "state_width", least=0)
        check_positive(self, "time_alpha")
        check_choice(self, "form", tuple(_PUBLIC_FORMS))

    @property
    def state_in_prompt(self) -> bool:
        """Whether the robot's state must be part of the prompt."""
        return self.form == "pi05"

    def public_parts(self, prefix: str = "") -> tuple[tuple[str, str], ...]:
        """`InitFrom.parts` that start the expert from a public pi0 or pi0.5 checkpoint folder. prefix: what stands before every name
        there, "model." in LeRobot's."""
        return tuple((prefix + theirs, f"head.{ours}") for theirs, ours in (*_PUBLIC, *_PUBLIC_FORMS[self.form]))

    def build(self, geometry: AttentionGeometry | None, prefix_width: int) -> "JointFlowHead":
        """The module, matched to the backbone's attention geometry."""
        if geometry is None:
            raise ConfigError("head 'joint_flow' reads a backbone's keys and values; this model has no backbone. Use head 'prior_decoder'")
        if geometry.rotary != "gemma":
            raise ConfigError(f"head 'joint_flow' is a Gemma expert and needs a Gemma backbone, got rotary form {geometry.rotary!r}")
        return {"pi0": JointFlowHead, "pi05": ModulatedJointFlowHead}[self.form](self, geometry)


class JointFlowHead(Head):
    """The expert in the pi0 form. Parameter names follow the library's pi0 (`dit`, `embed_action_time.*`, `action_out_proj`)."""

    want = Want(key_values=True)

    def __init__(self, spec: JointFlow, geometry: AttentionGeometry):
        super().__init__()
        self.spec, self.steps = spec, spec.steps
        config = GemmaConfig(
            hidden_size=spec.width,
            num_hidden_layers=geometry.layers,
            intermediate_size=spec.mlp,
            num_attention_heads=geometry.heads,
            num_key_value_heads=geometry.kv_heads,
            head_dim=geometry.head_dim,
            vocab_size=1,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=None,
        )
        config._attn_implementation = library_name(spec.attention)
        self.action_in_proj = nn.Linear(spec.action_width, spec.width)
        self.action_out_proj = nn.Linear(spec.width, spec.action_width)
        self._build_expert(config)

    def _build_expert(self, config: GemmaConfig) -> None:
        width = self.spec.width
        self.dit = GemmaModel(config)
        del self.dit.embed_tokens  # the expert never sees token ids
        self.state_proj = nn.Linear(self.spec.state_width, width)
        self.action_time_mlp_in = nn.Linear(2 * width, width)
        self.action_time_mlp_out = nn.Linear(width, width)

    def layout(self, prefix: TokenLayout) -> TokenLayout:
        """The state token if the form has one, then the chunk, which also sees the state."""
        block = max(g.block for g in prefix.groups)
        groups = (Group("action", self.spec.horizon, block + 2),)
        if not self.spec.state_in_prompt:
            groups = (Group("state", 1, block + 1), *groups)
        return prefix.extended(groups, prefix.valid.new_ones(len(prefix.valid), sum(g.length for g in groups)))

    def draw(self, batch_size: int, generator: torch.Generator) -> Draws:
        spec = self.spec
        noise = torch.randn(batch_size, spec.draws, spec.horizon, spec.action_width, generator=generator)
        uniform = torch.rand(batch_size, spec.draws, generator=generator)
        return Draws(noise=noise, time=0.001 + 0.999 * uniform ** (1 / spec.time_alpha))

    def forward(self, prefix: PrefixStates | None, condition: Tensor | None, batch: Batch, draws: Draws) -> HeadOutput:
        assert prefix is not None and batch.future is not None and draws.noise is not None and draws.time is not None
        actions = batch.future.actions[:, None]
        time = draws.time[:, :, None, None]
        noisy = time * draws.noise + (1 - time) * actions
        velocity = self.velocity(prefix, batch.state, noisy, draws.time)
        return HeadOutput(velocity, draws.noise - actions, chunk_validity(batch))

    def velocity(self, prefix: PrefixStates, state: Tensor | None, noisy: Tensor, time: Tensor) -> Tensor:
        """dx/dt at flow time `time` [B, K] for noisy chunks [B, K, H, A] -> [B, K, H, A]."""
        b, k, h, _ = noisy.shape
        # an answer that is taught in the same batch is not there when the policy acts
        observed = prefix.layout.hiding("target")
        answer = prefix.layout.valid.sum(1) - observed.valid.sum(1)
        layout = self.layout(observed.repeated(k))
        rows = [group.name for group in layout.groups if group.name in ("state", "action")]
        mask = layout.mask(tuple(rows))
        positions = (prefix.next_position - answer).repeat_interleave(k)[:, None] + torch.arange(mask.shape[-2], device=mask.device)
        mask = additive_mask(mask, torch.bfloat16) if self.spec.attention == "plain" else mask
        hidden = self._expert(self.action_in_proj(noisy.flatten(0, 1)), time.flatten(), state, mask, positions, self._cache(prefix, k))
        return self.action_out_proj(hidden[:, -h:]).float().unflatten(0, (b, k))

    def _expert(self, chunk: Tensor, time: Tensor, state: Tensor | None, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Action tokens [B * K, H, W] at times [B * K] -> hidden rows [B * K, 1 + H, W]."""
        if state is None:
            raise ConfigError("head 'joint_flow' needs the robot's state; the batch has none. Add state to the dataset card")
        moment = time_embedding(time, self.spec.width).to(chunk.dtype)[:, None].expand_as(chunk)
        chunk = self.action_time_mlp_out(F.silu(self.action_time_mlp_in(torch.cat([chunk, moment], dim=-1))))
        proprioception = self.state_proj(state)[:, None].repeat_interleave(len(chunk) // len(state), dim=0)
        rows = torch.cat([proprioception.to(chunk.dtype), chunk], dim=1)
        return self.dit(inputs_embeds=rows, attention_mask=mask, position_ids=positions, past_key_values=cache).last_hidden_state

    def _cache(self, prefix: PrefixStates, times: int) -> DynamicCache:
        """A fresh library cache holding the prefix (each expert call appends its own rows to it)."""
        assert prefix.key_values is not None
        cache = DynamicCache()
        for layer, (key, value) in enumerate(prefix.key_values):
            if self.spec.insulate:
                key, value = key.detach(), value.detach()
            if times > 1:
                key, value = key.repeat_interleave(times, dim=0), value.repeat_interleave(times, dim=0)
            cache.update(key, value, layer)
        return cache

    def noise(self, batch_size: int, generator: torch.Generator) -> Tensor:
        return torch.randn(batch_size, self.spec.horizon, self.spec.action_width, generator=generator)

    def sample(
        self, prefix: PrefixStates | None, condition: Tensor | None, state: Tensor | None, noise: Tensor, steps: int, dims: Tensor | None = None
    ) -> Tensor:
        assert prefix is not None
        chunk = noise[:, None]
        for i in range(steps):
            time = torch.full((len(noise), 1), 1.0 - i / steps, device=noise.device)
            chunk = chunk - known(self.velocity(prefix, state, chunk, time), noise[:, None], dims) / steps
        return chunk[:, 0]


class ModulatedJointFlowHead(JointFlowHead):
    """The expert in the pi0.5 form. Parameter names follow the public checkpoints (`time_mlp_in`, `time_mlp_out`, norms with a `dense`)."""

    def _build_expert(self, config: GemmaConfig) -> None:
        self.dit = ModulatedGemma(config)
        self.time_mlp_in = nn.Linear(self.spec.width, self.spec.width)
        self.time_mlp_out = nn.Linear(self.spec.width, self.spec.width)

    def _expert(self, chunk: Tensor, time: Tensor, state: Tensor | None, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Action tokens [B * K, H, W] at times [B * K] -> hidden rows [B * K, H, W]."""
        moment = time_embedding(time, self.spec.width).to(chunk.dtype)
        condition = F.silu(self.time_mlp_out(F.silu(self.time_mlp_in(moment))))
        return self.dit(chunk, condition, mask, positions, cache)
