"""Personal data found and wrongly found: on Presidio's synthetic set, on made-up texts, and in clean prose.

A finding counts only if its kind and both its ends are right. Presidio's half of odd templates is shown by
itself, although its texts were known when words and scores were chosen: with 33 telephone numbers from five
templates in all, the made-up texts say more. A kind with a single template is all in one half.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.privacy import EntityKind, LocalDetector
from tests.benchmarks.data import DATA
from tests.benchmarks.privacy_texts import LabelledText, labelled_texts, look_alikes
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

PRESIDIO = DATA / "pii_synth" / "pii.json"
SQUAD = DATA / "squad2_dev_half" / "dev-v2.0.json"
AWS = DATA / "aws_docs_qa_dev" / "documents"
RECALL, PRECISION = 0.95, 0.90
SPEED = 1.0  # million characters a second
FALSE_PER_1000 = 0.02  # characters: one in 50 pages; addresses of the AWS guides' examples are counted too

_KINDS = {
    "EMAIL_ADDRESS": EntityKind.EMAIL,
    "PHONE_NUMBER": EntityKind.PHONE,
    "CREDIT_CARD": EntityKind.CREDIT_CARD,
    "IBAN_CODE": EntityKind.IBAN,
    "IP_ADDRESS": EntityKind.IP_ADDRESS,
    "US_SSN": EntityKind.US_SSN,
    "DOMAIN_NAME": EntityKind.DOMAIN,
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by kind: labelled and found, labelled and missed, found without a label."""

    right: Counter[EntityKind]
    missed: Counter[EntityKind]
    wrong: Counter[EntityKind]

    def rows(self, name: str) -> list[BenchmarkRow]:
        kinds = sorted({*self.right, *self.missed})
        return [row for kind in kinds for row in self._rows(f"{name}, {kind}", kind)]

    def _rows(self, name: str, kind: EntityKind) -> list[BenchmarkRow]:
        right, labelled = self.right[kind], self.right[kind] + self.missed[kind]
        found = max(1, right + self.wrong[kind])
        return [
            at_least(f"{name}, recall of {labelled}", right / labelled, RECALL),
            at_least(f"{name}, precision", right / found, PRECISION),
        ]


def run() -> list[BenchmarkRow]:
    halves = _presidio()
    made_up = [text for texts in labelled_texts().values() for text in texts]
    negatives = [LabelledText(text, ()) for texts in look_alikes().values() for text in texts]
    return [
        *_tally(halves[1]).rows("Presidio, odd templates"),
        *_tally([*halves[0], *halves[1]]).rows("Presidio, all"),
        *_tally([*made_up, *negatives]).rows("made up, with look-alikes"),
        *_clean("SQuAD paragraphs", _squad()),
        *_clean("AWS guides", [path.read_text(encoding="utf-8") for path in sorted(AWS.rglob("*.md"))]),
    ]


def _presidio() -> tuple[list[LabelledText], list[LabelledText]]:
    """The texts of even and of odd templates, in the order of those that hold a kind of ours."""
    texts = json.loads(PRESIDIO.read_text(encoding="utf-8"))
    ours = {t["template_id"] for t in texts if any(s["entity_type"] in _KINDS for s in t["spans"])}
    order = sorted({t["template_id"] for t in texts}, key=lambda template: (template not in ours, template))
    halves: tuple[list[LabelledText], list[LabelledText]] = ([], [])
    for text in texts:
        spans = tuple(
            (_KINDS[s["entity_type"]], s["start_position"], s["end_position"])
            for s in text["spans"]
            if s["entity_type"] in _KINDS
        )
        halves[order.index(text["template_id"]) % 2].append(LabelledText(text["full_text"], spans))
    return halves


def _tally(texts: Iterable[LabelledText]) -> Tally:
    detector = LocalDetector()
    tally = Tally(Counter(), Counter(), Counter())
    for text in texts:
        found = {(f.kind, f.start, f.end) for f in detector.detect(text.text, "en")}
        labelled = set(text.spans)
        tally.right.update(kind for kind, _, _ in found & labelled)
        tally.missed.update(kind for kind, _, _ in labelled - found)
        tally.wrong.update(kind for kind, _, _ in found - labelled)
    return tally


def _squad() -> list[str]:
    articles = json.loads(SQUAD.read_text(encoding="utf-8"))["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def _clean(name: str, texts: Sequence[str]) -> list[BenchmarkRow]:
    """Findings but web addresses in text that holds next to no personal data; and how fast it was read."""
    detector = LocalDetector()
    start = time.process_time()
    found = Counter(f.kind for text in texts for f in detector.detect(text, "en"))
    seconds = time.process_time() - start
    characters = sum(map(len, texts))
    domains = found.pop(EntityKind.DOMAIN, 0)
    return [
        at_most(f"{name}, findings in 1,000 characters", 1000 * found.total() / characters, FALSE_PER_1000),
        *(for_information(f"{name}, {kind}", count) for kind, count in sorted(found.items())),
        for_information(f"{name}, web addresses", domains),
        at_least(f"{name}, speed", characters / seconds / 1e6, SPEED, "MB/s"),
    ]


if __name__ == "__main__":
    print_table(run())
