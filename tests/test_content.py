"""Images, audio, video and documents: what they are is told by their bytes, and what cannot be told is said by name."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lazybridge.core.content import (
    AudioContent,
    DocumentContent,
    ImageContent,
    TextContent,
    VideoContent,
    attachment,
    blocks_of,
    sniff,
)
from lazybridge.core.types import Message, ToolCall
from lazybridge.settings import messages_of
from lazybridge.tools.results import success

PNG = b"\x89PNG\r\n\x1a\n0000"
PDF = b"%PDF-1.7\n0000"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"
MEDIA = [ImageContent, AudioContent, VideoContent, DocumentContent]


# --- what the bytes are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF87a0000", "image/gif"),
        (b"GIF89a0000", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (PDF, "application/pdf"),
        (WAV, "audio/wav"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"fLaC\x00\x00", "audio/flac"),
        (b"OggS\x00\x02", "audio/ogg"),
        (MP4, "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x00\x00\x00\x1cftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x1aE\xdf\xa3\x9f", "video/webm"),
        (b"RIFF\x24\x00\x00\x00AVI ", None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_the_kind_is_told_by_the_first_bytes(data: bytes, media_type: str | None) -> None:
    assert sniff(data) == media_type


def test_bytes_name_their_own_kind_and_a_given_one_wins() -> None:
    assert ImageContent(data=PNG).media_type == "image/png"
    assert ImageContent(data=PNG, media_type="image/apng").media_type == "image/apng"
    assert ImageContent(data=b"who knows").media_type is None


def test_a_url_names_its_kind_by_its_path_alone() -> None:
    assert ImageContent(url="https://example.com/a.png?size=a.pdf").media_type == "image/png"
    assert ImageContent(url="https://example.com/a").media_type is None


# --- one source -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEDIA)
@pytest.mark.parametrize(
    "source", [{}, {"data": PNG, "url": "https://example.com/a"}, {"url": "https://x", "file_id": "f"}]
)
def test_media_have_exactly_one_source(kind: Any, source: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__} takes one of data, url and file_id"):
        kind(**source)


@pytest.mark.parametrize("kind", MEDIA)
def test_empty_bytes_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__} got empty data"):
        kind(data=b"")


def test_base64_is_of_bytes_alone() -> None:
    assert base64.b64decode(ImageContent(data=PNG).base64) == PNG
    with pytest.raises(ValueError, match="a URL or a file id"):
        _ = ImageContent(file_id="f").base64


def test_blocks_are_read_only_and_show_no_bytes() -> None:
    block = ImageContent(data=PNG)
    with pytest.raises(dataclasses.FrozenInstanceError):
        block.data = b"x"  # type: ignore[misc]
    assert "PNG" not in repr(block)


# --- data: URLs -------------------------------------------------------------------------------------------------------


def test_a_data_url_is_the_bytes_it_holds() -> None:
    block = ImageContent(url=f"data:image/png;base64,{base64.b64encode(PNG).decode()}", detail="low")
    assert (block.data, block.url, block.media_type, block.detail) == (PNG, None, "image/png", "low")
    assert block.data_url == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def test_a_data_url_that_misnames_its_bytes_is_corrected() -> None:
    assert ImageContent(url=f"data:image/jpeg;base64,{base64.b64encode(PNG).decode()}").media_type == "image/png"


def test_a_data_url_may_hold_plain_text() -> None:
    block = DocumentContent(url="data:text/plain;charset=utf-8,gr%C3%BCn")
    assert (block.media_type, block.text) == ("text/plain", "grün")


@pytest.mark.parametrize("url", ["data:image/png;base64,@@", "data:image/png"])
def test_a_broken_data_url_is_named(url: str) -> None:
    with pytest.raises(ValueError, match=f"not a data: URL: '{url}'"):
        ImageContent(url=url)


def test_a_long_broken_data_url_is_not_shown_whole() -> None:
    with pytest.raises(ValueError, match="not a data: URL") as caught:
        ImageContent(url="data:image/png;base64,@" + "A" * 10_000)
    assert len(str(caught.value)) < 200


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEDIA)
def test_a_missing_file_is_named(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        kind.from_path(tmp_path / "no.png")


def test_a_wrong_extension_is_corrected_by_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PNG)
    assert ImageContent.from_path(path).media_type == "image/png"
    block = attachment(path)
    assert isinstance(block, ImageContent)
    assert block.media_type == "image/png"


def test_bytes_that_say_nothing_are_what_their_extension_says(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("grün", encoding="utf-8")
    block = DocumentContent.from_path(str(path))
    assert (block.media_type, block.name, block.text) == ("text/plain", "notes.txt", "grün")


def test_a_document_may_be_given_another_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(PDF)
    assert DocumentContent.from_path(path, name="Report").name == "Report"


def test_only_a_text_document_has_text() -> None:
    assert DocumentContent(data=PDF).text is None
    assert DocumentContent(url="https://example.com/a.txt").text is None
    assert DocumentContent(data=b"\xff\xfe", media_type="text/plain").text == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("media_type", "name"),
    [("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("audio/wav", "wav"), ("audio/flac", "flac"), (None, None)],
)
def test_audio_has_the_short_name_that_vendors_use(media_type: str | None, name: str | None) -> None:
    assert AudioContent(file_id="f", media_type=media_type).format == name


# --- attachments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, ImageContent),
        ("a.wav", WAV, AudioContent),
        ("a.pdf", PDF, DocumentContent),
        ("a.csv", b"a,b", DocumentContent),
    ],
)
def test_an_attachment_by_path_is_what_the_file_is(name: str, data: bytes, kind: type, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for given in (path, str(path)):
        block = attachment(given)
        assert type(block) is kind
        assert getattr(block, "data", None) == data


def test_an_attached_document_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    block = attachment(path)
    assert isinstance(block, DocumentContent)
    assert block.name == "report.pdf"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://example.com/a.png", ImageContent),
        ("https://example.com/picture", ImageContent),
        ("http://example.com/a.mp3?x=1", AudioContent),
        ("https://example.com/a.pdf", DocumentContent),
    ],
)
def test_an_attachment_by_url_is_told_by_its_path_and_taken_for_an_image_else(url: str, kind: type) -> None:
    block = attachment(url)
    assert type(block) is kind
    assert getattr(block, "url", None) == url


@pytest.mark.parametrize(("data", "kind"), [(PNG, ImageContent), (WAV, AudioContent), (PDF, DocumentContent)])
def test_an_attachment_by_bytes_or_data_url_is_told_by_its_bytes(data: bytes, kind: type) -> None:
    by_url = attachment(f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}")
    assert attachment(data) == by_url
    assert type(by_url) is kind


def test_a_block_is_its_own_attachment() -> None:
    block = TextContent("x")
    assert attachment(block) is block


def test_a_missing_attachment_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no such file to attach: 'holiday.png'"):
        attachment("holiday.png")


def test_a_directory_is_no_attachment(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file to attach"):
        attachment(tmp_path)


def test_a_file_of_an_unknown_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.xyz123"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match=r"cannot tell what '.*data\.xyz123' is \(unknown type\); pass ImageContent"):
        attachment(path)


def test_a_url_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"cannot tell what 'https://example.com/a.zip' is \(application/zip\)"):
        attachment("https://example.com/a.zip")


@pytest.mark.parametrize("value", [b"\x00\x01\x02", "data:application/zip;base64,AAEC"])
def test_bytes_of_an_unknown_kind_are_counted_not_shown(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot tell what 3 bytes is"):
        attachment(value)


@pytest.mark.parametrize("value", [7, None, ["a.png"]])
def test_what_cannot_be_attached_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match=f"got {type(value).__name__}"):
        attachment(value)


def test_a_string_among_blocks_is_text_not_a_path() -> None:
    assert blocks_of(["a.png", ImageContent(data=PNG)]) == (TextContent("a.png"), ImageContent(data=PNG))
    assert blocks_of("") == ()


def test_a_message_takes_attachments_behind_its_text() -> None:
    message = Message.user("Look", attachments=[PNG, "https://example.com/a.pdf"])
    assert [type(block) for block in message.blocks] == [TextContent, ImageContent, DocumentContent]
    assert message.text == "Look"


# --- video ------------------------------------------------------------------------------------------------------------


def test_a_video_is_told_by_its_bytes_its_url_or_youtubes_name(tmp_path: Path) -> None:
    path = tmp_path / "film.bin"
    path.write_bytes(MP4)
    assert attachment(path) == VideoContent(data=MP4, media_type="video/mp4")
    assert attachment("https://example.com/a.webm") == VideoContent(
        url="https://example.com/a.webm", media_type="video/webm"
    )
    assert attachment("https://youtu.be/lCdaVNyHtjU") == VideoContent(url="https://youtu.be/lCdaVNyHtjU")
    assert attachment("https://www.youtube.com/watch?v=lCdaVNyHtjU").media_type is None


def test_the_name_of_an_audio_format_is_told_without_its_parameters() -> None:
    assert AudioContent(data=b"\x00", media_type="audio/L16;codec=pcm;rate=24000").format == "L16"
    assert AudioContent(data=WAV).format == "wav"


# --- who may name a file ----------------------------------------------------------------------------------------------


def test_what_a_model_or_a_json_text_says_reads_no_file(tmp_path: Path) -> None:
    """A file is read where the caller names it: as an attachment, or as a Path."""
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-in-a-file")
    call = ToolCall("c1", "look", {})
    picture = ImageContent(data=b"\x89PNG\r\n\x1a\n")
    for place in (str(secret), secret.as_uri()):
        told: list[Any] = [
            messages_of([{"role": "user", "content": place}], ()),
            messages_of([{"role": "user", "content": [place]}], ()),
            messages_of([{"role": "tool", "content": [place], "tool_call_id": "c1"}], ()),
            *(
                success(call, value)
                for value in (place, [place], {"file": place}, secret, [secret, picture], (place, picture))
            ),
            ImageContent(url=place),
        ]
        assert "canary" not in repr(told)
    for item in ({"type": "image_url", "image_url": {"url": secret.as_uri()}}, {"type": "file", "path": str(secret)}):
        with pytest.raises(TypeError, match="an attachment is a path, a URL, bytes or a content block, got dict"):
            messages_of([{"role": "user", "content": [item]}], ())
    with pytest.raises(FileNotFoundError):
        messages_of("hi", secret.as_uri())
    assert "canary" in repr(messages_of("hi", str(secret))[0].content[1].text)  # type: ignore[union-attr]
