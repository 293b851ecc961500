"""Structured pruning: whole neurons of the MLP, heads and layers taken out, so that a plain smaller model remains.

Muralidharan et al. 2024 (Minitron, arXiv:2407.14679): the importance of a unit is read from its activations on a little
training text. A neuron's or head's is the norm of what it sends on (its activations times their weights out); a
layer's is how far it turns the states, 1 - cos(before, after) (Men et al. 2024, ShortGPT, arXiv:2403.03853).

Nothing here knows an architecture by name. The config with fewer units is built, the weights whose shape shrank are
cut along just those sides, and the cut model must compute what the whole one does with those units silenced.
"""

import torch

from codestill.kit.program import UserError, log
from codestill.models.loading import load_model, short
from codestill.models.sparsity import as_rows, input_norms, linears, watch
from codestill.models.thinning import layer_stack, with_layers

# The fields that hold the width of the MLP, by the families' names for it.
WIDTHS = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "inner_dim")
AT_ONCE = 2 / 3  # less than this kept at once costs more than healing wins back (Minitron, best practice 6)


def narrow(asked):
    """(model, facts): the model of a folder with the shares in `asked.value` kept, MLP before heads before layers."""
    model, kept = load_model(asked.folder), {}
    for part in ("mlp", "heads", "depth"):
        share = asked.value.get(part)
        if share is None:
            continue
        if share < AT_ONCE:
            log(f"warning: {part} {share}: more than a third at once; healing wins back more in smaller steps")
        before = sum(weight.numel() for weight in model.parameters())
        model, kept[part] = PARTS[part](model, share, asked)
        after = sum(weight.numel() for weight in model.parameters())
        log(f"{part}: kept {kept[part]}; {after:,} of {before:,} parameters")
    return model, {"kept": kept}


def _count(part, share, units, what, asked):
    """How many of the units of a part are kept. Raises UserError where that is all of them."""
    count = max(1, round(share * units))
    if count == units:
        remedy = f"{(units - 1) / units:.6g} would cut one" if units > 1 else "prune another part"
        raise UserError(f"{asked.folder}: {part} {share} keeps all {units} {what}; {remedy}")
    return count


def _mlp(model, share, asked):
    config = model.config.get_text_config()
    field = next((name for name in WIDTHS if hasattr(config, name)), None)
    if field is None:
        raise UserError(f"{asked.folder}: its config names no width of the MLP; prune depth, or a share of the weights")
    width = getattr(config, field) or 4 * config.hidden_size
    count = _count("mlp", share, width, "neurons", asked)
    return _cut(model, {field: count}, width, count, asked), f"{count} of {width} neurons"


