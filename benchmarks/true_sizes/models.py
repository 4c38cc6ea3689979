"""The models: config.json and companions as the Hub has them, and every tensor by the Hub's name with its shape."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import vocabularies

Shape = tuple[int, ...]
Tensors = Iterator[tuple[str, Shape]]


@dataclass(frozen=True)
class Model:
    """`files`: JSON files by name, config.json among them; `vocabulary` gives tokenizer.json."""

    name: str
    files: dict[str, dict]
    tensors: Callable[[], Tensors]
    vocabulary: Callable[[], dict]
    parameters: int


def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> Tensors:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def norm(name: str, width: int, bias: bool = True) -> Tensors:
    yield f"{name}.weight", (width,)
    if bias:
        yield f"{name}.bias", (width,)


def language_model(prefix: str, layers: int, hidden: int, mlp: int, queries: int, keys: int, vocabulary: int,
                   bias: bool = False) -> Tensors:
    """The layers that Llama, Qwen2 and Gemma share; `queries` and `keys` are widths of all their heads."""
    yield f"{prefix}embed_tokens.weight", (vocabulary, hidden)
    for layer in (f"{prefix}layers.{i}." for i in range(layers)):
        yield from norm(f"{layer}input_layernorm", hidden, bias=False)
        yield from linear(f"{layer}mlp.down_proj", hidden, mlp, bias=False)
        yield from linear(f"{layer}mlp.gate_proj", mlp, hidden, bias=False)
        yield from linear(f"{layer}mlp.up_proj", mlp, hidden, bias=False)
        yield from norm(f"{layer}post_attention_layernorm", hidden, bias=False)
        yield from linear(f"{layer}self_attn.k_proj", keys, hidden, bias)
        yield from linear(f"{layer}self_attn.o_proj", hidden, queries, bias=False)
        yield from linear(f"{layer}self_attn.q_proj", queries, hidden, bias)
        yield from linear(f"{layer}self_attn.v_proj", keys, hidden, bias)
    yield from norm(f"{prefix}norm", hidden, bias=False)


def vision_tower(prefix: str, layers: int, width: int, mlp: int) -> Tensors:
    """The layers that CLIP and SigLIP share."""
    for layer in (f"{prefix}encoder.layers.{i}." for i in range(layers)):
        yield from norm(f"{layer}layer_norm1", width)
        yield from norm(f"{layer}layer_norm2", width)
        yield from linear(f"{layer}mlp.fc1", mlp, width)
        yield from linear(f"{layer}mlp.fc2", width, mlp)
        for projection in ("k_proj", "out_proj", "q_proj", "v_proj"):
            yield from linear(f"{layer}self_attn.{projection}", width, width)
    yield from norm(f"{prefix}post_layernorm", width)


def qwen2_vl_2b() -> Tensors:
    yield from language_model("model.", 28, 1536, 8960, 1536, 256, 151_936, bias=True)
    for block in (f"visual.blocks.{i}." for i in range(32)):
        yield from linear(f"{block}attn.proj", 1280, 1280)
        yield from linear(f"{block}attn.qkv", 3840, 1280)
        yield from linear(f"{block}mlp.fc1", 5120, 1280)
        yield from linear(f"{block}mlp.fc2", 1280, 5120)
        yield from norm(f"{block}norm1", 1280)
        yield from norm(f"{block}norm2", 1280)
    yield from norm("visual.merger.ln_q", 1280)
    yield from linear("visual.merger.mlp.0", 5120, 5120)
    yield from linear("visual.merger.mlp.2", 1536, 5120)
    yield "visual.patch_embed.proj.weight", (1280, 3, 2, 14, 14)


def llava_15_7b() -> Tensors:
    yield from linear("language_model.lm_head", 32_064, 4096, bias=False)
    yield from language_model("language_model.model.", 32, 4096, 11_008, 4096, 4096, 32_064)
    yield from linear("multi_modal_projector.linear_1", 4096, 1024)
    yield from linear("multi_modal_projector.linear_2", 4096, 4096)
    tower = "vision_tower.vision_model."
    yield f"{tower}embeddings.class_embedding", (1024,)
    yield f"{tower}embeddings.patch_embedding.weight", (1024, 3, 14, 14)
    yield f"{tower}embeddings.position_embedding.weight", (577, 1024)
    yield from norm(f"{tower}pre_layrnorm", 1024)
    yield from vision_tower(tower, 24, 1024, 4096)


def paligemma_3b_224() -> Tensors:
    yield from language_model("language_model.model.", 18, 2048, 16_384, 2048, 256, 257_216)
    yield from linear("multi_modal_projector.linear", 2048, 1152)
    tower = "vision_tower.vision_model."
    yield f"{tower}embeddings.patch_embedding.weight", (1152, 3, 14, 14)
    yield f"{tower}embeddings.patch_embedding.bias", (1152,)
    yield f"{tower}embeddings.position_embedding.weight", (256, 1152)
    yield from vision_tower(tower, 27, 1152, 4304)


CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

QWEN2_VL_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

QWEN2_VL_2B = Model(
    "qwen2-vl-2b-instruct",
    {
        "config.json": {
            "architectures": ["Qwen2VLForConditionalGeneration"], "attention_dropout": 0.0, "bos_token_id": 151_643,
            "eos_token_id": 151_645, "vision_start_token_id": 151_652, "vision_end_token_id": 151_653,
            "vision_token_id": 151_654, "image_token_id": 151_655, "video_token_id": 151_656, "hidden_act": "silu",
            "hidden_size": 1536, "initializer_range": 0.02, "intermediate_size": 8960,
            "max_position_embeddings": 32_768, "max_window_layers": 28, "model_type": "qwen2_vl",
            "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
            "rope_theta": 1_000_000.0, "sliding_window": 32_768, "tie_word_embeddings": True,
            "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False,
            "vision_config": {
                "depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3, "hidden_size": 1536,
                "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "temporal_patch_size": 2,
            },
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": 151_936,
        },
        "generation_config.json": {
            "bos_token_id": 151_643, "pad_token_id": 151_643, "do_sample": False, "eos_token_id": [151_645, 151_643],
        },
        "preprocessor_config.json": {
            "min_pixels": 3136, "max_pixels": 12_845_056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2VLProcessor",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
            "bos_token": None, "unk_token": None, "add_prefix_space": False, "model_max_length": 32_768,
            "clean_up_tokenization_spaces": False, "chat_template": QWEN2_VL_TEMPLATE,
        },
    },
    qwen2_vl_2b,
    vocabularies.qwen2,
    2_208_985_600,
)

LLAVA_15_7B = Model(
    "llava-1.5-7b-hf",
    {
        "config.json": {
            "architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": 32_000,
            "model_type": "llava", "pad_token_id": 32_001, "projector_hidden_act": "gelu",
            "text_config": {
                "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096, "model_type": "llama",
                "rms_norm_eps": 1e-05, "torch_dtype": "bfloat16", "vocab_size": 32_064,
            },
            "tie_word_embeddings": False, "torch_dtype": "bfloat16",
            "vision_config": {
                "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
                "patch_size": 14, "projection_dim": 768, "vocab_size": 32_000,
            },
            "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "image_seq_length": 576,
        },
        "generation_config.json": {
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32_001,
        },
        "preprocessor_config.json": {
            "crop_size": {"height": 336, "width": 336}, "do_center_crop": True, "do_convert_rgb": True,
            "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": CLIP_MEAN,
            "image_std": CLIP_STD, "image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor",
            "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336},
        },
        "processor_config.json": {
            "image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": 14,
            "processor_class": "LlavaProcessor", "vision_feature_select_strategy": "default",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
            "pad_token": "<pad>", "add_bos_token": True, "add_eos_token": False, "legacy": False,
            "model_max_length": 4096, "padding_side": "left", "clean_up_tokenization_spaces": False,
        },
        "chat_template.json": {"chat_template": LLAVA_TEMPLATE},
    },
    llava_15_7b,
    vocabularies.llava,
    7_063_427_072,
)

PALIGEMMA_3B_224 = Model(
    "paligemma-3b-pt-224",
    {
        "config.json": {
            "architectures": ["PaliGemmaForConditionalGeneration"], "bos_token_id": 2, "eos_token_id": 1,
            "hidden_size": 2048, "ignore_index": -100, "image_token_index": 257_152, "model_type": "paligemma",
            "pad_token_id": 0, "projection_dim": 2048,
            "text_config": {
                "hidden_size": 2048, "intermediate_size": 16_384, "model_type": "gemma", "num_attention_heads": 8,
                "num_hidden_layers": 18, "num_image_tokens": 256, "num_key_value_heads": 1,
                "torch_dtype": "bfloat16", "vocab_size": 257_216,
            },
            "torch_dtype": "bfloat16",
            "vision_config": {
                "hidden_size": 1152, "intermediate_size": 4304, "model_type": "siglip_vision_model",
                "num_attention_heads": 16, "num_hidden_layers": 27, "num_image_tokens": 256, "patch_size": 14,
                "projection_dim": 2048, "projector_hidden_act": "gelu_fast", "vision_use_head": False,
            },
        },
        "generation_config.json": {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0},
        "preprocessor_config.json": {
            "do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor", "image_seq_length": 256,
            "processor_class": "PaliGemmaProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
            "size": {"height": 224, "width": 224},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>",
            "pad_token": "<pad>", "add_bos_token": True, "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
        },
    },
    paligemma_3b_224,
    vocabularies.paligemma,
    2_923_466_480,
)

MODELS = {model.name: model for model in (QWEN2_VL_2B, LLAVA_15_7B, PALIGEMMA_3B_224)}
