"""PokeVLA (arXiv 2604.20834): a Prismatic learns embodied questions, then a robot, with one goal token that is a mask in every view, and near what
a 3-D network sees."""

from dataclasses import replace
from typing import Literal

from praxia.data.demonstrations import Demonstrations
from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.data.readers import Llava
from praxia.data.sample_transforms import AreaCrop, ColourJitter, RandomShift
from praxia.data.supervision import ActionChunk, QuestionAnswer, SceneGrounding, TargetMasks, Together
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.geometry_nets.vggt import VGGT
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.lora import LoRA
from praxia.models.readouts import GeometryProjector, PatchPlaces, PatchWords, Positions, TargetMaskDecoder, TokenAttention
from praxia.models.readouts.sam_mask import FIXED, FROZEN, SamMask
from praxia.models.spec import LearnedTokens, ModelSpec, SpecialToken
from praxia.models.vision.ray_depth import RayDepth
from praxia.objectives import GeometryAlignment, Grounding, GuidedAttention, L1Chunk, NextToken, PositionRegression, TargetMask
from praxia.recipes import embodied_vqa, tabletop_geometry
from praxia.recipes.base_vlm import QUICKSTART_TASKS, base_vlm, from_stage
from praxia.recipes.embodied_vqa import vqa_words
from praxia.stages.recipe import Constant, Recipe, Source, Stage, Teacher, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer, PublicTokenizer
from praxia.train.optimiser import AdamW

PUBLIC = "Stanford-ILIAD/prism-qwen25-extra-dinosiglip-224px-0_5b"
DINO, SIGLIP = "facebook/dinov2-with-registers-large", "google/siglip-so400m-patch14-224"  # the towers: frozen in its training, not in its file
Coordinates = Literal["picture", "square"]
PROMPT = "What action should the robot take to {instruction:lower}?"  # the parent's (VLA-Adapter)
SEES = ("backbone", "adapters", "readouts")
ASKED = (*SEES, "tokens")
CHAT_WORDS = ("user", "assistant")
TEACHER = TabletopGeometry(width=96, layers=2, heads=3)  # looks at every picture of every step: a third of the size that `praxia train` makes
LOSSES = (Weighted(L1Chunk()), Weighted(TargetMask(), Constant(0.2)), Weighted(GeometryAlignment(), Constant(0.4)))


def tiny_model(queries: int = 12) -> ModelSpec:
    """2.9 M parameters at 64 px: towers of 64 and 96 channels, 16 tokens a view, rays and depth, a 4 x 128 Qwen2, a 3 x 96 head.

    Convolutional stems, registers, rays and depth are not the paper's (docs/poke_vla.md).
    """
    return ModelSpec(
        backbone=Prismatic(
            image_size=64, patch_size=16, stem="conv", system="", attention="plain", dino_width=64, dino_layers=3, dino_heads=4, siglip_width=96,
            siglip_layers=4, siglip_heads=4, siglip_mlp=288, text_width=128, text_layers=4, text_heads=4, text_kv_heads=4, text_mlp=256, vocabulary=0,
        ),
        adapters=(RayDepth(drop_rays=0.0, drop_depth=0.0, unit=0.2, expansion=1),),
        tokens=(LearnedTokens("registers", 6, block=0), SpecialToken("seg", "<SEG>"), LearnedTokens("queries", queries, block=2)),
        order=("views", "prompt", "registers", "seg", "queries", "target"),
        prefix_attention="causal",
        head=CrossAttentionL1(horizon=8, action_width=0, state_width=0, width=96, layers=3, heads=4, attention="plain"),
        readouts={
            "target_mask": TargetMaskDecoder(width=64, heads=4, attention="plain"),
            "geometry": GeometryProjector(width=TEACHER.width),
            "words": PatchWords(),
            "places": PatchPlaces(),
            "positions": Positions("registers", distance=(*(1.0,) * 3, *(0.2,) * 3)),  # from outside, from the wrist
            "attention": TokenAttention("registers"),
        },
        geometry=TEACHER,
    )  # fmt: skip


def loss_only(model: ModelSpec) -> ModelSpec:
    """The model whose goal token teaches and is seen by nothing that acts: behind the queries, and not read by the head (GIFT, arXiv 2609.04193)."""
    behind = {"queries": 1, "seg": 2}
    tokens = tuple(replace(group, block=behind.get(group.name, group.block)) for group in model.tokens)
    order = (*(name for name in model.order if name not in ("seg", "target")), "seg", "target")
    return replace(model, tokens=tokens, order=order, head=replace(model.head, goal=""))


def with_sam(recipe: Recipe) -> Recipe:
    """`tiny` whose masks are made by a small SAM that learns beside, as in `paper`, in place of the decoder on the language model's visual states."""
    *before, robot = recipe.stages
    model = replace(recipe.model, readouts=recipe.model.readouts | {"target_mask": SamMask.small()})
    return replace(recipe, model=model, stages=(*before, replace(robot, frozen=(*robot.frozen, *FIXED))))


