"""The house: light imports, who may write, documents that tell the truth."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import alexnet
from alexnet.cli.main import COMMANDS
from alexnet.config import RECIPES
from alexnet.spec import VARIANTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "alexnet"
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
HEAVY = ("torch", "numpy", "PIL", "matplotlib", "safetensors", "rich")


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh Python has imported after some code."""
    program = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import alexnet",
        "import alexnet.errors, alexnet.spec, alexnet.config, alexnet.runs",
        "from alexnet.cli.main import main; main(['--help'])",
        "from alexnet.cli.main import main; main(['models', '--json'])",
        *[f"from alexnet.cli.main import main; main(['{name}', '--help'])" for name in COMMANDS],
    ],
)
def test_light_things_import_nothing_heavy(code: str) -> None:
    assert loaded_after(code).isdisjoint(HEAVY)


def test_weights_need_no_torch() -> None:
    assert "torch" not in loaded_after("import alexnet.weights")


def test_every_public_name_exists() -> None:
    for name in alexnet.__all__:
        assert getattr(alexnet, name) is not None
    assert set(alexnet.__all__) <= set(dir(alexnet))
    with pytest.raises(AttributeError):
        alexnet.nothing  # noqa: B018  # the access is what is tested


def test_only_runs_writes_files() -> None:
    """Files are opened for writing in one room; elsewhere a crash could leave half a file."""
    writing = re.compile(
        r"\.write_(?:text|bytes)\(|open\([^)]*[\"'][wax]b?\+?[\"']"
        r"|\.save\((?!png)|savefig\((?!buffer)|os\.replace|copyfile"
    )
    found = {
        path.relative_to(PACKAGE).as_posix(): writing.findall(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    writers = {name: calls for name, calls in found.items() if calls and not name.startswith("runs/")}
    into_memory = {"weights/tensors.py": [".save("], "bench/material.py": [".save(", ".save("]}
    assert writers == into_memory, "these give bytes, or fill a buffer"
    assert found["runs/writing.py"]


def test_every_variant_has_a_recipe() -> None:
    assert list(RECIPES) == list(VARIANTS)
    assert len(VARIANTS) == 19


def test_links_between_documents_lead_somewhere() -> None:
    assert len(DOCUMENTS) >= 5
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name} → {target}"


def test_commands_in_documents_exist() -> None:
    """Every `alexnet …` in a code block parses: the command and its options exist."""
    import click

    from alexnet.cli.main import group

    seen = 0
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^(?:\$ )?alexnet (.+?)(?:\s+#.*)?$", text, re.M):
            words = [word for word in shlex.split(line) if word != "…"]
            if words[0].startswith("-"):
                continue
            assert words[0] in COMMANDS, f"{document.name}: alexnet {line}"
            command = group.get_command(click.Context(group), words[0])
            assert command is not None
            options = {name for parameter in command.params for name in parameter.opts}
            for word in words[1:]:
                if word.startswith("--") and word != "--help":
                    assert word in options, f"{document.name}: alexnet {line}"
            seen += 1
    assert seen >= 5


def test_the_map_in_the_tour_names_every_room() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    rooms = [path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert len(rooms) >= 10
    assert [room for room in rooms if f"{room}/" not in tour] == []


def test_no_source_file_is_hidden_by_an_ignore_rule() -> None:
    """An ignored file works here and is missing in every clone and wheel."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "src",
        "tests",
        "scripts",
    ]
    if not (ROOT / ".git").exists():  # an unpacked source archive
        command = ["true"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [name for name in found if "__pycache__" not in name and ".egg-info" not in name] == []
