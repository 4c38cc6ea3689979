"""tokenizer.json files of true size. Their merges join random neighbours, so texts become short pieces, as random as the weights."""

import random

QWEN2_SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def qwen2() -> dict:
    """151,643 byte-level pieces, then the control tokens."""
    vocabulary, merges = grow(byte_alphabet(), 151_643)
    return document(
        vocabulary, merges, [(151_643 + i, token) for i, token in enumerate(QWEN2_SPECIAL)],
        normalizer={"type": "NFC"},
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": QWEN2_SPLIT}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            ],
        },
        decoder={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        post_processor={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
    )


def llava() -> dict:
    """Llama's 32,000 pieces with byte fallback, then the picture's token and padding."""
    vocabulary, merges = grow(["<unk>", "<s>", "</s>", *byte_tokens(), *characters()], 32_000, first=259)
    return document(
        vocabulary, merges, [(0, "<unk>"), (1, "<s>"), (2, "</s>"), (32_000, "<image>"), (32_001, "<pad>")],
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        pre_tokenizer=None,
        decoder=sentencepiece_decoder(strip=True),
        post_processor=begin_with("<s>", 1),
        unk_token="<unk>", fuse_unk=True, byte_fallback=True,
    )


def paligemma() -> dict:
    """Gemma's 256,000 pieces with byte fallback, 1,024 places and 128 segments, then the picture's token."""
    vocabulary, merges = grow(["<pad>", "<eos>", "<bos>", "<unk>", *byte_tokens(), *characters()], 256_000, first=260)
    for token in [f"<loc{i:04}>" for i in range(1024)] + [f"<seg{i:03}>" for i in range(128)]:
        vocabulary[token] = len(vocabulary)
    added = [(i, token) for token, i in vocabulary.items() if i < 4 or i >= 256_000]
    return document(
        vocabulary, merges, [*added, (257_152, "<image>")],
        normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        pre_tokenizer={
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False,
        },
        decoder=sentencepiece_decoder(strip=False),
        post_processor=begin_with("<bos>", 2),
        unk_token="<unk>", fuse_unk=True, byte_fallback=True,
    )


def grow(pieces: list[str], size: int, first: int = 0, seed: int = 1) -> tuple[dict[str, int], list[list[str]]]:
    """Joins random pieces from `first` on, short ones mostly, until there are `size`."""
    rng = random.Random(seed)
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    joined = pieces[first:]
    merges = []
    while len(vocabulary) < size:
        left = joined[int(len(joined) * rng.random() ** 3)]
        right = joined[int(len(joined) * rng.random() ** 3)]
        piece = left + right
        if len(piece) <= 16 and piece not in vocabulary:
            vocabulary[piece] = len(vocabulary)
            joined.append(piece)
            merges.append([left, right])
    return vocabulary, merges


def document(vocabulary: dict[str, int], merges: list[list[str]], added: list[tuple[int, str]], *, normalizer,
             pre_tokenizer, decoder, post_processor, unk_token=None, fuse_unk=False, byte_fallback=False) -> dict:
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": not token.startswith(("<loc", "<seg"))}
            for i, token in sorted(added)
        ],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor,
        "decoder": decoder,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": unk_token, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": fuse_unk, "byte_fallback": byte_fallback, "ignore_merges": False,
            "vocab": vocabulary, "merges": merges,
        },
    }


def byte_alphabet() -> list[str]:
    """GPT-2's letters for the 256 bytes, in its order: printable Latin-1 first, then the others from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(b) for b in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]


def byte_tokens() -> list[str]:
    return [f"<0x{b:02X}>" for b in range(256)]


def characters() -> list[str]:
    return ["▁", "\n", *(chr(c) for c in range(ord("!"), ord("~") + 1)), *(chr(c) for c in range(0xA1, 0x180))]


def sentencepiece_decoder(strip: bool) -> dict:
    steps = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    ]
    if strip:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def begin_with(token: str, token_id: int) -> dict:
    begin = {"SpecialToken": {"id": token, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }
