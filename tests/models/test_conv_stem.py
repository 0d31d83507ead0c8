"""The convolutional stem: true convolutions, and a start at which pictures are not drowned by position embeddings."""

import torch
import torch.nn.functional as F

from praxia.models.vision.conv_stem import ConvStem


def test_it_is_a_stack_of_stride_2_convolutions():
    """Against matrix products over gathered neighbourhoods, whose gradients are those of matrix products."""
    stem, pixels = ConvStem(32, 8), torch.randn(2, 3, 32, 32, requires_grad=True)
    expected = pixels
    for i, layer in enumerate(stem.layers):
        side = expected.shape[-1] // 2
        near = F.unfold(F.relu(expected) if i else expected, 3, stride=2, padding=1)  # [M, in x 9, places]
        near = near.unflatten(1, (-1, 9)).permute(0, 3, 2, 1).flatten(2)  # a neighbour's channels lie together
        expected = layer(near).transpose(1, 2).unflatten(2, (side, side))
    made, leaves = stem(pixels), [pixels, *stem.parameters()]
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(made)
    for ours, theirs in zip(torch.autograd.grad((made * weight).sum(), leaves), torch.autograd.grad((expected * weight).sum(), leaves), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_at_the_start_pictures_weigh_as_much_as_positions():
    torch.manual_seed(0)
    patches = ConvStem(128, 16)(0.6 * torch.randn(32, 3, 64, 64))
    position_rms = 128**-0.5  # the library's initial position embedding
    assert patches.std(dim=0).mean() > position_rms
