"""A set of tokens as it is written: rows appended to one Arrow stream, which a killed program goes on with.

The stream holds many record batches of some half a million tokens, so that nothing has to be whole in memory, and its
lists have offsets of 64 bits. It lies in a work folder with a record of how far it has come, until it is finished.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pyarrow

from codestill.data.tokens import COLUMNS
from codestill.kit.files import read_json, write_json
from codestill.kit.folders import whole_folder

NAME = "data-00000-of-00001.arrow"  # as `datasets` calls the one file of a set
PROGRESS = "progress.json"
_IDS, _NAMES = pyarrow.large_list(pyarrow.int32()), pyarrow.large_list(pyarrow.string())
SCHEMA = pyarrow.schema([*((name, _IDS) for name in COLUMNS[:3]), ("bytes", pyarrow.int64()), ("sources", _NAMES)])
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # of an Arrow stream


def batch_of(columns):
    """The record batch of flat columns (codestill.data.packing, columns_of)."""
    offsets = pyarrow.array(columns["offsets"], pyarrow.int64())
    lists = [pyarrow.LargeListArray.from_arrays(offsets, pyarrow.array(columns[name])) for name in COLUMNS[:3]]
    rest = [pyarrow.array(columns[name], SCHEMA.field(name).type) for name in ("bytes", "sources")]
    return pyarrow.record_batch([*lists, *rest], schema=SCHEMA)


class TokenFile:
    """The stream in `work`, open at its end. key: what it is made of; of another, nothing is kept.

    `state` is what `keep` was last given, {} at first.
    """

    def __init__(self, work, key):
        self.work, self._key = Path(work), json.loads(json.dumps(key))
        self.work.mkdir(parents=True, exist_ok=True)
        record = read_json(self.work / PROGRESS) if (self.work / PROGRESS).is_file() else {}
        path = self.work / NAME
        known = record.get("key") == self._key and path.is_file() and path.stat().st_size >= record["size"]
        self.state, self._digest = (record["state"], record["digest"]) if known else ({}, "")
        self._handle = open(path, "r+b" if known else "w+b")  # noqa: SIM115 - until it is finished
        if known:
            self._handle.truncate(record["size"])
            self._handle.seek(record["size"])
        else:
            self._handle.write(SCHEMA.serialize())

    def append(self, columns):
        """Write rows, as flat columns, behind those that are there."""
        data = memoryview(batch_of(columns).serialize())
        self._digest = hashlib.sha256(self._digest.encode() + data).hexdigest()
        self._handle.write(data)

    def keep(self, state):
        """Record what is written, with `state` (plain data): from here a killed program goes on."""
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self.state = state
        write_json(
            self.work / PROGRESS,
            {"key": self._key, "size": self._handle.tell(), "digest": self._digest, "state": state},
        )

    def finish(self, output):
        """Move the set into the folder `output`, as datasets.save_to_disk would have written it."""
        from datasets import Dataset, DatasetInfo, Features
        from datasets.table import InMemoryTable

        self._handle.write(_END)
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.close()
        # The same rows give the same files: `datasets` names a set by this fingerprint.
        info = DatasetInfo(features=Features.from_arrow_schema(SCHEMA))
        empty = Dataset(InMemoryTable(SCHEMA.empty_table()), info=info, fingerprint=self._digest[:16])
        with whole_folder(output) as draft:
            empty.save_to_disk(str(draft), num_shards=1)
            shutil.move(self.work / NAME, draft / NAME)
        (self.work / PROGRESS).unlink(missing_ok=True)
