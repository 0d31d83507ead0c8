"""Readers of public datasets of posed objects, on small files written here after the formats."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from praxia.data.collate import view_batch
from praxia.data.readers import Bop, Omni3D
from praxia.data.readers.omni3d import usable
from praxia.data.sample_transforms import PseudoViews
from praxia.data.supervision import ObjectPoses
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.geometry.camera import project
from praxia.geometry.rotations import euler_to_matrix
from praxia.workflows.pose_answers import Asked, true_boxes, unlisted_boxes

K = np.array([[80.0, 0, 50], [0, 80, 30], [0, 0, 1]])
SIZE = (60, 100)  # height, width
LENGTH, HEIGHT, WIDTH = 0.4, 0.2, 0.3  # along the object's x, y, z
R = euler_to_matrix(np.array([0.1, 0.7, -0.2]))
CENTRE = np.array([0.1, -0.05, 1.5])


def omni3d_corners() -> np.ndarray:
    """v0..v7 as the format lists them, written out by hand."""
    l, h, w = LENGTH / 2, HEIGHT / 2, WIDTH / 2  # noqa: E741
    local = [(-l, -h, -w), (l, -h, -w), (l, h, -w), (-l, h, -w), (-l, -h, w), (l, -h, w), (l, h, w), (-l, h, w)]
    return np.array(local) @ R.T + CENTRE


def annotation(**changes) -> dict:
    said = dict(
        id=7, image_id=3, category_name="Cereal_Box", valid3D=True, behind_camera=False, dimensions=[WIDTH, HEIGHT, LENGTH],
        center_cam=CENTRE.tolist(), R_cam=R.tolist(), bbox3D_cam=omni3d_corners().tolist(), visibility=0.9, truncation=0.1, lidar_pts=-1,
        segmentation_pts=-1, depth_error=-1,
    )  # fmt: skip
    return said | changes


@pytest.fixture
def omni3d(tmp_path):
    """Write a set: omni3d(*annotations) -> spec. Its picture has one white pixel where the object's centre is."""

    def write(*annotations) -> Omni3D:
        (tmp_path / "pictures").mkdir(exist_ok=True)
        picture = np.zeros((*SIZE, 3), np.uint8)
        u, v = project(K, CENTRE)[0].round().astype(int)
        picture[v - 1 : v + 2, u - 1 : u + 2] = 255
        Image.fromarray(picture).save(tmp_path / "pictures/a.png")
        (tmp_path / "depth/pictures").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(SIZE, 1500, np.uint16)).save(tmp_path / "depth/pictures/a.png")
        images = [{"id": 3, "width": SIZE[1], "height": SIZE[0], "file_path": "pictures/a.png", "K": K.tolist()}]
        (tmp_path / "SUNRGBD_train.json").write_text(json.dumps({"images": images, "annotations": list(annotations)}))
        return Omni3D((str(tmp_path / "SUNRGBD_train.json"),), str(tmp_path), str(tmp_path / "depth"), side=50)

    return write


def test_omni3d_sides_lie_along_the_axes_they_belong_to(omni3d):
    source = omni3d(annotation()).open()
    sample = source.sample(0, Needs(depth=True))
    (truth,) = sample.objects
    assert (truth.name, truth.category) == ("cereal box", "cereal box") and truth.size.tolist() == [LENGTH, HEIGHT, WIDTH]
    np.testing.assert_allclose(truth.T_base_object[:3, :3], R)
    assert source.embodiment == "" and source.licence == "CC-BY-NC-4.0" and source.given == {"cameras/head", "depth/head"}
    view = sample.views[0]
    assert view.image.shape == (50, 50, 3) and view.size == (30, 50)
    np.testing.assert_allclose(view.depth[:30], 1.5, rtol=1e-6)
    assert view.depth[30:].max() == 0 and view.image[30:].max() == 0  # below the picture the square is empty
    u, v = project(view.camera.K, CENTRE)[0].round().astype(int)
    assert view.image[v, u].min() > 150 and view.image.mean() < 5
    assert omni3d(annotation()).open().sample(0, Needs()).views[0].depth is None
    partly = replace(omni3d(annotation()), exhaustive=False).open().sample(0, Needs())
    assert sample.exhaustive and not partly.exhaustive


