"""What a stage leaves its model able to say of poses, for the policy folder."""

from praxia.data.sample_transforms import CentreCrop, Slots, without_chance
from praxia.data.source import examples_of, spread
from praxia.data.supervision import ObjectPoses, Waypoints
from praxia.policy.config import Taught
from praxia.stages.recipe import Source, Stage
from praxia.tokens.pose_vocabulary import PoseTokens
from praxia.workflows.assemble import Assembly

LOOKED_AT = 16  # samples that are asked which arms there are


def taught(assembly: Assembly, stage: Stage) -> tuple[Taught, ...]:
    """Poses of objects and waypoints, as the stage teaches them or one that it starts from; without view delimiters nobody understands them."""
    if not isinstance(assembly.model.vocabulary, PoseTokens):
        return ()
    by_name = {s.name: s for s in assembly.recipe.stages}
    line = [stage]
    for one in line:  # grows: the stages that each starts from
        line += [by_name[init.stage] for init in one.init_from if init.stage]
    found: dict[type, Taught] = {}
    for source in (source for one in line for source in one.sources):
        says = source.supervision
        if isinstance(says, ObjectPoses | Waypoints) and says.delimiters and source.data in assembly.sources:
            found.setdefault(type(says), _taught(assembly, source, says))
    return tuple(found.values())


def _taught(assembly: Assembly, source: Source, says: ObjectPoses | Waypoints) -> Taught:
    opened, arms = assembly.sources[source.data], set[str]()
    if isinstance(says, Waypoints):
        arms.update(*(example.sample.tool_path for example in examples_of(opened, spread(len(opened), LOOKED_AT), source.supervision)))
    return Taught(says, tuple(sorted(arms)), tuple(t for t in without_chance(source.transforms) if isinstance(t, CentreCrop | Slots)))
