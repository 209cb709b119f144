import pytest

from rag.artifacts import S3Artifacts
from rag.errors import InvalidInputError, NotFoundError
from rag.sources.s3 import s3_client
from scripts.tune_retrieval import read_questions
from tests.standins.moto import moto_server
from tests.unit.rag.sources.s3 import use_s3

LINE = b'{"query": "How many days?", "relevant": ["leave.md"]}\n'


async def test_judged_questions_may_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as url:
        use_s3(monkeypatch, url)
        where = {"LocationConstraint": "eu-central-1"}
        s3_client().create_bucket(Bucket="judged-sets", CreateBucketConfiguration=where)
        artifacts = S3Artifacts("judged-sets")
        uri = await artifacts.write("sets/judged.jsonl", LINE, "application/jsonl")
        (question,) = await read_questions(uri)
        assert question.relevant == ["leave.md"]
        await artifacts.write("sets/wrong.jsonl", b"{}", "application/jsonl")
        with pytest.raises(InvalidInputError, match=r"s3://judged-sets/sets/wrong.jsonl, line 1"):
            await read_questions("s3://judged-sets/sets/wrong.jsonl")
        with pytest.raises(NotFoundError):
            await read_questions("s3://judged-sets/none.jsonl")
