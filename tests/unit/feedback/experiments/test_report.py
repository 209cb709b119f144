import json
import re
from html.parser import HTMLParser

from feedback.experiments.analysis import Analysis, Plan, analyse
from feedback.experiments.report import html_report
from feedback.experiments.results import to_json
from tests.unit.feedback.experiments.made import NOW, experiment, row

PLAN = Plan(planned_subjects=4000, now=NOW)
RATES = {"control": 0.10, "challenger": 0.16}


class Tags(HTMLParser):
    """Counts elements, and sees that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def tags(page: str) -> list[str]:
    parser = Tags()
    parser.feed(page)
    assert parser.opened == []
    return parser.seen


def full() -> Analysis:
    return analyse(experiment(RATES, segment=["en", "de"], latency_ms=[1, 2, 3], rating=[-1, 1]), PLAN)


def test_the_report_shows_the_recommendation_with_its_figures_and_plots() -> None:
    page = html_report(full())
    assert "promote" in page
    assert "converted is better: +0.06 [" in page
    # Over time, one per metric, and the segments.
    assert tags(page).count("svg") == 1 + 3 + 1
    assert "Not shown" not in page


def test_every_recommendation_has_a_page() -> None:
    mismatch = [r for r in experiment(RATES) if r.variant == "control" or not r.subject.endswith(("3", "7"))]
    for rows, words in [
        (experiment({"control": 0.16, "challenger": 0.1}), "roll back"),
        (experiment({"control": 0.1, "challenger": 0.1}), "continue"),
        (mismatch, "invalid"),
        ([row("u", "control", converted=1), row("v", "challenger", converted=0)], "continue"),
        ([row("u", variant, converted=1) for variant in RATES], "continue"),
    ]:
        page = html_report(analyse(rows, PLAN))
        assert f">{words}</span>" in page
        assert "nan" not in page
        assert "svg" not in tags(page) or len(rows) > 1


def test_names_from_outside_stay_text() -> None:
    evil = "<script>alert(1)</script>"
    page = html_report(analyse(experiment({"control": 0.1, evil: 0.16}, segment=[evil]), PLAN))
    assert "script" not in tags(page)
    assert not re.search(r"<script|https?:|src=", page)


def test_the_json_holds_everything_and_no_nan() -> None:
    record = json.loads(to_json(full()), parse_constant=lambda name: 1 / 0)
    assert (record["format"], record["recommendation"], record["promoted"]) == (1, "promote", "challenger")
    challenger = record["challengers"][0]
    assert challenger["decision"]["reasons"]
    assert challenger["primary"]["difference"].keys() == {"value", "low", "high"}
    assert len(challenger["primary"]["looks"]) == 10
    assert challenger["guardrails"][0]["metric"]["numerator"] == "latency_ms"
    assert [segment["value"] for segment in challenger["segments"]] == ["de", "en"]
    assert record["sample_ratio"]["counts"] == {"challenger": 2000, "control": 2000}


def test_the_same_rows_give_the_same_json() -> None:
    assert to_json(full()) == to_json(full())
