"""Which class transformers takes a checkpoint's tokenizer for, and what ids that class gives, whatever tokenizer.json says."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PaliGemmaProcessor, PreTrainedTokenizerBase, dynamic_module_utils
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from . import llama_vocabulary
from .files import write_json, write_text
from .paligemma import vocabulary as gemma_vocabulary
from .texts import SENTENCES

TEXTS = [
    "4711",
    "a 12345678 b 3.14 1,000,000 2024-11-23",
    "\u0663\u0664 \u00bd \u2167 \u00b2",
    "a  b   c    d",
    "   leading and trailing   ",
    "\n",
    "a\n\n\n b\r\n\tc",
    "I'm you're they've we'll he'd it's CAN'T IT'S",
    "caf\u00e9 cafe\u0301 \u00c5 A\u030a \u212b \ufb01",
    "\u1112\u1161\u11ab \ud55c",
    "图片中有一只猫。 この画像",
    "😀👍🏽 ❤\ufe0f",
    "!!!???...---",
    "x=[1,{'a':\"b\"}];",
    "CamelCase snake_case the picture shows a red circle",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>",
    "a <|im_end|> b<|endoftext|> <|extra|>c",
    "<s>a</s> b</s>c <unk> <pad> <image> <extra> d",
    "<bos>a<eos> b <loc0012><seg003> c",
    "new: <new>  <new> new",
]

# Families, and the vocabulary whose checkpoints they have.
BASES = {
    "qwen2_vl": "bytes",
    "llava": "pieces",
    "llava_next": "pieces",
    "llava_llama": "pieces",
    "paligemma": "gemma",
}

CLASSES = [
    None,
    "Qwen2Tokenizer",
    "Qwen2TokenizerFast",
    "TokenizersBackend",
    "PreTrainedTokenizerFast",
    "PreTrainedTokenizer",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "CodeLlamaTokenizer",
    "CodeLlamaTokenizerFast",
    "BloomTokenizerFast",
    "GPTNeoXTokenizerFast",
    "RobertaTokenizerFast",
    "BertTokenizer",
    "T5TokenizerFast",
    "BertJapaneseTokenizer",
    "SiglipTokenizer",
    "OurOwnTokenizer",
    "OurOwnTokenizerFast",
]


def special(content: str, **flags) -> dict:
    base = {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return base | {"special": True} | flags


def _bytes_vocabulary() -> dict:
    """
    Byte-level BPE whose merges join digits, letters and marks as they come: what it makes of a text is decided by the split
    before it. The file's own split takes digits by threes, unlike that of any class.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    numbers = [f"{n} {n}{n} {n + 1000}" for n in range(0, 9000, 47)] + ["47 4711 471 11 it's you're e\u0301 \u0301 !!! ??? ... {' '}"] * 9
    trainer = trainers.BpeTrainer(
        vocab_size=256 + 220,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES + numbers, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}{1,3}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in names])
    tokenizer.add_tokens([AddedToken("<|extra|>", special=False, normalized=True, lstrip=True)])
    return json.loads(tokenizer.to_str())


def _bases() -> dict[str, dict]:
    return {
        "bytes": _bytes_vocabulary(),
        "pieces": llama_vocabulary.tokenizer_json(120, ["<image>", "<pad>"], legacy=True),
        "gemma": json.loads(gemma_vocabulary.train(200).to_str()),
    }


def _settings(base: str, document: dict) -> dict:
    """tokenizer_config.json as checkpoints with this vocabulary have it, without a class."""
    if base == "bytes":
        decoder = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in document["added_tokens"]}
        return {
            "add_prefix_space": False,
            "added_tokens_decoder": decoder,
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>"],
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": None,
        }
    if base == "pieces":
        return llama_vocabulary.tokenizer_config(document, legacy=True, pad="<pad>") 
    return gemma_vocabulary.tokenizer_config() 


def _without_class(settings: dict) -> dict:
    return {k: v for k, v in settings.items() if k != "tokenizer_class"}


