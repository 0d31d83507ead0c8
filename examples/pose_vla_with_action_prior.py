"""Two recipes in one: Pose-VLA's stages with the head of Action Priors, which has learnt to move before it sees.

    praxia train examples/pose_vla_with_action_prior.py:my_recipe --name both

Nothing inside either recipe changes: a head, its encoder and one query token are parts like any other.
"""

from dataclasses import replace

from praxia.data.supervision import StateActionChunk
from praxia.models.spec import LearnedTokens
from praxia.objectives import FlowMatching, LatentAlignment
from praxia.recipes import action_priors, pose_vla
from praxia.recipes.base_vlm import from_stage
from praxia.stages.recipe import LinearDecay, Recipe, Source, Weighted


def my_recipe() -> Recipe:
    """object poses -> waypoints -> action prior -> robot."""
    poses, prior = pose_vla.tiny(), action_priors.tiny()
    *seeing, robot = poses.stages
    learnt = next(stage for stage in prior.stages if stage.name == "action_prior")
    horizon = robot.sources[0].supervision.horizon
    demonstrations = robot.sources[0].data
    model = replace(
        poses.model,
        tokens=(*poses.model.tokens, LearnedTokens("q", 1)),
        order=("views", "prompt", "registers", "q", "target"),
        encoder=prior.model.encoder,
        conditioner=prior.model.conditioner,
        head=replace(prior.model.head, horizon=horizon),
    )
    moving = replace(learnt, sources=(Source(replace(demonstrations, blind=True), StateActionChunk(horizon)),), minutes=1.0)
    decay = LinearDecay(500)
    acting = replace(
        robot,
        objectives=(
            *robot.objectives,
            Weighted(LatentAlignment(), decay),
            Weighted(FlowMatching(head="reconstruction"), decay),
        ),
        init_from=(*robot.init_from, from_stage("action_prior", action_priors.PRIOR)),
    )
    return replace(poses, name="pose_vla_with_action_prior", model=model, stages=(*seeing, moving, acting))