def test_omni3d_things_without_a_trusted_box_are_still_there(omni3d):
    elsewhere = [annotation(id=9, image_id=4, category_name=name) for name in ("coffee table", "lamp")]
    spec = omni3d(annotation(), annotation(id=8, category_name="Table", valid3D=False), *elsewhere)
    sample = spec.open().sample(0, Needs())
    assert sample.others == ("table",) and [o.name for o in sample.objects] == ["cereal box"]
    asks = ObjectPoses(negatives=1.0, classes=("table", "coffee table", "lamp"))
    assert asks(sample, np.random.default_rng(0)).prompt == "detect the lamp"  # the others may be in the picture
    assert [path.name for path in spec.inputs] == ["SUNRGBD_train.json"]


def test_omni3d_absent_classes_are_those_that_the_picture_s_own_file_labels(omni3d, tmp_path):
    elsewhere = [annotation(id=9, image_id=4, category_name=name) for name in ("night_stand", "dontcare")]
    spec = omni3d(annotation(), annotation(id=8, category_name="Table", valid3D=False), *elsewhere)
    content = json.loads((tmp_path / "SUNRGBD_train.json").read_text())
    content["annotations"] = [annotation(category_name="zebra")]
    (tmp_path / "Objectron_train.json").write_text(json.dumps(content))
    rooms, zebras = (replace(spec, annotations=(*spec.annotations, str(tmp_path / "Objectron_train.json"))).open().sample(i, Needs()) for i in (0, 1))
    assert rooms.labelled == ("cereal box", "night stand", "table") and zebras.labelled == ("zebra",)
    for classes in ((), ("night stand", "sofa")):  # nobody looked for sofas
        assert ObjectPoses(negatives=1.0, classes=classes)(rooms, np.random.default_rng(0)).prompt == "detect the night stand"
    assert ObjectPoses(negatives=1.0)(zebras, np.random.default_rng(0)).prompt == "detect the zebra"  # nothing else is labelled


def test_omni3d_pictures_without_a_depth_file_have_none(omni3d, tmp_path):
    spec = omni3d(annotation())
    (tmp_path / "depth/pictures/a.png").unlink()
    source = spec.open()
    assert source.sample(0, Needs(depth=True)).views[0].depth is None and source.given == {"cameras/head"}


def test_omni3d_boxes_in_another_order_of_sides_are_refused(omni3d):
    with pytest.raises(DataError, match=r"annotation 7: bbox3D_cam is 0\.\d+ m off .* length along the object's x"):
        omni3d(annotation(dimensions=[LENGTH, HEIGHT, WIDTH])).open()


@pytest.mark.parametrize(
    "change",
    [
        {"valid3D": False}, {"behind_camera": True}, {"dimensions": [-1, -1, -1]}, {"category_name": "dontcare"}, {"lidar_pts": 0},
        {"segmentation_pts": 0}, {"depth_error": 0.6}, {"truncation": 0.4}, {"visibility": 0.2},
    ],
)  # fmt: skip
def test_omni3d_boxes_nobody_can_see_or_trust_are_left_out(change, omni3d):
    assert usable(annotation()) and usable(annotation(visibility=-1, truncation=-1))
    assert not usable(annotation(**change))
    with pytest.raises(DataError, match="no picture with a posed object"):
        omni3d(annotation(**change)).open()