def _cases():
    """Yields name, model_type and what is unlike the base's checkpoint; `settings` None is no tokenizer_config.json at all."""

    def settings(name=None, drop=(), **changes):
        return {"settings": {"set": ({} if name is None else {"tokenizer_class": name}) | changes, "drop": list(drop)}}

    for model_type in BASES:
        for name in CLASSES:
            yield f"{model_type} {name}", model_type, settings(name)
        yield f"{model_type} without tokenizer_config.json", model_type, {"settings": None}

    # Where the class may stand besides tokenizer_config.json, and what comes before it.
    for model_type in BASES:
        for name in ("GPT2Tokenizer", "LlamaTokenizerFast", "TokenizersBackend", "OurOwnTokenizer"):
            yield f"{model_type}, config.json says {name}", model_type, settings() | {"config": {"tokenizer_class": name}}
        yield f"{model_type}, config.json says another", model_type, settings("GPT2Tokenizer") | {"config": {"tokenizer_class": "LlamaTokenizer"}}
        own = {"AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizerFast"]}
        for name in ("LlamaTokenizer", "GPT2Tokenizer", "TokenizersBackend", "OurOwnTokenizer", None):
            yield f"{model_type}, code of its own and {name}", model_type, settings(name, auto_map=own)
        yield f"{model_type}, code of its own as a list", model_type, settings("GPT2Tokenizer", auto_map=own["AutoTokenizer"])
        yield f"{model_type}, code of its own for something else", model_type, settings("GPT2Tokenizer", auto_map={"AutoProcessor": "own.Processor"})

    # What a class takes from tokenizer_config.json.
    for name in ("Qwen2Tokenizer", "GPT2Tokenizer", "TokenizersBackend"):
        yield f"a space before the first word, {name}", "qwen2_vl", settings(name, add_prefix_space=True)
    for name in ("LlamaTokenizer", "TokenizersBackend"):
        for legacy in (True, False, None):
            for prefix in (True, False, None):
                yield f"legacy {legacy}, prefix {prefix}, {name}", "llava_llama", settings(
                    name, legacy=legacy, add_prefix_space=prefix
                )
        yield f"without legacy, {name}", "llava_llama", settings(name, drop=["legacy"])
    for begins in (True, False):
        for ends in (True, False):
            for model_type in ("llava", "llava_llama"):
                yield f"{model_type}, add_bos_token {begins}, add_eos_token {ends}", model_type, settings(
                    "LlamaTokenizer", add_bos_token=begins, add_eos_token=ends
                )
            yield f"qwen2_vl, add_bos_token {begins}, add_eos_token {ends}", "qwen2_vl", settings(
                "Qwen2Tokenizer", add_bos_token=begins, add_eos_token=ends, bos_token="<|endoftext|>"
            )

    # Added tokens, from each place where they may stand.
    few = {"476": special("<|endoftext|>"), "490": special("<|im_end|>", special=False, lstrip=True)}
    more = {"476": special("<|endoftext|>"), "999": special("<new>", special=False, normalized=True, rstrip=True), "500": special("<late>")}
    for name in ("Qwen2Tokenizer", "GPT2Tokenizer", "TokenizersBackend"):
        yield f"few in added_tokens_decoder, {name}", "qwen2_vl", settings(name, added_tokens_decoder=few)
        yield f"others in added_tokens_decoder, {name}", "qwen2_vl", settings(name, added_tokens_decoder=more)
        yield f"no added_tokens_decoder, {name}", "qwen2_vl", settings(name, drop=["added_tokens_decoder"])
        yield f"extra_special_tokens as a list, {name}", "qwen2_vl", settings(name, extra_special_tokens=["<new>", "<|extra|>"])
        yield f"extra_special_tokens with names, {name}", "qwen2_vl", settings(
            name, extra_special_tokens={"image_token": "<|image_pad|>", "other_token": "<new>"}
        )
        yield f"tokens with names of their own, {name}", "qwen2_vl", settings(name, image_token="<|image_pad|>", other_token="<new>")
        yield f"a named token that is new, {name}", "qwen2_vl", settings(name, bos_token="<new>", cls_token="<|extra|>")
        yield f"a named token written out, {name}", "qwen2_vl", settings(
            name, bos_token={"__type": "AddedToken", "content": "<new>", "lstrip": True, "normalized": True, "rstrip": False, "single_word": False}
        )
        yield f"special_tokens_map.json and added_tokens.json, {name}", "qwen2_vl", settings(name, drop=["added_tokens_decoder", "additional_special_tokens"]) | {
            "files": {
                "special_tokens_map.json": {"eos_token": {"content": "<|endoftext|>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}, "bos_token": "<new>"},
                "added_tokens.json": {"<late>": 500, "<|im_end|>": 478},
            }
        }
        yield f"special_tokens_map.json beside added_tokens_decoder, {name}", "qwen2_vl", settings(name) | {
            "files": {"special_tokens_map.json": {"eos_token": "<new>"}, "added_tokens.json": {"<late>": 500}}
        }
    for name in ("LlamaTokenizer", "TokenizersBackend"):
        yield f"an image token with a name, {name}", "llava_llama", settings(name, image_token="<image>", extra_special_tokens={"x_token": "<extra>"})
        yield f"tokens of the vocabulary added, {name}", "llava_llama", settings(name, additional_special_tokens=["▁the", "<extra>"])
    yield "locations that are not added yet", "paligemma", settings("GemmaTokenizer") | {"drop_added": "<(loc|seg)"}
    yield "the image token is not added yet", "paligemma", settings("GemmaTokenizer") | {"drop_added": "<image>"}
    yield "an image token with a name, paligemma", "paligemma", settings("GemmaTokenizer", extra_special_tokens={"image_token": "<image>"})
    yield "unknown token that is none", "paligemma", settings("GemmaTokenizer", unk_token="<nothing>")
    yield "no unknown token", "paligemma", settings("GemmaTokenizer", unk_token=None)

    # What the file puts around a text stays, whatever the class.
    around = {
        "begin": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [477], "tokens": ["<|im_start|>"]}},
        },
        "roberta": {"type": "RobertaProcessing", "sep": ["<|im_end|>", 478], "cls": ["<|im_start|>", 477], "trim_offsets": True, "add_prefix_space": False},
        "bert": {"type": "BertProcessing", "sep": ["<|im_end|>", 478], "cls": ["<|im_start|>", 477]},
    }
    around["sequence"] = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, around["begin"]]}
    for kind, processor in around.items():
        for name in ("Qwen2Tokenizer", "GPT2Tokenizer", "TokenizersBackend"):
            yield f"post-processor {kind}, {name}", "qwen2_vl", settings(name) | {"sections": {"post_processor": processor}}
    for name in ("Qwen2Tokenizer", "TokenizersBackend"):
        yield f"truncation and padding in the file, {name}", "qwen2_vl", settings(name) | {
            "sections": {
                "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
                "padding": {"strategy": {"Fixed": 30}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 476, "pad_type_id": 0, "pad_token": "<|endoftext|>"},
            }
        }


