"""`dataset.yaml` <-> DatasetCard, and whether a card fits the files it lies beside."""

import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from praxia.data.lerobot.features import Info
from praxia.data.lerobot.pictures import METRES_PER_UNIT
from praxia.errors import ConfigError, DataError, SpecMismatch, unknown
from praxia.files import write_text
from praxia.geometry.camera import camera_from
from praxia.registry import from_json, to_json
from praxia.specs import ActionSpec, DatasetCard, Dim, StateSpec, ViewKeys

CARD = "dataset.yaml"
UNKNOWN = "unknown"  # a field of a dim in a drafted card: its owner must say what the number is


def write_card(root: Path | str, card: DatasetCard) -> Path:
    """Write `dataset.yaml` into the dataset folder."""
    path = Path(root) / CARD
    write_text(path, card_text(to_json(card)))
    return path


def card_text(value: dict[str, Any], header: str = "") -> str:
    """YAML of a card; dims and numbers stay on one line each so that a person can edit them."""
    return header + yaml.dump(_compact(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=150)


def read_card(path: Path | str) -> DatasetCard:
    """Read a card from a dataset folder or a yaml file. Raises DataError with the field and the nearest valid choice."""
    path = Path(path)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        raise DataError(f"dataset folder {path} does not exist; give the folder that holds meta/info.json")
    path = path / CARD if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path} is missing; draft it with `praxia data inspect {path.parent} --write-card` and complete it")
    try:
        value = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__}; expected fields such as name, embodiment, fps, views, action, state")
    value = _typed_specs(value)
    missing = [f.name for f in fields(DatasetCard) if f.name in ("name", "embodiment", "fps", "views", "action", "state") and f.name not in value]
    if missing:
        raise DataError(f"{path}: field(s) {', '.join(missing)} missing; `praxia data inspect` drafts a complete card")
    _refuse_unknown_dims(path, value)
    try:
        card = from_json(value, DatasetCard)
    except (ConfigError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
    check_card(card, str(path))
    return card


def _typed_specs(value: dict[str, Any]) -> dict[str, Any]:
    """A hand-written card need not repeat the registry kinds."""
    value = {k: v for k, v in value.items() if k != "kind"}
    for name, kind in (("action", "spec/action"), ("state", "spec/state")):
        if isinstance(value.get(name), dict):
            value[name] = {"kind": kind} | value[name]
    return value


def _refuse_unknown_dims(path: Path, value: dict[str, Any]) -> None:
    """A drafted card marks what nobody but the owner can know; it is refused until every mark is replaced."""
    marks = []
    for name in ("action", "state"):
        for i, dim in enumerate((value.get(name) or {}).get("dims") or []):
            if isinstance(dim, dict):
                marks += [f"{name}.dims[{i}] {dim.get('name')!r}: {field}" for field, said in dim.items() if said == UNKNOWN and field != "name"]
    if marks:
        shown = "\n  ".join(marks)
        raise DataError(
            f"{path}: 'unknown' is left in\n  {shown}\n  only the dataset's owner knows what these numbers mean. "
            f"kind: {', '.join(_choices('kind'))}; reference: absolute, delta; sense of a gripper: open_positive, close_positive"
        )


def check_card(card: DatasetCard, where: str) -> None:
    """The card by itself: choices, calibration, duplicate roles."""
    for name, spec in (("action", card.action), ("state", card.state)):
        for i, dim in enumerate(spec.dims):
            _check_dim(dim, f"{where}: {name}.dims[{i}] {dim.name!r}")
    for name in ("action_scale", "action_offset"):
        numbers = np.asarray(getattr(card, name), np.float64)
        if numbers.size and (numbers.shape != (card.action.width,) or not np.isfinite(numbers).all()):
            raise DataError(
                f"{where}: {name} is {numbers.tolist()}; expected a number for each of the {card.action.width} dims of the action, or none"
            )
    if 0 in card.action_scale:
        raise DataError(f"{where}: action_scale {list(card.action_scale)} has a 0, which would forget what was stored")
    if not card.fps > 0:
        raise DataError(f"{where}: fps is {card.fps}; expected a positive number of frames per second")
    roles = [view.role for view in card.views]
    if len(set(roles)) != len(roles):
        raise DataError(f"{where}: view roles {roles} repeat; give every view its own role")
    for view in card.views:
        _check_view(view, f"{where}: view {view.role!r}")


def _choices(field: str) -> tuple[str, ...]:
    return typing.get_args(typing.get_type_hints(Dim)[field])


def _check_dim(dim: Dim, where: str) -> None:
    for field in ("kind", "reference", "rotation", "sense"):
        value = getattr(dim, field)
        if value not in _choices(field):
            raise DataError(f"{where}: {unknown(field, str(value), [c or '(empty)' for c in _choices(field)])}")
    if dim.unit not in ("", "m", "rad", "m/s", "rad/s", "N", "Nm", "deg", "mm"):
        raise DataError(f"{where}: {unknown('unit', dim.unit, ['m', 'rad', 'm/s', 'rad/s', 'N', 'Nm', 'deg', 'mm', '(empty)'])}")
    if dim.kind == "gripper" and not dim.sense:
        raise DataError(f"{where}: a gripper needs sense: open_positive or close_positive")


def _check_view(view: ViewKeys, where: str) -> None:
    if view.T_base_cam is not None and view.K is None:
        raise DataError(f"{where}: T_base_cam is given without K; add K (fx, fy, cx, cy in pixels of the stored picture) or remove T_base_cam")
    if view.mirrored and (view.K is not None or view.intrinsics or view.extrinsics):
        raise DataError(
            f"{where}: mirrored is true beside a calibration, which fits no mirrored picture; remove K, intrinsics and extrinsics, or set it to false"
        )
    if view.K is not None:
        pose = None if view.extrinsics_form != "T_base_cam" or view.T_base_cam is None else np.asarray(view.T_base_cam)
        camera_from(np.asarray(view.K), pose, where)
    forms = typing.get_args(typing.get_type_hints(ViewKeys)["extrinsics_form"])
    if view.extrinsics_form not in forms:
        raise DataError(f"{where}: {unknown('extrinsics_form', view.extrinsics_form, forms)}")
    if view.depth_unit not in METRES_PER_UNIT:
        raise DataError(f"{where}: {unknown('depth_unit', view.depth_unit, METRES_PER_UNIT)}")
    if not view.depth_scale > 0:
        raise DataError(f"{where}: depth_scale is {view.depth_scale}; expected a positive number (stored code * scale = depth in {view.depth_unit})")


def check_card_against(card: DatasetCard, info: Info, where: str) -> None:
    """The card beside the files: keys exist, kinds and widths fit, rates agree."""
    pictures = [k for k, f in info.features.items() if f.is_picture]
    vectors = [k for k, f in info.features.items() if not f.is_picture]

    def need(field: str, key: str, among: list[str]) -> None:
        if key not in among:
            raise DataError(
                f"{where}: {field} is {key!r}, not in the dataset. Card uses: {', '.join(_used(card))}. "
                f"Dataset has pictures: {', '.join(pictures) or '(none)'}; vectors: {', '.join(vectors) or '(none)'}. {unknown('key', key, among)}"
            )

    for view in card.views:
        at = f"view {view.role!r}."
        for field in ("image", "depth", "mask"):
            if getattr(view, field) or field == "image":
                need(at + field, getattr(view, field), pictures)
        for field, widths in (("intrinsics", (4, 9)), ("extrinsics", (16, 12))):
            key = getattr(view, field)
            if key:
                need(at + field, key, vectors)
                if info.features[key].width not in widths:
                    raise DataError(
                        f"{where}: {at}{field} {key!r} has {info.features[key].width} numbers a row; expected {' or '.join(map(str, widths))}"
                    )
    for arm, key in card.tool_keys.items():
        need(f"tool_keys.{arm}", key, vectors)
        if info.features[key].width != 16:
            raise DataError(f"{where}: tool_keys.{arm} {key!r} has {info.features[key].width} numbers a row; expected 16 (row-major T_base_tool)")
    for field, key, spec in (("action", card.action_key, card.action), ("state", card.state_key, card.state)):
        _check_width(where, field, key, spec, info, need, vectors)
    if abs(card.fps - info.fps) > 0.01 * info.fps:
        raise DataError(f"{where}: fps is {card.fps}, info.json says {info.fps}; correct the card")


def _check_width(where: str, field: str, key: str, spec: ActionSpec | StateSpec, info: Info, need: Any, vectors: list[str]) -> None:
    if not key and not spec.width:
        return
    need(f"{field}_key", key, vectors)
    if info.features[key].width != spec.width:
        raise SpecMismatch(
            f"{where}: {field} has {spec.width} dims ({', '.join(d.name for d in spec.dims)}), "
            f"{key!r} has {info.features[key].width} numbers a row (names: {info.features[key].names}); list every number once, in order"
        )


def _used(card: DatasetCard) -> list[str]:
    keys = [card.action_key, card.state_key, *card.tool_keys.values()]
    for view in card.views:
        keys += [view.image, view.depth, view.mask, view.intrinsics, view.extrinsics]
    return [key for key in keys if key]


class _Dumper(yaml.SafeDumper):
    """Blocks for structure, one line for leaves."""


class _Line(dict):
    """A mapping written on one line."""


class _Row(list):
    """A list written on one line."""


_Dumper.add_representer(_Line, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True))
_Dumper.add_representer(_Row, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True))


def _compact(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        out = {k: _compact(v, k) for k, v in value.items() if not (k == "kind" and str(v).startswith("spec/"))}
        return out
    if isinstance(value, list):
        if key == "dims":
            return [_Line({k: v for k, v in dim.items() if v not in ("", None) or k == "name"}) for dim in value]
        return _Row(value) if all(not isinstance(v, dict | list) for v in value) else [_compact(v) for v in value]
    return value
