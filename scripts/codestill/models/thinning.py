"""A student of every n-th layer of its teacher: built, proved to compute as those layers did, and measured.

Nothing here knows an architecture by name. What a config says of its layers is cut with them: a list with an entry a
layer, a list of layers' numbers, a count of first layers. Rules of another kind (every n-th layer has experts; a scale
by the layer's number) give layers that compute otherwise in their new place, and are found by that.
"""

import contextlib
import inspect
import itertools
import math

from codestill.kit.program import UserError, log
from codestill.models.loading import short

FIRST = ("first_k_dense_replace",)  # fields that count the first layers of a kind
LOUD = 0.3  # standard deviation of matrices from which a rule by a layer's number is seen in the logits
MEASURED = 512  # tokens of Python on which the student is measured before anything is trained


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
    """(student, numbers of the kept layers): the teacher's layers 0, every, 2 every, ...; the rest is the teacher's.

    The recipe of DistilBERT (Sanh, Debut, Chaumond & Wolf 2019, section 3). Raises UserError where nothing would be
    left out, or where the layers would compute otherwise in their new places.
    """
    _, count = layer_stack(teacher)
    kept = list(range(0, count, max(every, 1)))
    if len(kept) == count:
        raise UserError(
            f"--every {every}: the model has {count} layers, so every >= 2 and at least 2 layers are needed"
        )
    return with_layers(teacher, kept, every), kept


def with_layers(teacher, kept, every=1):
    """The teacher with the layers numbered `kept` alone; `every` is their distance where that is one number."""
    from transformers import AutoModelForCausalLM

    name, count = layer_stack(teacher)
    fault = None
    for fields in _thinned_configs(teacher.config, count, kept, every):
        try:
            config = type(teacher.config).from_dict(fields)
            student = AutoModelForCausalLM.from_config(config, dtype=teacher.dtype).eval()
            student.load_state_dict(_thinned_weights(teacher, name, kept), strict=True)
        except Exception as error:  # a layer that is built as one of another kind fails in many ways
            fault = fault or short(error)
            continue
        student.tie_weights()
        if _same_computation(teacher, student, name, kept):
            _say_kinds(teacher.config, config, count)
            return student
        fault = "they compute by their place in the stack: a rule of the config by a layer's number"
    raise UserError(
        f"{teacher.config.model_type}: its layers {', '.join(map(str, kept))} alone are another model ({fault}); keep "
        "others (every), or use a shape"
    )


def _thinned_weights(teacher, name, kept):
    weights = {}
    for key, value in teacher.state_dict().items():
        if key.startswith(name + "."):
            index, _, rest = key[len(name) + 1 :].partition(".")
            if int(index) not in kept:
                continue
            key = f"{name}.{kept.index(int(index))}.{rest}"
        weights[key] = value
    return weights


def _layers_fields(config):
    """(the whole config as a dict, the part of it that describes the text model's layers)."""
    fields, text = config.to_dict(), config.get_text_config()
    nested = next((key for key in config.sub_configs if getattr(config, key, None) is text), None)
    return fields, fields[nested] if nested else fields


