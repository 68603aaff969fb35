"""``wsi-haloae config``."""

from __future__ import annotations

import click

from wsi_haloae.cli import options

WIDTH = 100


@click.group()
def config() -> None:
    """Show what --config and --set mean."""


@config.command()
@options.configuration
@click.option(
    "--for",
    "command",
    type=click.Choice(["train-tiles", "mvtec"]),
    default="train-tiles",
    show_default=True,
    help="Command whose own defaults lie below the presets.",
)
@click.option("--changed", is_flag=True, help="Show only settings that differ from the command's defaults.")
def show(configs: tuple[str, ...], settings: tuple[str, ...], command: str, changed: bool) -> None:
    """Print the configuration that --config and --set give, as YAML.

    Comments name the command's defaults that were changed. Saved to a file, it can be given to
    --config again.
    """
    from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, load_config
    from wsi_haloae.config.shown import shown

    base = SLIDE_BASE if command == "train-tiles" else MVTEC_BASE
    given = load_config(configs or "haloae", settings, base=base)
    options.say(shown(given, load_config(None, base=base), changed_only=changed))


@config.command()
@click.argument("key", required=False)
def explain(key: str | None) -> None:
    """Say what a setting means, of which type it is, and which values it may have.

    KEY is a setting, such as training.steps, or a section, such as training. Without it, all
    settings are listed with their defaults.
    """
    from wsi_haloae.config.settings import all_settings, settings_at

    if key is None:
        known = all_settings()
        width = max(len(one.key) for one in known)
        for one in known:
            options.say(f"{one.key:<{width}}  {one.default}")
        options.say("'wsi-haloae config explain KEY' says what a setting, or all of a section, means.")
        return
    for one in settings_at(key):
        facts = ", ".join(part for part in (one.type, one.bounds) if part)
        options.say(one.key)
        for text in (one.meaning, f"{facts}; default: {one.default}"):
            options.say(click.wrap_text(text, WIDTH, "  ", "  "))
