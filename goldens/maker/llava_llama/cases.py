"""What is asked of each checkpoint."""

from ..requests import Case, image, said, text, user
from ..texts import LONG

V1_SHARDS = [
    Case(
        "one-picture",
        "one square picture of the encoder's own size: neither padded nor resized",
        lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
        max_tokens=24,
        pixel_values=True,
    ),
    Case(
        "odd-sizes",
        "61 x 37 is padded to a square with the mean colour, then made smaller",
        lambda s: [user(image("odd-61x37.png"), text("Describe the image." + s))],
        pixel_values=True,
    ),
    Case(
        "tall-and-wide",
        "30 x 500 and 400 x 24 in one turn, mostly padding; pictures come before the text",
        lambda s: [user(text("Which is wide?"), image("tall-30x500.png"), text(" Look." + s), image("wide-400x24.png"))],
    ),
    Case("tiny", "10 x 7 is padded and enlarged", lambda s: [user(image("tiny-10x7.png"), text("What is it?" + s))]),
    Case(
        "several-turns",
        "two turns with a picture each; with legacy, a text behind </s> begins with a space",
        lambda s: [
            user(image("square-56x56.png"), text("What is in this picture?")),
            said("assistant", "A red circle beside a blue square."),
            user(image("grey-60x60.png"), text("And in this one?" + s)),
        ],
    ),
    Case(
        "system",
        "a system message of one's own takes the place of the conversation's",
        lambda s: [said("system", "Answer in one short sentence."), said("user", "How many are seven and two?" + s)],
    ),
    Case("text-only", "no picture at all", lambda s: [said("user", "Tell me what the answer is." + s)], max_tokens=32),
    Case(
        "string-as-parts",
        "the same request as text-only, its content a list of parts: the same prompt",
        lambda s: [user(text("Tell me what the answer is." + s))],
        max_tokens=32,
        same_as="text-only",
    ),
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
    Case(
        "stops",
        "the answer ends by itself before max_tokens",
        lambda s: [user(image("palette-90x66.png"), text("Stop soon." + s))],
        max_tokens=64,
        ends="stop",
    ),
]

START_END = [
    Case(
        "one-picture",
        "transparency is dropped; the short edge becomes the encoder's, the long one is cropped",
        lambda s: [user(image("alpha-48x64.png"), text("What is in this picture?" + s))],
        max_tokens=24,
        pixel_values=True,
    ),
    Case(
        "tall-and-wide",
        "30 x 500 and 400 x 24 in one turn: most of each is cropped",
        lambda s: [user(image("tall-30x500.png"), image("wide-400x24.png"), text("Which is wide?" + s))],
    ),
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
    Case("text-only", "no picture at all", lambda s: [said("user", "What is the total of the bill?" + s)], max_tokens=32),
    Case(
        "non-ascii",
        "many scripts, in bytes",
        lambda s: [said("user", "Что ты видишь? 그림 jalapen\u0303o 😀" + s)],
        max_tokens=32,
    ),
]

MLP_OWN_TOWER = [
    Case(
        "one-picture",
        "two layers, the class token kept, the tower's weights from the checkpoint itself",
        lambda s: [user(image("square-56x56.png"), text("What is in this picture?" + s))],
        pixel_values=True,
    ),
    Case(
        "two-pictures",
        "below and above the encoder's size",
        lambda s: [user(image("dot-1x1.png"), image("odd-113x250.png"), text("Compare." + s))],
    ),
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
