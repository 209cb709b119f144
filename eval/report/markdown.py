"""The gate's report as Markdown, for a comment on a pull request."""

import re
from collections.abc import Iterator, Sequence

from eval.gate import GateReport, MetricSummary, Verdict
from eval.report.cases import ScoredCase, dropped_most, lowest, score_cases
from eval.report.elements import one_line, shortened

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
_LINKED = re.compile(r"(@|#|:(?=//)|www(?=\.))")  # what GitHub turns into mentions and links by itself
_SHOWN = 5
_MARKS = {Verdict.PASS: "✅", Verdict.WARN: "⚠️", Verdict.INCONCLUSIVE: "❔", Verdict.FAIL: "❌"}


def markdown_report(report: GateReport) -> str:
    """Verdict, means, what didn't pass, and the worst cases."""
    parts = [
        f"## {_MARKS[report.verdict]} Evaluation: {report.verdict}",
        _subject(report),
        "\n".join(_table(report)),
        "\n".join(_checks(report)),
        *_worst(report),
    ]
    return "\n\n".join(parts) + "\n"


def plain(text: str, limit: int = 300) -> str:
    """Text of anybody's on one line, of which nothing is taken for Markdown, a mention or a link."""
    line = one_line(shortened(text, limit))
    return _SPECIAL.sub(r"\\\1", _LINKED.sub("\\1\u200b", line))


def _subject(report: GateReport) -> str:
    run = report.candidate
    of = f"{len(run.cases)} cases of {plain(run.dataset.name)}"
    told = f"Run {plain(run.id)} at {plain(run.git_revision)}: {of}"
    if report.baseline is None:
        return f"{told}, without a baseline."
    old = report.baseline.run
    return f"{told}, against the baseline {plain(old.id)} at {plain(old.git_revision)}."


def _table(report: GateReport) -> Iterator[str]:
    share = f"{report.settings.confidence:.0%}".replace("%", " %")
    yield f"| Metric | Measured | Mean | Baseline | Change, {share} interval |"
    yield "|---|---|---|---|---|"
    changes = {change.metric: change for change in report.changes}
    for summary in report.summaries:
        change = changes.get(summary.metric)
        compared = ("", "")
        if change:
            d = change.difference
            compared = (f"{change.baseline_mean:.3f}", f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]")
        cells = (_name(summary, report), _measured(summary), _mean(summary), *compared)
        yield f"| {' | '.join(cells)} |"


def _checks(report: GateReport) -> Iterator[str]:
    """A line for each that didn't pass, and how many did."""
    for check in report.gravest_first:
        if check.verdict is not Verdict.PASS:
            yield f"- {_MARKS[check.verdict]} **{plain(check.name)}**: {plain(check.detail)}"
    passed = sum(check.verdict is Verdict.PASS for check in report.checks)
    if passed:
        yield f"- {_MARKS[Verdict.PASS]} passed: {passed} of {len(report.checks)} checks"


def _name(summary: MetricSummary, report: GateReport) -> str:
    name = plain(summary.metric)
    return f"**{name}** (primary)" if summary.metric == report.settings.primary_metric else name


def _measured(summary: MetricSummary) -> str:
    return f"{summary.measured} of {summary.applicable}"


def _mean(summary: MetricSummary) -> str:
    return "" if summary.mean is None else f"{summary.mean.value:.3f}"


def _worst(report: GateReport) -> Iterator[str]:
    metric = report.settings.primary_metric
    cases = score_cases(report.candidate, report.baseline, metric)
    dropped = dropped_most(cases, _SHOWN)
    others = lowest([scored for scored in cases if scored not in dropped], _SHOWN)
    for title, shown in ((f"Dropped most in {metric}", dropped), (f"Lowest {metric}", others)):
        if shown:
            yield "\n".join([f"**{plain(title)}**", "", *_lines(shown)])


def _lines(cases: Sequence[ScoredCase]) -> Iterator[str]:
    for scored in cases:
        before = "" if scored.before is None else f"{scored.before:.2f} → "
        yield f"- {before}{scored.score:.2f} {plain(scored.case.id)}: {plain(scored.case.question, 160)}"
