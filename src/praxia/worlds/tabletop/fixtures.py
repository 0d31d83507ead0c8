"""Fixed furniture: cabinet with two drawers, buttons, trays and zones. MJCF text and the numbers of their geometry (metres)."""

from praxia.worlds.tabletop.robots.gripper import MAX_OPENING

DRAWERS, BUTTONS, TRAYS, ZONES, SLOTS = 2, 4, 3, 3, 4

# The cabinet stands between robot and workspace; its drawers open away from the robot (+x), towards the head camera.
CABINET_DEPTH, CABINET_HEIGHT, DRAWER_WIDTH = 0.12, 0.066, 0.128  # x, z, y
DRAWER_TRAVEL = 0.11
HANDLE_OUT, HANDLE_HALF = 0.052, (0.008, 0.036, 0.010)  # bar centre in front of the panel; half sizes
HANDLE_HEIGHT = 0.040
POST_HALF = 0.004

BUTTON_RADIUS, BUTTON_TRAVEL, BUTTON_TOP = 0.028, 0.012, 0.040  # top: of the unpressed cap above the table
PRESSED_DEPTH = 0.008

TRAY_HALF, TRAY_RIM, TRAY_FLOOR = 0.056, 0.014, 0.004  # inner half width; height of the rim; thickness of the floor
ZONE_RADIUS = 0.058
assert 2 * HANDLE_HALF[1] < MAX_OPENING

_SEEN = 'contype="0" conaffinity="0"'


def cabinet_xml() -> str:
    """Cabinet body (origin: on the table, middle of the front plane) with two sliding drawers side by side."""
    half = DRAWER_WIDTH + 0.006
    wall = 'rgba="0.62 0.60 0.57 1"'
    shell = (
        f'<geom type="box" size="{CABINET_DEPTH / 2} {half} 0.003" pos="{-CABINET_DEPTH / 2} 0 {CABINET_HEIGHT - 0.003}" {wall}/>'
        f'<geom type="box" size="{CABINET_DEPTH / 2} 0.003 {CABINET_HEIGHT / 2}" pos="{-CABINET_DEPTH / 2} {half} {CABINET_HEIGHT / 2}" {wall}/>'
        f'<geom type="box" size="{CABINET_DEPTH / 2} 0.003 {CABINET_HEIGHT / 2}" pos="{-CABINET_DEPTH / 2} {-half} {CABINET_HEIGHT / 2}" {wall}/>'
        f'<geom type="box" size="0.003 {half} {CABINET_HEIGHT / 2}" pos="{-CABINET_DEPTH + 0.003} 0 {CABINET_HEIGHT / 2}" {wall}/>'
    )
    return f'<body name="cabinet">{shell}' + "".join(_drawer(i) for i in range(DRAWERS)) + "</body>"


def _drawer(i: int) -> str:
    y = (i - 0.5) * (DRAWER_WIDTH + 0.004)
    wide, tall = DRAWER_WIDTH / 2 - 0.001, CABINET_HEIGHT - 0.008
    hx, hy, hz = HANDLE_HALF
    inside = DRAWER_TRAVEL - 0.004
    posts = "".join(
        f'<geom type="box" size="{HANDLE_OUT / 2} {POST_HALF} 0.006" pos="{HANDLE_OUT / 2} {s * (hy - POST_HALF)} {HANDLE_HEIGHT}"/>' for s in (-1, 1)
    )
    sides = "".join(
        f'<geom type="box" size="{inside / 2} 0.002 {tall / 2 - 0.006}" pos="{-inside / 2} {s * (wide - 0.004)} {tall / 2}" {_SEEN}/>'
        for s in (-1, 1)
    )
    return (
        f'<body name="drawer_{i}" pos="0 {y} 0" gravcomp="1"><joint name="drawer_{i}" type="slide" axis="1 0 0" range="0 {DRAWER_TRAVEL}" '
        f'damping="4" frictionloss="0.6" armature="0.1"/><inertial pos="0 0 0.03" mass="0.2" diaginertia="4e-4 4e-4 4e-4"/>'
        f'<geom type="box" size="0.004 {wide} {tall / 2}" pos="-0.004 0 {tall / 2 + 0.002}"/>'
        f'<geom type="box" size="{inside / 2} {wide - 0.006} 0.002" pos="{-inside / 2} 0 0.008" {_SEEN}/>{sides}'
        f'<geom name="handle_{i}" type="box" size="{hx} {hy} {hz}" pos="{HANDLE_OUT} 0 {HANDLE_HEIGHT}"/>{posts}</body>'
    )


