"""CUT3R's pose memory: what a picture looked like (mean token) beside where its camera was (pose token), asked for the next camera."""

import torch
from torch import Tensor, nn

from praxia.models.geometry_nets.cut3r.blocks import DecoderBlock


class PoseMemory(nn.Module):
    """Slots of 2 x width; nothing is turned or normalised, so their magnitude grows with the number of frames."""

    def __init__(self, slots: int, look: int, width: int, depth: int, heads: int, mlp_ratio: float):
        super().__init__()
        self.mem = nn.Parameter(torch.randn(1, slots, 2 * width) * 0.02)
        self.masked_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.proj_q = nn.Linear(look, width)
        self.write_blocks, self.read_blocks = (nn.ModuleList(DecoderBlock(2 * width, heads, mlp_ratio) for _ in range(depth)) for _ in range(2))

    def read(self, memory: Tensor, look: Tensor) -> Tensor:
        """Memory [B, M, 2 D] and mean encoder token [B, 1, E] -> pose token [B, 1, D] for a picture that looks so."""
        asked = self._key(look)
        query = torch.cat([asked, self.masked_token.expand(len(asked), -1, -1)], dim=-1)
        for block in self.read_blocks:
            query = block(query, memory)
        return query[..., asked.shape[-1] :]

    def write(self, memory: Tensor, look: Tensor, pose: Tensor) -> Tensor:
        """Memory that also knows a picture that looks so and its pose token [B, 1, D]."""
        fact = torch.cat([self._key(look), pose], dim=-1)
        for block in self.write_blocks:
            memory = block(memory, fact)
        return memory

    def _key(self, look: Tensor) -> Tensor:
        return self.proj_q(look).to(look.dtype)
