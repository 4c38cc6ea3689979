"""Questions that several families are asked. What is special about one with a family is said there, by `because`."""

from .requests import Case, image, said, text, user

SQUARE = Case(
    "one-picture",
    "one square picture",
    lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
    max_tokens=24,
    pixel_values=True,
)
ODD_SIZES = Case(
    "odd-sizes",
    "61 x 37",
    lambda s: [user(image("odd-61x37.png"), text("Describe the image." + s))],
    pixel_values=True,
)
TINY = Case(
    "tiny",
    "10 x 7",
    lambda s: [user(image("tiny-10x7.png"), text("What is it?" + s))],
)
SEVERAL_TURNS = Case(
    "several-turns",
    "two turns with a picture each, an answer between them",
    lambda s: [
        user(image("square-56x56.png"), text("What is in this picture?")),
        said("assistant", "A red circle beside a blue square."),
        user(image("grey-60x60.png"), text("And in this one?" + s)),
    ],
)
SYSTEM = Case(
    "system",
    "a system message of one's own",
    lambda s: [said("system", "Answer in one short sentence."), said("user", "How many are seven and two?" + s)],
)
TEXT_ONLY = Case(
    "text-only",
    "no picture at all",
    lambda s: [said("user", "Tell me what the answer is." + s)],
    max_tokens=32,
)
STRING_AS_PARTS = Case(
    "string-as-parts",
    "the same request as text-only, its content a list of parts: the same prompt",
    lambda s: [user(text("Tell me what the answer is." + s))],
    max_tokens=32,
    same_as="text-only",
)
STOPS = Case(
    "stops",
    "the answer ends by itself before max_tokens",
    lambda s: [user(image("palette-90x66.png"), text("Stop soon." + s))],
    max_tokens=64,
    ends="stop",
)
TRANSPARENT = Case(
    "one-picture",
    "a picture with transparency",
    lambda s: [user(image("alpha-48x64.png"), text("What is in this picture?" + s))],
    max_tokens=24,
    pixel_values=True,
)
TALL_AND_WIDE = Case(
    "tall-and-wide",
    "30 x 500 and 400 x 24 in one turn",
    lambda s: [user(image("tall-30x500.png"), image("wide-400x24.png"), text("Which is wide?" + s))],
)
TEXT_OF_A_BILL = Case("text-only", "no picture at all", lambda s: [said("user", "What is the total of the bill?" + s)], max_tokens=32)
SQUARE_BRIEFLY = Case(
    "one-picture",
    "one square picture",
    lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
    pixel_values=True,
)
TWO_PICTURES = Case(
    "two-pictures",
    "the smallest picture and one of odd sides",
    lambda s: [user(image("dot-1x1.png"), image("odd-113x250.png"), text("Compare." + s))],
)
