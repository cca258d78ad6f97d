"""The README's commands exist, with the flags it names."""

import re
import subprocess
import sys
from pathlib import Path

import run_live

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text().replace("\\\n", "")  # long commands go on
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    ")]


def test_first_command_runs_the_app_and_the_second_the_tests() -> None:
    first, second = [line for line in COMMANDS if "venv" in line][:2]
    assert first.endswith(".venv/bin/python run_live.py")
    assert second.endswith(".venv/bin/python -m pytest")


def test_flags_of_the_app_exist() -> None:
    for line in COMMANDS:
        words = line.split("#")[0].split()
        if "run_live.py" in words[1:]:
            run_live.parser().parse_args(words[words.index("run_live.py") + 1 :])


def test_modules_named_can_be_run() -> None:
    named = set(re.findall(r"python -m ([a-z_.]+)", README)) - {"pytest", "venv"}
    assert {"realtime.benchmark", "reenact.talking_heads", "reenact.train", "export"} <= named
    for module in named:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_flags_of_the_modules_exist() -> None:
    for line in COMMANDS:
        for module in re.findall(r"python -m ((?:reenact|export|engines|realtime)[a-z_.]*)", line):
            path = ROOT / module.replace(".", "/")
            files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
            code = "".join(file.read_text() for file in files)
            for flag in set(re.findall(r"--[a-z-]+", line)) - {"--help"}:
                assert f'"{flag}"' in code, f"{module} has no {flag}"


def test_pictures_and_documents_linked_exist() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)|`(docs/[a-z_]+\.md)`", README)
    for pair in linked:
        assert (ROOT / (pair[0] or pair[1])).exists()


def test_help_needs_nothing_installed_but_the_base() -> None:
    text = subprocess.run(
        [sys.executable, "run_live.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "--every-frame" in text and "demo" in text
