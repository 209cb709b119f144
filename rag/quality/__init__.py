from rag.quality.check import check_quality
from rag.quality.rules import DEFAULT, QualityIssue, QualityRule, QualityRules
from rag.quality.schema import FieldType, RecordSchema

__all__ = [
    "DEFAULT",
    "FieldType",
    "QualityIssue",
    "QualityRule",
    "QualityRules",
    "RecordSchema",
    "check_quality",
]
