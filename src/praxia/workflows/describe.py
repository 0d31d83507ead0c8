"""What a recipe is, without training it: parameters, token layout, FLOPs, memory, stages, licences. Nothing is allocated (meta device)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import Slots
from praxia.data.unified_space import UnifiedSpace
from praxia.models.lora import inject
from praxia.models.spec import HistoryToken, ModelSpec, SpecialToken
from praxia.models.vla import PARTS, VLA
from praxia.registry import to_json
from praxia.report.tables import Table
from praxia.report.words import count
from praxia.stages.recipe import Constant, Recipe, Source, Stage
from praxia.train.muon import matrices
from praxia.train.recompute import recompute
from praxia.train.trainable import apply_trainable, trainable_table
from praxia.workflows.train_recipe import declared_licences

ASSUMED_ACTION, ASSUMED_STATE = 7, 14  # widths where the recipe takes them from the data
PROMPT_TOKENS, TARGET_TOKENS = 16, 24
BATCH = 2


def describe(recipe: Recipe) -> dict[str, Any]:
    """The machine-readable facts of `praxia info`. FLOPs are of one training sample (forward x 3) as
    `assumed` says of its views and tokens; memory in GB."""
    spec, tokens = _filled(recipe)
    with torch.device("meta"):
        model = VLA(spec, PARTS, dict.fromkeys([t.token for t in spec.tokens if isinstance(t, SpecialToken)], 0))
    usual = next(filter(None, (_slots_of(source) for stage in recipe.stages for source in stage.sources)), ("head", "wrist"))
    stages = [_stage(stage, spec, usual) for stage in recipe.stages]
    return {
        "recipe": recipe.name,
        "preset": recipe.preset,
        "parameters": {
            "total": _size(model.parameters()),
            "by_module": {n: size for n, m in model.named_children() if (size := _size(m.parameters()))},
            "by_part_of_backbone": {n: _size(m.parameters()) for n, m in model.backbone.named_children()} if model.backbone is not None else {},
            "by_adapter": {n: _size(m.parameters()) for adapter in model.adapters for n, m in adapter.named_children()},
            "vision_language_model": _with_output_rows(model),
        },
        "trainable_by_stage": {s["name"]: s["trainable"] for s in stages},
        "slots": _slots(recipe.numbers),
        "added_tokens": tokens["added"],
        "reused_tokens": tokens["reused"],
        "layout": {s["name"]: s.pop("layout") for s in stages},
        "flops_per_sample": {s["name"]: s.pop("flops") for s in stages},
        "assumed": {s["name"]: s.pop("assumed") for s in stages},
        "memory_gb": {s["name"]: s.pop("memory") for s in stages},
        "stages": stages,
        "licences": declared_licences(recipe),
    }


def _filled(recipe: Recipe) -> tuple[ModelSpec, dict[str, Any]]:
    """The model with every width known, and what the tokenizer gets and re-uses."""
    spec = recipe.model
    added = [t.token for t in spec.tokens if isinstance(t, SpecialToken)] + list(getattr(spec.vocabulary, "tokens", ()))
    reused: list[str] = []
    if spec.backbone is not None:
        located = [t for t in spec.backbone.specials if t.startswith("<loc")]
        reused = [f"{located[0]}..{located[-1]} ({len(located)})"] if located else []
        rows = spec.backbone.vocabulary
        if rows == 0:
            rows = len(recipe.tokenizer.build(tuple(spec.backbone.specials) + tuple(added)))
        elif added:  # the public tokenizer is not at hand here; its length is known
            rows = max(rows, getattr(spec.backbone, "public_tokens", 0) + len(added))
        spec = replace(spec, backbone=replace(spec.backbone, vocabulary=rows))
    widths, names = {"action_width": ASSUMED_ACTION, "state_width": ASSUMED_STATE}, spec.embodiments
    if isinstance(recipe.numbers, UnifiedSpace):
        widths = {"action_width": recipe.numbers.action_width, "state_width": recipe.numbers.state_width}
        names = names or tuple(robot.robot for robot in recipe.numbers.robots)
    parts = {part: getattr(spec, part) for part in ("head", "encoder")}
    sized = {
        part: replace(sizes, **{k: v for k, v in widths.items() if getattr(sizes, k, None) == 0})
        for part, sizes in parts.items()
        if sizes is not None
    }
    spec = replace(spec, **sized, embodiments=names)
    return spec, {"added": {"count": len(added), "tokens": _ranges(added)}, "reused": reused}


def _with_output_rows(model: VLA) -> int:
    """Parameters of the backbone as model cards count them: an output table that is the input table counts a second time."""
    backbone = model.backbone
    if backbone is None:
        return 0
    table = backbone.causal_lm.lm_head.weight
    return _size(backbone.parameters()) + (table.numel() if table is backbone.language.embed_tokens.weight else 0)


def _slots(numbers: Any) -> dict[str, list[dict[str, Any]]]:
    """Runs of the unified vectors and the robots that write there; {} of a recipe whose robots keep their own numbers."""
    if not isinstance(numbers, UnifiedSpace):
        return {}
    return {
        kind: [
            {"name": run.name, "first": run.slots.start, "last": run.slots.stop - 1, "robots": run.robots, "meanings": list(run.meanings)}
            for run in runs
        ]
        for kind, runs in numbers.meanings().items()
    }


def slot_table(slots: dict[str, list[dict[str, Any]]]) -> Table:
    """The unified vectors as a table, with what slots mean that hold different things."""
    rows = []
    for kind, runs in slots.items():
        for run in runs:
            users = ", ".join(f"{robot} {number}" for robot, number in run["robots"].items()) or "nobody here"
            rows.append((kind, run["name"], f"{run['first']} to {run['last']}", users, "\n".join(run["meanings"])))
    return Table(("vector", "slots", "range", "written by (numbers)", "several meanings"), tuple(rows))


def _ranges(tokens: Sequence[str]) -> list[str]:
    """Numbered tokens of one name as their first and last one."""
    runs = [list(run) for _, run in groupby(tokens, key=lambda token: re.sub(r"\d+>$", "", token))]
    return [run[0] if len(run) == 1 else f"{run[0]}..{run[-1]} ({len(run)})" for run in runs]


def _stage(stage: Stage, spec: ModelSpec, usual: tuple[str, ...]) -> dict[str, Any]:
    with torch.device("meta"):
        model = VLA(spec, stage.parts or PARTS, dict.fromkeys([t.token for t in spec.tokens if isinstance(t, SpecialToken)], 0))
    if model.backbone is not None:
        model.backbone.only_count()
    apply_trainable(model, stage.trainable, (*stage.frozen, *(inject(model, stage.lora) if stage.lora else ())))
    recompute(model, stage.recompute)
    moving, optimiser = {name: p for name, p in model.named_parameters() if p.requires_grad}, stage.optimiser
    trainable = _size(moving.values())
    by_muon = _size(moving[name] for name in matrices(moving, optimiser.muon_tables)) if optimiser.muon else 0
    total = _size(model.parameters())
    state = (8 + 2 * optimiser.bits / 8) * trainable - 4 * by_muon + 4 * (total - trainable)  # Muon has one moment
    kinds = _kinds(stage, acts=model.head is not None)
    views = {kind: _roles(stage, kind) or usual for kind in kinds}
    shapes = {kind: (roles, _answer_tokens(stage, len(roles))) for kind, roles in views.items()}
    looks = {kind: _look(model, _batch(spec, kind, *shapes[kind])) for kind in kinds}
    flops = len(stage.passes) * sum(share * looks[kind][0] for kind, share in kinds.items())
    activations = max(looks[kind][1] for kind in kinds)
    richest = max(kinds, key=list(_KINDS).index)
    layout = _layout(model, _batch(spec, richest, *shapes[richest])) if model.backbone is not None else ""
    return {
        "name": stage.name,
        "supervision": sorted({s.supervision.name for s in stage.sources}),
        "objectives": _scored(stage),
        "steps": stage.steps,
        "batch": stage.batch,
        "trainable": trainable,
        "init_from": [i.stage or i.checkpoint for i in stage.init_from],
        "layout": layout,
        "assumed": _assumed(spec, shapes),
        "flops": flops,
        # fp32 master and gradient and two moments for what is trained; fp32 weights for what is frozen; activations in the compute dtype
        "memory": {
            "state": state / 1e9,
            "activations_per_sample_fp32": activations / 1e9,
            "at_batch": (state + activations * stage.batch) / 1e9,
        },
        "by_module": [to_json(row) for row in trainable_table(model)],
    }


_KINDS: tuple[str, ...] = ("look", "answer", "action")  # pictures alone; a question and its answer; an instruction and a chunk


def _kinds(stage: Stage, acts: bool) -> dict[str, float]:
    """What the samples of a stage are and their shares: the kinds differ in what they run. Sources weighed by their size count alike here."""
    shares: dict[str, float] = {}
    for source in stage.sources:
        kind = _kind(source)
        shares[kind] = shares.get(kind, 0.0) + (source.weight or 1.0)
    total = sum(shares.values())
    return {kind: share / total for kind, share in shares.items()} or {"action" if acts else "answer": 1.0}


def _kind(source: Source) -> str:
    return "action" if source.supervision.needs.horizon else "answer" if getattr(source.supervision, "asks", True) else "look"


def _roles(stage: Stage, kind: str) -> tuple[str, ...]:
    """Views of a kind of samples: those that slots, supervision or data name; () where they do not."""
    of_kind = [source for source in stage.sources if _kind(source) == kind]
    named = [_slots_of(source) or getattr(source.supervision, "roles", ()) or getattr(source.data, "roles", ()) for source in of_kind]
    return max(named, key=len) if named and all(named) else ()


def _slots_of(source: Source) -> tuple[str, ...]:
    return next((transform.roles for transform in source.transforms if isinstance(transform, Slots)), ())


def _answer_tokens(stage: Stage, views: int) -> int:
    """Tokens of the longest usual answer of a stage's supervisions."""
    said = [s.supervision.usual_tokens(views) for s in stage.sources if hasattr(s.supervision, "usual_tokens")]
    return max(said, default=TARGET_TOKENS)


