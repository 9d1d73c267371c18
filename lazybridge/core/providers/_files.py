"""Files that a vendor keeps: up, down and gone."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path

from lazybridge.core.content import sniff
from lazybridge.core.endpoints.files import DeletedFile, FileBytes, FileRequest, FileUpload, UploadedFile
from lazybridge.core.providers._endpoints import Endpoints


class Files(Endpoints):
    """A vendor's files. The methods raise UnsupportedFeatureError where it keeps none; the SDK's own exceptions pass
    through."""

    def upload(
        self, file: str | os.PathLike[str] | bytes, *, name: str | None = None, purpose: str | None = None
    ) -> UploadedFile:
        """Give a file to the vendor: a path, or bytes.

        `name` is what the vendor calls it, by default the file's own; `purpose` is the vendor's word for what it is for,
        by default what lets a conversation use it. Raises FileNotFoundError for a path that does not exist.
        """
        return self.ask("upload", _to_upload(file, name, purpose), UploadedFile)

    async def aupload(
        self, file: str | os.PathLike[str] | bytes, *, name: str | None = None, purpose: str | None = None
    ) -> UploadedFile:
        """`upload`, on the running event loop."""
        return await self.aask("upload", _to_upload(file, name, purpose), UploadedFile)

    def file(self, id: str) -> UploadedFile:
        """What the vendor says of a file."""
        return self.ask("file", FileRequest(id=id), UploadedFile)

    async def afile(self, id: str) -> UploadedFile:
        """`file`, on the running event loop."""
        return await self.aask("file", FileRequest(id=id), UploadedFile)

    def delete_file(self, id: str) -> None:
        """Delete a file at the vendor's."""
        self.ask("delete_file", FileRequest(id=id), DeletedFile)

    async def adelete_file(self, id: str) -> None:
        """`delete_file`, on the running event loop."""
        await self.aask("delete_file", FileRequest(id=id), DeletedFile)

    def download(self, id: str) -> bytes:
        """What is in a file; Anthropic gives back only what its tools made."""
        return self.ask("download", FileRequest(id=id), FileBytes).data

    async def adownload(self, id: str) -> bytes:
        """`download`, on the running event loop."""
        return (await self.aask("download", FileRequest(id=id), FileBytes)).data


def _to_upload(file: str | os.PathLike[str] | bytes, name: str | None, purpose: str | None) -> FileUpload:
    if isinstance(file, bytes):
        data = file
    elif isinstance(file, (str, os.PathLike)):
        path = Path(file)
        data, name = path.read_bytes(), name or path.name
    else:
        raise TypeError(f"a file is a path or bytes, got {type(file).__name__}\nwrite upload('report.pdf')")
    media_type = sniff(data) or mimetypes.guess_type(name or "")[0] or "application/octet-stream"
    return FileUpload(
        data=data,
        name=name or f"file{mimetypes.guess_extension(media_type) or ''}",
        media_type=media_type,
        purpose=purpose,
    )
