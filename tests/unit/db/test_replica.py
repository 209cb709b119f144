"""How far a standby is behind, by positions in the log and one clock."""

from db.replica import SAMPLES, Corpus, LagMeter


def test_a_standby_is_behind_since_the_oldest_position_that_it_has_not_reached() -> None:
    meter = LagMeter()
    for moment, position in ((1.0, 100), (2.0, 200), (3.0, 300)):
        meter.add(moment, position)
    assert meter.lag(3.0, 150) == 3.0 - 2.0
    assert meter.lag(9.0, 150) == 9.0 - 2.0
    assert meter.lag(9.0, 200) == 9.0 - 3.0
    assert meter.lag(9.0, 300) == 0.0


def test_a_primary_that_stands_still_makes_no_lag() -> None:
    meter = LagMeter()
    for moment in range(100):
        meter.add(float(moment), 100)
        assert meter.lag(float(moment), 100) == 0.0


def test_a_lag_of_hours_is_told_from_a_bounded_number_of_positions() -> None:
    meter = LagMeter()
    for moment in range(10_000):
        meter.add(float(moment), moment)
        assert meter.lag(float(moment), 4) == max(moment - 5, 0)
    assert len(meter._ahead) <= SAMPLES
    behind = 9_999 - 5_001
    assert 0 <= behind - meter.lag(9_999.0, 5_000) <= 0.02 * behind


def test_a_corpus_holds_another_of_its_space_that_is_not_newer() -> None:
    here = Corpus(version=5, space_id=1)
    assert here.holds(Corpus(5, 1))
    assert here.holds(Corpus(4, 1))
    assert not here.holds(Corpus(6, 1))
    assert not here.holds(Corpus(5, 2))
    assert not here.holds(Corpus(None, 1))
    assert not Corpus(None, 1).holds(Corpus(None, 1))
