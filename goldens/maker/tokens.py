"""What a checkpoint's tokenizer makes of awkward texts, and of ids that come one by one."""

import random
from pathlib import Path

from .files import write_json
from .texts import SENTENCES

TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "\n\n\n",
    "\r\n",
    " \r\n \t x",
    "a  b   c    d",
    "trailing spaces   ",
    "   leading",
    "tabs\t\tand\n\n  new lines  \n",
    "Hello, world!",
    "I'm you're they've we'll he'd it's can't I'M YOU'RE IT'S o'clock 'tis",
    "'\u017f long s after an apostrophe, IT'\u017f",
    "0 12 345 6789 1234567890 3.14 1,000,000 2024-11-23",
    "\u0663\u0664 \u00bd \u2167 \u00b2 \u0e53",
    "caf\u00e9 cafe\u0301 \u00c5 A\u030a \u212b \u2126 \u212a",
    "q\u0323\u0307 q\u0307\u0323 \u1e9b\u0323",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8 \ud55c\uad6d",
    "\ufb01 \u2460 \uff21\uff22 \u3392 (NFC leaves these alone)",
    "\u0958 \u0915\u093c \u09dc \u2adc",
    "图片中有一只猫和一只狗。你看到了什么？",
    "この画像には赤い丸と青い四角があります。",
    "그림에는 빨간 원과 파란 사각형이 있습니다.",
    "नमस्ते दुनिया।",
    "שלום עולם مرحبا بالعالم",
    "ภาษาไทยไม่มีช่องว่าง",
    "Grüße aus Köln, à bientôt, ¿qué ves?",
    "Что ты видишь?",
    "😀🎉👍🏽👩\u200d👩\u200d👧\u200d👦🇩🇪 ❤\ufe0f",
    "\U0001f600a\U0001f600 b",
    "\u00a0no-break\u00a0space\u2003em\u3000ideographic\u2028line\u2029paragraph\u0085next",
    "zero\u200bwidth\u200c\u200d\ufeff",
    "control \x00\x01\x07\x1b\x7f",
    "e\u0301\u0301\u0301\u0327",
    "!!!???...---___***",
    "x=[1,2,{'a':\"b\"}];\n\n\tif(x>=2){y();}\n",
    "https://example.org/a?b=c&d=%20#e",
    "CamelCaseWord snake_case_word SHOUTING",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|>",
    "  <|im_end|>  ",
    "a<|im_end|>b<|endoftext|>c",
    "<|im_end |> <|im_end| > <im_end> <|IM_END|> <|im_end|",
    "<|vision_start|><|image_pad|><|image_pad|><|vision_end|>",
    "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>",
    "cafe<|im_end|>\u0301",
    "{{ 7*7 }} {% if x %}",
    "</s> <s> <unk> [INST] <image> <pad>",
    "a" * 70,
    " " * 40 + "x" + "\n" * 9 + "\t" * 5,
]

POOL = [
    *"abcdefgh ABC 123 .,;!?'\"-_()",
    " ",
    "  ",
    "\n",
    "\t",
    "é",
    "e\u0301",
    "ü",
    "ß",
    "ж",
    "я",
    "猫",
    "。",
    "か\u3099",
    "한",
    "\u1100\u1161",
    "😀",
    "👍🏽",
    "\u200d",
    "\u0903",
    "'s",
    "'LL",
    "<|im_end|>",
    " the",
    "picture",
]


def _texts(seed: int) -> list:
    rng = random.Random(seed)
    return TEXTS + SENTENCES + ["".join(rng.choices(POOL, k=rng.randint(1, 40))) for _ in range(60)]


def _incremental(tokenizer, seed: int, rows: int, byte_of: dict[int, int], control: tuple[str, str]) -> list:
    rng = random.Random(seed)
    plain = len(tokenizer) - len(tokenizer.get_added_vocab())
    one, other = control

    def as_bytes(text):
        return [byte_of[b] for b in text.encode()]

    def ids_of(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    lists = {
        "words": ids_of("The picture shows a red circle. It's quiet."),
        "scripts": ids_of("图片 Grüße на картинке 그림 नमस्ते"),
        "emoji": ids_of("😀🎉 👩\u200d👩\u200d👧 🇩🇪"),
        "byte by byte": as_bytes("é猫😀e\u0301a"),
        "a lone continuation byte": as_bytes("a") + [byte_of[0x80]] + as_bytes("b"),
        "unfinished at the end": as_bytes("ab😀")[:-1],
        "unfinished, then a letter": as_bytes("😀")[:-1] + as_bytes("x"),
        "unfinished, then a start": as_bytes("猫")[:-1] + as_bytes("猫"),
        "overlong and too large": [byte_of[b] for b in (0xC0, 0xAF, 0xE0, 0x80, 0xAF, 0xF5, 0x80, 0x80, 0x80, 0xFF, 0x41)],
        "a surrogate in UTF-8": [byte_of[b] for b in (0xED, 0xA0, 0x80, 0x41)],
        "the replacement character itself": as_bytes("a\ufffdb\ufffd"),
        "control tokens between": ids_of(f"a{one}b{other}c"),
        "a control token inside a character": as_bytes("猫")[:2] + [tokenizer.convert_tokens_to_ids(one)] + as_bytes("猫")[2:],
        "leading space": ids_of(" the picture"),
        "new lines": ids_of("a\n\n  b\r\n"),
        "ids beyond the tokenizer": [*as_bytes("a"), len(tokenizer), *as_bytes("b"), rows - 1],
    }
    for n in range(20):
        lists[f"random {n}"] = [rng.randrange(plain) for _ in range(16)]
    out = []
    for name, ids in lists.items():
        out.append(
            {
                "name": name,
                "ids": ids,
                "prefixes": [
                    tokenizer.decode(ids[:k], skip_special_tokens=True, clean_up_tokenization_spaces=False)
                    for k in range(1, len(ids) + 1)
                ],
            }
        )
    return out


def write(path: Path, tokenizer, rows: int, seed: int, byte_ids: dict[int, int], control: tuple[str, str], log=print):
    """
    rows: of the embedding table, which may be more than there are tokens.
    byte_ids: the token that stands for each byte alone.
    control: two special tokens.
    """
    texts = []
    for text in _texts(seed):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        texts.append(
            {
                "text": text,
                "ids": ids,
                "decoded": tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False),
                "decoded_without_special": tokenizer.decode(
                    ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
                ),
            }
        )
    incremental = _incremental(tokenizer, seed, rows, byte_ids, control)
    write_json(
        path,
        {
            "tokenizer_size": len(tokenizer),
            "model_vocab_size": rows,
            "special_tokens": {t.content: i for i, t in sorted(tokenizer.added_tokens_decoder.items()) if t.special},
            "texts": texts,
            "incremental": incremental,
        },
    )
    log(f"  {path.parent.name}: {len(texts)} texts, {len(incremental)} lists of ids")