def _thinned_configs(config, count, kept, every):
    """`config` as a dict with len(kept) layers, and whatever it says of single layers cut likewise; in the second, if
    there is one, rules of a period and an offset are brought down too."""
    fields, part = _layers_fields(config)
    for key, value in list(part.items()):
        if key.endswith("_token_id") or key == "architectures":
            continue
        if _is_numbers(key, value, count):
            part[key] = [kept.index(index) for index in value if index in kept]
        elif isinstance(value, list) and len(value) == count:
            part[key] = [value[index] for index in kept]
        elif key in FIRST and isinstance(value, int):
            part[key] = sum(index < value for index in kept)
    part[config.get_text_config().attribute_map.get("num_hidden_layers", "num_hidden_layers")] = len(kept)
    yield fields
    rules = [key for key, value in part.items() if key.endswith(("_period", "_offset")) and isinstance(value, int)]
    if rules:
        part.update({key: part[key] // every for key in rules if part[key] % every == 0})
        yield fields


def _is_numbers(key, value, count):
    """Whether a field lists layers by their numbers (rising, each below `count`)."""
    if not isinstance(value, list) or not value or not any(word in key for word in ("layer", "idx", "ind")):
        return False
    whole = all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < count for one in value)
    return whole and all(one < other for one, other in itertools.pairwise(value))


@contextlib.contextmanager
def _cut(teacher, student, name, kept):
    """The teacher itself with its kept layers only, for the block: built where they stood, under the student's config
    where the model asks it for the kind of its n-th layer."""
    from torch.nn import ModuleList

    parent, _, last = name.rpartition(".")
    parent = teacher.get_submodule(parent)
    whole, theirs, ours = getattr(parent, last), teacher.config.get_text_config(), student.config.get_text_config()
    before = {key: value for key, value in vars(theirs).items() if vars(ours).get(key, value) != value}
    try:
        setattr(parent, last, ModuleList([whole[index] for index in kept]))
        for key in before:
            setattr(theirs, key, getattr(ours, key))
        yield teacher
    finally:
        setattr(parent, last, whole)
        for key, value in before.items():
            setattr(theirs, key, value)


@contextlib.contextmanager
def _loud(*models):
    """Matrices of all models times a power of two for the block, so that faint ones (a fresh start) leave a trace."""
    import torch

    matrices = {id(one): one for model in models for one in model.parameters() if one.dim() > 1}.values()
    spread = sum(one.float().std().item() for one in matrices) / len(matrices)
    factor = 2.0 ** max(0, round(math.log2(LOUD / max(spread, 1e-6))))
    with torch.no_grad():
        for one in matrices:
            one.mul_(factor)
        yield
        for one in matrices:
            one.div_(factor)


def _same_computation(teacher, student, name, kept):
    """Whether the student's layers compute what the teacher's kept layers do, where they stood."""
    import torch

    rows = teacher.get_input_embeddings().weight.shape[0]
    ids = torch.arange(24).remainder(rows)[None].to(teacher.device)
    with torch.no_grad(), _cut(teacher, student, name, kept) as cut, _loud(cut, student):
        try:
            expected, found = (model(input_ids=ids, use_cache=False).logits.float() for model in (cut, student))
        except Exception:  # a layer that is called as one of another kind fails in many ways
            return False
    bound = (1e-4 if teacher.dtype == torch.float32 else 3e-2) * max(1.0, expected.abs().max().item())
    return (expected - found).abs().max().item() <= bound


def _say_kinds(before, after, count):
    """Say where layers of several kinds (windows and full attention) no longer alternate."""
    (_, old), (_, new) = _layers_fields(before), _layers_fields(after)
    for key, value in old.items():
        if isinstance(value, list) and len(value) == count and key in new and key != "architectures":
            had, has = ({str(one) for one in kinds} for kinds in (value, new[key]))
            if len(had) < count and len(has) < len(had):
                lost = ", ".join(sorted(had - has))
                same = ", ".join(sorted(has))
                log(f"warning: the kept layers' {key} are all {same}; another --every keeps {lost} too")


def say_quality(teacher, student, tokenizer):
    """Say how well the student predicts Python before anything is trained, where that is worse than knowing nothing.

    Returns {teacher, student, uniform} in nats a token, on a module of the standard library.
    """
    import textwrap

    import torch

    from codestill.models.tokenizers import plain_ids, start_ids

    limit = min(MEASURED, getattr(teacher.config.get_text_config(), "max_position_embeddings", None) or MEASURED)
    ids = torch.tensor([[*start_ids(tokenizer), *plain_ids(tokenizer, [inspect.getsource(textwrap)])[0]][:limit]])
    with torch.no_grad():
        found = {
            name: model(input_ids=ids, labels=ids, use_cache=False).loss.item()
            for name, model in (("teacher", teacher), ("student", student))
        }
    found["uniform"] = math.log(student.get_input_embeddings().weight.shape[0])
    told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    log(f"nats a token of Python text before training: {told}")
    if found["student"] > found["uniform"]:
        log("warning: the student starts worse than a uniform guess; keep more layers, or train it longer")
    return found
