"""What parts of a model say of themselves while it is validated: strengths that they have learned, which are in no loss.

A part with a method `diagnostics(inputs, output)` is asked after each of its forwards: with what that was given by position, and what came of it. It
says {name: (sum, weight)}; the number that is logged as `MODULE/name` is the sum over all forwards divided by the weight over all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from praxia.train.update import add_up


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Listens to the parts of a model for the body; gives what is heard, (sum, weight) by `MODULE/name`, and goes on filling it."""
    heard: dict[str, tuple[Tensor, Tensor]] = {}

    def listen(name: str, part: Any) -> Any:
        def after(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            add_up(heard, ((f"{name}/{what}", pair) for what, pair in part.diagnostics(inputs, output).items()))

        return after

    hooks = [m.register_forward_hook(listen(name, m)) for name, m in model.named_modules() if hasattr(m, "diagnostics")]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
