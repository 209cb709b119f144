"""Forms by which callers send a file straight to a bucket."""

from dataclasses import dataclass

from rag.sources.s3 import s3_client
from rag.sources.s3_errors import aws_errors
from rag.sources.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form to POST to `url`: these fields, then the file as the field `file`."""

    url: str
    fields: dict[str, str]


async def upload_form(
    bucket: str, key: str, *, byte_size: int, mime_type: str | None, seconds: int
) -> UploadForm:
    """A form that S3 takes for this key, size and type, and for nothing else. Nothing is sent for it.

    Args:
        bucket: Where the file is to go.
        key: Under which name.
        byte_size: Of the file, exactly.
        mime_type: What the object is to be called.
        seconds: How long the form can be used; less, if the service's own credentials end before.

    Raises:
        UnavailableError: There are no credentials.
    """
    mime_type = mime_type or "application/octet-stream"
    return await run_in_thread(lambda _stop: _sign(bucket, key, byte_size, mime_type, seconds))


def _sign(bucket: str, key: str, byte_size: int, mime_type: str, seconds: int) -> UploadForm:
    with aws_errors(f"s3://{bucket}/{key}"):
        form = s3_client().generate_presigned_post(
            Bucket=bucket,
            Key=key,
            Fields={"Content-Type": mime_type},
            Conditions=[{"Content-Type": mime_type}, ["content-length-range", byte_size, byte_size]],
            ExpiresIn=seconds,
        )
    return UploadForm(form["url"], form["fields"])


async def object_size(bucket: str, key: str) -> int:
    """The bytes of an object.

    Raises:
        NotFoundError: There is no such object.
        InvalidInputError: The service may not read it.
        UnavailableError: S3 can't be reached, or is busy.
    """

    def ask() -> int:
        with aws_errors(f"s3://{bucket}/{key}"):
            size: int = s3_client().head_object(Bucket=bucket, Key=key)["ContentLength"]
            return size

    return await run_in_thread(lambda _stop: ask())