def _load(model_type: str, document: dict, settings: dict, case: dict) -> PreTrainedTokenizerBase:
    document = document | case.get("sections", {})
    if "drop_added" in case:
        document = document | {"added_tokens": [t for t in document["added_tokens"] if not re.match(case["drop_added"], t["content"])]}
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "config.json").write_text(json.dumps({"model_type": model_type} | case.get("config", {})))
        (folder / "tokenizer.json").write_text(json.dumps(document))
        if case["settings"] is not None:
            kept = {k: v for k, v in settings.items() if k not in case["settings"]["drop"]}
            (folder / "tokenizer_config.json").write_text(json.dumps(kept | case["settings"]["set"]))
        for name, content in case.get("files", {}).items():
            (folder / name).write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if model_type == "paligemma":
            PaliGemmaProcessor(SiglipImageProcessorPil(image_seq_length=4), tokenizer)
        return tokenizer
    finally:
        shutil.rmtree(folder)


def _result(tokenizer: PreTrainedTokenizerBase) -> dict:
    held = json.loads(tokenizer.backend_tokenizer.to_str())
    return {
        "class": type(tokenizer).__name__,
        "special_tokens": {k: str(v) for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)},
        "added_tokens": [
            [t["id"], t["content"], "".join(c for c, k in zip("wlrns", ("single_word", "lstrip", "rstrip", "normalized", "special")) if t[k])]
            for t in held["added_tokens"]
            if not re.match(r"<(loc\d*[1-9]|seg\d*[1-9])", t["content"])
        ],
        "ids": [tokenizer(text).input_ids for text in TEXTS],
        "decoded": [tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) for text in TEXTS],
    }


def _names() -> dict[str, str | None]:
    """Every name that is known as a tokenizer's class, and the class that is built for it: None where that is no tokenizer of this kind."""
    names = {n for n in TOKENIZER_MAPPING_NAMES.values() if n}
    names |= {n for n in dir(transformers) if re.search(r"Tokenizer(Fast)?$", n)}
    names |= {n + "Fast" for n in names if n.endswith("Tokenizer")}
    names |= {"TokenizersBackend", "PythonBackend", "PreTrainedTokenizer", "PreTrainedTokenizerFast", "BloomTokenizer", "BloomTokenizerFast"}
    out = {}
    for name in sorted(names):
        found = tokenizer_class_from_name(name)
        if isinstance(found, type) and not hasattr(type(found), "_backends"):
            try:
                if issubclass(found, PreTrainedTokenizerBase):
                    out[name] = found.__name__
            except ImportError:
                continue
    return out


def write(out: Path, log=print):
    # Code of a checkpoint's own is refused without asking at the terminal.
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    bases = _bases()
    settings = {name: _settings(name, document) for name, document in bases.items()}
    for name, document in bases.items():
        write_text(out / f"{name}.json", json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
    results, cases = [], []
    for name, model_type, case in _cases():
        base = BASES[model_type]
        try:
            result = _result(_load(model_type, bases[base], settings[base], case))
        except Exception as e:  # whatever it stumbles over
            result = {"error": type(e).__name__}
        if result not in results:
            results.append(result)
        cases.append({"name": name, "model_type": model_type, "base": base} | case | {"result": results.index(result)})
    # One line each: they are many and alike.
    parts = [f'"texts": {_line(TEXTS)}', f'"settings": {_line(settings)}', f'"cases": {_lines(cases)}', f'"results": {_lines(results)}']
    write_text(out / "cases.json", "{\n" + ",\n".join(parts) + "\n}\n")
    write_json(out / "classes.json", _names())
    log(f"  {len(cases)} cases, {len(results)} different results")


def _line(value) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(values: list) -> str:
    return "[\n" + ",\n".join(map(_line, values)) + "\n]"