def test_omni3d_files_that_are_something_else_are_named(tmp_path):
    with pytest.raises(DataError, match="cannot read .*nowhere.json"):
        Omni3D((str(tmp_path / "nowhere.json"),), str(tmp_path)).open()
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match="has no `images` and `annotations`"):
        Omni3D((str(tmp_path / "list.json"),), str(tmp_path)).open()
    with pytest.raises(ConfigError, match="Omni3D.annotations is empty"):
        Omni3D((), str(tmp_path)).open()


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (lambda c: c["annotations"][0].pop("valid3D"), r"SUNRGBD_train.json, annotation 0: lacks 'valid3D'"),
        (lambda c: c["annotations"][0].update(dimensions=[1.0, 2.0]), r"image 0: not enough values to unpack"),
        (lambda c: c["images"][0].pop("K"), r"SUNRGBD_train.json, image 0: lacks 'K'"),
        (lambda c: c["images"][0].update(K=[1.0]), r"image 0: cannot reshape"),
    ],
)
def test_omni3d_records_that_lack_something_are_named(lost, said, omni3d, tmp_path):
    spec = omni3d(annotation(bbox3D_cam=None))
    content = json.loads((tmp_path / "SUNRGBD_train.json").read_text())
    lost(content)
    (tmp_path / "SUNRGBD_train.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said + ".*damaged or of another format"):
        spec.open()


def test_omni3d_depth_must_be_where_it_is_said_to_be(omni3d):
    with pytest.raises(ConfigError, match=r"Omni3D.depth is '/nowhere', which is no folder; .* '' = without depth"):
        replace(omni3d(annotation()), depth="/nowhere").open()


def test_things_that_are_cut_off_are_not_asked_for_and_not_wrong_to_list(omni3d):
    unseen = annotation(id=8, truncation=0.6, center_cam=[0.4, 0.0, 1.5], bbox3D_cam=None)
    sample = omni3d(annotation(), unseen, annotation(id=9, dimensions=[-1, -1, -1])).open().sample(0, Needs())
    assert len(sample.objects) == 1 and sample.others == ("cereal box",)
    (hidden,) = sample.hidden
    np.testing.assert_allclose(hidden.T_base_object[:3, 3], [0.4, 0.0, 1.5])
    says = ObjectPoses(negatives=0.0)
    asked = Asked(sample, "cereal box", [])
    assert len(true_boxes(asked, 0, says).centre) == 1 and len(unlisted_boxes(asked, 0, says).centre) == 1


def test_pseudo_views_of_a_picture_list_its_boxes_in_their_own_frames(omni3d):
    supervision = ObjectPoses(negatives=0.0)
    source = omni3d(annotation()).open()
    sample = PseudoViews()(source.sample(0, supervision.needs), np.random.default_rng(1))
    seen = [supervision.visible(sample.objects, view) for view in sample.views]
    assert len(seen) == 3 and len(seen[0]) == 1
    for view, found in zip(sample.views, seen, strict=True):
        for one in found:
            np.testing.assert_allclose(one.T[:3, 3], CENTRE)
            np.testing.assert_allclose(one.centre, project(view.camera.K, CENTRE)[0])
    example = supervision(sample, np.random.default_rng(0))
    assert example.prompt == "detect the cereal box" and view_batch([sample.views, sample.views]).K.shape == (2, 3, 3, 3)


@pytest.fixture
def bop(tmp_path):
    """A dataset of one scene with two pictures; object 5's model box is not centred on its origin."""
    root = tmp_path / "mini"
    scene = root / "train_pbr" / "000002"
    (scene / "rgb").mkdir(parents=True)
    (scene / "depth").mkdir()
    (root / "models").mkdir()
    box = {"min_x": -10.0, "min_y": -20.0, "min_z": 0.0, "size_x": 20.0, "size_y": 40.0, "size_z": 100.0, "diameter": 110.0}
    (root / "models/models_info.json").write_text(json.dumps({"5": box, "6": box}))
    pose5 = {"obj_id": 5, "cam_R_m2c": R.ravel().tolist(), "cam_t_m2c": (CENTRE * 1000).tolist()}
    files = {
        "scene_camera": {str(i): {"cam_K": K.ravel().tolist(), "depth_scale": 0.1} for i in (0, 4)},
        "scene_gt": {"0": [pose5, pose5 | {"obj_id": 6}], "4": [pose5, pose5]},
        "scene_gt_info": {"0": [{"visib_fract": 0.8}] * 2, "4": [{"visib_fract": 0.1}, {"visib_fract": 0.5}]},
    }
    for name, content in files.items():
        (scene / f"{name}.json").write_text(json.dumps(content))
    for number, suffix in ((0, "png"), (4, "jpg")):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(scene / f"rgb/{number:06d}.{suffix}")
        Image.fromarray(np.full(SIZE, 15000, np.uint16)).save(scene / f"depth/{number:06d}.png")
    return Bop(str(root), "train_pbr", ((5, "mustard bottle"),), side=100, licence="CC-BY-4.0")


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("scene_gt_info", lambda c: c.pop("4"), "lacks '4'"),
        ("scene_camera", lambda c: c.pop("0"), "lacks '0'"),
        ("scene_gt_info", lambda c: c["0"].pop(), "zip"),
        ("scene_gt", lambda c: c["4"][1].pop("cam_R_m2c"), "lacks 'cam_R_m2c'"),
    ],
)
def test_bop_files_that_do_not_fit_each_other_are_named(file, change, said, bop):
    path = Path(bop.root) / "train_pbr/000002" / f"{file}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"000002, picture [04]: scene_gt.json, .*{said}"):
        bop.open()


