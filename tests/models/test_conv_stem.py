"""The convolutional stem: true convolutions, and a start at which pictures are not drowned by position embeddings."""

import torch
import torch.nn.functional as F

from praxia.models.vision.conv_stem import ConvStem, neighbourhoods


def test_it_is_a_stack_of_stride_2_convolutions():
    stem, pixels = ConvStem(32, 8), torch.randn(2, 3, 32, 32)
    expected = pixels
    for i, layer in enumerate(stem.layers):
        kernel = layer.weight.unflatten(1, (3, 3, -1)).permute(0, 3, 1, 2)
        expected = F.conv2d(F.relu(expected) if i else expected, kernel, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(stem(pixels), expected, rtol=1e-4, atol=1e-5)


def test_its_backward_is_the_gradient():
    grid = torch.randn(2, 8, 8, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(neighbourhoods, (grid,))


def test_at_the_start_pictures_weigh_as_much_as_positions():
    torch.manual_seed(0)
    patches = ConvStem(128, 16)(0.6 * torch.randn(32, 3, 64, 64))
    position_rms = 128**-0.5  # the library's initial position embedding
    assert patches.std(dim=0).mean() > position_rms
