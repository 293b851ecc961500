"""Write the resolved study: every model with its axes, every experiment with its cells.

The report reads it in place of the workflow's config.

    python scripts/resolve_study.py --config "$(python -c 'import json, yaml
    print(json.dumps(yaml.safe_load(open("config/demo.yaml"))))')" --output study.json
"""

import json

from codestill.kit.files import write_json
from codestill.kit.program import UserError, log, parser, run
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout


def main():
    """Parse the flags, resolve the study and write it."""
    options = parser(__doc__)
    options.add_argument("--config", required=True, help="the study's config as JSON")
    options.add_argument("--output", required=True, help="where to write the resolved study (JSON)")
    arguments = options.parse_args()
    try:
        study = load_study(json.loads(arguments.config))
    except json.JSONDecodeError as error:
        raise UserError(f"--config: not JSON ({error}); give the config as one JSON object") from None
    resolved = Layout(study, build_grid(study)).resolved()
    write_json(arguments.output, resolved)
    log(f"{resolved['study']}: {len(resolved['models'])} models in {arguments.output}")


if __name__ == "__main__":
    run(main)
