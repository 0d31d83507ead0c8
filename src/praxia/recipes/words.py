"""Words of the embedded worlds and question templates: one token each in the local tokenizer of the `tiny` presets."""

import re

from praxia.data.supervision import scene_questions
from praxia.worlds.libero.tasks import SUITES, instruction
from praxia.worlds.metaworld.tasks import SCENES, TASKS
from praxia.worlds.tabletop.objects import CATEGORIES
from praxia.worlds.tabletop.palette import COLOUR_NAMES
from praxia.worlds.tabletop.phrasings import PHRASINGS


def world_words() -> tuple[str, ...]:
    """All words, sorted, so that the token ids are the same everywhere."""
    texts = [p for splits in PHRASINGS.values() for phrasings in splits.values() for p in phrasings]
    texts += [task.instruction for task in TASKS.values()] + [name for scene in SCENES.values() for name in scene.values()]
    texts += [instruction(task) for tasks in SUITES.values() for task in tasks]
    for templates in (scene_questions.POINT, scene_questions.COLOUR, scene_questions.COUNT, scene_questions.CAPTION):
        texts += templates
    texts += [*scene_questions.NUMBERS, *COLOUR_NAMES, *CATEGORIES, "tray", "zone", "circle", "button", "drawer"]
    return tuple(sorted({word for text in texts for word in re.findall(r"[a-z]+", re.sub(r"\{.*?\}", " ", text.lower()))}))
