"""The headline: how often the policy succeeds, beside its controls."""

from praxia.report.conditions import Condition, clear_tasks, conditions, verdict
from praxia.report.content import ReportContent
from praxia.report.html import Markup, folded, section, tag
from praxia.report.intervals_plot import intervals_plot, mark
from praxia.report.sections.perturbations import perturbations
from praxia.report.tables import facts, success_table
from praxia.report.words import percent, title

_WHAT_CONTROLS_TELL = {
    "instruction_shuffled": "the policy is told the instruction of another episode; what it still solves is luck, or what the scene invites",
    "images_blanked": "the policy gets black pictures; what it still solves can be done without looking",
}


def result(content: ReportContent) -> Markup:
    """Verdict in words, one tile a condition, dots with intervals, the table, and the plan folded away."""
    found = conditions(content.summary)
    if not found:
        return section("result", "Result", tag("p", "This policy has not been judged in closed loop yet: praxia eval does it.", class_="empty"))
    judged = verdict(found)
    return section(
        "result",
        "Result",
        tag("p", judged.text, class_=f"verdict {_TONE[judged.separated]}"),
        tag("div", [_tile(i, condition) for i, condition in enumerate(found)], class_="tiles"),
        tag("div", _how(content, found), class_="lead"),
        intervals_plot(found),
        tag("p", _tasks(found)),
        success_table(found).html(),
        perturbations(content.summary),
        tag(
            "p",
            _INTERVALS,
            class_="note",
        ),
        _fine_print(content),
    )


_INTERVALS = (
    "In brackets: 95 % Wilson intervals in per cent, stratified by task, or by category of perturbations, for the mean. "
    "They cover the choice of episodes; another training seed would give another policy."
)
_TONE = {True: "good", False: "open", None: "open"}


def _tile(number: int, condition: Condition) -> Markup:
    rate = condition.mean
    shown = tag("p", percent(rate.rate) if rate else "–", class_="big")
    below = f"{percent(rate.low)} to {percent(rate.high)}, {rate.episodes} episodes" if rate else "could not be judged: there is one instruction only"
    return tag("div", tag("p", mark(number), " ", condition.label, class_="name"), shown, tag("p", below), class_="tile")


def _how(content: ReportContent, found: tuple[Condition, ...]) -> list[Markup | str]:
    episodes = found[0].mean.episodes if found[0].mean else 0
    benchmark = content.evaluation.get("benchmark")
    where = f" of benchmark {benchmark}" if benchmark else ""
    text: list[Markup | str] = [
        f"In each of {episodes} episodes{where} the policy sees the cameras' pictures, reads one instruction and moves the robot until the task "
        "is done, spoilt, or out of time. The episodes were fixed before any policy was seen. "
    ]
    if len(found) > 1:
        fewer = min(c.mean.episodes for c in found if c.mean)
        text.append(f"The controls are the same policy on {'the same' if fewer == episodes else f'{fewer} or more of these'} episodes:")
        told = [tag("li", tag("b", c.label), ": " + _WHAT_CONTROLS_TELL[c.name] if c.name in _WHAT_CONTROLS_TELL else "") for c in found[1:]]
        text.append(tag("ul", told))
    return text


def _tasks(found: tuple[Condition, ...]) -> str:
    clear, unclear = clear_tasks(found)
    what, each = f"{found[0].by.title()} by {found[0].by} the policy's interval lies above every control's in", len(clear) + len(unclear)
    if not each:
        return ""
    if not unclear:
        return f"{what} all {each}."
    if not clear:
        return f"{what} none of the {each}."
    return f"{what} {len(clear)} of {each}; not in {', '.join(title(task) for task in unclear)}."


def _fine_print(content: ReportContent) -> Markup:
    evaluation = content.evaluation
    parts = [(name, evaluation.get(key)) for name, key in (("Plan", "plan"), ("Rules", "rules"), ("Effort", "effort"), ("World", "fingerprint"))]
    tables = [(tag("h4", name), facts(part).html()) for name, part in parts if part]
    return folded("Plan of the episodes, rules and fingerprint of the world", tables) if tables else Markup()
