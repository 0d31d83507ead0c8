"""Two recipes in one: Pose-VLA's stages with the head of Action Priors, which has learnt to move before it sees.

    praxia train examples/pose_vla_with_action_prior.py:my_recipe --name both

Nothing inside either recipe changes: a head, its encoder and one query token are parts like any other.
"""

from dataclasses import replace

from praxia.models.spec import LearnedTokens
from praxia.objectives import LatentAlignment
from praxia.recipes import action_priors, pose_vla
from praxia.recipes.action_priors import HORIZON, PRIOR, RECONSTRUCTION
from praxia.recipes.base_vlm import from_stage
from praxia.stages.recipe import LinearDecay, Recipe, Weighted


def my_recipe() -> Recipe:
    """object poses -> waypoints -> the action prior of four robots -> one of them."""
    poses, prior = pose_vla.tiny(), action_priors.tiny()
    *seeing, robot = poses.stages
    source = robot.sources[0]
    model = replace(
        poses.model,
        tokens=(*poses.model.tokens, LearnedTokens("q", 1)),
        order=("views", "prompt", "registers", "q", "target"),
        encoder=prior.model.encoder,
        conditioner=prior.model.conditioner,
        head=prior.model.head,
    )
    decay = LinearDecay(robot.optimiser.warmup)
    acting = replace(
        robot,
        sources=(replace(source, supervision=replace(source.supervision, horizon=HORIZON, still=True)),),
        objectives=(*robot.objectives, Weighted(LatentAlignment(), decay), Weighted(RECONSTRUCTION, decay)),
        init_from=(*robot.init_from, from_stage("action_prior", PRIOR)),
    )
    stages = (*seeing, action_priors.prior(minutes=1.5), acting)
    return replace(poses, name="pose_vla_with_action_prior", model=model, numbers=action_priors.SPACE, stages=stages)
