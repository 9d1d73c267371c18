"""Files: OpenAI's `/files`, whose shape Anthropic, Groq and Mistral share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.endpoints.files import DeletedFile, FileBytes, FileRequest, FileUpload, UploadedFile
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, with_extra

Asked = TypeVar("Asked", bound=EndpointRequest)
Given = TypeVar("Given", bound=EndpointResponse)


@dataclass(frozen=True, kw_only=True)
class _FileEndpoint(Endpoint[Asked, Given], Generic[Asked, Given]):
    free = True
    needs_model = False
    path: str = "/files"

    def _place(self, request: FileRequest) -> str:
        return f"{self.path}/{quote(request.id, safe='')}"


@dataclass(frozen=True, kw_only=True)
class Upload(_FileEndpoint[FileUpload, UploadedFile]):
    """`purpose` is what is sent where the caller names none; None for a vendor whose files have no purpose."""

    purpose: str | None = None

    def call(self, request: FileUpload, model: ModelProfile) -> HTTPCall:
        """The form."""
        adjustments: tuple[Adjustment, ...] = ()
        fields: dict[str, Any] = {}
        if self.purpose is not None:
            fields["purpose"] = request.purpose or self.purpose
        elif request.purpose is not None:
            adjustments = (Adjustment("purpose", "this vendor's files have none; nothing was sent"),)
        files = (("file", (request.name, request.data, request.media_type)),)
        return HTTPCall(self.path, with_extra(fields, request), files=files, adjustments=adjustments)

    def response(self, request: FileUpload, raw: Any) -> UploadedFile:
        """The file; a vendor that does not say what it holds has taken it as what it was sent as."""
        found = file_of(raw)
        found.media_type = found.media_type or request.media_type
        return found


@dataclass(frozen=True, kw_only=True)
class FileFacts(_FileEndpoint[FileRequest, UploadedFile]):
    """What the vendor says of a file."""

    def call(self, request: FileRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return HTTPCall(self._place(request), method="get")

    def response(self, request: FileRequest, raw: Any) -> UploadedFile:
        """The file."""
        return file_of(raw)


@dataclass(frozen=True, kw_only=True)
class FileDeletion(_FileEndpoint[FileRequest, DeletedFile]):
    """A file's end."""

    def call(self, request: FileRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return HTTPCall(self._place(request), method="delete")

    def response(self, request: FileRequest, raw: Any) -> DeletedFile:
        """What is gone. Raises ServerError where the vendor says that it is not."""
        if isinstance(raw, Mapping) and raw.get("deleted") is False:
            raise ServerError(f"the file {request.id} was not deleted")
        return DeletedFile(id=request.id)


@dataclass(frozen=True, kw_only=True)
class Download(_FileEndpoint[FileRequest, FileBytes]):
    """What is in a file; `accept` is what the SDK asks for."""

    binary = True
    accept: str = "application/binary"

    def call(self, request: FileRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        return HTTPCall(f"{self._place(request)}/content", method="get", headers={"Accept": self.accept})

    def response(self, request: FileRequest, raw: Any) -> FileBytes:
        """The bytes."""
        return FileBytes(data=raw)


def file_endpoints(
    path: str = "/files", purpose: str | None = None, accept: str = "application/binary"
) -> dict[str, Endpoint[Any, Any]]:
    """A vendor's endpoints for files, by name."""
    return {
        "upload": Upload(path=path, purpose=purpose),
        "file": FileFacts(path=path),
        "delete_file": FileDeletion(path=path),
        "download": Download(path=path, accept=accept),
    }


def file_of(raw: Any) -> UploadedFile:
    """A file as the vendors describe it. Raises ServerError where the answer has no id."""
    if not isinstance(raw, Mapping) or not raw.get("id"):
        raise ServerError("the answer has no id of a file")
    return UploadedFile(
        id=str(raw["id"]),
        name=raw.get("filename") or None,
        size=number(raw, "bytes", "size_bytes"),
        media_type=raw.get("mime_type") or raw.get("mimetype") or None,
        purpose=raw.get("purpose") or None,
        expires_at=moment(raw.get("expires_at")),
    )


def moment(value: object) -> datetime | None:
    """A point in time as the vendors write it: seconds since the epoch, or ISO 8601; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OSError, OverflowError, ValueError):  # no time that there is
            return None
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
