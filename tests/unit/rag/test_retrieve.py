from rag.ports import Match
from rag.retrieve import Leg, newest_versions
from tests.unit.rag.passages import make_passage


def test_of_two_versions_that_the_legs_saw_only_the_newer_stays() -> None:
    old, new = make_passage("old", version=1), make_passage("new", version=2)
    other = make_passage("other", number=2, version=1)
    found = {Leg.VECTOR: [Match(old, 0.9), Match(other, 0.8)], Leg.LEXICAL: [Match(new, 3.0)]}
    assert newest_versions(found) == {
        Leg.VECTOR: [Match(other, 0.8)],
        Leg.LEXICAL: [Match(new, 3.0)],
    }
