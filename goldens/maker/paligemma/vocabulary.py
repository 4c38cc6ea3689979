"""A BPE vocabulary with byte fallback in Gemma's manner, trained on a few sentences of our own."""

import json
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from ..texts import SENTENCES

# The first ids of every Gemma vocabulary; the bytes follow.
CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
IMAGE = "<image>"
# In the order of every PaliGemma checkpoint: behind the vocabulary, the picture's token last.
LOCATIONS = [f"<loc{i:04d}>" for i in range(1024)]
SEGMENTS = [f"<seg{i:03d}>" for i in range(128)]
# Words of the vocabulary that its tokenizer.json also lists as added tokens, which are found before any merge.
ADDED_WORDS = ["\n\n", "▁▁", "<table>"]


def _trained(size: int) -> tuple[list[str], list]:
    """Pieces and merges: words are cut at spaces for training only, so that merges do not run across them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    # Only the commonest characters: the others are written in bytes. The trainer itself would choose among equals by chance.
    counts = Counter("".join(SENTENCES).replace(" ", "▁"))
    alphabet = sorted(counts, key=lambda c: (-counts[c], c))[:80]
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=alphabet, limit_alphabet=80, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if tokenizer.get_vocab_size() != size:
        raise SystemExit(f"the sentences give only {tokenizer.get_vocab_size()} pieces, not {size}")
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def train(size: int) -> Tokenizer:
    pieces, merges = _trained(size)
    words = CONTROL + BYTES + ADDED_WORDS + ["\n"] + pieces
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=[tuple(m) for m in merges] + [("\n", "\n"), ("▁", "▁")],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", vocab["<bos>"])]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ADDED_WORDS])
    tokenizer.add_tokens(LOCATIONS + SEGMENTS)
    tokenizer.add_special_tokens([AddedToken(IMAGE, special=True, normalized=False)])
    return tokenizer


def write(tokenizer: Tokenizer, folder: Path):
    document = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(
        json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def tokenizer_config() -> dict:
    """tokenizer_config.json as the Hub's checkpoints have it."""
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "additional_special_tokens": [IMAGE],
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "processor_class": "PaliGemmaProcessor",
        "sp_model_kwargs": {},
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }
