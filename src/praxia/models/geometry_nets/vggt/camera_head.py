"""VGGT's camera head: a pose encoding per view, refined in steps that share their weights.

Encoding of 9: translation, quaternion (x, y, z, w), vertical and horizontal field of view in radians.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.models.geometry_nets.transformer_blocks import Block, Mlp

EPS = 1e-5
ENCODING = 9


class CameraHead(nn.Module):
    """width: 2 C of the aggregator. Every step starts from the view's camera token, told only where the last step left the pose."""

    def __init__(self, width: int, depth: int, heads: int, mlp_ratio: float, steps: int):
        super().__init__()
        self.steps = steps
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, ENCODING))
        self.embed_pose = nn.Linear(ENCODING, width)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 3 * width))
        self.adaln_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.token_norm = nn.LayerNorm(width, eps=EPS)
        self.trunk = nn.Sequential(*(Block(width, heads, mlp_ratio, EPS, layer_scale=0.01) for _ in range(depth)))
        self.trunk_norm = nn.LayerNorm(width, eps=EPS)
        self.pose_branch = Mlp(width, width // 2, ENCODING)

    def forward(self, camera: Tensor) -> list[Tensor]:
        """Camera tokens [B, V, 2 C] -> the encoding after each step [B, V, 9]; fields of view are not negative, quaternions not unit."""
        token = self.token_norm(camera)
        pose, emitted = None, []
        for _ in range(self.steps):
            told = self.embed_pose(self.empty_pose_tokens.expand(*token.shape[:2], -1) if pose is None else pose)
            shift, scale, gate = self.poseLN_modulation(told).chunk(3, dim=-1)
            moved = token + gate * (self.adaln_norm(token) * (1 + scale) + shift)
            change = self.pose_branch(self.trunk_norm(self.trunk(moved)))
            pose = change if pose is None else pose + change
            # only what is emitted is rectified; the running pose may pass through negative fields of view
            emitted.append(torch.cat([pose[..., :7], F.relu(pose[..., 7:])], dim=-1))
        return emitted
