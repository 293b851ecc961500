"""Models by shape: built with random weights from a few numbers.

Nothing here knows an architecture by name: any causal language model that transformers can build serves.
"""

import json

from codestill.kit.files import read_json
from codestill.kit.folders import whole_folder
from codestill.kit.program import UserError, log
from codestill.models.folders import save_weights
from codestill.models.loading import quiet, short
from codestill.models.tokenizers import close_to, frozen, pad_token_id, save_tokenizer

FROM_TOKENIZER = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")


def read_shape(text):
    """The shape {"model_type": ..., field: value, ...} from JSON text or from the path of a JSON file.

    Raises UserError for what is not such an object, or for a field that the tokenizer decides.
    """
    source = "--shape"
    if text.lstrip().startswith("{"):
        try:
            shape = json.loads(text)
        except ValueError as error:
            raise UserError(f"--shape: not JSON ({error})") from None
    else:
        source, shape = text, read_json(text)
    if not isinstance(shape, dict) or not isinstance(shape.get("model_type"), str):
        raise UserError(f'{source}: "model_type" is missing; write for example {{"model_type": "gpt2", "n_layer": 4}}')
    for field in FROM_TOKENIZER:
        if field in shape:
            raise UserError(f'{source}: "{field}" comes from the tokenizer; remove it (the size is --vocab_size)')
    return shape


def config_of(shape, tokenizer):
    """The transformers config of `shape` for `tokenizer`: vocabulary size, end, start and pad ids are the tokenizer's.

    Raises UserError for an unknown model_type, an unknown field (transformers would take it silently) or a bad value.
    """
    from transformers import AutoConfig

    fields = {name: value for name, value in shape.items() if name != "model_type"}
    rows = len(tokenizer)
    try:
        default = AutoConfig.for_model(shape["model_type"], **ids_of(tokenizer, rows))
    except ValueError as error:
        raise UserError(f'shape: "model_type" {shape["model_type"]!r} is not one that transformers knows') from error
    known = set(default.to_dict()) | set(default.attribute_map)
    for name in fields:
        if name not in known:
            raise UserError(f'shape: "{name}" is not a field of {shape["model_type"]}{close_to(name, known)}')
    try:
        return AutoConfig.for_model(shape["model_type"], **fields, **ids_of(tokenizer, rows))
    except Exception as error:  # each config class checks its fields with errors of its own
        raise UserError(f"shape: {short(error)}") from error


def ids_of(tokenizer, rows):
    """The config fields that follow from the study's tokenizer and the number of embedding rows."""
    bos = tokenizer.bos_token_id
    return {
        "vocab_size": rows,
        "bos_token_id": bos if bos is not None and bos < rows else None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": pad_token_id(tokenizer, rows),
    }


def set_ids(model, tokenizer, rows):
    """Write the tokenizer's ids into the model's config and give it a fresh generation config, without sampling."""
    from transformers import GenerationConfig

    ids = ids_of(tokenizer, rows)
    for config in {id(config): config for config in (model.config, model.config.get_text_config())}.values():
        for name, value in ids.items():
            setattr(config, name, value)
    del ids["vocab_size"]
    model.generation_config = GenerationConfig(**ids)


def build_model(config, seed):
    """A causal language model of `config` in float32, its weights drawn with `seed`.

    Raises UserError where the shape does not fit together.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    try:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        with torch.no_grad():  # some shapes can be built and not be run
            model(input_ids=torch.zeros((1, 2), dtype=torch.int64), use_cache=False)
        return model
    except Exception as error:  # what does not fit together in a shape shows in many ways (heads, widths, types)
        raise UserError(f"shape: no causal language model {config.model_type} has it ({short(error)})") from error


def save_model(model, tokenizer, output):
    """Write model and tokenizer into the folder `output`: config.json, one model.safetensors, generation_config.json,
    tokenizer.json, tokenizer_config.json, all or none of them. The tokenizer is checked to load as it was.
    """
    tokenizer = frozen(tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.config.get_text_config().pad_token_id)
    quiet()
    with whole_folder(output) as folder:
        save_weights(model, folder)
        save_tokenizer(tokenizer, folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    log(f"wrote {output}: {model.config.model_type}, {parameters:,} parameters, {len(tokenizer):,} tokens")
