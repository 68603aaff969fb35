"""What the design promises about the code itself: arrows, imports, sizes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_paths import REPOSITORY

PACKAGE = REPOSITORY / "wsi_haloae"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST, LONGEST_RUN = 350, 130
HEAVY = {"torch", "torchvision", "zarr", "dask", "skimage", "scipy", "sklearn", "matplotlib", "starlette", "uvicorn"}

HELP = """
import contextlib, io, json, sys
from wsi_haloae.cli.main import cli, run
told, loaded = {}, {}
for arguments in (["--help"], *([name, "--help"] for name in sorted(cli.commands))):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run(arguments)
    name = " ".join(arguments)
    told[name] = [code, out.getvalue()]
    loaded[name] = sorted({module.partition(".")[0] for module in sys.modules})
print(json.dumps([sorted(cli.commands), told, loaded]))
"""

WRONG = (
    ["score", "slides/*.svs", "--model", "README.md", "-o", "out"],
    ["train-tiles", "tiles", "-o", "m.safetensors", "--set", "training.stepz=1"],
    ["mvtec", "-o", "out"],
    ["mvtec", "pipelines", "--all", "-o", "out"],
)
REFUSE = f"""
import sys
from wsi_haloae.cli.main import run
for arguments in {WRONG}:
    assert run(arguments) == 2, arguments
    assert "torch" not in sys.modules, arguments
"""


@pytest.fixture(scope="module")
def help_pages() -> tuple[list[str], dict[str, tuple[int, str]], dict[str, list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", HELP], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120
    )
    commands, told, loaded = json.loads(done.stdout)
    return commands, told, loaded


def imports_of(path: Path) -> set[str]:
    """Names of the packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_help_is_told_for_every_command(
    help_pages: tuple[list[str], dict[str, tuple[int, str]], dict[str, list[str]]],
) -> None:
    commands, told, _ = help_pages
    assert {"info", "tile", "train-tiles", "score", "mvtec", "demo"} <= set(commands)
    for name, (code, text) in told.items():
        assert code == 0, name
        assert text.startswith("Usage: wsi-haloae"), name


def test_help_loads_nothing_heavy(
    help_pages: tuple[list[str], dict[str, tuple[int, str]], dict[str, list[str]]],
) -> None:
    _, _, loaded = help_pages
    assert all("click" in modules for modules in loaded.values())
    for name, modules in loaded.items():
        heavy = {
            "torch",
            "torchvision",
            "zarr",
            "dask",
            "skimage",
            "scipy",
            "sklearn",
            "matplotlib",
            "starlette",
            "uvicorn",
        }
        heavy &= set(modules)
        assert not heavy, f"{name} loads {heavy}"


def test_contradicting_options_are_refused_before_torch_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSE], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error:") == len(WRONG)


def test_openslide_is_imported_beside_the_slides_alone() -> None:
    assert [path.name for path in MODULES if "openslide" in imports_of(path)] == [
        "deep_zoom.py",
        "openslide_slide.py",
        "probe_child.py",
    ]


def test_zarr_is_imported_by_the_stores_and_the_ome_zarr_export_alone() -> None:
    allowed = {"stores", "ome_zarr.py"}
    strangers = [p for p in MODULES if "zarr" in imports_of(p) and not allowed & {p.parent.name, p.name}]
    assert not strangers


def test_click_is_imported_by_the_command_line_alone() -> None:
    assert {path.parent.name for path in MODULES if "click" in imports_of(path)} == {"cli"}


def writes_of(path: Path) -> list[str]:
    """Calls in a module that write a file by its name, but for what `atomic` gave as ``partial``."""
    found = []
    for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        texts = [given.value for given in call.args if isinstance(given, ast.Constant) and isinstance(given.value, str)]
        texts += [
            each.value.value for each in call.keywords if each.arg == "mode" and isinstance(each.value, ast.Constant)
        ]
        opens = name == "open" and any(text[:1] in set("wax") or "+" in text for text in texts)
        by_name = owner and name in {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "rename"}
        by_system = f"{owner}.{name}" in {"os.open", "os.replace", "os.rename", "os.link", "tempfile.mkstemp"}
        if (opens or by_name or by_system or owner == "shutil") and owner != "partial":
            found.append(ast.unparse(call))
    return found


def test_every_file_is_written_through_the_one_place() -> None:
    """Or it would follow a link that somebody planted, and be half a file after a crash."""
    assert len(writes_of(PACKAGE / "atomic.py")) > 6, "it finds them"
    modules = (*MODULES, *(REPOSITORY / "pipelines").glob("*.py"))
    found = {str(path.relative_to(REPOSITORY)): writes_of(path) for path in modules if path.name != "atomic.py"}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_a_command_is_read_on_two_screens_or_so() -> None:
    lengths = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES if p.parent.name == "runs"}
    assert lengths
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_RUN}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
