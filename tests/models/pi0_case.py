"""One case for both forms of the joint flow expert: sizes, a batch, noise and times."""

import torch

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch

VIEWS, SIDE, HORIZON, WIDTH, VOCABULARY = 2, 28, 5, 6, 40
BACKBONE = dict(
    image_size=SIDE, patch_size=14, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_width=48, text_layers=3, text_heads=4,
    text_kv_heads=2, text_head_dim=16, text_mlp=64, vocabulary=VOCABULARY, first_position=0, missing_view="mask",
)  # fmt: skip


def make_case() -> dict:
    """Random inputs by name."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, VIEWS, SIDE, SIDE, 3), generator=generator, dtype=torch.uint8)
    lengths = torch.tensor([7, 4, 5])
    valid = torch.arange(7) < lengths[:, None]
    return {
        "images": images,
        "ids": torch.randint(0, VOCABULARY, (3, 7), generator=generator) * valid,
        "valid": valid,
        "state": torch.randn(3, WIDTH, generator=generator),
        "actions": torch.randn(3, HORIZON, WIDTH, generator=generator),
        "noise": torch.randn(3, HORIZON, WIDTH, generator=generator),
        "time": torch.rand(3, generator=generator),
    }


def our_batch(case: dict) -> Batch:
    b = 3
    views = ViewBatch(
        roles=("head", "wrist"),
        images=tuple(case["images"][:, v] for v in range(VIEWS)),
        affine=torch.eye(2, 3).expand(b, VIEWS, 2, 3),
        size=torch.full((b, VIEWS, 2), float(SIDE)),
        valid=torch.ones(b, VIEWS, dtype=torch.bool),
        K=torch.full((b, VIEWS, 3, 3), torch.nan),
        T_base_cam=torch.full((b, VIEWS, 4, 4), torch.nan),
        time=torch.zeros(b, VIEWS),
    )
    future = Chunk(torch.zeros(b, HORIZON, WIDTH), case["actions"], torch.ones(b, HORIZON, dtype=torch.bool))
    return Batch(size=b, views=views, prompt=Tokens(case["ids"], case["valid"]), state=case["state"], future=future)
