"""An analysis as one HTML file that needs nothing else: no script, no network."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

from eval.metrics import Interval
from eval.report.elements import Html, element, joined, shortened
from feedback.experiments.analysis import Analysis, Challenger
from feedback.experiments.comparison import Arm, Comparison, Evidence
from feedback.experiments.metrics import Metric
from feedback.experiments.plots import Whisker, forest, over_time, whiskers
from feedback.experiments.recommendation import Recommendation

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever slipped through could load nothing
_STYLE = """
svg .band { fill: var(--bar); opacity: .45; }
.wide { overflow-x: auto; }
.wide table { min-width: 44rem; }
"""
_CELL = 80  # characters of a name in a table
_NARROW = 3  # columns that fit a phone
_SEGMENTS = 20  # intervals in one plot
_WORDS = {
    Recommendation.PROMOTE: "promote",
    Recommendation.ROLL_BACK: "roll back",
    Recommendation.CONTINUE: "continue",
    Recommendation.INVALID: "invalid",
}
_CLASSES = {
    Recommendation.PROMOTE: "pass",
    Recommendation.ROLL_BACK: "fail",
    Recommendation.CONTINUE: "inconclusive",
    Recommendation.INVALID: "warn",
}


def html_report(analysis: Analysis) -> str:
    """The whole page."""
    style = files("eval.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Experiment: {_WORDS[analysis.recommendation]}"),
        element("style", Html(style + _STYLE)),
    )
    sections = [
        section for challenger in analysis.challengers for section in _challenger(challenger, analysis)
    ]
    body = element("body", _header(analysis), element("main", *sections, _sample_ratio(analysis)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _header(analysis: Analysis) -> Html:
    plan, came = analysis.plan, sum(analysis.sample_ratio.counts.values())
    facts = {
        "analysed": f"{plan.now:%Y-%m-%d %H:%M %Z}",
        "exposures": _period(analysis),
        "subjects": f"{came:,} of {plan.planned_subjects:,} planned",
        "left out": f"{analysis.crossed:,} seen in two variants, {analysis.from_the_future:,} in the future",
        "control": plan.control,
        "error": f"{plan.alpha:.3g} at most, to promote what isn't better, however often one looks",
    }
    heading = element("h1", "Experiment ", _badge(analysis.recommendation))
    promoted = (
        [element("p", "Promote ", element("strong", analysis.promoted), ".")] if analysis.promoted else []
    )
    return element("header", heading, *promoted, _facts(facts))


def _period(analysis: Analysis) -> str:
    first, last = analysis.first_exposure, analysis.last_exposure
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC" if first and last else "none"


def _challenger(challenger: Challenger, analysis: Analysis) -> Iterator[Html]:
    decision, name = challenger.decision, shortened(challenger.variant, _CELL)
    reasons = element("ul", *(element("li", reason) for reason in decision.reasons))
    compared = (challenger.primary, *challenger.guardrails, *challenger.secondary)
    yield element(
        "section",
        element("h2", f"{name} ", _badge(decision.recommendation)),
        reasons,
        element("div", *_figures(challenger, analysis), class_="plots"),
    )
    heads = ("Metric", "Difference (always valid)", "Relative", "p (always valid)", "Seen as")
    yield _section(f"{name}: differences", _table(heads, map(_difference_row, compared)))
    heads = ("Metric", "Test", "Difference, 95 %", "p", "Effect size")
    note = "Right only for who looks once, at the end. The recommendation does not use it."
    rows = [row for comparison in compared if (row := _single_look_row(comparison))]
    yield _section(f"{name}: looked at once", element("p", note, class_="soft"), _table(heads, rows))


def _figures(challenger: Challenger, analysis: Analysis) -> Iterator[Html]:
    primary = challenger.primary
    name = primary.metric.name
    if primary.looks:
        about = f"Challenger less control, with its always-valid interval. {_better(primary.metric)}"
        yield _figure(f"{name} over time", about, over_time(primary.looks, title=f"{name} over time"))
    for comparison in (primary, *challenger.guardrails, *challenger.secondary):
        if rows := [_arm(arm) for arm in (comparison.control, comparison.challenger) if arm.figure]:
            metric = comparison.metric
            title = f"{metric.name} of each variant"
            about = f"{metric.role.capitalize()}, {metric.kind}; 95 % intervals. {_better(metric)}"
            yield _figure(title, about, whiskers([row for row in rows if row], title=title))
    if rows := list(_segment_rows(challenger)):
        title = f"{name} by segment"
        about = f"Difference, always valid; p after Holm's correction. {_better(primary.metric)}"
        yield _figure(title, about + _left_out(len(rows), analysis), forest(rows, title=title))


def _better(metric: Metric) -> str:
    return f"The {metric.direction} the better."


def _arm(arm: Arm) -> Whisker | None:
    if arm.figure is None:
        return None
    return Whisker(arm.variant, f"{arm.figure.value:.4g}, {arm.subjects:,} subjects", arm.figure)


def _segment_rows(challenger: Challenger) -> Iterator[Whisker]:
    for segment in challenger.segments[:_SEGMENTS]:
        comparison = segment.comparison
        if comparison.difference is not None and comparison.adjusted_p_value is not None:
            count = comparison.control.subjects + comparison.challenger.subjects
            note = f"{count:,} subjects, p {comparison.adjusted_p_value:.2g}"
            label = segment.value if segment.column == "segment" else f"{segment.column} {segment.value}"
            yield Whisker(label, note, comparison.difference, comparison.evidence)


def _left_out(shown: int, analysis: Analysis) -> str:
    every = len(analysis.challengers[0].segments) + analysis.segments_left_out
    return f" Not shown, mostly for too few subjects: {every - shown}." if every > shown else ""


def _difference_row(comparison: Comparison) -> tuple[str, ...]:
    name, difference = f"{comparison.metric.name} ({comparison.metric.role})", comparison.difference
    if difference is None or comparison.p_value is None:
        return name, f"not compared: {comparison.note}", "", "", ""
    adjusted = comparison.adjusted_p_value
    p_value = f"{comparison.p_value:.2g}" + ("" if adjusted is None else f"; {adjusted:.2g} after Holm")
    lift = _interval(comparison.lift, "+.1%") if comparison.lift else "—"
    return name, _interval(difference, "+.4g"), lift, p_value, _evidence(comparison.evidence)


def _evidence(evidence: Evidence) -> str:
    return "not told yet" if evidence is Evidence.UNCLEAR else evidence.value


def _single_look_row(comparison: Comparison) -> tuple[str, ...] | None:
    look, size = comparison.single_look, comparison.effect_size
    if look is None:
        return None
    effect = "—" if size is None else f"{size:+.3f}"
    return (
        comparison.metric.name,
        look.method,
        _interval(look.difference, "+.4g"),
        f"{look.p_value:.2g}",
        effect,
    )


def _sample_ratio(analysis: Analysis) -> Html:
    ratio = analysis.sample_ratio
    verdict = "not as weighted" if ratio.is_mismatch else "as weighted"
    about = f"The subjects split {verdict} (chi-squared {ratio.statistic:.2f}, p {ratio.p_value:.2g})."
    rows = [(name, f"{ratio.counts[name]:,}", f"{e:,.1f}") for name, e in ratio.expected.items()]
    return _section("Split", element("p", about), _table(("Variant", "Subjects", "Expected"), rows))


def _interval(interval: Interval, form: str) -> str:
    value, low, high = (format(x, form) for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _badge(recommendation: Recommendation) -> Html:
    return element("span", _WORDS[recommendation], class_=f"verdict {_CLASSES[recommendation]}")


def _section(title: str, *children: str) -> Html:
    return element("section", element("h2", title), *children)


def _figure(title: str, about: str, plot: Html) -> Html:
    return element("figure", element("figcaption", title, element("small", about)), plot)


def _facts(facts: dict[str, str]) -> Html:
    rows = (joined(element("dt", name), element("dd", text, dir="auto")) for name, text in facts.items())
    return element("dl", *rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    head = element("tr", *(element("th", name) for name in heads))
    body = (element("tr", *(element("td", cell, dir="auto") for cell in row)) for row in rows)
    table = element("table", element("thead", head), element("tbody", *body))
    return element("div", table, class_="wide" if len(heads) > _NARROW else "")
