"""Write the dashboards and the table of metrics in docs/operations.md anew, from the registry of metrics."""

import json
import re
import sys
from pathlib import Path

from observability import dashboards

ROOT = Path(__file__).parent.parent
CLOUDWATCH = Path("infra/terraform/dashboards/service.json")  # Terraform makes a dashboard of each file there
GRAFANA = Path("infra/dashboards/grafana.json")
PAGE = Path("docs/operations.md")
TABLE = re.compile(r"^\| Metric \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)


def contents(root: Path) -> dict[Path, str]:
    """What each file should hold."""
    page = (root / PAGE).read_text(encoding="utf-8")
    return {
        CLOUDWATCH: json.dumps(dashboards.cloudwatch(), indent=2) + "\n",
        GRAFANA: json.dumps(dashboards.grafana(), indent=2) + "\n",
        PAGE: TABLE.sub(lambda _: dashboards.table(), page, count=1),
    }


def main() -> int:
    for path, text in contents(ROOT).items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
