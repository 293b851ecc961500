"""The bytes that a training holds at its peak: weights, gradients, optimizer, activations. The formulas are tested.

Activations are reckoned as 34 numbers a token, layer and unit of width (Korthikanti et al. 2022, arXiv 2205.05198,
equation 1, without the attention matrices, which are never whole here); with checkpointing one a layer, and one layer's
34 while it is computed again. Of the logits a chunk exists at a time, reckoned as two numbers a token and column.
"""

# Bytes of a trained number's moments; in 8 bits a block of 256 has a scale in float32 for each of the two.
MOMENTS = {None: 8.0, "adamw_8bit": 2 + 2 * 4 / 256, "paged_adamw_8bit": 2 + 2 * 4 / 256, "adafactor": 0.0}
NF4 = 0.5 + 1 / 64  # bytes of a weight and its share of a block's scale, which is quantised, too


def adapter_parameters(one, adapter):
    """About the numbers of an adapter on every linear layer of an Architecture: of each, rank times in plus out.

    A layer whose matrices are four times its width squared in attention and eight in the MLP has 16 widths of them.
    """
    return adapter.rank * one.layers * 16 * one.width


def trained_parameters(one, adapter):
    """The numbers of an Architecture that are trained."""
    return adapter_parameters(one, adapter) if adapter else one.parameters


def held_bytes(one, training, adapter=None, load_in=None):
    """Bytes of weights, gradients and moments of an Architecture under a `Training`."""
    frozen = one.parameters * 4.0
    if load_in == "nf4":
        frozen -= one.body * (4.0 - NF4)
    trained = trained_parameters(one, adapter)
    return frozen + (4.0 * trained if adapter else 0) + trained * (4 + MOMENTS[training.optimizer])


def activation_bytes(one, training, length):
    """Bytes of the activations of one pass over `training.batch_size` rows of `length` tokens."""
    item = 4 if training.precision == "float32" else 2
    layers = one.layers + 34 if training.gradient_checkpointing else 34 * one.layers
    return training.batch_size * length * (item * one.width * layers + 4 * 2 * one.vocabulary)


def passes(training, adapter=None):
    """Forward passes' worth of operations in one step: 3, less the weights' gradients, more what is computed again."""
    return 3 - (1 if adapter else 0) + (1 if training.gradient_checkpointing else 0)
