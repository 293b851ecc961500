"""The files of a teacher's stored states, apart from the layout: their readers run no code of the config."""

SPLITS = ("train", "validation")
HEAD, MANIFEST = "head.safetensors", "manifest.json"


def states_file(split):
    """The name of the file of a split's states, [targets, width], row after row."""
    return f"{split}.bin"


def counts_file(split):
    """The name of the file of a split's targets by row, [rows]."""
    return f"{split}.npy"


# The manifest last: where it is, all is.
STATES_FILES = (*map(states_file, SPLITS), *map(counts_file, SPLITS), HEAD, MANIFEST)
