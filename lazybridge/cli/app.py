"""The commands. Each is a shell around a module of its own, imported when the command runs."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

import lazybridge
from lazybridge.cli import inputs, interrupt
from lazybridge.cli.exits import EPILOG, Exit
from lazybridge.cli.notes import complain
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import TIERS

_NAME = "lazybridge"


# Commands that are the `command` of a module of their own.
_MODULES = ("check", "costs", "fal", "lock", "models", "price")


class PromptFirst(click.Group):
    """A group whose default command is `prompt`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands of this file and those with a module of their own."""
        return sorted({*super().list_commands(ctx), *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command; its module is imported when it is asked for."""
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        found: click.Command = importlib.import_module(f"lazybridge.cli.{cmd_name}").command
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of what is no command and no option of the group."""
        if not args and not ctx.resilient_parsing:
            args = ["--help"] if inputs.stdin_is_terminal() else ["prompt"]
        elif args and args[0] not in {*self.commands, *_MODULES} and args[0] not in ("-h", "--help", "--version"):
            args = ["prompt", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """End quietly where the reader of stdout has gone (`| head -1`)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_stdout()
            ctx.exit(Exit.BROKEN_PIPE)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the options of the default command as the group's own."""
        parameters = [*self.commands["prompt"].params, *self.get_params(ctx)]
        named = [item for item in parameters if isinstance(item, click.Option)]
        with formatter.section("Options"):
            formatter.write_dl([record for item in named if (record := item.get_help_record(ctx)) is not None])
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete options of the default command too."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            prompt = self.commands["prompt"]
            found += prompt.shell_complete(click.Context(prompt, info_name="prompt", parent=ctx), incomplete)
        return found


@click.group(
    cls=PromptFirst,
    epilog=EPILOG,
    subcommand_metavar="[PROMPT] | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(lazybridge.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Ask any model: lazybridge "prompt".

    The answer goes to stdout as it arrives, everything else to stderr. Text that is piped in is added to the prompt.
    Without -m the first vendor whose key is set answers, else the local model.
    """


@cli.command(epilog=EPILOG)
@click.argument("prompt", required=False)
@click.option(
    "-m", "--model", metavar="MODEL", shell_complete=inputs.model_ids, help="A model id, vendor/model or a provider."
)
@click.option("--tier", type=click.Choice(TIERS), help="The provider's model of this class.")
@click.option("--provider", metavar="NAME", help="Who answers, whatever the model id.")
@click.option("-s", "--system", metavar="TEXT", help="Instructions above the prompt.")
@click.option("-a", "--attach", metavar="FILE_OR_URL", multiple=True, help="Image, audio, PDF or text; repeatable.")
@click.option(
    "-o", "--option", "options", metavar="KEY=VALUE", multiple=True, callback=inputs.options,
    help="A keyword of Agent, such as temperature=0; repeatable.",
)  # fmt: skip
@click.option(
    "--schema", metavar="FILE_OR_JSON", callback=inputs.schema, help="A JSON schema; the answer is that JSON."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with answer, usage, cost and error.")
@click.option("--stream/--no-stream", default=True, help="Print the answer as it arrives, or when it is whole.")
@click.option("-q", "--quiet", is_flag=True, help="No footer, and no line on which model was taken.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For the whole call, over all attempts.")
@click.pass_context
def prompt(
    ctx: click.Context, /, prompt: str | None, options: dict[str, Any], attach: tuple[str, ...],
    schema: dict[str, Any] | None, as_json: bool, stream: bool, quiet: bool, **named: Any,
) -> None:  # fmt: skip
    """Ask a model (the default command)."""
    given = {name: value for name, value in named.items() if value is not None}
    twice = sorted(given.keys() & options.keys())
    if twice:
        raise click.UsageError(f"{twice[0]} is given twice: by --{twice[0]} and by -o")
    task = inputs.task(prompt, bool(attach))
    from lazybridge.cli.ask import Display, Question, ask

    question = Question(task, attach, {**options, **given}, schema)
    ctx.exit(ask(question, Display(as_json, stream, quiet)))


@cli.command()
@click.argument("model", shell_complete=inputs.model_ids)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def which(model: str, as_json: bool) -> None:
    """Show where a MODEL goes, and what it costs."""
    from lazybridge.cli import which
    from lazybridge.cli.record import print_json

    found = which.where(model)
    if as_json:
        print_json(which.as_json(found))
    else:
        click.echo(which.as_text(found))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, /, as_json: bool) -> None:
    """Show what is installed and set; exit code 1 where no provider can be used."""
    from lazybridge.cli import doctor
    from lazybridge.cli.record import print_json

    report = doctor.examine()
    if as_json:
        print_json(doctor.as_json(report))
    else:
        click.echo(doctor.as_text(report))
    ctx.exit(Exit.OK if report.ok else Exit.FAILED)


@cli.command()
@click.option("--force", is_flag=True, help="Download it again.")
def pull(force: bool) -> None:
    """Download the local model (98 MB) and print its path."""
    from lazybridge.core.providers.local import weights

    click.echo(weights.pull(force))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, _NAME, "_LAZYBRIDGE_COMPLETE").source())


def _discard_stdout() -> None:
    """What is still buffered would be flushed, and fail again, at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(args: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one message on stderr."""
    interrupt.once()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter must not end the answer
    try:
        result = cli.main(args, prog_name=_NAME, standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return Exit.STOPPED
    except ConfigurationError as exc:
        complain(exc)
        return Exit.USAGE
    except OSError as exc:  # stdout cannot be written: a full disk
        _discard_stdout()
        complain(exc)
        return Exit.FAILED
    return result if isinstance(result, int) else Exit.OK
