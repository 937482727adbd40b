"""The command `alexnet`: commands are imported when they are called, errors become one sentence and an exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from ..errors import AlexNetError, Interrupted, StorageError, Terminated, nearest

COMMANDS = {
    "demo": "Train on the sample that ships inside, evaluate, predict: the whole tour.",
    "train": "Train a net on a known data set or a folder of pictures.",
    "evaluate": "Count how often a run is right, picture by picture.",
    "predict": "Say what pictures show.",
    "models": "List the nets, or one net layer by layer.",
    "data": "List the known data sets, or what one or a folder holds.",
    "bench": "Measure the speed beside the plain way of today.",
    "doctor": "Show versions, device, precision, caches and disk.",
}
"""Every command with its line in `--help`; its code is `alexnet.cli.<name>.command`."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that `--help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = __import__(f"alexnet.cli.{cmd_name}", fromlist=["command"])
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no command «{args[0]}». {nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"alexnet {version('alexnet')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="The version."
)
def group() -> None:
    """Every AlexNet, exactly: train, evaluate and use them on your own pictures.

    Begin with `alexnet demo`, or: alexnet train FOLDER
    """


def _one_line(text: str) -> str:
    """Text without line breaks or control characters, which names of files and classes may bring along."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def report_error(error: AlexNetError, as_json: bool) -> None:
    """One error on standard error, for people or for machines."""
    if as_json:
        click.echo(json.dumps({"error": error.message, "kind": error.kind, "hint": error.hint}), err=True)
        return
    click.echo(f"alexnet: {_one_line(error.message)}", err=True)
    if error.hint:
        click.echo(f"  {_one_line(error.hint)}", err=True)


def _usage_error(error: click.ClickException) -> AlexNetError:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    result = AlexNetError(message, f"See: {ctx.command_path if ctx else 'alexnet'} --help")
    result.kind, result.exit_code = "config", error.exit_code
    return result


def _stopped(error: BaseException) -> Interrupted:
    number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    return Interrupted("Stopped before there was anything to save.", "", number)


def _output_error(error: OSError) -> AlexNetError:
    return StorageError(f"Standard output cannot be written: {error.strerror}.", "Make room, or print elsewhere.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    A bug of ours is not caught: Python prints its traceback and leaves with 1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = group.main(args=arguments, prog_name="alexnet", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except AlexNetError as error:
        found = error
    except click.ClickException as error:
        found = _usage_error(error)
    except (KeyboardInterrupt, click.Abort) as error:
        found = _stopped(error.__context__ if isinstance(error, click.Abort) and error.__context__ else error)
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        found = _output_error(error)
    report_error(found, "--json" in arguments)
    return found.exit_code


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def run() -> None:
    """The console script. SIGTERM unwinds like Ctrl-C, so that nothing half-written stays."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())
