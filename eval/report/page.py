"""The gate's report as one HTML file that needs nothing else: no script, no network."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from eval.baseline import Baseline, configuration_changes, measured_scores
from eval.gate import Check, GateReport, MetricSummary, Verdict
from eval.report.cases import ScoredCase, dropped_most, figures, lowest, score_cases, tags
from eval.report.elements import Html, element, joined, shortened
from eval.report.plots import Bar, Difference, bars, forest, histogram
from eval.report.results import CaseResult, CitedSource
from eval.statistics import mean_interval

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever slipped through could load nothing
_LONG = 2000  # characters of an answer or a quote
_SHORT = 300  # of a question or a title
_LABEL = 30  # characters beside a bar
_TAGS = 12
_REASONS = 20
_HEADLINES = {
    Verdict.PASS: "Nothing speaks against this change.",
    Verdict.WARN: "Nothing fails, but have a look.",
    Verdict.INCONCLUSIVE: "Too little was measured to tell.",
    Verdict.FAIL: "Answers are not good enough, or worse than before.",
}


def html_report(report: GateReport) -> str:
    """The whole page."""
    run = report.candidate
    title = f"Evaluation {run.id}: {report.verdict}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(_STYLE.read_text(encoding="utf-8"))),
    )
    body = element("body", _header(report), element("main", *_sections(report)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _sections(report: GateReport) -> Iterator[Html]:
    yield _section("Checks", element("ul", *map(_check, report.gravest_first), class_="checks"))
    if report.changes and report.baseline:
        yield _section("Against the baseline", *_comparison(report, report.baseline))
    yield from _case_sections(report)
    if figures_of_tags := list(_tag_bars(report)):
        yield _section("By tag", element("div", *figures_of_tags, class_="plots"))
    yield _section("Scores", element("div", *_histograms(report), class_="plots"))
    if rows := _gaps(report):
        yield _section("Not measured", _table(("What", "Why", "Cases"), rows))


def _header(report: GateReport) -> Html:
    run, baseline = report.candidate, report.baseline
    facts = {
        "run": f"{run.id}, {run.created_at:%Y-%m-%d %H:%M %Z}",
        "baseline": f"{baseline.run.id}, {baseline.run.created_at:%Y-%m-%d %H:%M %Z}" if baseline else "none",
        "data set": f"{run.dataset.name} ({run.dataset.sha256[:12]})",
        "git revision": run.git_revision,
        "prompt version": run.configuration.prompt_version,
        "index version": run.configuration.index_version,
        "strategy": run.configuration.strategy,
        **{f"{role} model": model for role, model in run.configuration.models.items()},
        **figures(run),
    }
    heading = element("h1", "Evaluation ", _badge(report.verdict))
    return element("header", heading, element("p", _HEADLINES[report.verdict]), _facts(facts))


def _badge(verdict: Verdict) -> Html:
    return element("span", verdict.value, class_=f"verdict {verdict}")


def _check(check: Check) -> Html:
    text = element("span", element("strong", check.name), ": ", check.detail)
    return element("li", _badge(check.verdict), text, class_="check")


def _comparison(report: GateReport, baseline: Baseline) -> Iterator[Html]:
    settings = report.settings
    rows = [
        Difference(c.metric, f"{c.baseline_mean:.3f} → {c.candidate_mean:.3f}", c.difference)
        for c in report.changes
    ]
    about = (
        f"Left of 0 is worse. The lines are {settings.confidence:.0%} intervals over the cases; "
        f"the dashed one is the margin of {settings.non_inferiority_margin:g}."
    )
    plot = forest(rows, title="Change of each metric", margin=settings.non_inferiority_margin)
    yield _figure("Candidate less baseline", about, plot)
    changed = configuration_changes(baseline.run, report.candidate)
    yield (
        _table(("Setting", "Baseline", "Candidate"), changed)
        if changed
        else element("p", "Nothing was configured otherwise.", class_="soft")
    )


def _histograms(report: GateReport) -> Iterator[Html]:
    for summary in report.summaries:
        if summary.mean is not None:
            scores = measured_scores(report.candidate, summary.metric)
            before = measured_scores(report.baseline.run, summary.metric) if report.baseline else None
            known = before if before is not None and before.size else None
            about = _mean_text(summary) + ("; outline: baseline" if known is not None else "")
            yield _figure(
                summary.metric, about, histogram(scores, known, title=f"Distribution of {summary.metric}")
            )


def _mean_text(summary: MetricSummary) -> str:
    measured = f"{summary.measured} of {summary.applicable} cases"
    mean = summary.mean
    return f"{measured}; mean {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]" if mean else measured


def _tag_bars(report: GateReport) -> Iterator[Html]:
    shown = tags(report.candidate)[:_TAGS]
    for metric in report.settings.gated_metrics:
        cases = score_cases(report.candidate, report.baseline, metric)
        rows = [row for tag in shown if (row := _tag_bar(tag, cases))]
        if rows:
            threshold = report.settings.thresholds.get(metric)
            floor = threshold.fail if threshold else None
            plot = bars(rows, title=f"Mean {metric} by tag", floor=floor)
            yield _figure(metric, "Mean, interval, floor (dashed), baseline (upright line)", plot)


def _tag_bar(tag: str, cases: Iterable[ScoredCase]) -> Bar | None:
    tagged = [scored for scored in cases if tag in scored.case.tags]
    if not tagged:
        return None
    mean = mean_interval([scored.score for scored in tagged], resamples=1000)
    before = [scored.before for scored in tagged if scored.before is not None]
    label = tag if len(tag) <= _LABEL else f"{tag[: _LABEL - 1]}…"
    old = sum(before) / len(before) if before else None
    return Bar(label, f"{mean.value:.2f}, {len(tagged)} cases", mean, old)


def _case_sections(report: GateReport) -> Iterator[Html]:
    metric = report.settings.primary_metric
    cases = score_cases(report.candidate, report.baseline, metric)
    before = {case.id: case for case in report.baseline.run.cases} if report.baseline else {}
    dropped = dropped_most(cases)
    others = lowest([scored for scored in cases if scored not in dropped])
    for title, chosen in ((f"Dropped most in {metric}", dropped), (f"Lowest {metric}", others)):
        if chosen:
            yield _section(title, *(_case(scored, before.get(scored.case.id)) for scored in chosen))


def _case(scored: ScoredCase, before: CaseResult | None) -> Html:
    case = scored.case
    score = f"{scored.score:.2f}" if scored.before is None else f"{scored.before:.2f} → {scored.score:.2f}"
    others = ", ".join(f"{n} {'—' if s is None else f'{s:.2f}'}" for n, s in sorted(case.metrics.items()))
    answered_otherwise = before is not None and before.answer != case.answer
    rows = {
        "answer": case.answer,
        "before": before.answer if before and answered_otherwise else None,
        "expected": case.expected,
        "error": case.error,
        "metrics": others,
        "tags": ", ".join(case.tags),
    }
    heading = element("h3", element("span", score, class_="soft"), " ", shortened(case.question, _SHORT))
    header = element("header", heading, element("p", case.id, class_="soft"))
    shown = {name: text for name, text in rows.items() if text}
    return element("article", header, _facts(shown), *_sources(case), class_="case")


def _sources(case: CaseResult) -> Iterator[Html]:
    if case.citations:
        yield element("ol", *map(_source, case.citations), class_="sources")
    else:
        yield element("p", f"No sources are cited; {len(case.retrieved_ids)} were retrieved.", class_="soft")


def _source(cited: CitedSource) -> Html:
    """Addresses are text, not links: a document could name any."""
    named = element("strong", shortened(cited.title or cited.id, _SHORT), dir="auto")
    where = " ".join(part for part in (cited.id if cited.title else "", cited.uri or "") if part)
    about = element("span", f" {shortened(where, _SHORT)}", class_="soft")
    quote = element("p", shortened(cited.quote, _LONG), class_="text", dir="auto") if cited.quote else Html()
    return element("li", named, about, quote)


def _gaps(report: GateReport) -> list[tuple[str, str, str]]:
    """What, why and how often; errors may differ in every case, so not all are listed."""
    errors = Counter(case.error for case in report.candidate.cases if case.error is not None)
    reasons = [
        *(
            (summary.metric, reason, count)
            for summary in report.summaries
            for reason, count in summary.reasons.items()
        ),
        *(("answer", error, count) for error, count in errors.most_common()),
    ]
    rows = [(what, shortened(why, _SHORT), str(count)) for what, why, count in reasons[:_REASONS]]
    left = sum(count for _, _, count in reasons[_REASONS:])
    return [*rows, ("", "other reasons", str(left))] if left else rows


def _section(title: str, *children: str) -> Html:
    return element("section", element("h2", title), *children)


def _figure(title: str, about: str, plot: Html) -> Html:
    return element("figure", element("figcaption", title, element("small", about)), plot)


def _facts(facts: dict[str, str]) -> Html:
    rows = (
        joined(element("dt", name), element("dd", shortened(text, _LONG), class_="text", dir="auto"))
        for name, text in facts.items()
    )
    return element("dl", *rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    head = element("tr", *(element("th", name) for name in heads))
    body = (element("tr", *(element("td", cell, dir="auto") for cell in row)) for row in rows)
    return element("table", element("thead", head), element("tbody", *body))
