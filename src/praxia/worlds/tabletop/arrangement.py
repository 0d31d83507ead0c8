"""What stands on the table at the start of an episode."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlacedObject:
    """An object standing on the table (x, y in metres, yaw in radians)."""

    category: str
    colour: str
    x: float
    y: float
    yaw: float = 0.0

    @property
    def name(self) -> str:
        """As a person says it."""
        return f"{self.colour} {self.category}"


@dataclass(frozen=True)
class PlacedMark:
    """A button, tray or zone of one colour on the table."""

    colour: str
    x: float
    y: float


@dataclass(frozen=True)
class PlacedCabinet:
    """The cabinet: where its front stands, the colour of each drawer and how far it is open (metres)."""

    x: float
    y: float
    colours: tuple[str, str]
    opened: tuple[float, float]


@dataclass(frozen=True)
class Arrangement:
    """Everything on the table at the start of an episode."""

    objects: tuple[PlacedObject, ...] = ()
    buttons: tuple[PlacedMark, ...] = ()
    trays: tuple[PlacedMark, ...] = ()
    zones: tuple[PlacedMark, ...] = ()
    cabinet: PlacedCabinet | None = None
