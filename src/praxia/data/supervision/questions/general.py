"""General understanding: colours, counts, presence, relations."""

from itertools import combinations

import numpy as np

from praxia.data.supervision.questions.look import Look, Question, Thing, phrase, shuffled

COLOUR = ("what colour is the {category} ?", "name the colour of the {category}", "which colour does the {category} have ?")
COUNT = ("how many {word} things are there ?", "count the {word} things", "what is the number of {word} things ?")
COUNT_KIND = ("how many times do you see a {word} ?", "count every {word}", "what is the number of things of the kind {word} ?")
PRESENT = ("is there any {name} ?", "do you see any {name} ?", "is any {name} on the table ?")
RELATION = ("is the {a} {relation} the {b} ?", "does the {a} stand {relation} the {b} ?")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
YES, NO = "yes", "no"
SIDES, DEPTHS = ("left of", "right of"), ("in front of", "behind")
ASIDE = 0.08  # share of the picture's width by which two middles must differ
DEEPER = 0.04  # metres along the optical axis


def colour(look: Look, absent: tuple[str, ...], rng: np.random.Generator) -> Question | None:
    """Of the only thing of its category."""
    categories = [o.category for o in look.sample.objects]
    asked = [t for t in look.things if t.truth.colour and categories.count(t.truth.category) == 1]
    if not asked:
        return None
    one = asked[rng.integers(len(asked))]
    return Question("general", "colour", phrase(rng, COLOUR, category=one.truth.category), one.truth.colour, about=one.centre[None])


def count(look: Look, absent: tuple[str, ...], rng: np.random.Generator) -> Question | None:
    """Things of one colour or of one category; not where one of them is hardly seen."""
    by = "colour" if rng.random() < 0.5 else "category"
    doubted = {getattr(o, by) for o in look.doubtful}
    words = sorted({getattr(t.truth, by) for t in look.things} - doubted - {""})
    if not words:
        return None
    word = words[rng.integers(len(words))]
    number = sum(getattr(t.truth, by) == word for t in look.things)
    if number > len(NUMBERS):
        return None
    return Question("general", "count", phrase(rng, COUNT if by == "colour" else COUNT_KIND, word=word), NUMBERS[number - 1], choices=NUMBERS)


def presence(look: Look, absent: tuple[str, ...], rng: np.random.Generator) -> Question | None:
    """Of a name or category; as often of one that is not there, out of `absent`."""
    there = {word for o in look.sample.objects for word in (o.name, o.category)} | set(look.sample.others)
    away = [name for name in absent if name not in there]
    doubted = {word for o in look.doubtful for word in (o.name, o.category)}
    seen = sorted({word for t in look.things for word in (t.truth.name, t.truth.category)} - doubted)
    if not away or not seen:
        return None
    answer, names = (YES, seen) if rng.random() < 0.5 else (NO, away)
    name = names[rng.integers(len(names))]
    about = [t.centre for t in look.things if answer == YES and name in (t.truth.name, t.truth.category)]
    return Question("general", "presence", phrase(rng, PRESENT, name=name), answer, choices=(YES, NO), about=np.reshape(about[:1], (-1, 3)))


def relation(look: Look, absent: tuple[str, ...], rng: np.random.Generator) -> Question | None:
    """Of two things as the camera sees them: left or right by the middles of what is visible, in front or behind by depth."""
    for pair in shuffled(rng, list(combinations(look.named, 2))):
        a, b = shuffled(rng, list(pair))
        true = [words for words in (_sides(look, a, b), _depths(a, b)) if words]
        if not true:
            continue
        right, wrong = true[rng.integers(len(true))]
        answer, said = (YES, right) if rng.random() < 0.5 else (NO, wrong)
        text = phrase(rng, RELATION, a=a.truth.name, b=b.truth.name, relation=said)
        return Question("general", "relation", text, answer, choices=(YES, NO), about=np.stack([a.centre, b.centre]))
    return None


def _sides(look: Look, a: Thing, b: Thing) -> tuple[str, str] | None:
    """What is true of a seen from b, and what is not; None where it could be doubted."""
    gap = (a.pixel[0] - b.pixel[0]) / look.size[1]
    return None if abs(gap) < ASIDE else SIDES if gap < 0 else (SIDES[1], SIDES[0])


def _depths(a: Thing, b: Thing) -> tuple[str, str] | None:
    gap = a.depth - b.depth
    return None if abs(gap) < DEEPER else DEPTHS if gap < 0 else (DEPTHS[1], DEPTHS[0])
