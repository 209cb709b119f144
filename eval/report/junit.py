"""The gate's checks as JUnit XML, in the form that CI services read."""

from xml.etree import ElementTree as ET

from eval.gate import Check, GateReport, Verdict
from eval.report.elements import showable


def junit_report(report: GateReport) -> str:
    """A test case for each check: what failed is a failure, what is inconclusive an error."""
    checks, run = report.checks, report.candidate
    suite = ET.Element(
        "testsuite",
        name="evaluation gate",
        tests=str(len(checks)),
        failures=str(_count(report, Verdict.FAIL)),
        errors=str(_count(report, Verdict.INCONCLUSIVE)),
        skipped="0",
        timestamp=run.created_at.isoformat(timespec="seconds"),
    )
    for check in checks:
        suite.append(_case(check))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _count(report: GateReport, verdict: Verdict) -> int:
    return sum(check.verdict is verdict for check in report.checks)


def _case(check: Check) -> ET.Element:
    case = ET.Element("testcase", classname=f"evaluation.{check.metric}", name=showable(check.name))
    detail = showable(check.detail)
    if check.verdict is Verdict.FAIL:
        ET.SubElement(case, "failure", message=detail).text = detail
    elif check.verdict is Verdict.INCONCLUSIVE:
        ET.SubElement(case, "error", message=detail).text = detail
    else:
        ET.SubElement(case, "system-out").text = f"{check.verdict}: {detail}"
    return case
