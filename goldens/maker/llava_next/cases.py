"""What is asked of each checkpoint."""

from .. import common_cases as common
from ..requests import Case, image, said, text, user
from ..texts import LONG

VICUNA_TILES = [
    common.SQUARE.because("a square fills a square canvas: nothing is unpadded, a newline after each row"),
    common.ODD_SIZES.because("61 x 37: unpadding takes rows"),
    Case(
        "columns",
        "48 x 64: unpadding takes columns",
        lambda s: [user(image("alpha-48x64.png"), text("Describe the image." + s))],
    ),
    Case(
        "tall",
        "30 x 500 on a canvas of three tiles one above the other: one column stays",
        lambda s: [user(image("tall-30x500.png"), text("How many people are there?" + s))],
    ),
    Case(
        "wide",
        "400 x 24 on a canvas of three tiles beside each other: few rows stay",
        lambda s: [user(image("wide-400x24.png"), text("Read the text on the sign." + s))],
    ),
    common.TINY.because("10 x 7 takes the smallest canvas that wastes least"),
    Case(
        "several-pictures",
        "three pictures of different numbers of tiles in one turn",
        lambda s: [
            user(
                image("dot-1x1.png"),
                text("The first picture. "),
                image("large-300x200.png"),
                image("half-70x98.png"),
                text("Which is the smallest?" + s),
            )
        ],
    ),
    common.SEVERAL_TURNS,
    common.TEXT_ONLY,
    Case(
        "non-ascii",
        "scripts that the vocabulary lacks",
        lambda s: [said("user", "图片里的文字是什么？ Grüße" + s)],
    ),
    common.STOPS,
]

MISTRAL_SAVED = [
    Case(
        "one-picture",
        "an odd grid of 5 x 5 patches a tile",
        lambda s: [user(image("exact-84x56.png"), text("What is in this picture?" + s))],
        max_tokens=24,
        pixel_values=True,
    ),
    Case(
        "odd-sizes",
        "113 x 250: unpadding takes columns of an odd grid",
        lambda s: [user(image("odd-113x250.png"), text("Describe the image." + s))],
    ),
    Case(
        "two-pictures",
        "one wide, one tall",
        lambda s: [user(image("wide-400x24.png"), image("tall-30x500.png"), text("Compare." + s))],
    ),
    Case(
        "several-turns",
        "a system message and two turns with a picture each, an answer between them",
        lambda s: [
            said("system", "Sei höflich."),
            user(image("half-70x98.png"), text("Was siehst du?")),
            said("assistant", "Einen großen Vogel."),
            user(image("odd-61x37.png"), text("Und hier?" + s)),
        ],
    ),
    common.TEXT_OF_A_BILL,
    Case(
        "non-ascii",
        "scripts that the vocabulary lacks",
        lambda s: [said("user", "この画像には何が見えますか？ 😀" + s)],
    ),
]

MISTRAL_WINDOW = [
    common.SQUARE_BRIEFLY.because("features of two layers side by side; the prompt is longer than the sliding window"),
    Case(
        "odd-sizes",
        "400 x 24 on a canvas of four tiles in a row",
        lambda s: [user(image("wide-400x24.png"), text("Read it." + s))],
    ),
    Case(
        "non-ascii",
        "a text alone, many times as long as the sliding window; the template writes the beginning of the text itself",
        lambda s: [said("user", "Grüße 图片 " + LONG[:300] + s)],
        max_tokens=32,
    ),
]

CASES = {"vicuna-tiles": VICUNA_TILES, "mistral-saved": MISTRAL_SAVED, "mistral-window": MISTRAL_WINDOW}