def _assumed(spec: ModelSpec, shapes: dict[str, tuple[tuple[str, ...], int]]) -> dict[str, dict[str, int]]:
    """What a sample of each kind is taken to hold."""
    if spec.backbone is None:
        return {}
    return {
        kind: {"views": len(roles)}
        | ({"prompt_tokens": PROMPT_TOKENS} if kind != "look" else {})
        | ({"target_tokens": answer} if kind == "answer" else {})
        for kind, (roles, answer) in shapes.items()
    }


def _look(model: VLA, batch: Batch) -> tuple[float, float]:
    """FLOPs (forward x 3) and bytes kept for the backward, both of one sample."""
    draws = model.draw(batch, torch.Generator()).to("meta")
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[id(tensor)] = tensor.numel() * tensor.element_size()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        model(batch, draws)
    weights = {id(p) for p in model.parameters()}
    return 3 * counter.get_total_flops() / BATCH, sum(size for key, size in saved.items() if key not in weights) / BATCH


def _layout(model: VLA, batch: Batch) -> str:
    """The token layout of the richest samples of a stage, with the head's own rows."""
    if batch.prompt is None:
        return "pictures alone: the language model does not run"
    layout = model.layout(batch)
    return (model.head.layout(layout) if model.head is not None and batch.future is not None else layout).describe()


