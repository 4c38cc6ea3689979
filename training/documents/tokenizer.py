"""The tokenizer of documents: words of questions are single tokens, everything else is spelled.

Ordinary byte pair merges would cut the values that questions quote ("How much is the Oat latte?") into pieces that do
not line up with what is seen. Here every merge grows a word from its leading space ("␣t", "␣th", "␣the"), so that
inside a word nothing merges, and the words of the training phrasings are whole.
"""

from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

from reader.tokenizer import assemble, empty

from . import phrasings

_SPACE = "Ġ"  # as byte-level tokenizers write a space


def build() -> Qwen2Tokenizer:
    """Qwen2-VL's tokenizer, the same each time."""
    vocabulary, merges = _pieces()
    return assemble(vocabulary, merges)


def plain(start: str, end: str, padding: str, image: str, template: str | None) -> PreTrainedTokenizerFast:
    """The same pieces with the special tokens of another family; `template` renders its chats."""
    vocabulary, merges = _pieces()
    bpe = empty(vocabulary, merges)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=start, eos_token=end, pad_token=padding, additional_special_tokens=[image],
        clean_up_tokenization_spaces=False)
    tokenizer.chat_template = template
    return tokenizer


def _pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges."""
    merges: list[tuple[str, str]] = [("Â", "£"), ("â", "Ĥ"), ("âĤ", "¬")]
    for step in ("ss", "ssi", "ssis", "ssist", "ssista", "ssistan", "ssistant"):
        merges.append((step[:-1], step[-1]))
    merges.append(("a", "ssistant"))
    seen = {"".join(m) for m in merges}
    wordings = " ".join(f" {w}" for w in phrasings.words(phrasings.TRAINING))
    spaced = sorted({word.strip('?.,"{}') for word in wordings.replace("-", " ").split(" ")})
    for word in spaced:
        for end in range(1, len(word) + 1):
            whole = _SPACE + word[:end]
            if word.isalpha() and whole not in seen:
                seen.add(whole)
                merges.append((whole[:-1], whole[-1]))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, *("".join(m) for m in merges)])}
    return vocabulary, merges
