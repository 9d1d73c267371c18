"""Files that a vendor keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse


@dataclass(frozen=True, kw_only=True)
class FileUpload(EndpointRequest):
    """A file to keep. `purpose` is the vendor's word for what it is for, where the vendor has any. Raises ValueError for
    an empty file."""

    data: bytes = field(repr=False)
    name: str
    media_type: str
    purpose: str | None = None

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError(f"the file {self.name!r} is empty\nvendors refuse it; leave it out")


@dataclass(frozen=True, kw_only=True)
class FileRequest(EndpointRequest):
    """A file that the vendor has. Raises ValueError where the id is none."""

    id: str

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ValueError(f"{self.id!r} is no id of a file\nwrite the .id of what upload() gave")


@dataclass(kw_only=True)
class UploadedFile(EndpointResponse):
    """A file at the vendor's: `ImageContent(file_id=file.id)` and `DocumentContent(file_id=file.id)` show it to a model.

    `size` is in bytes; `expires_at`, in UTC, is when the vendor deletes it. What the vendor does not say is None.
    """

    id: str
    name: str | None = None
    size: int | None = None
    media_type: str | None = None
    purpose: str | None = None
    expires_at: datetime | None = None


@dataclass(kw_only=True)
class FileBytes(EndpointResponse):
    """What is in a file."""

    data: bytes = field(repr=False)


@dataclass(kw_only=True)
class DeletedFile(EndpointResponse):
    """A file that is gone."""

    id: str
