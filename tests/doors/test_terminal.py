"""The command as a person uses it: right, wrong, and for machines."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import alexnet
from alexnet.cli.main import COMMANDS, main
from alexnet.spec import VARIANTS

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("tiny_net")
FAST = ("--set", "training.batch_size=16", "--image-size", "28", "--lr", "0.05", "--precision", "fp32")


@pytest.fixture(scope="module")
def run(shapes: Path, tiny_net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, made through the terminal."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    assert main(["train", str(shapes), "--model", "tiny", "--epochs", "2", *FAST, "--run", str(folder)]) == 0
    return folder


@pytest.fixture
def held_out(shapes: Path) -> list[str]:
    """Pictures that were not trained on, one of each class."""
    return [str(next((shapes / "val" / kind).iterdir())) for kind in ("circle", "cross", "square")]


def ask(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command."""
    capsys.readouterr()
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_models_as_json_is_the_table(capsys: Capture) -> None:
    code, out, _ = ask(capsys, "models", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["name"] for row in rows] == list(VARIANTS)
    assert {row["name"]: row["parameters"] for row in rows}["paper"] == 60_965_224
    assert {row["name"]: row["macs"] for row in rows}["keras"] == 32_243_552
    assert all(set(row) == {"name", "parameters", "macs", "input", "classes", "source"} for row in rows)


