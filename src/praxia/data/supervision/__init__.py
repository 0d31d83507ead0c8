"""What a sample must say. Importing this package registers every supervision."""

from praxia.data.supervision.action_chunk import ActionChunk
from praxia.data.supervision.embodied_vqa import EmbodiedVQA
from praxia.data.supervision.hand_motion import HandMotion
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.placebo import Placebo
from praxia.data.supervision.question_answer import QuestionAnswer
from praxia.data.supervision.scene_geometry import SceneGeometry
from praxia.data.supervision.scene_grounding import SceneGrounding
from praxia.data.supervision.scene_questions import SceneQuestions
from praxia.data.supervision.scene_relations import SceneRelations
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.data.supervision.state_action_chunk import StateActionChunk
from praxia.data.supervision.supervision import Example, Needs, Supervision
from praxia.data.supervision.target_masks import TargetMasks
from praxia.data.supervision.together import Together
from praxia.data.supervision.waypoints import Waypoints

__all__ = [
    "ActionChunk",
    "EmbodiedVQA",
    "Example",
    "HandMotion",
    "Needs",
    "ObjectPoses",
    "Placebo",
    "QuestionAnswer",
    "SceneGeometry",
    "SceneGrounding",
    "SceneQuestions",
    "SceneRelations",
    "SpatialVQA",
    "StateActionChunk",
    "Supervision",
    "TargetMasks",
    "Together",
    "Waypoints",
]
