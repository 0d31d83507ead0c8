"""Clips of people's hands: where they come from, and what was annotated of them."""

from praxia.data.hand_clips.annotated import HandMotions, HandQuestions
from praxia.data.hand_clips.clip import Clip, ClipSet
from praxia.data.hand_clips.common_camera import CommonCamera
from praxia.data.hand_clips.egodex import EgoDex
from praxia.data.hand_clips.recorded_clips import RecordedClips

__all__ = ["Clip", "ClipSet", "CommonCamera", "EgoDex", "HandMotions", "HandQuestions", "RecordedClips"]
