"""Models by shape: built with random weights from a few numbers, or from every second layer of a teacher.

Nothing here knows an architecture by name: any causal language model that transformers can build serves.
"""

import json
import os
import sys
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.folders import whole_folder
from codestill.kit.program import UserError, log
from codestill.models.tokenizers import PROBE, close_to, frozen, load_tokenizer, one_line, pad_token_id, plain_ids

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
        raise UserError(f"shape: {one_line(error)}") from error


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
        raise UserError(f"shape: no causal language model {config.model_type} has it ({one_line(error)})") from error


def quiet_bars():
    """Silence the progress bars of transformers where standard error is not a terminal."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def load_model(folder):
    """The causal language model in `folder`, in eval mode and its own dtype. Raises UserError where there is none."""
    from transformers import AutoModelForCausalLM

    quiet_bars()

    if not (Path(folder) / "config.json").is_file():
        raise UserError(f"{folder}: no model there (config.json is missing)")
    try:
        return AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True, dtype="auto").eval()
    except Exception as error:
        raise UserError(f"{folder}: no causal language model can be loaded ({one_line(error)})") from error


def load_config(folder):
    """The config in `folder`. Raises UserError where there is none."""
    from transformers import AutoConfig

    if not (Path(folder) / "config.json").is_file():
        raise UserError(f"{folder}: no model there (config.json is missing)")
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise UserError(f"{folder}/config.json: {one_line(error)}") from error


def layer_stack(model):
    """(name, number of layers) of the model's stack of decoder layers: the one list of modules with a layer each."""
    from torch.nn import ModuleList

    count = model.config.get_text_config().num_hidden_layers
    stacks = [name for name, module in model.named_modules() if isinstance(module, ModuleList) and len(module) == count]
    # A stack may hold lists as long as itself (experts): the outermost is the one.
    stacks = [name for name in stacks if not any(name.startswith(other + ".") for other in stacks)]
    if len(stacks) != 1:
        raise UserError(
            f"{model.config.model_type}: found {len(stacks)} stacks of {count} layers, so none can be thinned"
        )
    return stacks[0], count


def thinned(teacher, every=2):
    """A student of the teacher's layers 0, every, 2 every, ...; embeddings, final norm and head are the teacher's.

    The recipe of DistilBERT (Sanh, Debut, Chaumond & Wolf 2019, section 3). Raises UserError where nothing would be
    left out, or where the config describes its layers in a way that cannot be thinned.
    """
    import torch
    from transformers import AutoModelForCausalLM

    name, count = layer_stack(teacher)
    kept = list(range(0, count, max(every, 1)))
    if len(kept) == count:
        raise UserError(
            f"--every {every}: the model has {count} layers, so every >= 2 and at least 2 layers are needed"
        )
    try:
        config = _thinned_config(teacher.config, count, kept)
        student = AutoModelForCausalLM.from_config(config, dtype=teacher.dtype).eval()
    except Exception as error:
        raise UserError(
            f"{teacher.config.model_type}: its config cannot be cut to {len(kept)} layers ({one_line(error)})"
        ) from error
    weights = {}
    for key, value in teacher.state_dict().items():
        if key.startswith(name + "."):
            index, _, rest = key[len(name) + 1 :].partition(".")
            if int(index) not in kept:
                continue
            key = f"{name}.{kept.index(int(index))}.{rest}"
        weights[key] = value
    with torch.no_grad():
        student.load_state_dict(weights, strict=True)
    student.tie_weights()
    return student, kept


def _thinned_config(config, count, kept):
    """A copy of `config` with len(kept) layers; lists with one entry a layer (layer_types) are thinned likewise."""
    fields = config.to_dict()
    text = config.get_text_config()
    nested = next((key for key in config.sub_configs if getattr(config, key, None) is text), None)
    part = fields[nested] if nested else fields
    for key, value in list(part.items()):
        if isinstance(value, list) and len(value) == count and not key.endswith("_token_id") and key != "architectures":
            part[key] = [value[index] for index in kept]
    part[text.attribute_map.get("num_hidden_layers", "num_hidden_layers")] = len(kept)
    return type(config).from_dict(fields)


def save_model(model, tokenizer, output):
    """Write model and tokenizer into the folder `output`: config.json, one model.safetensors, generation_config.json,
    tokenizer.json, tokenizer_config.json, all or none of them. The tokenizer is checked to load as it was.
    """
    tokenizer = frozen(tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.config.get_text_config().pad_token_id)
    quiet_bars()
    with whole_folder(output) as folder:
        model.save_pretrained(folder, max_shard_size="1000GB")
        tokenizer.save_pretrained(folder)
        again = load_tokenizer(folder)
        same = (
            plain_ids(again, [PROBE]) == plain_ids(tokenizer, [PROBE]) and again.eos_token_id == tokenizer.eos_token_id
        )
        if not same:
            raise UserError(
                f"{output}: the tokenizer does not load again as it was saved; update tokenizers and transformers"
            )
        for path in folder.iterdir():
            os.chmod(path, 0o644)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    log(f"wrote {output}: {model.config.model_type}, {parameters:,} parameters, {len(tokenizer):,} tokens")
