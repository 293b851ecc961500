"""A student of every n-th layer of its teacher."""

from codestill.kit.program import UserError
from codestill.models.loading import short


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
            f"{teacher.config.model_type}: its config cannot be cut to {len(kept)} layers ({short(error)})"
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