def test_one_model_layer_by_layer(capsys: Capture) -> None:
    code, out, _ = ask(capsys, "models", "paper", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["layers"][0] == {
        "name": "conv1",
        "type": "Conv",
        "output": [96, 55, 55],
        "parameters": 34_944,
        "macs": 105_415_200,
        "receptive_field": 11,
    }
    assert sum(layer["parameters"] for layer in facts["layers"]) == facts["parameters"]
    code, out, _ = ask(capsys, "models", "paper")
    assert code == 0
    assert "96 × 55 × 55" in out
    assert "60,965,224" in out


def test_train_as_json_prints_one_object(shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["train", str(shapes), "--model", "tiny", "--epochs", "1", *FAST, "--run", str(tmp_path / "run")]
    code, out, _ = ask(capsys, *arguments, "--json")
    assert code == 0
    assert set(json.loads(out)) == {"run", "epochs", "steps", "top1", "top5", "loss", "seconds"}


def test_evaluate_agrees_with_training(run: Path, capsys: Capture) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    code, out, _ = ask(capsys, "evaluate", str(run), "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts == {**{key: metrics[key] for key in ("n", "top1", "top5", "loss")}, "views": 1}
    folder = next((run / "evaluations").iterdir())
    assert {path.name for path in folder.iterdir()} >= {"confusion.png", "per_class.csv", "predictions.csv"}
    assert (folder / "predictions.csv").read_text() == (run / "predictions.csv").read_text()


def test_evaluate_on_a_folder_with_classes_in_another_order(run: Path, shapes: Path, tmp_path: Path) -> None:
    """A folder without splits is evaluated whole, and labels go by name: here without the first class."""
    for kind in ("cross", "square"):
        shutil.copytree(shapes / "val" / kind, tmp_path / "some" / kind)
    assert main(["evaluate", str(run), str(tmp_path / "some"), "--output", str(tmp_path / "out"), "--json"]) == 0
    with open(tmp_path / "out" / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert {row["truth"] for row in rows} == {"cross", "square"}
    with open(run / "predictions.csv", encoding="utf-8") as file:
        whole = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert all(row["guess"] == whole[Path(row["path"]).name]["guess"] for row in rows)


def test_evaluate_refuses_unknown_classes(run: Path, shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    for kind in ("cross", "moon"):
        shutil.copytree(shapes / "val" / "cross", tmp_path / kind)
    code, _, err = ask(capsys, "evaluate", str(run), str(tmp_path))
    assert code == 3
    assert "moon" in err


def test_ten_views_need_a_margin(run: Path, capsys: Capture) -> None:
    code, _, err = ask(capsys, "evaluate", str(run), "--views", "10")
    assert code == 2
    assert "larger" in err


def test_ten_views_of_a_net_with_a_margin(shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    margin = ("--set", "picture.resize=32", "--set", "augment.crop=random", "--set", "augment.flip=true")
    folder = str(tmp_path / "run")
    assert main(["train", str(shapes), "--model", "tiny", "--epochs", "1", *FAST, *margin, "--run", folder]) == 0
    code, out, _ = ask(capsys, "evaluate", folder, "--views", "10", "--json")
    assert code == 0
    assert json.loads(out)["views"] == 10
    assert json.loads(out)["n"] == 30


def test_predict_says_the_same_through_every_door(run: Path, held_out: list[str], capsys: Capture) -> None:
    code, out, _ = ask(capsys, "predict", str(run), *held_out, "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["path"] for line in lines] == held_out
    classifier = alexnet.load(run)
    for line in lines:
        guesses = classifier.predict(line["path"])
        assert [guess["index"] for guess in line["guesses"]] == [guess.index for guess in guesses]
        assert [guess["label"] for guess in line["guesses"]] == [guess.label for guess in guesses]
        # Several pictures are one product, whose sums may be taken in another order.
        expected = [guess.probability for guess in guesses]
        assert [guess["probability"] for guess in line["guesses"]] == pytest.approx(expected, abs=1e-6)
        assert sum(guess.probability for guess in guesses) == pytest.approx(1)
    code, out, _ = ask(capsys, "predict", str(run), held_out[0], "--top", "1")
    assert out.strip().endswith(f"{lines[0]['guesses'][0]['label']} {lines[0]['guesses'][0]['probability']:.1%}")


def test_predict_agrees_with_evaluate(run: Path, shapes: Path, capsys: Capture) -> None:
    """The packed cache and the single file lead to the same probabilities, alone or among others."""
    with open(run / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    _, out, _ = ask(capsys, "predict", str(run), *[str(shapes / row["path"]) for row in rows], "--top", "1", "--json")
    for row, line in zip(rows, map(json.loads, out.splitlines()), strict=True):
        assert line["guesses"][0]["label"] == row["guess"]
        assert line["guesses"][0]["probability"] == pytest.approx(float(row["probability"]), abs=1e-5)


def test_predict_folder_csv_figure_and_bad_files(run: Path, shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(shapes / "val" / "cross", mixed / "deep")
    (mixed / "text.jpg").write_text("no picture")
    table, figure = tmp_path / "out.csv", tmp_path / "out.png"
    code, out, err = ask(
        capsys, "predict", str(run), str(mixed), "--csv", str(table), "--figure", str(figure), "--top", "2"
    )
    assert code == 0
    assert len(out.splitlines()) == 10
    assert "text.jpg is not a picture" in err
    assert "1 of 11" in err
    with open(table, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 * 2 + 1
    assert rows[-1]["error"].startswith("is not a picture")
    with Image.open(figure) as drawn:
        assert drawn.width > 300


def test_predict_exits_3_if_nothing_could_be_read(run: Path, tmp_path: Path, capsys: Capture) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    code, out, err = ask(capsys, "predict", str(run), str(bad), "nowhere.jpg", "--json")
    assert code == 3
    lines = [json.loads(line) for line in out.splitlines()]
    assert [set(line) for line in lines] == [{"path", "error"}] * 2
    assert lines[1]["error"].startswith("cannot be read")
    assert json.loads(err.splitlines()[-1])["kind"] == "data"


def test_weights_file_alone_is_enough(run: Path, held_out: list[str], tmp_path: Path, capsys: Capture) -> None:
    alone = tmp_path / "net.safetensors"
    shutil.copy(run / "model.safetensors", alone)
    from_run, from_file = (ask(capsys, "predict", str(path), held_out[0], "--json")[1] for path in (run, alone))
    assert from_run == from_file


def test_data_as_json(shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    code, out, _ = ask(capsys, "data", str(shapes), "--json")
    assert code == 0
    facts = json.loads(out)
    assert {key: facts[key] for key in ("name", "classes", "splits", "damaged")} == {
        "name": str(shapes),
        "classes": ["circle", "cross", "square"],
        "splits": {"train": 90, "val": 30},
        "damaged": [],
    }
    shutil.copytree(shapes, tmp_path / "copy")
    (tmp_path / "copy/train/cross/bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    _, out, _ = ask(capsys, "data", str(tmp_path / "copy"), "--json")
    assert [item["path"] for item in json.loads(out)["damaged"]] == ["train/cross/bad.png"]
    code, out, _ = ask(capsys, "data")
    assert code == 0
    assert "fashion-mnist" in out


def test_doctor(capsys: Capture) -> None:
    code, out, _ = ask(capsys, "doctor", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["libraries"]["torch"]
    assert facts["free_bytes"]["here"] > 0
    assert ask(capsys, "doctor")[0] == 0


def make_wrong_folders(root: Path, shapes: Path) -> dict[str, Path]:
    """Folders that no run can be trained on."""
    folders = {name: root / name for name in ("empty", "flat", "texts", "single")}
    for folder in folders.values():
        folder.mkdir()
    shutil.copy(next((shapes / "val" / "cross").iterdir()), folders["flat"])
    for kind in ("cats", "dogs"):
        (folders["texts"] / kind).mkdir()
        (folders["texts"] / kind / "one.jpg").write_text("no picture")
    shutil.copytree(shapes / "val" / "cross", folders["single"] / "cross")
    return folders


WRONG: dict[str, tuple[Callable[[dict[str, Path], Path], list[str]], int, str]] = {
    "no data": (lambda f, r: ["train"], 2, "DATA is missing"),
    "misspelt command": (lambda f, r: ["trian"], 2, "train"),
    "misspelt model": (lambda f, r: ["train", "sample", "--model", "papper"], 2, "paper"),
    "misspelt model to list": (lambda f, r: ["models", "papper"], 2, "paper"),
    "misspelt data": (lambda f, r: ["train", "sampel"], 3, "sample"),
    "misspelt option": (lambda f, r: ["train", "sample", "--epoch", "1"], 2, "--epochs"),
    "misspelt setting": (lambda f, r: ["train", "sample", "--set", "optim.lrr=1"], 2, "lr"),
    "misspelt branch": (lambda f, r: ["train", "sample", "--set", "optin.lr=1"], 2, "optim"),
    "setting without value": (lambda f, r: ["train", "sample", "--set", "optim.lr"], 2, "path=value"),
    "value of a wrong kind": (lambda f, r: ["train", "sample", "--set", "optim.lr=fast"], 2, "number"),
    "no epochs": (lambda f, r: ["train", "sample", "--epochs", "0"], 2, "at least 1"),
    "negative rate": (lambda f, r: ["train", "sample", "--lr", "-1"], 2, "above 0"),
    "too small": (lambda f, r: ["train", "sample", "--model", "half", "--image-size", "62"], 2, "63"),
    "no such folder": (lambda f, r: ["train", "./nowhere"], 3, "nowhere"),
    "empty folder": (lambda f, r: ["train", str(f["empty"])], 3, "FOLDER/cats"),
    "no class folders": (lambda f, r: ["train", str(f["flat"])], 3, "FOLDER/cats"),
    "texts named .jpg": (lambda f, r: ["train", str(f["texts"])], 3, "one.jpg is not a picture"),
    "a single class": (lambda f, r: ["train", str(f["single"]), "--model", "half"], 3, "second class"),
    "no GPU": (lambda f, r: ["train", "sample", "--device", "cuda"], 2, "--device cpu"),
    "no run to predict with": (lambda f, r: ["predict", "runs/nothing", "a.jpg"], 4, "runs/nothing"),
    "no run in a folder": (lambda f, r: ["predict", str(f["empty"]), "a.jpg"], 4, "no run folder"),
    "no run to evaluate": (lambda f, r: ["evaluate", "runs/nothing"], 4, "runs/nothing"),
    "no run to resume": (lambda f, r: ["train", "--resume", "--run", "runs/nothing"], 4, "runs/nothing"),
    "no numbered run to resume": (lambda f, r: ["train", "sample", "--resume"], 4, "--run"),
    "existing run": (lambda f, r: ["train", "sample", "--run", str(r)], 7, "--resume"),
    "resume with another rate": (lambda f, r: ["train", "--resume", "--run", str(r), "--lr", "9"], 2, "optim.lr"),
    "data set by --set": (lambda f, r: ["train", "sample", "--set", "data.name=mnist"], 2, "DATA"),
    "no name at all": (lambda f, r: ["train", ""], 2, "DATA is missing"),
    "too large": (lambda f, r: ["train", "sample", "--model", "half", "--image-size", "99999"], 2, "--image-size"),
    "fewer epochs than done": (lambda f, r: ["train", "--resume", "--run", str(r), "--epochs", "1"], 2, "at least"),
    "misspelt setting of a run": (
        lambda f, r: ["train", "--resume", "--run", str(r), "--set", "optim.lrr=1"],
        2,
        "optim.lr",
    ),
    "no pictures in a folder": (lambda f, r: ["predict", str(r), str(f["empty"])], 3, "no pictures"),
    "damaged weights": (lambda f, r: ["predict", str(f["texts"] / "cats" / "one.jpg"), "a.jpg"], 4, "cut short"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_sentence_and_the_right_exit_code(
    name: str, run: Path, shapes: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, code, word = WRONG[name]
    typed = arguments(make_wrong_folders(tmp_path, shapes), run)
    found, out, err = ask(capsys, *typed)
    said = [line for line in err.splitlines() if line.startswith("alexnet: ")]
    assert found == code, err
    assert len(said) == 1, err
    assert word in err
    assert out == ""
    assert "Traceback" not in err
    found, out, err = ask(capsys, *typed, "--json")
    facts = json.loads(err.splitlines()[-1])
    assert found == code
    assert out == ""
    assert set(facts) == {"error", "kind", "hint"}
    assert list((tmp_path / "runs").glob("*")) == [], "nothing is left behind by wrong use"


def test_help_of_every_command(capsys: Capture) -> None:
    code, out, _ = ask(capsys, "--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = ask(capsys, name, "--help")
        assert code == 0
        assert out.startswith(f"Usage: alexnet {name}")


def test_a_real_process() -> None:
    found = subprocess.run([sys.executable, "-m", "alexnet", "--version"], capture_output=True, text=True, check=False)
    assert found.returncode == 0
    assert found.stdout.startswith("alexnet ")
    found = subprocess.run(
        [sys.executable, "-m", "alexnet", "models", "nix"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2


def test_classifier_ignores_batch_mates(run: Path, held_out: list[str]) -> None:
    classifier: Any = alexnet.load(run)
    alone = classifier.predict(held_out[0])
    among = list(classifier.predict_files(held_out))
    assert among[0].guesses == alone
