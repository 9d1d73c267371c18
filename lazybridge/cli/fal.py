"""`lazybridge fal`: an application of fal's through its queue, with a bar, and its files on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lazybridge.cli.exits import EPILOG, Exit
from lazybridge.cli.notes import complain, cost, note, plain_warnings, show_footer
from lazybridge.cli.record import print_json
from lazybridge.core.content import TextContent, attachment
from lazybridge.core.download import MAX_BYTES, save
from lazybridge.core.endpoints.fal import FalResult
from lazybridge.core.errors import LazyBridgeError, ProviderTimeoutError
from lazybridge.core.providers._fal_jobs import FalJob
from lazybridge.core.providers.fal import FalProvider
from lazybridge.progress import Progress


def _arguments(context: click.Context, parameter: click.Parameter, given: Iterable[str]) -> dict[str, Any]:
    """`key=value` pairs: JSON, else text; `@FILE` is the file itself."""
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'{pair!r}: write key=value, such as prompt="a cat"', context, parameter)
        try:
            found[name] = _file(value[1:]) if value.startswith("@") else json.loads(value)
        except (OSError, TypeError) as exc:
            raise click.BadParameter(str(exc), context, parameter) from None
        except ValueError:
            found[name] = value
    return found


def _file(path: str) -> str:
    block = attachment(Path(path))
    assert not isinstance(block, TextContent)  # a path never is
    return block.data_url


@click.command(epilog=EPILOG)
@click.argument("application")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...", callback=_arguments)
@click.option("--save", "path", type=click.Path(path_type=Path), metavar="PATH", help="Where to put the files.")
@click.option("--max-bytes", type=click.IntRange(min=1), default=MAX_BYTES, show_default=True, help="Of each file.")
@click.option("--private", is_flag=True, help="Save from this machine and private networks too.")
@click.option("--job", metavar="ID", help="Wait for a job that was begun before; nothing is begun.")
@click.option("--cancel", is_flag=True, help="With --job: stop it.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For the wait; the job goes on.")
@click.option("--json", "as_json", is_flag=True, help="The answer as it came, as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No bar, no line on the job, no footer.")
@click.pass_context
def command(
    ctx: click.Context, /, application: str, arguments: dict[str, Any], path: Path | None, max_bytes: int, private: bool,
    job: str | None, cancel: bool, timeout: float | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Run an APPLICATION of fal's, such as fal-ai/flux/dev, and print where its files are.

    \b
    A value is JSON, else text; @FILE sends a file:
      lazybridge fal fal-ai/birefnet/v2 image_url=@photo.png --save cut.png
    """
    if job and arguments:
        raise click.UsageError("a job that was begun takes no arguments")
    if cancel and not job:
        raise click.UsageError("--cancel needs --job ID")
    begun: FalJob | None = None
    try:
        with plain_warnings(), FalProvider() as fal:
            begun = fal.job(application, job) if job else fal.submit(application, arguments, timeout=timeout)
            if cancel:
                click.echo("cancelled" if begun.cancel(timeout=timeout) else "it had ended")
                ctx.exit(Exit.OK)
            if not quiet and not job:
                note(f"the job is {begun.request_id}")
            with _shown(quiet) as on_update:
                result = begun.wait(timeout, on_update=on_update)
        _print(result, path, as_json, max_bytes=max_bytes, private=private)
    except KeyboardInterrupt:
        _goes_on(begun)
        ctx.exit(Exit.STOPPED)
    except (LazyBridgeError, ValueError, OSError) as error:
        complain(error)
        if isinstance(error, ProviderTimeoutError):
            _goes_on(begun)
        ctx.exit(Exit.USAGE if isinstance(error, ValueError) and begun is None else Exit.FAILED)
    if not quiet:
        show_footer(f"{application} · {cost(result.cost_usd)}{_units(result)}")


@contextmanager
def _shown(quiet: bool) -> Iterator[Progress | None]:
    if quiet:
        yield None
        return
    with Progress() as shown:
        yield shown


def _print(result: FalResult, path: Path | None, as_json: bool, **limits: Any) -> None:
    files = (*result.images, *result.video, *result.audio, *result.files)
    saved = []
    if path is not None:
        for number, file in enumerate(files, 1):
            several = len(files) > 1 and not path.is_dir()
            place = path.with_stem(f"{path.stem}-{number}") if several else path
            saved.append(save(file, place, **limits))
    if as_json or not files:
        print_json(result.json)
    else:
        places = [file.url or f"{len(file.data or b''):,} bytes; write --save PATH" for file in files]
        for line in map(str, saved) if saved else places:
            click.echo(line)


def _goes_on(job: FalJob | None) -> None:
    if job is not None:
        note(f"the job goes on: lazybridge fal {job.application} --job {job.request_id}")


def _units(result: FalResult) -> str:
    units = result.billable_units
    return "" if units is None else f" · {units:g} unit{'' if units == 1 else 's'}"
