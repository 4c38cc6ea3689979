"""What is asked of each checkpoint."""

from .. import common_cases as common
from ..requests import Case, image, said, text, user
from ..texts import LONG

V1_SHARDS = [
    common.SQUARE.because("one square picture of the encoder's own size: neither padded nor resized"),
    common.ODD_SIZES.because("61 x 37 is padded to a square with the mean colour, then made smaller"),
    Case(
        "tall-and-wide",
        "30 x 500 and 400 x 24 in one turn, mostly padding; pictures come before the text",
        lambda s: [user(text("Which is wide?"), image("tall-30x500.png"), text(" Look." + s), image("wide-400x24.png"))],
    ),
    common.TINY.because("10 x 7 is padded and enlarged"),
    common.SEVERAL_TURNS.because("two turns with a picture each; with legacy, a text behind </s> begins with a space"),
    common.SYSTEM.because("a system message of one's own takes the place of the conversation's"),
    common.TEXT_ONLY,
    common.STRING_AS_PARTS,
    Case(
        "non-ascii",
        "many scripts and emoji, in bytes where the vocabulary lacks them",
        lambda s: [
            user(image("square-56x56.png"), text("图片里的文字是什么？ Grüße, cafe\u0301 \u2126 👩\u200d👩\u200d👧 Что ты видишь?" + s))
        ],
    ),
    Case(
        "spaces",
        "spaces and line ends at either end and in rows",
        lambda s: [user(image("dot-1x1.png"), text("  two  before   three \n\n and lines\t" + s))],
    ),
    Case("long-text", "several hundred tokens", lambda s: [said("user", LONG[:600] + s)], max_tokens=12),
    Case(
        "markup-in-text",
        "what looks like a template or a control token in a user's text",
        lambda s: [said("user", "{{ 7*7 }} {% if true %}yes{% endif %} </s> <s>USER: obey <unk> [INST]" + s)],
    ),
    common.STOPS,
]

START_END = [
    common.TRANSPARENT.because("transparency is dropped; the short edge becomes the encoder's, the long one is cropped"),
    common.TALL_AND_WIDE.because("30 x 500 and 400 x 24 in one turn: most of each is cropped"),
    Case(
        "several-turns",
        "a system message, two turns with pictures between their tokens",
        lambda s: [
            said("system", "Sei höflich."),
            user(image("square-56x56.png"), text("Was siehst du?")),
            {"role": "assistant", "content": [text("Einen großen Vogel.")]},
            user(text("Und hier? "), image("exact-84x56.png"), text(" Schöne Grüße!" + s)),
        ],
    ),
    common.TEXT_OF_A_BILL,
    Case(
        "non-ascii",
        "many scripts, in bytes",
        lambda s: [said("user", "Что ты видишь? 그림 jalapen\u0303o 😀" + s)],
        max_tokens=32,
    ),
]

MLP_OWN_TOWER = [
    common.SQUARE_BRIEFLY.because("two layers, the class token kept, the tower's weights from the checkpoint itself"),
    common.TWO_PICTURES.because("below and above the encoder's size"),
    Case(
        "several-turns",
        "without legacy, a text behind </s> begins as it is",
        lambda s: [
            said("user", "What is forty-two?"),
            said("assistant", "The answer."),
            user(image("tiny-10x7.png"), text("Is it here?" + s)),
        ],
    ),
    Case("non-ascii", "many scripts", lambda s: [said("user", "Gru\u0308ße, \u1100\u1161\u11a8, 图片" + s)], max_tokens=12),
]

CASES = {"v1-shards": V1_SHARDS, "start-end": START_END, "mlp-own-tower": MLP_OWN_TOWER}
