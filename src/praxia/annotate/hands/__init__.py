"""Clips of hands -> calibrated questions and motions (VIPA-VLA §3)."""

from praxia.annotate.hands.looks import Looks
from praxia.annotate.hands.made_clips import HandClips
from praxia.annotate.hands.run import Annotation, annotate_hands
from praxia.annotate.hands.settings import HandRules, ObjectRules, ScaleRules

__all__ = ["Annotation", "HandClips", "HandRules", "Looks", "ObjectRules", "ScaleRules", "annotate_hands"]
