"""What a test and a candidate share beside values: random numbers, patched modules, printed text, files, environment.

In one process they would share these without a word. Here the tests' side tells the candidate's side before a call
what has changed, and hears afterwards what the candidate has changed. Only what a test's text mentions is looked at.
"""

import os
import random
import re
import sys

STREAMS = ("stdin", "stdout", "stderr")
FILE_BYTES, FOLDER_BYTES, FOLDER_FILES = 16 << 20, 64 << 20, 1000  # what is carried of files
_PRINTED = 1 << 16  # characters after which printed text goes over
_MISSING = object()
_UNWATCHED = {"antigravity", "this", "idlelib", "sys"}  # loading some does something; of `sys` the streams are enough


def mentioned(test):
    """What a test's text may make use of: a frozenset of these words."""
    uses = {
        "random": r"\brandom\b",
        "logging": r"logging|assertLogs|assertNoLogs",
        "warnings": r"warnings|assertWarns",
        "modules": r"patch|[mM]ock|\bsetattr\b|^\s*\w+(\.\w+)+ = ",
        "environ": r"environ|putenv",
        "files": r"\bopen\(|tempfile|\bPath\(|\bos\.(mkdir|makedirs|remove|path|chdir|listdir)|shutil|sqlite3",
    }
    return frozenset(name for name, pattern in uses.items() if re.search(pattern, test, re.MULTILINE))


class RandomNumbers:
    """The state of the generators of `random` and, once it is loaded, NumPy: told when it is another than last."""

    def __init__(self):
        self.last = self._state()

    @staticmethod
    def _state():
        numpy = sys.modules.get("numpy")
        return random.getstate(), numpy and _hashable(numpy.random.get_state())

    def changes(self):
        """The state, or None where the other side knows it."""
        state = self._state()
        if state == self.last:
            return None
        self.last = state
        return state

    def apply(self, state):
        """Take over the other side's state."""
        random.setstate(state[0])
        if state[1] is not None:
            import numpy

            name, key, *rest = state[1]
            numpy.random.set_state((name, numpy.frombuffer(key, numpy.uint32), *rest))
        self.last = self._state()


def _hashable(state):
    name, key, *rest = state
    return (name, key.tobytes(), *rest)


class Patches:
    """Attributes of modules that a test has put others in place of: {(module, name): value} of those that differ."""

    def __init__(self, test, everything):
        self.before = {("sys", name): getattr(sys, name) for name in STREAMS}
        if everything:
            words = {"builtins", *re.findall(r"\w+", test), *re.findall(r"\w+\.\w+", test)}
            for module in sorted(words):
                if module.partition(".")[0] in sys.stdlib_module_names - _UNWATCHED:
                    self._watch(module)
        self.told = {}

    def _watch(self, module):
        try:
            __import__(module)
            names = vars(sys.modules[module])
        except Exception:  # words of a test that are no modules
            return
        for name, value in names.items():
            if not name.startswith("__"):
                self.before.setdefault((module, name), value)

    def changes(self):
        """{(module, name): value} where it is another than was told last, or None."""
        now = {}
        for (module, name), before in self.before.items():
            value = getattr(sys.modules.get(module), name, _MISSING)
            if value is not before and value is not _MISSING:
                now[module, name] = value
        if now.keys() == self.told.keys() and all(now[key] is self.told[key] for key in now):
            return None
        self.told = now
        return now


class Patched:
    """The same on the candidate's side, which puts them in place. `printers` are told to hand over what they hold."""

    def __init__(self):
        self.originals, self.printers = {}, []

    def apply(self, patches):
        """Have these attributes patched and no others."""
        self.flush()
        self.printers = []
        for (module, name), value in self.originals.items():
            if (module, name) not in patches:
                setattr(sys.modules[module], name, value)
        for (module, name), value in patches.items():
            __import__(module)
            self.originals.setdefault((module, name), getattr(sys.modules[module], name, None))
            if module == "sys" and name in ("stdout", "stderr"):
                value = Printer(value)
                self.printers.append(value)
            setattr(sys.modules[module], name, value)

    def changes(self):
        """Nothing: what a program patches is its own."""

    def flush(self):
        """Hand over what was printed."""
        for printer in self.printers:
            printer.flush()


