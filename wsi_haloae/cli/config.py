"""``wsi-haloae config``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsi_haloae.cli import options
from wsi_haloae.errors import UsageError

if TYPE_CHECKING:
    from wsi_haloae.config import Config
    from wsi_haloae.config.settings import Setting

WIDTH = 100
USUAL_PRESET = "haloae"
"""What the commands take without --config."""

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group()
def config() -> None:
    """Show what --config and --set mean."""


def _for_command(function: Function) -> Function:
    """``--for``."""
    return click.option(
        "--for",
        "command",
        type=click.Choice(["train-tiles", "mvtec"]),
        default="train-tiles",
        show_default=True,
        help="Command whose own defaults lie below the presets.",
    )(function)


@config.command()
@options.configuration
@_for_command
@click.option("--changed", is_flag=True, help="Show only settings that differ from the command's defaults.")
def show(configs: tuple[str, ...], settings: tuple[str, ...], command: str, changed: bool) -> None:
    """Print the configuration that --config and --set give, as YAML.

    Comments name the command's defaults that were changed. Saved to a file, it can be given to
    --config again.
    """
    from wsi_haloae.config.shown import shown

    given, defaults = _configurations(configs, settings, command)
    options.say(shown(given, defaults, changed_only=changed))


@config.command()
@click.argument("key", required=False)
@options.configuration
@_for_command
def explain(key: str | None, configs: tuple[str, ...], settings: tuple[str, ...], command: str) -> None:
    """Say what a setting means, of which type it is, which values it may have, and its default.

    KEY is a setting, such as training.steps, or a section, such as training. Without it, all
    settings are listed with their values. What --config and --set change is shown beside the
    default; without --config, what the usual preset, haloae, changes.
    """
    from wsi_haloae.config.settings import all_settings, values_of

    values = values_of(_configurations(configs, settings, command)[0])
    if key is None:
        known = all_settings()
        width = max(len(one.key) for one in known)
        for one in known:
            options.say(f"{one.key:<{width}}  {values.get(one.key, 'only with scoring.rule=custom')}")
        options.say("'wsi-haloae config explain KEY' says what a setting, or all of a section, means.")
        return
    source = " ".join(
        (*(f"--config {name}" for name in configs or (USUAL_PRESET,)), *(f"--set {one}" for one in settings))
    )
    for one in _settings_at(key):
        facts = ", ".join(part for part in (one.type, one.bounds) if part)
        default = one.mvtec if command == "mvtec" else one.default
        value = values.get(one.key, default)
        now = "" if value == default else f"; with {source}: {value}"
        options.say(one.key)
        for text in (one.meaning, f"{facts}; default: {one.default_words}{now}"):
            options.say(click.wrap_text(text, WIDTH, "  ", "  "))


def _settings_at(key: str) -> list[Setting]:
    """The settings of this key; the `UsageError` for another one names the option of that name, if there is one."""
    from wsi_haloae.config.settings import settings_at

    try:
        return settings_at(key)
    except UsageError:
        option = f"--{key.strip('-').replace('_', '-')}"
        group = click.get_current_context().find_root().command
        commands = group.commands.items() if isinstance(group, click.Group) else ()
        having = [name for name, one in commands if any(option in param.opts for param in one.params)]
        if not having:
            raise
        raise UsageError(f"{key}: no such setting, but an option of {', '.join(having)}: {option}.") from None


def _configurations(configs: tuple[str, ...], settings: tuple[str, ...], command: str) -> tuple[Config, Config]:
    """What the command would use, and its defaults below all presets."""
    from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, load_config

    base = SLIDE_BASE if command == "train-tiles" else MVTEC_BASE
    return load_config(configs or USUAL_PRESET, settings, base=base), load_config(None, base=base)
