"""Pose-VLA's `paper` preset against the numbers of its specification."""

import pytest

from praxia.data.readers import Bop, Omni3D
from praxia.data.readers.bop_names import LINEMOD, YCB_V
from praxia.data.sample_transforms import PseudoViews
from praxia.recipes.pose_vla import paper


def test_objects_are_learnt_from_public_sets_with_their_own_classes_crops_and_shares():
    recipe = paper()
    sources = recipe.stages[0].sources
    assert [type(s.data) for s in sources] == [Omni3D] * 3 + [Bop] * 2 and all(s.data.depth for s in sources[:3])
    assert [len(names) for names in (YCB_V, LINEMOD)] == [21, 15] and YCB_V[4] == (5, "mustard bottle") and LINEMOD[14] == (15, "phone")
    for source in sources:
        says, (crops,) = source.supervision, source.transforms
        assert isinstance(crops, PseudoViews) and (says.negatives, says.classes) == (0.1, ()) and crops.areas[0] == (0.9, 1.0)
        assert crops.areas[1:] == (((0.15, 0.65),) * 2 if isinstance(source.data, Bop) else ((0.25, 0.55),) * 2)
    rooms, scans = sources[0].weight, sources[1].weight
    assert scans / rooms == pytest.approx(6.1**0.43)
    (rays,) = recipe.model.adapters
    assert (rays.drop_rays, rays.drop_depth, rays.sparse_depth) == (0.5, 0.5, 0.5)
