"""Write config/schema.json, the JSON schema of a study's config, from the typed models in codestill/study/config.py.

Editors complete and check a config against it. Run it after a change of the models (a test keeps them in step):

    python scripts/write_schema.py
"""

from pathlib import Path

from codestill.study.config import schema
from codestill.study.files import write_json
from codestill.study.program import log, parser, run

SCHEMA = Path(__file__).resolve().parents[1] / "config" / "schema.json"


def main():
    """Write the schema."""
    options = parser(__doc__)
    options.add_argument("--output", default=SCHEMA, help="where to write it")
    arguments = options.parse_args()
    write_json(arguments.output, schema())
    log(f"{arguments.output}: written")


if __name__ == "__main__":
    run(main)
