"""Write the list of scoring rules in docs/scoring.md anew from their table: ``python docs/list_rules.py``."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.config import AUTO, CUSTOM, RULES, Rule, ScoringConfig, candidates, rule_words

PAGE = Path(__file__).with_name("scoring.md")
BEGIN, END = "<!-- rules: written by docs/list_rules.py -->\n", "<!-- end of rules -->\n"


def rule_list() -> str:
    """A Markdown table, a row per rule in the order of the stores' columns."""
    asked = " or ".join(f"`{name}`" for name in candidates())
    lines = [
        "| `scoring.rule` | the score of a tile | learned from | labelled images |",
        "|---|---|---|---|",
        f"| `{AUTO}` | {asked}, as the training finds (above) | | |",
        *(f"| `{name}` | {_words(rule)} | {_learned(rule)} | {_images(rule)} |" for name, rule in RULES.items()),
    ]
    return "\n".join(lines) + "\n"


def with_rule_list(page: str) -> str:
    """The page with the list of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + rule_list() + END + rest.partition(END)[2]


def _words(rule: Rule) -> str:
    words = rule_words(ScoringConfig(rule=rule.name)).replace("|", "\\|")
    return f"made up by the settings below; by default the {words}" if rule.name == CUSTOM else words


def _learned(rule: Rule) -> str:
    return f"{rule.taught_by} tiles" if rule.taught_by else ""


def _images(rule: Rule) -> str:
    return "yes" if rule.for_images else ""


if __name__ == "__main__":
    PAGE.write_text(with_rule_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
