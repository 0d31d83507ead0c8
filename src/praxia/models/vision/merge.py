"""Merge neighbouring tokens of a grid by concatenation (pixel unshuffle, as in InternVL and Idefics)."""

from torch import Tensor


def merge_grid(tokens: Tensor, grid: tuple[int, int], factor: int) -> tuple[Tensor, tuple[int, int]]:
    """[M, rows * columns, D] -> [M, rows/factor * columns/factor, factor**2 * D] and the new grid."""
    rows, columns = grid[0] // factor, grid[1] // factor
    blocks = tokens.unflatten(1, (rows, factor, columns, factor)).transpose(2, 3)
    return blocks.flatten(3, 5).flatten(1, 2), (rows, columns)
