"""The registry rebuilds any configured part from JSON; files are there whole or not at all."""

import json
import os
from dataclasses import dataclass

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.files import read_json, write_atomic, write_json, write_text
from praxia.recipes import pose_vla
from praxia.registry import from_json, register, to_json
from praxia.specs import ActionSpec, Dim


@pytest.mark.parametrize("preset", [pose_vla.tiny, pose_vla.paper])
def test_a_whole_recipe_survives_json(preset):
    recipe = preset()
    assert from_json(json.loads(json.dumps(to_json(recipe)))) == recipe


def test_fields_called_kind_are_fields():
    spec = ActionSpec((Dim("x", "position", "m"),), 10.0)
    assert to_json(spec)["dims"][0]["kind"] == "position" and from_json(to_json(spec)) == spec


def test_what_cannot_be_rebuilt_is_named():
    with pytest.raises(ConfigError, match="unknown kind 'spec/acton'; did you mean 'spec/action'"):
        from_json({"kind": "spec/acton"})
    with pytest.raises(ConfigError, match="ActionSpec: unknown field 'rate'; did you mean 'rate_hz'"):
        from_json({"kind": "spec/action", "dims": [], "rate": 3})
    with pytest.raises(ConfigError, match="cannot be written to JSON"):
        to_json({"f": object()})


def test_a_kind_belongs_to_one_class():
    with pytest.raises(ConfigError, match="'spec/action' is taken"):

        @register("spec/action")
        @dataclass(frozen=True)
        class ActionSpec:
            pass


def test_numbers_of_numpy_become_plain_ones():
    assert to_json({"a": np.float32(0.5), "b": np.arange(3), 3: (np.int64(1), None)}) == {"a": 0.5, "b": [0, 1, 2], "3": [1, None]}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"ä": [1, 2]})

    def half(file):
        file.write(b"{")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomic(path, half)
    assert read_json(path) == {"ä": [1, 2]} and os.listdir(path.parent) == ["a.json"]
    write_text(path, "ü")
    assert path.read_text() == "ü" and os.stat(path).st_mode & 0o777 == 0o644
