"""What the PaliGemma checkpoints are asked."""

from ..requests import Case, image, text, user
from ..texts import SENTENCES

LONG = " ".join(SENTENCES[:12])

SHORT = [
    Case(
        "one-picture",
        "a picture that is stretched to the checkpoint's square",
        lambda s: [user(image("exact-84x56.png"), text("What is in this picture?" + s))],
        max_tokens=24,
        pixel_values=True,
    ),
    Case(
        "tall",
        "30 x 500 becomes a square too",
        lambda s: [user(image("tall-30x500.png"), text("caption en" + s))],
    ),
    Case(
        "non-ascii",
        "many scripts; what the vocabulary lacks is written in bytes, and nothing is composed",
        lambda s: [
            user(
                image("square-56x56.png"),
                text("图片里的文字是什么？ Grüße, cafe\u0301 \u212b नमस्ते 👩\u200d👩\u200d👧 Что ты видишь?" + s),
            )
        ],
        max_tokens=32,
    ),
    Case(
        "stops",
        "the answer ends by itself before max_tokens",
        lambda s: [user(image("palette-90x66.png"), text("answer en is it red?" + s))],
        max_tokens=64,
        ends="stop",
    ),
]

MANY = [
    *SHORT,
    Case(
        "several-pictures",
        "three pictures: all of them stand before the text, wherever the turn has them",
        lambda s: [
            user(
                image("square-56x56.png"),
                text("answer en "),
                image("grey-60x60.png"),
                image("odd-113x250.png"),
                text("which is the smallest?" + s),
            )
        ],
    ),
    Case(
        "picture-last",
        "the picture behind the text: the prompt is the same as with the picture first",
        lambda s: [user(text("What is in this picture?" + s), image("exact-84x56.png"))],
        max_tokens=24,
        same_as="one-picture",
    ),
    Case(
        "detect",
        "words and locations in the prompt",
        lambda s: [user(image("large-300x200.png"), text("detect red circle ; blue square" + s))],
        max_tokens=40,
    ),
    Case(
        "locations-in-prompt",
        "tokens of locations and segments that a user writes are those tokens",
        lambda s: [
            user(image("large-300x200.png"), text("segment <loc0123><loc0007><loc1023><loc0512><seg127> what" + s))
        ],
    ),
    Case(
        "spaces",
        "leading spaces, runs of spaces and of new lines",
        lambda s: [user(image("dot-1x1.png"), text("   two  spaces\n\nand\n\n\nlines <table> \t" + s))],
    ),
    Case(
        "no-text",
        "a picture alone: the model captions it",
        lambda s: [user(image("alpha-48x64.png"), text(s))],
        pixel_values=True,
    ),
    Case(
        "control-tokens",
        "control tokens in a user's text are read as such",
        lambda s: [user(image("tiny-10x7.png"), text("{{ 7*7 }} <eos> a <bos> b <pad> <unk> <0x41>" + s))],
    ),
    Case(
        "long-text",
        "more than 400 tokens, all of which see each other",
        lambda s: [user(image("wide-400x24.png"), text(LONG + s))],
        max_tokens=16,
    ),
    Case(
        "one-token",
        "max_tokens is 1",
        lambda s: [user(image("half-70x98.png"), text("answer en yes or no?" + s))],
        max_tokens=1,
        ends="length",
    ),
]

WINDOW = [
    *SHORT,
    Case(
        "several-pictures",
        "two pictures: a prefix of three windows",
        lambda s: [user(image("square-56x56.png"), image("odd-61x37.png"), text("What do you see?" + s))],
    ),
    Case(
        "long-answer",
        "an answer longer than the window: its first tokens and the whole prefix fall out of sight",
        lambda s: [user(image("half-70x98.png"), text("describe" + s))],
        max_tokens=40,
        ends="length",
    ),
]

CASES = {"hub-multi-query": MANY, "saved-grouped": MANY, "gemma2-capped": WINDOW, "gemma2-untied": SHORT}
