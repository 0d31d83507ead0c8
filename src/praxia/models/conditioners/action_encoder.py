"""Action encoder: one latent of unit length for a chunk of states and actions (Action Priors §III-C, Eq. 3; arXiv 2606.26095)."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3Model

from praxia.data.batch import Chunk
from praxia.errors import ConfigError
from praxia.models.attention import Attention
from praxia.models.backbones.backbone import additive_mask
from praxia.models.layout import Group, TokenLayout
from praxia.models.qwen3_core import Qwen3Size
from praxia.models.spec_checks import check_counts
from praxia.registry import register


@register("encoder/state_action")
@dataclass(frozen=True)
class ActionEncoder:
    """Sizes of the encoder; the stack defaults to Qwen3-0.6B. prompt_tokens: soft prompt tokens per embodiment. states: whether it sees them."""

    state_width: int = 74
    action_width: int = 37
    prompt_tokens: int = 8
    core: Qwen3Size = field(default_factory=Qwen3Size)
    attention: Attention = "sdpa"
    states: bool = True

    def __post_init__(self) -> None:
        check_counts(self, "state_width", "action_width", "prompt_tokens", least=0)

    @property
    def width(self) -> int:
        """Numbers in the latent."""
        return self.core.width

    def build(self, embodiments: int) -> "ActionEncoderNet":
        """The module, with one soft prompt per embodiment (one for all if the model names none)."""
        return ActionEncoderNet(self, max(1, embodiments))


class ActionEncoderNet(nn.Module):
    """Tokens [cls, soft prompt, s_0, a_0, s_1, a_1, ...], bidirectional (cls stands first and would see nothing under a causal mask).

    An encoder without states leaves theirs out.
    """

    def __init__(self, spec: ActionEncoder, embodiments: int):
        super().__init__()
        self.spec, self.width = spec, spec.width
        self.stack = Qwen3Model(spec.core.hf_config(spec.attention))
        del self.stack.embed_tokens  # numbers come in, no ids
        self.state_in = nn.Linear(spec.state_width, spec.width) if spec.states else None
        self.action_in = nn.Linear(spec.action_width, spec.width)
        self.type_embedding = nn.Parameter(0.02 * torch.randn(2, spec.width))
        self.cls = nn.Parameter(0.02 * torch.randn(spec.width))
        self.prompts = nn.Parameter(0.02 * torch.randn(embodiments, spec.prompt_tokens, spec.width))

    def load_checkpoint(self) -> None:
        """Read the stack's public weights."""
        self.stack.load_state_dict(self.spec.core.public_weights())

    def forward(self, chunk: Chunk, embodiment: Tensor | None) -> Tensor:
        """z float32 [B, width] of unit length. Steps that are not valid are invisible. embodiment: int64 [B]."""
        b = len(chunk.states)
        if embodiment is None:
            if len(self.prompts) > 1:
                raise ConfigError(f"the action encoder knows {len(self.prompts)} embodiments but the batch has no embodiment index")
            embodiment = torch.zeros(b, dtype=torch.long, device=chunk.states.device)
        told = [self.action_in(chunk.actions) + self.type_embedding[1]]
        if self.state_in is not None:
            told.insert(0, self.state_in(chunk.states) + self.type_embedding[0])
        rows = torch.cat([self.cls.expand(b, 1, -1), self.prompts[embodiment], torch.stack(told, dim=2).flatten(1, 2)], dim=1)
        groups = (Group("cls", 1, 0), Group("prompt", self.spec.prompt_tokens, 0), Group("chunk", len(told) * chunk.valid.shape[1], 0))
        always = chunk.valid.new_ones(b, 1 + self.spec.prompt_tokens)
        layout = TokenLayout(groups, torch.cat([always, chunk.valid.repeat_interleave(len(told), dim=1)], dim=1))
        mask = layout.mask()
        out = self.stack(
            inputs_embeds=rows,
            attention_mask=additive_mask(mask, torch.bfloat16) if self.spec.attention == "plain" else mask,
            position_ids=layout.positions(),
            use_cache=False,
        )
        return F.normalize(out.last_hidden_state[:, 0].float(), dim=-1)
