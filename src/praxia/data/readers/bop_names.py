"""What objects of BOP's datasets are called, by their ids: YCB-Video (arXiv 1711.00199) and LineMOD (Hinterstoisser et al., ACCV 2012)."""

YCB_V = tuple(enumerate((
    "master chef can", "cracker box", "sugar box", "tomato soup can", "mustard bottle", "tuna fish can", "pudding box", "gelatin box",
    "potted meat can", "banana", "pitcher base", "bleach cleanser", "bowl", "mug", "power drill", "wood block", "scissors", "large marker",
    "large clamp", "extra large clamp", "foam brick",
), start=1))  # fmt: skip
LINEMOD = tuple(enumerate((
    "ape", "bench vise", "bowl", "camera", "watering can", "cat", "cup", "driller", "duck", "egg box", "glue", "hole puncher", "iron", "lamp",
    "phone",
), start=1))  # fmt: skip
