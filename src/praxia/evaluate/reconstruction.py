"""How well a geometry net sees: depth, points and relative cameras against the truth, and against a predictor that does not look."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from praxia.data.true_geometry import TrueGeometry
from praxia.geometry.rotations import nearest_rotation
from praxia.models.geometry_nets.geometry_net import Reconstruction


def depth_scores(depth: Tensor, truth: Tensor) -> dict[str, float]:
    """Of metric depths [..., H, W], where the truth is known (> 0): abs_rel = mean |d - d*| / d*, median_cm of |d - d*|, and
    delta1 = share of pixels with max(d / d*, d* / d) < 1.25."""
    known = truth > 0
    d, t = depth[known].double(), truth[known].double()
    ratio = torch.maximum(d / t, t / d.clamp_min(1e-9))
    return {
        "abs_rel": float(((d - t).abs() / t).mean()),
        "median_cm": float(100 * (d - t).abs().median()),
        "delta1": float((ratio < 1.25).double().mean()),
    }


def pose_errors(T: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Translation error in metres [N] and rotation error in degrees [N] of poses [N, 4, 4]."""
    turn = T[:, :3, :3].double().mT @ truth[:, :3, :3].double()
    cosine = (turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    # near the identity acos loses half of its digits: the sine is the better half there
    sine = 0.5 * torch.stack([turn[:, i, j] - turn[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], dim=-1).norm(dim=-1)
    return (T[:, :3, 3] - truth[:, :3, 3]).double().norm(dim=-1), torch.rad2deg(torch.atan2(sine, cosine))


def reconstruction_scores(roles: Sequence[str], made: Reconstruction, truth: TrueGeometry, usual: Mapping[str, Tensor]) -> dict[str, float]:
    """Scores of N samples by view: `head/abs_rel`, `head/median_cm`, `head/points_cm` (median distance of points), and for every view but the first
    `head_2/translation_cm`, `head_2/rotation_deg` (medians) of its camera in the first one's frame.

    usual: by role, depth [H, W] that a predictor says which does not look (`mean_depth` of training samples): `head/blind_abs_rel` and so on.
    The poses of one that does not look are the mean of the true ones, which it cannot know: a strict comparison.
    """
    scores: dict[str, float] = {}
    for v, role in enumerate(roles):
        depth, known = truth.depth[:, v], truth.known[:, v]
        scores |= {f"{role}/{name}": value for name, value in depth_scores(made.depth[:, v], depth).items()}
        blind = depth_scores(usual[role].expand_as(depth), depth)
        scores |= {f"{role}/blind_{name}": value for name, value in blind.items()}
        scores[f"{role}/points_cm"] = float(100 * (made.points[:, v] - truth.points[:, v]).norm(dim=-1)[known].median())
        if v:
            first = torch.linalg.inv(made.T_first_cam[:, 0].double())
            true = truth.T_first_cam[:, v]
            for kind, poses in (("", first @ made.T_first_cam[:, v].double()), ("blind_", mean_pose(true).expand_as(true))):
                moved, turned = pose_errors(poses, true)
                scores |= {f"{role}/{kind}translation_cm": float(100 * moved.median()), f"{role}/{kind}rotation_deg": float(turned.median())}
    return scores


def mean_depth(depths: Tensor) -> Tensor:
    """Mean over samples [N, H, W] at every pixel, of known depths; [H, W]."""
    known = depths > 0
    return (depths * known).sum(0) / known.sum(0).clamp_min(1)


def mean_pose(T: Tensor) -> Tensor:
    """Mean translation and the rotation nearest to the mean matrix of poses [N, 4, 4]; float64 [4, 4]."""
    mean = T.double().mean(0)
    mean[:3, :3] = torch.from_numpy(nearest_rotation(mean[:3, :3].numpy()))
    return mean
