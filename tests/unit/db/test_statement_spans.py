import pytest

from db.statement_spans import statement_name


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT id FROM jobs WHERE id = $1", "SELECT jobs"),
        ("\n  INSERT INTO traces (a) VALUES ('FROM secrets')", "INSERT traces"),
        ("UPDATE jobs SET state = $1", "UPDATE jobs"),
        ("WITH gone AS (DELETE FROM messages RETURNING 1) SELECT count(*) FROM gone", "DELETE messages"),
        ("SELECT set_config('app.tenant_id', $1, true)", "SELECT"),
        ("BEGIN;", "BEGIN"),
        ("VACUUM", "SQL"),
    ],
)
def test_a_statement_is_named_by_its_verb_and_its_table(statement: str, name: str) -> None:
    assert statement_name(statement) == name