def excludes_xml() -> str:
    """Parts that slide inside each other do not collide."""
    pairs = [(f"button_{i}", f"cap_{i}") for i in range(BUTTONS)]
    pairs += [("cabinet", f"drawer_{i}") for i in range(DRAWERS)] + [("drawer_0", "drawer_1")]
    return "".join(f'<exclude body1="{a}" body2="{b}"/>' for a, b in pairs)


def button_xml(i: int) -> str:
    """A spring-loaded cap in a housing. The lamp (a ring on the housing) turns white when the cap has latched down."""
    cap = (BUTTON_TOP - 0.012) / 2
    return (
        f'<body name="button_{i}"><geom type="cylinder" size="{BUTTON_RADIUS + 0.010} 0.009" pos="0 0 0.009" rgba="0.16 0.16 0.18 1"/>'
        f'<geom name="lamp_{i}" type="cylinder" size="{BUTTON_RADIUS + 0.007} 0.0015" pos="0 0 0.0190" rgba="0.30 0.30 0.33 1" {_SEEN}/>'
        f'<body name="cap_{i}" pos="0 0 {BUTTON_TOP - cap}" gravcomp="1"><joint name="button_{i}" type="slide" axis="0 0 1" '
        f'range="{-BUTTON_TRAVEL} 0" stiffness="250" damping="3" armature="0.02"/><inertial pos="0 0 0" mass="0.05" diaginertia="2e-5 2e-5 2e-5"/>'
        f'<geom name="cap_{i}" type="cylinder" size="{BUTTON_RADIUS} {cap}"/></body></body>'
    )


def tray_xml(i: int) -> str:
    """A shallow square tray (origin: on the table, middle)."""
    outer, rim = TRAY_HALF + 0.003, TRAY_RIM / 2
    walls = "".join(
        f'<geom type="box" size="{outer if x == 0 else 0.003} {outer if y == 0 else 0.003} {rim}" '
        f'pos="{x * (TRAY_HALF + 0.003)} {y * (TRAY_HALF + 0.003)} {rim}"/>'
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    return f'<body name="tray_{i}"><geom type="box" size="{outer} {outer} {TRAY_FLOOR / 2}" pos="0 0 {TRAY_FLOOR / 2}"/>{walls}</body>'


def zone_xml(i: int) -> str:
    """A disc painted on the table."""
    return f'<body name="zone_{i}"><geom type="cylinder" size="{ZONE_RADIUS} 0.0006" pos="0 0 0.0006" {_SEEN}/></body>'


def slot_xml(i: int, parts: int) -> str:
    """A free body with room for `parts` primitives; which object it is, is written into the model at reset.

    The inertial frame is deliberately off the body frame: the compiler then takes no short cut that a later object would break.
    """
    geoms = "".join(f'<geom name="slot_{i}_{k}" type="box" size="0.01 0.01 0.01" pos="0.001 0 0.001" euler="0.1 0.1 0"/>' for k in range(parts))
    return (
        f'<body name="slot_{i}"><freejoint name="slot_{i}"/>'
        f'<inertial pos="0.001 0.001 0.001" euler="0.1 0.1 0.1" mass="0.05" diaginertia="2e-5 2.1e-5 2.2e-5"/>{geoms}</body>'
    )


# Mats around the part of the table where things stand: half sizes and centres (x, y) in metres.
MATS = {
    "mat_near": ((0.45, 0.8), (1.17, 0.0)),
    "mat_far": ((0.6, 0.8), (-0.33, 0.0)),
    "mat_left": ((0.225, 0.295), (0.495, 0.505)),
    "mat_right": ((0.225, 0.295), (0.495, -0.505)),
}


def mats_xml() -> str:
    """The mats: seen, never touched, in a group that no picture shows until they are needed."""
    geoms = "".join(
        f'<geom name="{name}" type="box" size="{half[0]} {half[1]} 0.0002" pos="{x} {y} 0.0002" group="4" {_SEEN}/>'
        for name, (half, (x, y)) in MATS.items()
    )
    return f'<body name="mats">{geoms}</body>'
