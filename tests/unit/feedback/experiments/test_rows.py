from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedback.experiments.metrics import Direction, Kind, Metric, Role, measure, parse_metric
from feedback.experiments.rows import read_rows
from rag.errors import InvalidInputError
from tests.unit.feedback.experiments.made import row

LINE = '{"subject": "u1", "variant": "control", "exposed_at": "2026-03-01T10:00:00+02:00", "converted": true'
TIME = datetime(2026, 3, 1, 8, tzinfo=UTC)


def written(folder: Path, text: str, name: str = "exposures.jsonl") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines = LINE + ', "latency_ms": 12.5, "rating": null, "segment_plan": "pro"}\n\n'
    table = (
        "subject,variant,exposed_at,converted,latency_ms,rating,segment_plan\n"
        "u1,control,2026-03-01T08:00:00Z,1,12.5,,pro\n"
    )
    (from_json,) = read_rows(written(tmp_path, lines))
    (from_csv,) = read_rows(written(tmp_path, table, "exposures.csv"))
    for read in (from_json, from_csv):
        assert (read.subject, read.variant, read.exposed_at) == ("u1", "control", TIME)
        assert read.segments == {"segment_plan": "pro"}
        assert set(read.outcomes) == {"converted", "latency_ms"}
        assert measure(parse_metric("converted", Role.PRIMARY, Direction.HIGHER), [read]) == (1.0, 1.0)


def test_a_byte_order_mark_and_a_numeric_subject_are_read(tmp_path: Path) -> None:
    text = '\ufeff{"subject": 7, "variant": "a", "exposed_at": "2026-03-01T08:00Z"}'
    (read,) = read_rows(written(tmp_path, text))
    assert read.subject == "7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (LINE, "line 1: not JSON"),
        (LINE + "}\n[]", "line 2: not a JSON object"),
        ("[" * 100_000, "line 1: not JSON"),
        ('{"variant": "a"}', "line 1: subject is missing"),
        ('{"subject": "", "variant": "a"}', "line 1: subject is missing"),
        ('{"subject": ["u"], "variant": "a"}', "line 1: subject is not a text"),
        ('{"subject": "u", "variant": "a"}', "line 1: exposed_at is missing"),
        (
            '{"subject": "u", "variant": "a", "exposed_at": "soon"}',
            "line 1: exposed_at is 'soon', not a time",
        ),
        ('{"subject": "u", "variant": "a", "exposed_at": "2026-03-01T10:00"}', "without a time zone"),
        ('{"subject": "u", "variant": "a", "exposed_at": "0001-01-01T00:00+10:00"}', "not a time"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_rows(written(tmp_path, text))


def test_a_csv_line_with_too_few_or_many_fields_is_named(tmp_path: Path) -> None:
    for line in ("u1,control", "u1,control,2026-03-01T08:00Z,1,2"):
        path = written(tmp_path, f"subject,variant,exposed_at,converted\n{line}\n", "e.csv")
        with pytest.raises(InvalidInputError, match="line 2: not as many fields"):
            read_rows(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"subject\xff\n")
    for name, message in [
        ("gone.csv", "No such file"),
        ("e.txt", "not a .jsonl or .csv"),
        ("latin.csv", "utf-8"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("converted", Metric("converted", Role.PRIMARY, Direction.HIGHER)),
        ("latency_ms:lower", Metric("latency_ms", Role.PRIMARY, Direction.LOWER)),
        ("opened:proportion", Metric("opened", Role.PRIMARY, Direction.HIGHER, kind=Kind.PROPORTION)),
        ("cost/answers:lower", Metric("cost", Role.PRIMARY, Direction.LOWER, "answers", Kind.RATIO)),
    ],
)
def test_metrics_are_written_as_columns_with_options(spec: str, expected: Metric) -> None:
    assert parse_metric(spec, Role.PRIMARY, Direction.HIGHER) == expected


@pytest.mark.parametrize(
    "spec", ["", "a/b/c", "/b", "a/", "a:up", "a/b:mean", "a:ratio", "a:", "a:margin=0.1"]
)
def test_other_metrics_are_refused(spec: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_metric(spec, Role.PRIMARY, Direction.HIGHER)


@pytest.mark.parametrize("margin", ["0", "1.2.3", "."])
def test_a_margin_is_a_share_above_0(margin: str) -> None:
    assert parse_metric("a:lower:margin=0.05", Role.GUARDRAIL, Direction.LOWER).margin == 0.05
    with pytest.raises(InvalidInputError, match="not a share above 0"):
        parse_metric(f"a:margin={margin}", Role.GUARDRAIL, Direction.LOWER)


def test_a_subjects_rows_are_one_value() -> None:
    rows = [
        row("u", "a", latency_ms=100, errors=0, requests=2, converted=0),
        row("u", "a", latency_ms=300, errors=1, requests=4, converted=1),
        row("u", "a"),
    ]
    role, higher = Role.PRIMARY, Direction.HIGHER
    assert measure(parse_metric("latency_ms", role, higher), rows) == ((100 + 300) / 2, 1)
    assert measure(parse_metric("errors/requests", role, higher), rows) == (0 + 1, 2 + 4)
    assert measure(parse_metric("converted:proportion", role, higher), rows) == (1, 1)
    assert measure(parse_metric("rating", role, higher), rows) is None


@pytest.mark.parametrize("value", ["NaN", float("nan"), float("inf"), "abc", [1], 10**400])
def test_what_is_not_a_number_is_named(value: object) -> None:
    with pytest.raises(InvalidInputError, match=r"line of u: latency_ms is .*, not a finite number"):
        measure(parse_metric("latency_ms", Role.PRIMARY, Direction.LOWER), [row("u", "a", latency_ms=value)])


@pytest.mark.parametrize("value", [1e300, -1e31, 1e-200])
def test_numbers_beyond_all_measure_are_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match="too small or large"):
        measure(parse_metric("latency_ms", Role.PRIMARY, Direction.LOWER), [row("u", "a", latency_ms=value)])


def test_a_negative_denominator_and_a_half_conversion_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="requests is negative"):
        measure(
            parse_metric("errors/requests", Role.PRIMARY, Direction.LOWER),
            [row("u", "a", errors=0, requests=-1)],
        )
    with pytest.raises(InvalidInputError, match=r"converted is 0\.5"):
        measure(
            parse_metric("converted:proportion", Role.PRIMARY, Direction.HIGHER),
            [row("u", "a", converted=0.5)],
        )
