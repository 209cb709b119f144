import html
import re
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree as ET  # noqa: N817 - as the standard library's is called
from hypothesis import given
from hypothesis import strategies as st

from eval.gate import GateReport, run_gate
from eval.gate_settings import GateSettings, Threshold
from eval.report.elements import element, showable
from eval.report.junit import junit_report
from eval.report.markdown import markdown_report, plain
from eval.report.page import html_report
from eval.report.results import CitedSource
from tests.unit.eval.runs import baseline_of, make_case, make_run

SETTINGS = GateSettings(primary_metric="f", thresholds={"g": Threshold(fail=0, warn=0)})
HOSTILE = [
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "\x00\x08\x1b]0;title\x07 \ufffe",
    "\u202egnp.exe\u2066",
    "@everyone #12 [x](http://evil) ![y](http://evil/x.png) | `code` <!-- ]]>",
    "x" * 5000,
]
VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """The tags and attributes of a page, which must be nested well."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parse(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def find(text: str, path: str) -> Element:
    found = ET.fromstring(text.encode()).find(path)
    assert found is not None
    return found


def report_of(text: str) -> GateReport:
    """A report in which the text stands wherever a document or a model could have put it."""
    named = "".join(filter(str.isprintable, text))[:200] or "name"
    source = CitedSource(id=text, title=text, quote=text, uri=text)
    cases = [
        make_case(
            n,
            {"f": n / 100, "g": None},
            question=text,
            answer=text,
            expected=text,
            error=text,
            tags=(named,),
            citations=(source,),
            not_measured={"g": text},
        )
        for n in range(100)
    ]
    run = make_run(cases, run_id=named, chat=named)
    before = make_run([make_case(n, {"f": 1.0}, answer="Another.") for n in range(100)])
    return run_gate(run, baseline_of(before), SETTINGS)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_documents_add_no_markup_to_the_page(text: str) -> None:
    page, harmless = parse(html_report(report_of(text))), parse(html_report(report_of("harmless")))
    assert page.tags == harmless.tags
    assert page.attributes == harmless.attributes
    assert "script" not in page.tags


@pytest.mark.parametrize("text", HOSTILE[:5])
def test_texts_are_shown_as_they_are(text: str) -> None:
    assert html.escape(text) in html_report(report_of(text))


def test_the_page_needs_no_network_and_no_script() -> None:
    text = html_report(report_of("http://evil.example/x.js"))
    page = parse(text)
    assert page.links == []
    assert not page.tags & {"script", "iframe", "object", "img", "link", "a", "form"}
    assert not re.search(r"@import|url\(", text)
    assert "default-src &#x27;none&#x27;" in text


def test_the_page_fits_phones_printers_and_dark_rooms() -> None:
    text = html_report(report_of("harmless"))
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_the_page_shows_the_worst_cases_with_their_sources_and_what_changed() -> None:
    text = html_report(report_of("harmless"))
    for shown in (
        "Dropped most in f",
        "1.00 → 0.00",
        "Another.",
        "Candidate less baseline",
        "By tag",
        "Not measured",
    ):
        assert shown in text
    assert text.count('class="sources"') == 20  # ten that dropped most, and ten others


def test_a_page_without_a_baseline_compares_nothing() -> None:
    run = make_run([make_case(n, {"f": 1.0}) for n in range(3)])
    text = html_report(run_gate(run, settings=SETTINGS))
    parse(text)
    assert "Against the baseline" not in text
    assert "Lowest" not in text  # no case lacks anything


def test_a_page_of_a_run_that_measured_nothing_can_be_made() -> None:
    run = make_run([make_case(0, {"f": None, "g": None})])
    assert "the judge timed out" in html_report(run_gate(run, settings=SETTINGS))
    parse(html_report(run_gate(run, baseline_of(run), SETTINGS)))


def test_errors_that_differ_in_every_case_do_not_flood_the_page() -> None:
    run = make_run([make_case(n, {"f": None}, error=f"request {n}") for n in range(500)])
    text = html_report(run_gate(run, settings=SETTINGS))
    assert text.count('<td dir="auto">request ') == 19  # and the judge's own reason
    assert '<td dir="auto">other reasons</td><td dir="auto">481</td>' in text


@given(st.text())
def test_any_text_is_escaped_in_elements_and_attributes(text: str) -> None:
    page = parse(element("p", text, title=text))
    assert (page.tags, page.attributes) == ({"p"}, {"title"})


@given(st.text())
def test_any_text_can_be_shown_in_xml(text: str) -> None:
    escaped = html.escape(showable(text))
    assert ET.fromstring(f"<p>{escaped}</p>").tag == "p"


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_is_xml_whatever_the_texts(text: str) -> None:
    assert find(junit_report(report_of(text)), "testsuite").get("name") == "evaluation gate"


def test_junit_counts_failures_and_errors() -> None:
    text = junit_report(report_of("harmless"))
    suite = find(text, "testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    failure = find(text, "testsuite/testcase[@name='f, change']/failure")
    assert failure.get("message", "").startswith("answers are worse: -0.5")
    warning = find(text, "testsuite/testcase[@name='g, change']/system-out")
    assert (warning.text or "").startswith("warn: ")
    error = find(text, "testsuite/testcase[@name='g, mean']/error")
    assert error.get("message", "").endswith("most often: harmless")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_documents_are_no_markdown(text: str) -> None:
    summary = markdown_report(report_of(text))
    lines = markdown_report(report_of("harmless")).count("\n")
    assert summary.count("\n") == lines
    assert not re.search(r"(?<!\\)[<`]", summary)
    assert not re.search(r"[@#](?=\w)|://|\]\(", summary.replace("\\](", "").replace("\u200b", "\x00"))
    assert len(summary) < 65_536  # GitHub's limit of a comment


@given(st.text())
def test_plain_text_is_one_line(text: str) -> None:
    assert len(plain(text).splitlines()) <= 1


def test_the_summary_has_a_row_for_each_metric() -> None:
    summary = markdown_report(report_of("harmless"))
    assert summary.startswith("## ❌ Evaluation: fail\n")
    assert "| **f** (primary) | 100 of 100 | 0.495 | 1.000 | -0.505 [" in summary
    assert "| g | 0 of 100 |  |  |  |" in summary
    assert "- 1.00 → 0.00 q0: harmless" in summary


def test_what_failed_stands_first_and_what_passed_is_counted() -> None:
    report = report_of("harmless")
    lines = [line[:4] for line in markdown_report(report).splitlines() if re.match("- [❌❔⚠✅]", line)]
    assert lines == ["- ❌ ", "- ❔ ", "- ⚠️", "- ✅ "]
    assert "- ✅ passed: 1 of 4 checks\n" in markdown_report(report)
    badges = re.findall(r'<li class="check"><span class="verdict (\w+)"', html_report(report))
    assert badges == ["fail", "inconclusive", "warn", "pass"]