def _heads(model, share, asked):
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    units = groups if groups > 1 else heads
    what = "heads" if units == heads else "groups of heads"
    count = _count("heads", share, units, what, asked)
    # Said outright, also where a family takes the width of a head from the two others unless it is told.
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    fields = {"num_attention_heads": heads // units * count, "head_dim": size}
    if hasattr(config, "num_key_value_heads"):
        fields["num_key_value_heads"] = count if groups > 1 else groups
    return _cut(model, fields, units, count, asked), f"{count} of {units} {what}"


def _depth(model, share, asked):
    name, layers = layer_stack(model)
    count = _count("depth", share, layers, "layers", asked)
    turns = _turns(model, name, layers, asked.batches)
    kept = sorted(sorted(range(layers), key=lambda layer: -turns[layer])[:count])
    return with_layers(model, kept), f"layers {', '.join(map(str, kept))} of {layers}"


PARTS = {"mlp": _mlp, "heads": _heads, "depth": _depth}


@torch.inference_mode()
def _turns(model, name, layers, batches):
    """[layers]: how far each turns the states, 1 - cos(before, after), mean over positions."""
    sums = [0.0] * layers

    def take(index, inputs, output):
        after = output[0] if isinstance(output, tuple) else output
        sums[index] += 1 - torch.cosine_similarity(inputs[0].float(), after.float(), dim=-1).mean().item()

    watch(model, dict(enumerate(model.get_submodule(name))), batches, take)
    return sums


def _cut(model, fields, units, count, asked):
    """The model with `count` of the `units` that the config's `fields` number, those of least importance left out."""
    kind, (stack, _) = model.config.model_type, layer_stack(model)
    try:
        smaller = _empty(model, fields)
    except Exception as error:  # each family refuses in its own way what its config cannot say
        raise UserError(f"{asked.folder}: {kind} cannot have {fields} ({short(error)}); prune another part") from error
    sides = _shrunken(model, smaller)
    if not sides or any(not name.startswith(f"{stack}.") for name in sides):
        raise UserError(f"{asked.folder}: {kind} has no weights of their own for {fields}; prune another part")
    senders = _senders(model, sides)
    kept = _ranked(model, senders, units, count, asked)
    for spread in (_blocks, _halves):
        cut = _try(model, smaller, sides, stack, {layer: spread(units, one) for layer, one in kept.items()})
        if cut is not None and _silenced_alike(model, cut, senders, stack, units, kept):
            return cut
    raise UserError(f"{asked.folder}: {kind} without some {fields} is another model than they silenced; prune depth")


def _empty(model, fields):
    """A model of the same config but for `fields`, its weights not filled yet."""
    from transformers import AutoModelForCausalLM

    config = type(model.config).from_dict(model.config.to_dict())
    for name, value in fields.items():
        setattr(config.get_text_config(), name, value)
    return AutoModelForCausalLM.from_config(config, dtype=model.dtype).eval()


def _shrunken(model, smaller):
    """{name of a weight: the sides that are shorter in the smaller model}."""
    found, other = {}, dict(smaller.named_parameters())
    for name, weight in model.named_parameters():
        sides = [side for side in range(weight.dim()) if weight.shape[side] != other[name].shape[side]]
        if sides:
            found[name] = sides
    return found


def _senders(model, sides):
    """{name: module} of the linear layers that take the units in, and so send on what they say: one a layer."""
    found = {}
    for name, module in linears(model).items():
        inputs = 1 if isinstance(module, torch.nn.Linear) else 0
        if sides.get(f"{name}.weight") == [inputs]:
            found[name] = module
    return found


def _layer(name, stack):
    return int(name[len(stack) + 1 :].split(".")[0])


@torch.no_grad()
def _ranked(model, senders, units, count, asked):
    """{layer: numbers of the kept units, rising}, the most important `count` of each layer."""
    stack, _ = layer_stack(model)
    active = input_norms(model, senders, asked.batches) if asked.by != "magnitude" else {}
    kept = {}
    for name, module in senders.items():
        strength = (as_rows(module).float().norm(dim=0) * active.get(name, 1.0)).square().view(units, -1).sum(1)
        order = strength.argsort(descending=True, stable=True)[:count]
        kept[_layer(name, stack)] = sorted(order.tolist())
    return kept


def _blocks(units, kept):
    """length -> the places of the kept units along a side of that length, each unit a block of its own."""
    return lambda length: [unit * (length // units) + at for unit in kept for at in range(length // units)]


def _halves(units, kept):
    """The same where a side holds several rows of units after each other (gate and up in one matrix)."""
    return lambda length: [part * units + unit for part in range(length // units) for unit in kept]


@torch.no_grad()
def _try(model, smaller, sides, stack, places):
    """`smaller` with the model's weights, cut along `sides` at each layer's places; None where they do not fit."""
    weights = {}
    for name, weight in model.state_dict().items():
        for side in sides.get(name, ()):
            at = places[_layer(name, stack)](weight.shape[side])
            weight = weight.index_select(side, torch.tensor(at, device=weight.device))
        weights[name] = weight
    fitting = smaller.state_dict()
    if any(name in fitting and fitting[name].shape != weight.shape for name, weight in weights.items()):
        return None
    smaller.load_state_dict(weights, strict=False)
    smaller.tie_weights()
    return smaller


@torch.no_grad()
def _silenced_alike(model, cut, senders, stack, units, kept):
    """Whether the cut model computes what the whole one does once the other units are silent."""
    ids = torch.arange(24).remainder(model.get_input_embeddings().weight.shape[0])[None]
    saved = {name: module.weight.detach().clone() for name, module in senders.items()}
    for name, module in senders.items():
        rows, layer = as_rows(module), set(kept[_layer(name, stack)])
        silent = torch.tensor([unit not in layer for unit in range(units)]).repeat_interleave(rows.shape[1] // units)
        rows.masked_fill_(silent[None], 0.0)
    expected, found = (one(input_ids=ids, use_cache=False).logits.float() for one in (model, cut))
    for name, module in senders.items():
        module.weight.copy_(saved[name])
    return (expected - found).abs().max().item() <= 1e-4 * max(1.0, expected.abs().max().item())
