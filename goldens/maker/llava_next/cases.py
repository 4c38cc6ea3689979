"""What is asked of each checkpoint."""

from ..requests import Case, image, said, text, user
from ..texts import LONG

VICUNA_TILES = [
    Case(
        "one-picture",
        "a square fills a square canvas: nothing is unpadded, a newline after each row",
        lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
        max_tokens=24,
        pixel_values=True,
    ),
    Case(
        "odd-sizes",
        "61 x 37: unpadding takes rows",
        lambda s: [user(image("odd-61x37.png"), text("Describe the image." + s))],
        pixel_values=True,
    ),
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
    Case(
        "tiny",
        "10 x 7 takes the smallest canvas that wastes least",
        lambda s: [user(image("tiny-10x7.png"), text("What is it?" + s))],
    ),
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
    Case(
        "several-turns",
        "two turns with a picture each, an answer between them",
        lambda s: [
            user(image("square-56x56.png"), text("What is in this picture?")),
            said("assistant", "A red circle beside a blue square."),
            user(image("grey-60x60.png"), text("And in this one?" + s)),
        ],
    ),
    Case(
        "text-only",
        "no picture at all",
        lambda s: [said("user", "Tell me what the answer is." + s)],
        max_tokens=32,
    ),
    Case(
        "non-ascii",
        "scripts that the vocabulary lacks",
        lambda s: [said("user", "图片里的文字是什么？ Grüße" + s)],
    ),
    Case(
        "stops",
        "the answer ends by itself before max_tokens",
        lambda s: [user(image("palette-90x66.png"), text("Stop soon." + s))],
        max_tokens=64,
        ends="stop",
    ),
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
    Case("text-only", "no picture at all", lambda s: [said("user", "What is the total of the bill?" + s)], max_tokens=32),
    Case(
        "non-ascii",
        "scripts that the vocabulary lacks",
        lambda s: [said("user", "この画像には何が見えますか？ 😀" + s)],
    ),
]

MISTRAL_WINDOW = [
    Case(
        "one-picture",
        "features of two layers side by side; the prompt is longer than the sliding window",
        lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
        pixel_values=True,
    ),
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