def _batch(spec: ModelSpec, kind: str, roles: tuple[str, ...], answer: int) -> Batch:
    """A batch without data, of the shapes that samples of a kind have; answer: tokens."""
    looks = spec.backbone or spec.geometry  # what sees pictures
    side = looks.image_size if looks is not None else 0
    meta: dict[str, Any] = {"device": "meta"}

    def tokens(length: int) -> Tokens:
        return Tokens(torch.zeros(BATCH, length, dtype=torch.long, **meta), torch.ones(BATCH, length, dtype=torch.bool, **meta))

    views = None
    if looks is not None:
        slots = (BATCH, len(roles))
        views = ViewBatch(
            roles=roles,
            images=tuple(torch.zeros(BATCH, side, side, 3, dtype=torch.uint8, **meta) for _ in roles),
            affine=torch.eye(2, 3).expand(*slots, 2, 3),
            size=torch.full((*slots, 2), float(side)),
            valid=torch.ones(slots, dtype=torch.bool, **meta),
            K=torch.ones(*slots, 3, 3, **meta),
            T_base_cam=torch.ones(*slots, 4, 4, **meta),
            time=torch.zeros(slots, **meta),
        )
    future = past = state = None
    dense: dict[str, Tensor] = {}
    if kind == "action":
        if views is not None:  # a mask decoder runs where there are masks
            dense = {"target_mask": torch.zeros(*views.valid.shape, side, side, dtype=torch.uint8, **meta)}
        horizon, action = spec.head.horizon, spec.head.action_width
        width = getattr(spec.head, "state_width", 0) or getattr(spec.encoder, "state_width", ASSUMED_STATE)
        state = torch.zeros(BATCH, width, **meta)
        valid = torch.ones(BATCH, horizon, dtype=torch.bool, **meta)
        future = Chunk(torch.zeros(BATCH, horizon, width, **meta), torch.zeros(BATCH, horizon, action, **meta), valid)
        past = future if views is not None and any(isinstance(t, HistoryToken) for t in spec.tokens) else None
    return Batch(
        size=BATCH,
        views=views,
        prompt=tokens(PROMPT_TOKENS) if views and kind != "look" else None,
        target=tokens(answer) if views and kind == "answer" else None,
        state=state,
        future=future,
        past=past,
        embodiment=torch.zeros(BATCH, dtype=torch.long, **meta) if spec.embodiments else None,
        dense=dense,
    )


