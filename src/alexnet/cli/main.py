"""The command `alexnet`: commands are imported when they are called, errors become one sentence and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from ..errors import AlexNetError, nearest

COMMANDS = {
    "demo": "Train on the sample that ships inside, evaluate, predict: the whole tour.",
    "train": "Train a net on a known data set or a folder of pictures.",
    "evaluate": "Count how often a run is right, picture by picture.",
    "predict": "Say what pictures show.",
    "models": "List the nets, or one net layer by layer.",
    "data": "List the known data sets, or what one or a folder holds.",
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


def report_error(error: AlexNetError, as_json: bool) -> None:
    """One error on standard error, for people or for machines."""
    if as_json:
        click.echo(json.dumps({"error": error.message, "kind": error.kind, "hint": error.hint}), err=True)
        return
    click.echo(f"alexnet: {error.message}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def _usage_error(error: click.ClickException) -> AlexNetError:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    result = AlexNetError(message, f"See: {ctx.command_path if ctx else 'alexnet'} --help")
    result.kind, result.exit_code = "config", error.exit_code
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    A bug of ours is not caught: Python prints its traceback and leaves with 1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        code = group.main(args=arguments, prog_name="alexnet", standalone_mode=False)
    except AlexNetError as error:
        report_error(error, as_json)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        report_error(_usage_error(error), as_json)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("alexnet: stopped before there was anything to save.", err=True)
        return 130
    return code if isinstance(code, int) else 0


def run() -> None:
    """The console script."""
    sys.exit(main())
