"""Several processes train one model: each takes its share of every step, gradients are added up over all of them.

`replicate`: every process holds the whole model. `shard`: parameters, gradients, moments and averages are spread over the processes (FSDP2).
Every process reads the whole step, so losses are normalised by the same totals whatever the number of processes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from praxia.errors import ConfigError
from praxia.models.vla import VLA

Spread = Literal["replicate", "shard"]
T = TypeVar("T")
_BUCKET = 2**24  # numbers that are added up at once


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone, every method does nothing."""

    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, pieces: Sequence[T]) -> list[tuple[T, bool]]:
        """This process's pieces of a micro-batch, and whether each counts: all processes get equally many, so some repeat the first for nothing."""
        rounds = -(-len(pieces) // self.world)
        places = [i * self.world + self.rank for i in range(rounds)]
        return [(pieces[place], True) if place < len(pieces) else (pieces[0], False) for place in places]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor over all processes, in place. All processes give tensors of the same shapes and one dtype."""
        if self.world == 1:
            return
        for some in _buckets(tensors):
            flat = torch.cat([t.flatten() for t in some])
            dist.all_reduce(flat)
            for tensor, part in zip(some, flat.split([t.numel() for t in some]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def agreed(self, value: T) -> T:
        """The main process's value, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def anybody(self, value: str) -> str:
        """The value of the first process that has one, "" if none does."""
        if self.world == 1:
            return value
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return next((v for v in found if v), "")

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The body runs in the main process, then in the others: what it makes or keeps on disk is there for them."""
        if self.world == 1:
            yield
            return
        if not self.main:
            dist.barrier()
        try:
            yield
        finally:
            if self.main:
                dist.barrier()


def ranks() -> Ranks:
    """Of the running process group; alone without one."""
    return Ranks(dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else Ranks()


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """The group that `torchrun` asks for in the environment, for the body; gives this process's device. Alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    # the others wait while the main process makes demonstrations or decodes videos, which may take hours
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=timedelta(days=1))
    try:
        yield device
    finally:
        dist.destroy_process_group()


class Shards:
    """A model whose parameters are spread over the processes; what trains are the local parts."""

    def __init__(self, model: VLA, device: torch.device, world: int):
        """Spread the model in place: every block of a list of blocks by itself, the rest together; single numbers stay whole everywhere.

        Whole parameters stay until the backward is through: a joint expert reads keys and values past a block's output, and what a block hands
        out that way would find its parameters gone.
        """
        self.mesh = init_device_mesh(device.type, (world,))
        self._model, self._world = model, world
        kept = {p for p in model.parameters() if p.ndim == 0}
        for block in _blocks(model):
            fully_shard(block, mesh=self.mesh, reshard_after_forward=False, ignored_params=kept)
        fully_shard(model, mesh=self.mesh, reshard_after_forward=False, ignored_params=kept)
        for method in ("sample", "generate"):
            register_fsdp_forward_method(model, method)
        self._parameters: dict[str, DTensor] = {n: p for n, p in model.named_parameters() if isinstance(p, DTensor)}

    def __contains__(self, name: str) -> bool:
        """Whether a parameter is spread."""
        return name in self._parameters

    def locals(self, parameters: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
        """The parts of parameters that are here, as plain parameters that share their memory; those that are not spread as they are."""
        return {n: nn.Parameter(self._parameters[n].to_local(), requires_grad=False) if n in self else p for n, p in parameters.items()}

    def take_gradients(self, parameters: Mapping[str, nn.Parameter], group: Ranks) -> None:
        """Move the gradients of the spread parameters to their local parts; add up the others, which the loss's factor has made too large."""
        for name, parameter in parameters.items():
            if name in self:
                gradient = self._parameters[name].grad
                parameter.grad = gradient.to_local() if isinstance(gradient, DTensor) else gradient
                self._parameters[name].grad = None
        rest = [p.grad for n, p in parameters.items() if n not in self and p.grad is not None]
        group.add_up(rest)
        for gradient in rest:
            gradient /= self._world

    def norm(self, parameters: Mapping[str, nn.Parameter], group: Ranks) -> Tensor:
        """Norm of the whole gradient."""
        spread, rest = ([p.grad for n, p in parameters.items() if (n in self) == here and p.grad is not None] for here in (True, False))
        square = torch.nn.utils.get_total_norm(spread).square()[None]
        group.add_up([square])
        return (square[0] + torch.nn.utils.get_total_norm(rest).square()).sqrt()

    def part(self, name: str, whole: Tensor) -> Tensor:
        """The local part of a whole tensor that is spread like the parameter."""
        like = self._parameters[name]
        return distribute_tensor(whole.to(like.device), self.mesh, like.placements, src_data_rank=None).to_local()

    def settle(self) -> None:
        """Forget whole parameters that a forward without backward left behind."""
        for module in self._model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()


def spread_over(how: Spread, model: VLA, device: torch.device, group: Ranks) -> Shards | None:
    """Shards of the model, None where every process keeps all of it. Raises ConfigError for sharding over one process."""
    if how == "replicate":
        return None
    if group.world == 1:
        raise ConfigError("sharding over one process: expected several; start them with `torchrun --nproc-per-node N --no-python praxia train ...`")
    return Shards(model, device, group.world)


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Blocks of the outermost lists of blocks."""
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    for name in lists:
        if not any(name.startswith(other + ".") for other in lists):
            yield from (block for block in model.get_submodule(name).children() if any(p.ndim for p in block.parameters()))


def local(tensor: Tensor) -> Tensor:
    """A tensor's part in this process."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, in groups of about `_BUCKET` numbers."""
    some: list[Tensor] = []
    size = 0
    for tensor in tensors:
        some.append(tensor)
        size += tensor.numel()
        if size >= _BUCKET:
            yield some
            some, size = [], 0
    if some:
        yield some
