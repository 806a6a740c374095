"""Okabe and Ito's colours: told apart by colour-blind readers, and most by lightness in print."""

BLACK, GREY = "#000000", "#595959"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PINK = "#E69F00", "#56B4E9", "#CC79A7"

SERIES = (BLUE, VERMILLION, GREEN, ORANGE, PINK, SKY, BLACK)  # yellow is too pale for a line
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # beside the colour, for whoever cannot see it


def rgb(colour: str) -> tuple[int, int, int]:
    """0..255 each, of '#RRGGBB'."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))