def tiny() -> Recipe:
    """Trains in minutes on two CPU cores: words and places, embodied questions on tabletop's pretrain split, a small geometry net on the same split,
    then five tasks of the benchmark split."""
    look = {"split": "benchmark", "size": 64}
    robot = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=250, seed=2, world_args=look, picture_every=3, depth=True, masks=True)
    says = ActionChunk(horizon=8, positions=True, views=2, beside=Together((SceneGrounding(), TargetMasks())))
    return Recipe(
        name="poke_vla",
        model=tiny_model(),
        tokenizer=LocalTokenizer((*vqa_words(), *CHAT_WORDS)),
        numbers=Numbers(action=(Normalise("quantile", least=0.02),), state=(Normalise("quantile", least=0.02, clip=1.2),)),
        replan=4,
        stages=(
            base_vlm(SEES),
            embodied_vqa.stage(ASKED, minutes=1.0, positions=2),
            tabletop_geometry.stage(minutes=1.0, roles=("head", "wrist")),
            Stage(
                name="robot",
                sources=(Source(robot, says, (RandomShift(),)),),
                objectives=(
                    Weighted(L1Chunk(smooth=0.5)),
                    *LOSSES[1:],
                    Weighted(PositionRegression(beta=0.05), Constant(5.0)),
                    Weighted(GuidedAttention(), Constant(0.2)),
                    Weighted(Grounding(), Constant(0.1)),
                ),
                parts=(*ASKED, "head"),
                init_from=(from_stage("embodied_vqa", ASKED),),
                teachers=(Teacher("geometry", TEACHER, stage="geometry", cached=False),),
                steps=20_000,
                minutes=5.25,
                batch=32,
                optimiser=AdamW(lr=1.5e-3, warmup=100, muon=0.02),
                validate_every=1000,
            ),
        ),
    )


# Table I: thousands of samples of a group, and the sources it was drawn from (shares inside a group are not published: equal).
PUBLISHED: dict[int, tuple[tuple[str, Coordinates], ...]] = {
    665: (("llava_v1_5_mix665k", "square"),),
    694: (("refspatial_simulator", "picture"), ("robopoint", "picture"), ("robospatial", "picture"), ("roborefit", "picture")),
    553: (("hova_ego4d", "picture"), ("hova_epic100", "picture"), ("molmoact", "picture")),
    511: (("refspatial_2d_reasoning", "picture"), ("cosmos_agibot", "picture"), ("cosmos_holoassist", "picture")),
}
TERMS = {  # of the sources, as docs/poke_vla.md lists them: no card was at hand; those of the others nobody has looked up
    "llava_v1_5_mix665k": "mixed, per component",
    "refspatial_simulator": "apache-2.0",
    "refspatial_2d_reasoning": "apache-2.0",
    "robopoint": "apache-2.0",
    "hova_ego4d": "Ego4D licence agreement",
    "cosmos_agibot": "NVIDIA's terms",
    "cosmos_holoassist": "NVIDIA's terms",
}
TOWERS = ("backbone.dino.*", "backbone.siglip.*")
LINEAR = ("backbone.dino.*", "backbone.siglip.*", "backbone.llm.model.layers.*")
BESIDE_LORA = ("backbone.*norm*", "backbone.*lambda1", "backbone.*.embeddings.*", "backbone.*.embed_tokens.*")  # <SEG>: `tokens.special`


def paper() -> Recipe:
    """Published shapes (Qwen2.5-0.5B, DINOv2-L and SigLIP-So400m: 1.21 B) and settings; for what is not published see docs/poke_vla.md.

    Questions are looked for under data/poke_vlm as LLaVA-style JSON, one file and one folder of pictures a source; actions are learnt from --data.
    """

    def asked(name: str, coordinates: Coordinates, share: float) -> Source:
        files = (f"data/poke_vlm/{name}.json",)
        data = Llava(files, f"data/poke_vlm/{name}", coordinates=coordinates, licence=TERMS.get(name, "unknown"))
        return Source(data, QuestionAnswer(), weight=share)

    return Recipe(
        name="poke_vla",
        preset="paper",
        model=ModelSpec(
            backbone=Prismatic(checkpoint=PUBLIC, dino_checkpoint=DINO, siglip_checkpoint=SIGLIP),
            tokens=(SpecialToken("seg", "<SEG>"), LearnedTokens("queries", 64, block=2)),
            order=("views", "prompt", "seg", "queries", "target"),
            prefix_attention="causal",
            head=CrossAttentionL1(horizon=8, action_width=0, state_width=0),
            readouts={"target_mask": SamMask.vit_b(), "geometry": GeometryProjector()},
        ),
        tokenizer=PublicTokenizer("Qwen/Qwen2.5-0.5B"),
        numbers=Numbers(action=(Normalise("quantile"),), state=(Normalise("quantile"),)),
        replan=8,
        stages=(
            Stage(
                name="embodied_vqa",
                sources=tuple(asked(name, kind, size / len(some)) for size, some in PUBLISHED.items() for name, kind in some),
                objectives=(Weighted(NextToken()),),
                parts=("backbone",),
                frozen=TOWERS,
                steps=37_860,
                batch=128,
                optimiser=AdamW(lr=2e-5, warmup=1136, betas=(0.9, 0.999), weight_decay=0.1),
                validate_every=2000,
            ),
            Stage(
                name="robot",
                sources=(Source(None, ActionChunk(8, beside=TargetMasks(), prompt=PROMPT), (ColourJitter(1.0, 0.2, 0.2, 0.2, 0.05), AreaCrop(0.9))),),
                objectives=LOSSES,
                frozen=(*BESIDE_LORA, *FROZEN),
                lora=LoRA(LINEAR, rank=64, alpha=128.0),
                init_from=(from_stage("embodied_vqa", ("backbone",)),),
                teachers=(Teacher("geometry", replace(VGGT.public(), heads_built=False), cached=False),),
                steps=150_000,
                batch=64,
                # moments and decay are not published: those of the parent's optimiser (VLA-Adapter: the library's AdamW as it comes)
                optimiser=AdamW(lr=1e-4, warmup=15_000, betas=(0.9, 0.999), weight_decay=0.01, multipliers=(("readouts.*.sam.mask_decoder.*", 0.1),)),
                validate_every=2000,
            ),
        ),
        licences=((PUBLIC, "MIT"), (DINO, "Apache-2.0"), (SIGLIP, "Apache-2.0"), ("Qwen/Qwen2.5-0.5B", "Apache-2.0")),
    )
