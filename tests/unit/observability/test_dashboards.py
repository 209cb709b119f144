import json
import re
from pathlib import Path

import pytest

from observability import dashboards
from observability.registry import METRICS, Metric
from scripts.write_dashboards import CLOUDWATCH, GRAFANA, ROOT, contents


def test_the_committed_files_are_what_the_registry_says() -> None:
    for path, text in contents(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"run python -m scripts.write_dashboards: {path}"
        )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_drawn_and_described(metric: Metric) -> None:
    suffix = "_sum" if metric.is_share else "_bucket" if metric.buckets else ""
    assert re.search(rf"\b{metric.full_name}{suffix}\b", (ROOT / GRAFANA).read_text())
    searched = f'MetricName=\\"{metric.cloudwatch_name}\\"'
    assert searched in (ROOT / CLOUDWATCH).read_text()
    assert f"`{metric.full_name}`" in (ROOT / "docs/operations.md").read_text()


def test_nothing_overlaps() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboards.cloudwatch()["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < dashboards.COLUMNS
        taken |= cells


def test_terraform_has_just_region_and_namespace_to_fill_in() -> None:
    text = Path(ROOT / CLOUDWATCH).read_text()
    assert set(re.findall(r"(?<!\$)\$\{(\w+)\}", text)) == {"region", "namespace"}
    assert json.loads(text)["widgets"]
