"""A byte-level BPE vocabulary in Qwen2's manner, trained on a few sentences of our own."""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from ..texts import SENTENCES

# In the order, and with the spelling, that every Qwen2-VL checkpoint has.
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

def train(merges: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if tokenizer.get_vocab_size() != 256 + merges:
        raise SystemExit(f"the sentences give only {tokenizer.get_vocab_size() - 256} merges, not {merges}")
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    return tokenizer


def write(tokenizer: Tokenizer, folder: Path, normalizer: bool = True, vocab_files: bool = True):
    """tokenizer.json, vocab.json and merges.txt as the Hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    document = json.loads(tokenizer.to_str())
    if not normalizer:
        document["normalizer"] = None
    (folder / "tokenizer.json").write_text(
        json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    if vocab_files:
        model = document["model"]
        vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
        (folder / "vocab.json").write_text(
            json.dumps(vocab, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
        )
        lines = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8")


def tokenizer_config(tokenizer: Tokenizer, chat_template: str | None, additional: bool) -> dict:
    """tokenizer_config.json as the Hub's Qwen2-VL checkpoints have it."""
    decoder = {}
    for token in SPECIAL_TOKENS:
        decoder[str(tokenizer.token_to_id(token))] = {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
    config = {"add_prefix_space": False, "added_tokens_decoder": decoder}
    if additional:
        config["additional_special_tokens"] = [t for t in SPECIAL_TOKENS if t != "<|endoftext|>"]
    config["bos_token"] = None
    if chat_template is not None:
        config["chat_template"] = chat_template
    config |= {
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "padding_side": "left",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    return config
