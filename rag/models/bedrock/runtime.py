"""Bedrock's calls over asyncio: botocore builds, signs and reads them, httpx carries them.

botocore itself blocks, so that every stream would hold a thread, and one that stalls would hold it until a
time-out. Here a stream that nobody reads any longer is closed at once. What is used of botocore are its
client, stopped by its `before-send` event once a request is signed, and its parsers.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from rag.aws.clients import aws_client

JSON = Mapping[str, Any]


class SignedRequestError(Exception):
    """Stops botocore where it would send; carries the request."""

    def __init__(self, request: Any) -> None:
        super().__init__("signed")
        self.request = request


class BedrockRuntime:
    """The calls of one region's Bedrock runtime.

    Args:
        needed_by: The setting that asks for it, for messages.
        region: Instead of the one that is set.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence of the server.

    Raises:
        InvalidInputError: There is no region, or a profile or endpoint that can't be.
    """

    def __init__(
        self, *, needed_by: str, region: str | None, connect_timeout_s: float, read_timeout_s: float
    ) -> None:
        self._client = aws_client("bedrock-runtime", needed_by=needed_by, region=region)
        self._client.meta.events.register_first("before-send.bedrock-runtime", _stop)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            verify=_trusted(),
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, operation: str, params: JSON) -> dict[str, Any]:
        """An operation whose answer comes as one piece, such as `Converse`.

        Raises:
            ClientError: As botocore raises it.
            HTTPError: httpx's: the connection failed.
        """
        response = await self._http.send(await self._signed(operation, params))
        return self._parsed(operation, response)

    @asynccontextmanager
    async def converse_stream(self, params: JSON) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Bedrock's `ConverseStream`: its events. Leaving the context ends the call.

        Raises:
            ClientError: As botocore raises it, also for an error that comes as an event.
            HTTPError: httpx's: the connection failed, or broke off.
        """
        request = await self._signed("ConverseStream", params)
        response = await self._http.send(request, stream=True)
        try:
            if response.is_error:
                await response.aread()
                self._parsed("ConverseStream", response)
            yield self._events(response)
        finally:
            await response.aclose()

    async def _signed(self, operation: str, params: JSON) -> httpx.Request:
        # In a thread: now and then it fetches new credentials.
        request = await asyncio.to_thread(self._sign, operation, params)
        return self._http.build_request(
            request.method, request.url, headers=list(request.headers.items()), content=request.body
        )

    def _sign(self, operation: str, params: JSON) -> Any:
        from botocore import xform_name  # noqa: PLC0415 - as in aws_client

        try:
            getattr(self._client, xform_name(operation))(**params)
        except SignedRequestError as signed:
            return signed.request
        raise AssertionError("botocore sent the request itself")

    def _parsed(self, operation: str, response: httpx.Response) -> dict[str, Any]:
        from botocore.parsers import create_parser  # noqa: PLC0415 - as in aws_client

        service = self._client.meta.service_model
        parsed: dict[str, Any] = create_parser(service.resolved_protocol).parse(
            {
                "headers": response.headers,
                "status_code": response.status_code,
                "body": response.content,
                "context": {"operation_name": operation},
            },
            service.operation_model(operation).output_shape,
        )
        if response.is_success:
            return parsed
        error = self._client.exceptions.from_code(parsed.get("Error", {}).get("Code"))
        raise error(parsed, operation)

    async def _events(self, response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        from botocore.eventstream import EventStreamBuffer  # noqa: PLC0415 - as in aws_client
        from botocore.exceptions import EventStreamError  # noqa: PLC0415
        from botocore.parsers import EventStreamJSONParser  # noqa: PLC0415

        model = self._client.meta.service_model.operation_model("ConverseStream")
        shape, parser = model.get_event_stream_output(), EventStreamJSONParser()
        buffer = EventStreamBuffer()
        async for piece in response.aiter_raw():
            buffer.add_data(piece)
            for event in buffer:
                received = event.to_response_dict()
                parsed = parser.parse(received, shape)
                if received["status_code"] != httpx.codes.OK:
                    raise EventStreamError(parsed, "ConverseStream")
                if parsed:
                    yield parsed


def _stop(request: Any, **_: Any) -> None:
    raise SignedRequestError(request)


def _trusted() -> ssl.SSLContext | bool:
    """The certificates that AWS's SDK would trust."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle) if bundle else True