class Printer:
    """A stream whose text goes to a stream of the tests' side, many writes at a time."""

    def __init__(self, stream):
        self._stream, self._parts, self._size = stream, [], 0

    def write(self, text):
        """Keep the text; the number of its characters."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text)
        self._size += len(text)
        if self._size > _PRINTED:
            self.flush()
        return len(text)

    def flush(self):
        """Hand it over."""
        text, self._parts, self._size = "".join(self._parts), [], 0
        if text:
            self._stream.write(text)

    def writelines(self, lines):
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        self.flush()
        return getattr(self._stream, name)


class Environ:
    """The environment's variables, told as a whole when they are others than last."""

    def __init__(self):
        self.last = dict(os.environ)

    def changes(self):
        """{name: (value or None)} of those that changed, or None."""
        now, last = dict(os.environ), self.last
        changed = {name: now.get(name) for name in now.keys() | last.keys() if now.get(name) != last.get(name)}
        self.last = now
        return changed or None

    def apply(self, changed):
        """Set and unset them here."""
        for name, value in changed.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.last = dict(os.environ)


class Files:
    """A folder that is kept alike on both sides: plain files and folders below it."""

    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.last = self._seen()

    def _seen(self):
        found = {}
        for folder, folders, names in os.walk(self.root):
            for name in (*folders, *names):
                path = os.path.join(folder, name)
                facts = os.lstat(path)
                if not os.path.islink(path):
                    found[os.path.relpath(path, self.root)] = facts.st_mode, facts.st_mtime_ns, facts.st_size
            if len(found) > FOLDER_FILES:
                break
        return found

    def changes(self):
        """[(path, bytes, or True for a folder, or None for what is gone)] since last told, or None."""
        now = self._seen()
        changed = [(path, None) for path in sorted(self.last, reverse=True) if path not in now]
        changed += [(path, self._content(path)) for path in now if now[path] != self.last.get(path)]
        self.last = now
        return tuple(changed) or None

    def _content(self, path):
        path = os.path.join(self.root, path)
        if os.path.isdir(path):
            return True
        if os.path.getsize(path) > FILE_BYTES:
            raise ValueError(f"a file of over {FILE_BYTES >> 20} MiB is not carried")
        with open(path, "rb") as handle:
            return handle.read(FILE_BYTES)

    def apply(self, changed):
        """Make these changes here. Raises ValueError on a path that leads out of the folder, and on too much."""
        sizes = {path: size for path, (_, _, size) in self.last.items()}
        sizes |= {path: len(content) if isinstance(content, bytes) else 0 for path, content in changed}
        if len(sizes) > FOLDER_FILES or sum(sizes.values()) > FOLDER_BYTES:
            raise ValueError(f"over {FOLDER_BYTES >> 20} MiB or {FOLDER_FILES} entries of files")
        for path, content in changed:
            place = os.path.join(self.root, path)
            if os.path.realpath(place) != place or not place.startswith(self.root + "/"):
                raise ValueError("a path that leads out of the folder")
            if content is None:
                if os.path.isdir(place):
                    os.rmdir(place)
                elif os.path.exists(place):
                    os.unlink(place)
            elif content is True:
                os.makedirs(place, exist_ok=True)
            else:
                with open(place, "wb") as handle:
                    handle.write(content)
        self.last = self._seen()


def translated(message, ours, theirs):
    """A message in which the path `ours` is `theirs`, wherever it stands."""
    if isinstance(message, str):
        return message.replace(ours, theirs)
    if isinstance(message, list):
        return [translated(part, ours, theirs) for part in message]
    if isinstance(message, dict):
        return {name: translated(part, ours, theirs) for name, part in message.items()}
    return message


class Surroundings:
    """One side's share of what is kept alike. `parts`: {name: object with changes() and apply()}."""

    def __init__(self, **parts):
        self.parts = parts

    def changes(self):
        """{name: what changed} or None."""
        found = {name: part.changes() for name, part in self.parts.items()}
        found = {name: change for name, change in found.items() if change is not None}
        return found or None

    def apply(self, told):
        """Take over what the other side has told."""
        for name, change in (told or {}).items():
            if name in self.parts:
                self.parts[name].apply(change)
