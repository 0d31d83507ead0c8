"""The engine as a whole: its questions and motions against what the world knows; resumed = uninterrupted; the command; the sheet."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import praxia.annotate.hands.run as run
from praxia.annotate.hands import HandClips, HandRules, Looks, ScaleRules, annotate_hands, identity, made_clips
from praxia.annotate.hands.annotate_clip import Place, annotate_clip
from praxia.annotate.hands.clouds import GivenDepth
from praxia.annotate.hands.moments import in_camera
from praxia.cli.main import main
from praxia.data.hand_clips import RecordedClips
from praxia.data.hand_clips.tables import CATEGORIES, CLIPS, MOTIONS, QUESTIONS
from praxia.data.lerobot.meta import read_parquet
from praxia.data.lerobot.reader import Want
from praxia.errors import ConfigError, DataError
from praxia.files import write_json
from praxia.geometry.directions import directions
from praxia.geometry.hands import palm
from praxia.geometry.rotations import angle_between
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.registry import to_json
from praxia.specs.hands import SIDES, TIPS, WRIST
from praxia.workflows.annotate_hands import annotate, clip_spec

ALL = HandRules(questions=10_000, motions=60)


@pytest.fixture(scope="module")
def clips(hand_clips):
    return RecordedClips(str(hand_clips)).open()


@pytest.fixture(scope="module")
def everything(clips):
    """All that can be asked about every clip: [rows of the tables]."""
    return [annotate_clip(clips, Place(i, "train", False), GivenDepth(), None, ALL) for i in range(len(clips))]


def test_relations_are_those_of_the_pictures(clips, everything):
    """From the palm to the median of the object's own pixels with exact depth: 1 cm and 97 % of the axes (issue's numbers, small)."""
    off, axes = [], []
    for number, rows in enumerate(everything):
        clip = clips.clip(number)
        for q in rows[QUESTIONS]:
            if q["category"] != "spatial_relationship":
                continue
            step = q["frames"][-1]
            view = clips.view(number, step, depth=True, masks=True)
            v, u = np.nonzero(view.mask == clip.instances[clip.objects.index(q["object"])])
            K = view.camera.K
            surface = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], 1) * view.depth[v, u, None]
            truth = np.median(surface, axis=0) - palm(in_camera(clip, step, view.camera.T_base_cam)[SIDES.index(q["hand"])])
            off.append(abs(np.linalg.norm(truth) - np.linalg.norm(q["vector"])))
            said, right = set(directions(np.array(q["vector"]), 0.3)), set(directions(truth, 0.3))
            axes.append(1 - len({w[0] in "lr" or 2 * (w[0] in "ud") for w in said ^ right}) / 3)
            assert q["answer"] in ("in contact", "not in contact") or q["answer"].endswith(f"{np.linalg.norm(q['vector']):.2f}m")
    assert len(off) > 100 and np.mean(off) < 0.01 and np.mean(axes) > 0.97


def test_tasks_end_where_the_hand_touches(clips, everything):
    """The vector leads the wrist to a pose in which a fingertip is near the object, and not past the recorded contact."""
    before = []
    for number, rows in enumerate(everything):
        clip = clips.clip(number)
        start = clips.source.sample_at(clips.source.episodes[number].start, Want(horizon=0, roles=(), objects=True)).objects
        middle = next(o for o in start if o.name == clip.objects[0]).T_base_object[:3, 3]
        near = np.linalg.norm(clip.hands.joints[:, :, list(TIPS)] - middle, axis=-1).min(-1) < 0.06
        first = {side: np.flatnonzero(clip.hands.contact[:, i] & near[:, i]) for i, side in enumerate(SIDES)}
        for q in rows[QUESTIONS]:
            if q["category"] == "task_completion":
                step, side = q["frames"][-1], SIDES.index(q["hand"])
                wrists = clip.hands.joints[:, side, WRIST] - clip.hands.joints[step, side, WRIST]
                there = np.argmin(np.linalg.norm(wrists - clip.T_base_cam[step, :3, :3] @ q["vector"], axis=1))
                assert np.linalg.norm(wrists[there] - clip.T_base_cam[step, :3, :3] @ q["vector"]) < 1e-6 and there > step
                assert q["object"] == clip.objects[0] and q["question"].count(q["object"]) == 1
                if len(first[q["hand"]]):
                    before.append((step - first[q["hand"]][0], there - first[q["hand"]][0]))
    asked, arrived = np.array(before).T
    assert len(before) > 20 and np.mean(asked < 2) > 0.9 and np.median(np.abs(arrived)) <= 4, "a quarter of a second"
    assert {q["kind"] for rows in everything for q in rows[QUESTIONS]} >= {"task", "position", "distance", "contact", "movement", "rotation"}


def test_contact_answers_agree_with_the_world(clips, everything):
    right = []
    for number, rows in enumerate(everything):
        clip = clips.clip(number)
        for q in rows[QUESTIONS]:
            if q["kind"] == "contact" and q["object"] == clip.objects[0]:
                right.append((q["answer"] == "in contact") == bool(clip.hands.contact[q["frames"][-1], SIDES.index(q["hand"])]))
    assert len(right) > 15 and np.mean(right) > 0.85


def test_movements_and_rotations_are_exact(clips, everything):
    for number, rows in enumerate(everything):
        clip = clips.clip(number)
        for q in rows[QUESTIONS]:
            if q["category"] == "hand_movement":
                a, b = q["frames"]
                wrist = clip.hands.joints[:, SIDES.index(q["hand"]), WRIST]
                assert np.allclose(clip.T_base_cam[b, :3, :3] @ q["vector"], wrist[b] - wrist[a], atol=1e-5) and np.linalg.norm(q["vector"]) >= 0.02
            elif q["category"] == "camera_movement":
                a, b = q["frames"]
                angle = np.degrees(angle_between(clip.T_base_cam[a, :3, :3], clip.T_base_cam[b, :3, :3]))
                assert float(q["answer"].split(", ")[1].split()[0]) == pytest.approx(angle, abs=1e-3) and angle >= 2


def test_motions_move_and_stay_in_the_cube(clips, everything):
    families = {}
    for rows in everything:
        for m in rows[MOTIONS]:
            paths = [np.reshape(m[f"{s}_future"], (-1, 3)) for s in SIDES if m[f"{s}_future"]]
            assert max(np.linalg.norm(np.ptp(p, axis=0)) for p in paths) >= 0.05
            assert all(((p > (-0.5, -0.5, 0)) & (p < (0.5, 0.5, 1))).all(1).mean() >= 0.9 for p in paths)
            assert all(bool(m[f"{s}_past"]) == (m["family"] == "contextual" and bool(m[f"{s}_future"])) for s in SIDES)
            families[m["family"]] = families.get(m["family"], 0) + 1
    total = sum(families.values())
    assert families["instructional"] / total > 0.5 and families["translation"] / total < 0.3


def test_no_label_is_asked_twice_while_another_is_left(clips, everything):
    """24 questions of a clip: labels first, then their number of pictures; a label comes again only where all have come."""
    label, again = lambda q: (q["hand"], q["object"], *q["vector"]), 0
    for number, rows in enumerate(everything):
        for seed in range(3):
            some = annotate_clip(clips, Place(number, "train", False), GivenDepth(), None, HandRules(seed=seed, motions=0))[QUESTIONS]
            for category in CATEGORIES:
                drawn = [label(q) for q in some if q["category"] == category]
                known = {label(q) for q in rows[QUESTIONS] if q["category"] == category}
                assert len(set(drawn)) == min(len(drawn), len(known))
                again += len(drawn) > len(known)
    assert again > 0, "small clips do run out of labels"


def test_a_clip_is_annotated_the_same_wherever_it_is_done(clips):
    twice = [annotate_clip(clips, Place(1, "train", False), GivenDepth(), None, HandRules()) for _ in range(2)]
    other = annotate_clip(clips, Place(1, "train", False), GivenDepth(), None, HandRules(seed=1))
    assert twice[0] == twice[1] != other
    assert len(twice[0][QUESTIONS]) <= 24 and {q["category"] for q in twice[0][QUESTIONS]} <= set(CATEGORIES)


def test_a_killed_run_goes_on_and_workers_do_not_change_a_row(hand_clips, annotated_hands, tmp_path, monkeypatch):
    out, rules, work, done = tmp_path / "out", HandRules(held_tasks=("pour",)), run._work, []

    def killed(folder, place, *given):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(place.number)
        work(folder, place, *given)

    monkeypatch.setattr(run, "_work", killed)
    with pytest.raises(KeyboardInterrupt):
        annotate_hands(RecordedClips(str(hand_clips)), out, rules, workers=1)
    assert not (out / "hands.json").exists()
    monkeypatch.setattr(run, "_work", lambda folder, place, *given: (done.append(place.number), work(folder, place, *given)))
    again = annotate_hands(RecordedClips(str(hand_clips)), out, rules, workers=1)
    assert sorted(done) == list(range(6)) and again.clips == 6, "what was done is not done again"
    for table in (CLIPS, QUESTIONS, MOTIONS):
        assert read_parquet(out / table).equals(read_parquet(annotated_hands / table))
    assert annotate_hands(RecordedClips(str(hand_clips)), out, rules).clips == 6 and len(done) == 6, "complete: nothing runs"
    with pytest.raises(DataError, match="other settings"):
        annotate_hands(RecordedClips(str(hand_clips)), out, HandRules(), workers=1)


def test_annotations_of_other_clips_or_other_code_are_not_used_again(hand_clips, annotated_hands, tmp_path, monkeypatch):
    copy, rules = tmp_path / "copy", HandRules(held_tasks=("pour",))
    shutil.copytree(hand_clips, copy)
    again = lambda: annotate_hands(RecordedClips(str(copy)), copy / "hands", rules, workers=1)  # noqa: E731
    assert again().clips == 6, "the same clips in another place"
    with monkeypatch.context() as patch:
        patch.setattr(identity, "engine_code", lambda: "other")
        patch.setattr(made_clips, "engine_code", lambda: "other")
        other = HandClips().root()
        with pytest.raises(DataError, match="other code of the engine"):
            again()
    assert HandClips().root() != other
    (copy / "meta" / "info.json").write_text((copy / "meta" / "info.json").read_text() + " ")
    with pytest.raises(DataError, match="other clips; choose another --out"):
        again()


def test_the_same_net_in_another_folder_makes_the_same_labels_and_another_is_refused(hand_clips, tmp_path):
    spec = TabletopGeometry(image_size=32, width=20, layers=1, heads=2)
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        torch.manual_seed(seed)
        save_file(spec.build().state_dict(), tmp_path / name / "weights.safetensors")
        write_json(tmp_path / name / "geometry.json", {"net": to_json(spec)})

    def labelled(name, **how):
        looks = Looks(replace(spec, checkpoint=str(tmp_path / name)), **how)
        return annotate_hands(RecordedClips(str(hand_clips)), tmp_path / "out", HandRules(calibrate=False, questions=4, motions=0), looks, workers=1)

    made = labelled("one")
    assert made.clips == 6 and sum(made.categories["task_completion"].values()) > 0 and labelled("same", batch=4) == made
    with pytest.raises(DataError, match="other weights of the net"):
        labelled("other")


def test_the_engine_is_more_than_its_folder_and_weights_are_part_of_the_plan(clips, tmp_path):
    names = {"/".join(path.parts[-2:]) for path in identity.engine_files()}
    assert {"hands/scale.py", "hand_clips/recorded_clips.py", "hand_clips/egodex.py", "geometry/hands.py", "specs/hands.py"} <= names
    assert "hand_clips/annotated.py" not in names
    spec, seen = TabletopGeometry(width=20, layers=1, heads=2), []
    write_json(tmp_path / "geometry.json", {"net": to_json(spec)})
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        save_file(spec.build().state_dict(), tmp_path / "weights.safetensors")
        seen.append(identity.came_from(clips, replace(spec, checkpoint=str(tmp_path))))
    assert seen[0] != seen[1] == seen[2] and seen[0] | {"weights": ""} == identity.came_from(clips, None)


def test_the_command_writes_tables_and_a_sheet(hand_clips, tmp_path, monkeypatch, capsys):
    clips = tmp_path / "clips"
    shutil.copytree(hand_clips, clips, ignore=shutil.ignore_patterns("hands"))
    monkeypatch.setattr(sys, "argv", ["praxia", "annotate", "hands", str(clips), "--workers", "1", "--shown", "2", "--held-tasks", "pour"])
    main()
    said = capsys.readouterr().out
    assert (
        "train, labels" in said
        and "task completion" in said
        and "6 clips, 0 without questions; median scale 1.0" in said
        and "hand hardly moves" in said
    )
    sheet = (clips / "hands" / "sheet.html").read_text()
    assert sheet.count("<figure>") == 2 * 4 + 4 and sheet.count("<svg") > 12 and "degrees" in sheet and "http" not in sheet.split("<body")[1]
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--json"])
    main()
    done = json.loads(capsys.readouterr().out)
    assert done["categories"]["task_completion"]["train"] >= done["labels"]["task_completion"]["train"] > 5
    asked = [q for q in read_parquet(clips / "hands" / QUESTIONS).to_pylist() if q["category"] == "task_completion" and q["split"] == "train"]
    assert done["labels"]["task_completion"]["train"] == len({(q["clip"], q["hand"], q["frames"][-1]) for q in asked})


def test_every_field_of_the_rules_can_be_set_on_the_command_line(hand_clips, monkeypatch, capsys):
    def told(clips, out, rules, *_):
        raise ConfigError(repr(rules))

    def refused(*flags: str) -> str:
        monkeypatch.setattr(sys, "argv", ["praxia", "annotate", "hands", str(hand_clips), *flags])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().err

    monkeypatch.setattr("praxia.cli.annotate.annotate", told)
    wanted = HandRules(gamma=0.2, extent=0.03, scale=ScaleRules(skin=False))
    assert repr(wanted) in refused("--gamma", "0.2", "--rules.extent", "0.03", "--rules.scale.skin", "False")
    assert "did you mean 'extent'" in refused("--rules.extend", "0.03") and "HandRules.extent is -1" in refused("--rules.extent", "-1")


def test_what_is_missing_is_said_before_work_begins(hand_clips, tmp_path, tabletop_data):
    with pytest.raises(ConfigError, match="praxia data make hands"):
        clip_spec(tmp_path)
    with pytest.raises(ConfigError, match="tabletop_geometry"):
        annotate(hand_clips, tmp_path / "o", HandRules(), net="no_such_net")
    with pytest.raises(ConfigError, match="refuses"):
        annotate(hand_clips, tmp_path / "o", HandRules(), net="cut3r", license_policy="commercial")
    with pytest.raises(ConfigError, match="'questions' or 'motions'"):
        HandClips(asks="poses")


def test_made_clips_have_names_of_their_content():
    assert HandClips().root() == HandClips(asks="motions", split="held_out", kinds=("contextual",)).root()
    assert HandClips().root() != HandClips(rules=HandRules(gamma=0.2)).root() and HandClips().root() != HandClips(clips=61).root()
