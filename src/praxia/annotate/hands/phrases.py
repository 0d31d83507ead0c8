"""Ways to ask: at least 20 of every category, in our own words (VIPA-VLA §3.4). The answers are numbers made by code, never by a language model."""

import numpy as np

TASK = (
    "Which way and how far should the {side} hand go to {task}?",
    "To {task}, where must the {side} hand move and by how much?",
    "The goal is to {task}. Give the direction and length of the {side} hand's move.",
    "What displacement takes the {side} hand to where it can {task}?",
    "How does the {side} hand have to travel in order to {task}?",
    "In which direction, and over what distance, does the {side} hand reach to {task}?",
    "Plan the next move of the {side} hand: it has to {task}.",
    "Someone wants to {task}. How far and which way is the {side} hand's way?",
    "State the {side} hand's motion that is needed to {task}.",
    "Where does the {side} hand need to be next to {task}, seen from where it is?",
    "From its present place, how should the {side} hand be moved to {task}?",
    "Tell the way that is left for the {side} hand if it is to {task}.",
    "Give direction and metres for the {side} hand so that it can {task}.",
    "What is the shortest move of the {side} hand towards being able to {task}?",
    "The {side} hand will {task}. Which way does it go, and how far?",
    "Before it can {task}, how far must the {side} hand still move, and where to?",
    "Describe in directions and metres how the {side} hand gets there to {task}.",
    "If I want to {task} with the {side} hand, which way do I move it and how much?",
    "How much, and towards where, is the {side} hand to be shifted to {task}?",
    "Guide the {side} hand: it shall {task}. Direction and distance, please.",
    "By which vector, in words and metres, does the {side} hand move to {task}?",
    "Name the direction and the distance of the move with which the {side} hand begins to {task}.",
)
POSITION = (
    "Relative to the {side} hand, where is the {object} and how far?",
    "Where is the {object} as seen from the {side} hand, and at what distance?",
    "In which direction from the {side} hand does the {object} lie, and how far away?",
    "Give direction and distance from the {side} palm to the {object}.",
    "How is the {object} placed with respect to the {side} hand?",
    "Starting at the {side} hand, which way and how far is the {object}?",
    "Locate the {object} relative to the {side} hand.",
    "What is the offset of the {object} from the {side} hand?",
    "Taking the {side} hand as origin, where is the {object}?",
    "Which direction leads from the {side} hand to the {object}, and how long is the way?",
    "Say where the {object} is, measured from the {side} hand.",
    "The {object}: on which side of the {side} hand is it, and at how many metres?",
)
DISTANCE = (
    "How far apart are the {side} hand and the {object}?",
    "What is the distance between the {side} hand and the {object}?",
    "How many metres separate the {object} from the {side} hand?",
    "Measure the gap from the {side} palm to the {object}.",
    "At what distance from the {side} hand is the {object}?",
)
CONTACT = (
    "Does the {side} hand touch the {object}?",
    "Is the {side} hand in contact with the {object} now?",
    "Are the fingers of the {side} hand on the {object} in the last picture?",
    "Tell whether the {side} hand and the {object} touch.",
    "Is there contact between the {object} and the {side} hand?",
)
MOVEMENT = (
    "From the first frame to the second, how did the {side} hand travel?",
    "How did the {side} hand move between the two pictures?",
    "Which way and how far did the {side} hand go?",
    "Give the displacement of the {side} hand from the first picture to the second.",
    "By how much, and towards where, was the {side} hand moved?",
    "Compare both pictures: where has the {side} hand gone?",
    "Between these moments, what was the {side} hand's motion?",
    "Say in which direction the {side} hand moved and over what distance.",
    "What way did the {side} hand cover from picture one to picture two?",
    "The {side} hand changed its place. How?",
    "How far is the {side} hand now from where it was, and in which direction?",
    "Describe the {side} hand's shift between the frames in words and metres.",
    "State direction and length of the {side} hand's movement.",
    "Where did the {side} hand end up, relative to where it started?",
    "What is the net motion of the {side} hand over the two frames?",
    "Look at the {side} hand in both frames: which way did it move, and how much?",
    "Report the movement of the {side} hand, first frame to second.",
    "Which displacement explains the {side} hand's new place?",
    "In the time between the pictures, where to and how far did the {side} hand move?",
    "How was the {side} hand's place in the second frame reached from the first?",
)
CAMERA = (
    "How did the camera rotate between these frames?",
    "Which way and by how many degrees did the camera turn?",
    "Give the rotation of the camera from the first picture to the second.",
    "The view changed. What was the camera's turn?",
    "In which direction did the camera rotate, and by what angle?",
    "How was the camera turned from frame one to frame two?",
    "Estimate the turn of the head that wears the camera.",
    "By what angle, and towards where, did the camera look elsewhere?",
    "Name the main direction and the size of the camera's rotation.",
    "What rotation of the camera explains the second picture?",
    "How far did the camera turn, in degrees, and which way?",
    "Describe the camera's rotation between both moments.",
    "State the camera's turn: direction, degrees.",
    "Compare the frames: how has the camera's heading changed?",
    "Did the camera turn left, right, up, down, or about its axis, and how much?",
    "Between the pictures the camera rotated. Where to and how much?",
    "What is the angle and direction of the camera's motion about itself?",
    "Tell how the viewing direction moved from the first to the second frame.",
    "How many degrees did the viewer's head turn, and in which direction?",
    "Report the rotation between the two camera poses.",
)
WAYS = {  # kind of question -> ways to ask it
    "task": TASK, "position": POSITION, "distance": DISTANCE, "contact": CONTACT, "movement": MOVEMENT, "rotation": CAMERA,
}  # fmt: skip
OF_CATEGORY = {
    "task_completion": ("task",),
    "spatial_relationship": ("position", "distance", "contact"),
    "hand_movement": ("movement",),
    "camera_movement": ("rotation",),
}


def ask(kind: str, rng: np.random.Generator, side: str = "", thing: str = "", task: str = "") -> str:
    """One way to ask, drawn."""
    ways = WAYS[kind]
    return ways[int(rng.integers(len(ways)))].format(side=side, object=thing, task=task)


def as_infinitive(instruction: str) -> str:
    """An instruction as what follows "to": first letter small, no full stop."""
    text = instruction.strip().rstrip(".!")
    return text[:1].lower() + text[1:]