def _size(parameters: Iterable[Tensor]) -> int:
    return sum(p.numel() for p in parameters)


def _scored(stage: Stage) -> list[str]:
    """Names of the losses that move a stage's parameters."""
    return [getattr(w.objective, "name", w.objective.kind.split("/")[-1]) for w in stage.objectives if w.weight != Constant(0.0)]


def stage_table(recipe: Recipe) -> Table:
    """The stages as a table that fits 80 columns: lists stand below each other."""
    rows = []
    for stage in recipe.stages:
        starts = [f"← {i.stage or i.checkpoint}" for i in stage.init_from]
        says = sorted({s.supervision.name for s in stage.sources}) + ["(give --data)"] * any(s.data is None for s in stage.sources)
        moves = [f"only {p}" for p in stage.trainable if p != "*"] + [f"not {p}" for p in stage.frozen]
        long = [f"{count(stage.steps)} x {stage.batch}"] + [f"{stage.minutes:g} min"] * (stage.minutes > 0)
        rows.append(tuple("\n".join(cell) for cell in ([stage.name, *starts], says, _scored(stage), [*(stage.parts or ("all",)), *moves], long)))
    return Table(("stage", "says", "scored by", "trains", "steps x batch"), tuple(rows))


def source_table(recipe: Recipe) -> Table:
    """What each stage reads, and its share of the stage's samples."""
    rows = []
    for stage in recipe.stages:
        weights = [source.weight for source in stage.sources]
        for source in stage.sources:
            share = f"{source.weight / sum(weights):.0%}" if all(weights) else "by size"
            rows.append((stage.name, share, source.supervision.name, _whence(source.data)))
    return Table(("stage", "share", "says", "from"), tuple(rows))


def _whence(data: Any) -> str:
    """Where a data spec reads, or what it makes."""
    if data is None:
        return "(give --data)"
    if isinstance(data, Demonstrations):
        return f"{data.world}, {data.episodes} episodes a task"
    root = getattr(data, "root", "")
    return ", ".join(getattr(data, "annotations", ())) or (root if isinstance(root, str) and root else type(data).__name__)
