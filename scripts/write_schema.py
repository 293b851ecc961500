"""Write config/schema.json and the field tables of config/README.md from the models in codestill/study/config.py.

Editors complete and check a config against the schema. Run it after a change of the models (a test keeps them in step):

    python scripts/write_schema.py
"""

from pathlib import Path

from codestill.kit.files import atomic, write_json
from codestill.kit.program import log, parser, run
from codestill.study.config import schema
from codestill.study.field_tables import with_fields

CONFIG = Path(__file__).resolve().parents[1] / "config"


def main():
    """Write both."""
    parser(__doc__).parse_args()
    write_json(CONFIG / "schema.json", schema())
    manual = with_fields((CONFIG / "README.md").read_text(encoding="utf-8"))
    with atomic(CONFIG / "README.md") as handle:
        handle.write(manual)
    log(f"{CONFIG}: schema.json and README.md written")


if __name__ == "__main__":
    run(main)