def test_bop_poses_are_of_the_box_centre_in_metres(bop):
    source = bop.open()
    assert len(source) == 2 and source.episodes.tolist() == [2, 2] and source.licence == "CC-BY-4.0"
    sample = source.sample(0, Needs(depth=True))
    (truth,) = sample.objects  # object 6 has no name
    np.testing.assert_allclose(truth.size, [0.02, 0.04, 0.1])
    np.testing.assert_allclose(truth.T_base_object[:3, 3], CENTRE + R @ [0, 0, 0.05])
    np.testing.assert_allclose(sample.views[0].depth[:60], 1.5, rtol=1e-6)
    assert [o.instance for o in source.sample(1, Needs()).objects] == [2]  # the first one is hidden


def test_bop_objects_that_hardly_show_are_not_said_to_be_absent(bop):
    sample = replace(bop, names=((5, "mustard bottle"), (6, "drill"))).open().sample(1, Needs())
    assert sample.others == ("mustard bottle",) and sample.labelled == ("drill", "mustard bottle")
    hidden = replace(sample, objects=tuple(replace(o, name="can", category="can") for o in sample.objects))
    asks = ObjectPoses(negatives=1.0, least_area=0.0)
    assert asks(hidden, np.random.default_rng(0)).prompt == "detect the drill"


def test_bop_faults_are_named(bop, tmp_path):
    with pytest.raises(DataError, match=r"calls object 9 'drill', but .* has only \[5, 6\]"):
        replace(bop, names=((9, "drill"),)).open()
    with pytest.raises(DataError, match="holds no scene with a scene_gt.json"):
        replace(bop, split="test").open()
    with pytest.raises(DataError, match="no picture with a posed object"):
        replace(bop, names=()).open()
    (tmp_path / "mini/train_pbr/000002/rgb/000000.png").unlink()
    with pytest.raises(DataError, match="picture 0 is listed in scene_gt.json but is neither"):
        bop.open()


def test_damaged_pictures_are_named(bop, tmp_path):
    source = bop.open()
    (tmp_path / "mini/train_pbr/000002/rgb/000000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot read .*000000.png"):
        source.sample(0, Needs())
    Image.fromarray(np.zeros((10, 10), np.uint16)).save(tmp_path / "mini/train_pbr/000002/depth/000004.png")
    with pytest.raises(DataError, match="depth must be registered"):
        source.sample(1, Needs(depth=True))
