"""Modules that a program may not import, as if they were not installed."""


class Hidden:
    """A finder, first on `sys.meta_path`, that finds none of `names`. No lock: it settles what a score rests on."""

    def __init__(self, names):
        self.names = frozenset(names)

    def find_spec(self, name, path=None, target=None):
        """None, so that the others look. Raises ModuleNotFoundError for a hidden one."""
        if path is None and name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
