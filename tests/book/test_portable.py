"""Nothing assumes one system: package, tools, tests and chapters keep clear of what Windows or macOS do otherwise."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

import nbformat
import outline
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = outline.ROOT
READERS = sorted((ROOT / "microtutor").rglob("*.py"))  # what runs on the machines of readers
OURS = sorted(path for folder in ("tools", "tests", "benchmarks", "studies") for path in (ROOT / folder).rglob("*.py"))
UNIX_MODULES = {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
UNIX_FUNCTIONS = {
    "os": "fork forkpty geteuid getloadavg getpgid getuid killpg nice sched_getaffinity sync uname wait4 symlink",
    "signal": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 SIGXFSZ alarm pause setitimer",
    "time": "tzset",
}
ENCODED = {"read_text", "write_text"}  # and open, unless it opens bytes


def calls_without_encoding(tree):
    """Lines that read or write text in the letters of the system's language, cp1252 on most Windows machines."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(k.arg in ("encoding", None) for k in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ENCODED or (isinstance(node.func, ast.Name) and name == "open" and not opens_bytes(node)):
            yield node.lineno, f"{name}() without encoding="


def opens_bytes(call):
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)


def unix_only(tree):
    """Lines that use what Windows does not have, or does otherwise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module}
            for name in names & UNIX_MODULES:
                yield node.lineno, f"import {name}: not on Windows"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in UNIX_FUNCTIONS.get(node.value.id, "").split():
                yield node.lineno, f"{node.value.id}.{node.attr}: not on Windows"
            elif node.attr == "NamedTemporaryFile":
                yield node.lineno, "NamedTemporaryFile: Windows does not open it a second time"
            elif (node.value.id, node.attr) == ("os", "rename"):
                yield node.lineno, "os.rename: Windows refuses if the target is there; microtutor.files.replacing"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.match(r"/(tmp|dev|proc|usr|home|var)\b", node.value):
                yield node.lineno, f"{node.value!r}: no such folder on Windows"
        elif isinstance(node, ast.keyword) and node.arg == "num_workers":
            yield (
                node.value.lineno,
                "num_workers: processes start afresh on Windows and macOS, and run the script again",
            )
        elif isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", True):
            yield node.value.lineno, "shell=True: another shell on Windows"


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), path)


def name(path):
    return str(path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("open(path)", "open() without encoding="),
        ("open(path, 'w', newline='')", "open() without encoding="),
        ("path.read_text()", "read_text() without encoding="),
        ("(folder / 'a').write_text(text)", "write_text() without encoding="),
        ("import resource", "import resource: not on Windows"),
        ("from fcntl import flock", "import fcntl: not on Windows"),
        ("cores = len(os.sched_getaffinity(0))", "os.sched_getaffinity: not on Windows"),
        ("os.kill(process, signal.SIGKILL)", "signal.SIGKILL: not on Windows"),
        ("os.rename(a, b)", "os.rename: Windows refuses if the target is there; microtutor.files.replacing"),
        ("folder = Path('/tmp/runs')", "'/tmp/runs': no such folder on Windows"),
        ("DataLoader(images, num_workers=2)", "num_workers: processes start afresh on Windows and macOS"),
        ("subprocess.run(command, shell=True)", "shell=True: another shell on Windows"),
        ("tempfile.NamedTemporaryFile()", "NamedTemporaryFile: Windows does not open it a second time"),
    ],
)
def test_traps_are_seen(line, found):
    tree = ast.parse(line)
    ((number, said),) = {*calls_without_encoding(tree), *unix_only(tree)}
    assert number == 1
    assert said.startswith(found)


@pytest.mark.parametrize(
    "line",
    [
        "open(path, 'rb')",
        "open(path, mode='wb')",
        "open(path, encoding='utf-8')",
        "Image.open(path)",
        "path.read_text(encoding='utf-8')",
        "path.write_text(text, **options)",
        "signal.SIGINT",
        "os.replace(a, b)",
        "a = 'temporary/tmp'",
    ],
)
def test_what_runs_everywhere_is_let_pass(line):
    tree = ast.parse(line)
    assert not [*calls_without_encoding(tree), *unix_only(tree)]


@pytest.mark.parametrize("path", [*READERS, *OURS], ids=name)
def test_text_is_read_and_written_as_utf8(path):
    assert not [f"{name(path)}:{line}: {said}" for line, said in calls_without_encoding(parsed(path))]


@pytest.mark.parametrize("path", READERS, ids=name)
def test_the_package_runs_on_every_system(path):
    assert not [f"{name(path)}:{line}: {said}" for line, said in unix_only(parsed(path))]


@pytest.mark.parametrize("path", [path for path in OURS if path.is_relative_to(ROOT / "tests")], ids=name)
def test_tests_are_read_on_every_system(path):
    """What they do for one system only stands in functions, behind a mark that says so."""
    at_once = ast.Module([node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    assert not [f"{name(path)}:{line}: {said}" for line, said in unix_only(at_once)]


@pytest.mark.parametrize("path", outline.chapters(), ids=lambda path: path.stem)
def test_chapters_run_on_every_system(path):
    plain = TransformerManager().transform_cell
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code":
            tree = ast.parse(plain(cell.source))
            found = [said for _, said in (*calls_without_encoding(tree), *unix_only(tree))]
            assert not found, f"cell {i}: {found}"


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs a clone of the repository, and git")
    return [PurePosixPath(path) for path in listed.stdout.decode().split("\0") if path]


def test_file_names_can_be_checked_out_on_every_system(tracked):
    """No character, no name and no length that Windows refuses, and no two names that differ in capitals only."""
    for path in tracked:
        assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[ .](/|$)', str(path)), path
        assert not {part.split(".")[0].lower() for part in path.parts} & {"con", "prn", "aux", "nul"}, path
        assert len(str(path)) < 150, path
    counts = Counter(str(path).lower() for path in tracked)
    assert max(counts.values()) == 1, counts.most_common(1)


def test_line_ends_are_the_same_on_every_system():
    assert "* text=auto eol=lf" in (Path(ROOT) / ".gitattributes").read_text(encoding="utf-8").splitlines()
