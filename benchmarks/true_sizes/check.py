"""Holds names and shapes against transformers' own classes, built from the same config on the meta device."""

from .checkpoint import count
from .models import Model


def differences(model: Model) -> list[str]:
    import torch
    from transformers import AutoModelForImageTextToText
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import rename_source_key
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config = model.files["config.json"]
    with torch.device("meta"):
        reference = AutoModelForImageTextToText.from_config(CONFIG_MAPPING[config["model_type"]].from_dict(config))
    expected = {name: tuple(tensor.shape) for name, tensor in reference.state_dict().items()}
    if reference.config.tie_word_embeddings:
        expected.pop("lm_head.weight")
    renamings = get_model_conversion_mapping(reference)
    ours = {
        rename_source_key(name, renamings, [], reference.base_model_prefix, reference.state_dict())[0]: shape
        for name, shape in model.tensors()
    }
    found = [f"{name}: {ours.get(name)} here, {expected.get(name)} in transformers"
             for name in sorted(ours.keys() | expected.keys()) if ours.get(name) != expected.get(name)]
    parameters = sum(count(shape) for _, shape in model.tensors())
    if parameters != model.parameters:
        found.append(f"{parameters} parameters here, {model.parameters} published")
    return found
