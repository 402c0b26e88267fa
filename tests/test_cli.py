"""The command line as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenstick import RESEARCH_USE
from greenstick.cli import app


def greenstick(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "greenstick", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, greenstick.cli; print(*{m.split('.')[0] for m in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numpy", "polars", "lightning", "openvino", "matplotlib", "PIL", "pydantic"}
    assert not heavy & set(run.stdout.split())


VERBS = [
    ("demo",),
    ("phantom",),
    ("cohort", "import"),
    ("cohort", "audit"),
    ("cohort", "split"),
    ("cohort", "show"),
    ("experiment", "new"),
    ("experiment", "protocols"),
    ("experiment", "run"),
    ("evaluate",),
    ("evaluate", "boxes"),
    ("detector", "train"),
    ("detector", "find"),
    ("detector", "calibrate"),
    ("detector", "fuse"),
    ("compare",),
    ("readers",),
    ("read",),
    ("export",),
    ("report",),
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(verb: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert "Example: greenstick " + " ".join(verb) in " ".join(result.output.split())


def test_version_says_research_use() -> None:
    assert RESEARCH_USE in greenstick("--version").stdout


def test_wrong_usage_exits_with_2() -> None:
    assert greenstick("cohort", "show").returncode == 2
    assert greenstick("no-such-verb").returncode == 2


def test_what_is_refused_is_one_line_with_its_remedy(tmp_path: Path) -> None:
    run = greenstick("cohort", "show", "absent.parquet", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("greenstick: There is no cohort absent.parquet.")
    assert "greenstick cohort import" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_whole_path_on_drawn_radiographs(tmp_path: Path) -> None:
    drawn = greenstick("phantom", "-n", "24", "-o", "drawn", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    shown = greenstick("cohort", "show", "drawn/cohort.parquet", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["images"] == 24
    again = greenstick("phantom", "-n", "24", "-o", "drawn", cwd=tmp_path)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr


def test_anybodys_scores_are_judged_and_compared(tmp_path: Path) -> None:
    bones = ("ulna", "tibia", "rib")
    rows = [f"{i},{i % 2},{(i % 7) / 10 + 0.3 * (i % 2)},{bones[i % 3]}" for i in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["image,truth,confidence,bone", *rows]))
    weaker = [f"{i},{i % 2},{(i % 11) / 12}" for i in range(60)]
    (tmp_path / "b.csv").write_text("\n".join(["image,truth,confidence", *weaker]))
    columns = ("--column", "label=truth", "--column", "score=confidence")
    judged = greenstick("evaluate", "a.csv", "-o", "out", *columns, "--json", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    auroc = json.loads(judged.stdout)["discrimination"][0]
    assert (auroc["name"], auroc["n_images"]) == ("AUROC", 60)
    assert (tmp_path / "out" / "report.html").is_file()
    parts = greenstick(
        "evaluate", "a.csv", "-o", "parts", *columns, "--subgroup", "bone", cwd=tmp_path
    )
    assert parts.returncode == 0, parts.stderr
    assert "bone ulna" in parts.stdout
    compared = greenstick("compare", "a.csv", "b.csv", "-o", "two", *columns, cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "AUROC" in compared.stdout
    assert (tmp_path / "two" / "report.html").is_file()
    nameless = greenstick("compare", "a.csv", "b.csv", "-o", "two", *columns[:2], cwd=tmp_path)
    assert "a.csv: The scores have no column 'score'" in nameless.stderr
    unchosen = greenstick("evaluate", "a.csv", "-o", "out", *columns, "--target", "1", cwd=tmp_path)
    assert unchosen.returncode == 2
    assert "--choose-on" in unchosen.stderr
    taken = greenstick("compare", "a.csv", "b.csv", "-o", "out", *columns, cwd=tmp_path)
    assert taken.returncode == 1
    assert "another folder" in taken.stderr
    refused = greenstick("evaluate", "a.csv", "-o", "out", cwd=tmp_path)
    assert refused.returncode == 1
    assert "truth" in refused.stderr


def test_a_reader_study_is_judged(tmp_path: Path) -> None:
    ratings = [
        f"{i},{i % 2},{reader},{modality},{int((i * step) % 10 < 3 + 5 * (i % 2))}"
        for modality, step in (("alone", 3), ("with AI", 7))
        for reader in ("ann", "bob")
        for i in range(40)
    ]
    (tmp_path / "r.csv").write_text("\n".join(["case,label,reader,modality,score", *ratings]))
    judged = greenstick("readers", "r.csv", "-o", "out", "--json", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    study = json.loads((tmp_path / "out" / "readers.json").read_text())
    assert study == json.loads(judged.stdout)
    assert (tmp_path / "out" / "report.html").is_file()
    assert (study["readers"], study["modalities"]) == (["ann", "bob"], ["alone", "with AI"])
    printed = greenstick("readers", "r.csv", "-o", "out", cwd=tmp_path)
    assert "Cohen's kappa" in printed.stdout
    assert RESEARCH_USE in printed.stdout


def test_scores_of_several_classes_are_judged(tmp_path: Path) -> None:
    rows = [f"{i},{'abc'[i % 3]},{i % 3 == 0:d},{(i * 7 % 10) / 10},0.4" for i in range(60)]
    table = "\n".join(["image,label,score_a,score_b,score_c", *rows])
    (tmp_path / "kinds.csv").write_text(table)
    judged = greenstick("evaluate", "kinds.csv", "-o", "out", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    assert "AUROC macro" in judged.stdout
    classes = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert classes["by_class"]["a"]["discrimination"][0]["value"] == 1.0
    assert sum(map(sum, classes["confusion"]["counts"])) == 60
    assert (tmp_path / "out" / "report.html").is_file()


def test_rows_are_chosen_and_pooled_by_patient(tmp_path: Path) -> None:
    rows = [
        f"{i},{i // 2},{int(i // 2 % 3 == 0)},{(i * 7 % 20) / 20},{'test' if i < 80 else 'valid'}"
        for i in range(120)
    ]
    (tmp_path / "s.csv").write_text("\n".join(["image,patient,label,score,split", *rows]))
    mixed = greenstick("evaluate", "s.csv", "-o", "out", cwd=tmp_path)
    assert mixed.returncode == 1
    assert "--where split=test" in mixed.stderr
    words = ("--where", "split=valid", "--pool", "max", "--specificities", "0.8", "1", "--json")
    judged = greenstick("evaluate", "s.csv", "-o", "out", *words, cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    chosen = ("--where", "split=test", "--choose-on", "split=valid", "--rule", "f1", "--json")
    at_point = greenstick("evaluate", "s.csv", "-o", "out", *chosen, cwd=tmp_path)
    point = json.loads(at_point.stdout)["operating_point"]
    assert (point["chosen_on"], point["rule"], point["n"]) == ("valid", "f1", 40)
    models = [f"{row},{m}" for row in rows for m in "ab"]
    other = [row.replace("0.", "0.0", 1) if row.endswith("b") else row for row in models]
    (tmp_path / "s.csv").write_text("\n".join(["image,patient,label,score,split,model", *other]))
    of_one = greenstick(
        "evaluate", "s.csv", "-o", "out", *chosen, "--where", "model=a", cwd=tmp_path
    )
    assert json.loads(of_one.stdout)["operating_point"] == point
    evidence = json.loads(judged.stdout)
    assert (evidence["rows"], evidence["n_images"], evidence["n_patients"]) == ("valid", 20, 20)
    assert "partial AUROC (specificity 0.80 to 1.00)" in {
        e["name"] for e in evidence["discrimination"]
    }
