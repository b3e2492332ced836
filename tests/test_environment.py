import platform
import shutil
import subprocess
from types import SimpleNamespace

import pytest
import torch

from microtutor import __version__, environment, report_environment
from microtutor.environment import choose_precision, find_device, find_precision


def there_is(monkeypatch, *kinds):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)


def there_is_a_gpu(monkeypatch, name, major, minor):
    """A CUDA device of a compute capability, as far as questions about it go; any of them can imitate bfloat16."""
    there_is(monkeypatch, "cuda")
    card = SimpleNamespace(name=name, major=major, minor=minor)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device=None: card)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: name)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)


def there_are_units(monkeypatch, units=True, library=True):
    there_is(monkeypatch)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: units)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: library)


@pytest.mark.parametrize(
    ("kinds", "wanted"), [([], "cpu"), (["cuda"], "cuda"), (["mps"], "mps"), (["cuda", "mps"], "cuda")]
)
def test_auto_takes_the_fastest(monkeypatch, kinds, wanted):
    there_is(monkeypatch, *kinds)
    assert find_device() == find_device("auto") == torch.device(wanted)


def test_devices_by_name(monkeypatch):
    there_is(monkeypatch, "cuda", "mps")
    for name in ("cpu", "cuda", "cuda:0", "mps"):
        assert find_device(name) == find_device(torch.device(name)) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "meta", torch.device("cuda")])
def test_devices_that_are_not_there(monkeypatch, name):
    there_is(monkeypatch)
    with pytest.raises(ValueError, match=r"device .* is not available here; use device='auto' or 'cpu' \(in Colab: "):
        find_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "CUDA", None, 1.5])
def test_unknown_devices(name):
    with pytest.raises(ValueError, match=rf"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {name!r}"):
        find_device(name)


# --- precision --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "major", "minor", "wanted", "reason"),
    [
        ("Tesla T4", 7, 5, "fp16", "Tesla T4 has no units for bfloat16"),
        ("Tesla V100", 7, 0, "fp16", "Tesla V100 has no units for bfloat16"),
        ("NVIDIA A100", 8, 0, "bf16", "NVIDIA A100 has units for bfloat16"),
        ("NVIDIA L4", 8, 9, "bf16", "NVIDIA L4 has units for bfloat16"),
        ("NVIDIA H100", 9, 0, "bf16", "NVIDIA H100 has units for bfloat16"),
    ],
)
def test_precision_of_gpus(monkeypatch, name, major, minor, wanted, reason):
    there_is_a_gpu(monkeypatch, name, major, minor)
    assert torch.cuda.is_bf16_supported()  # which is why this question does not do
    assert choose_precision() == choose_precision("cuda") == (wanted, reason)
    assert find_precision("auto", "cuda") == wanted
    assert report_environment(show=False)["precision"] == f'{wanted} (by "auto": {reason})'


@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize("library", [True, False])
def test_precision_of_processors(monkeypatch, units, library):
    there_are_units(monkeypatch, units, library)
    wanted, reason = choose_precision("cpu")
    assert wanted == find_precision("auto") == ("bf16" if units and library else "no")
    assert ("has no units" in reason) is (wanted == "no")
    assert report_environment(show=False)["precision"] == f'{wanted} (by "auto": {reason})'


def test_the_precision_is_that_of_the_device_asked_for(monkeypatch):
    there_are_units(monkeypatch, units=False)
    there_is_a_gpu(monkeypatch, "NVIDIA A100", 8, 0)
    assert (choose_precision("cpu")[0], choose_precision("cuda")[0]) == ("no", "bf16")


def test_precision_on_mps(monkeypatch):
    there_is(monkeypatch, "mps")
    assert choose_precision()[0] == find_precision("auto", "mps") == "no"
    assert find_precision("bf16", "mps") == "bf16"  # asked for, and without a warning: nobody has measured it


def test_a_precision_that_is_asked_for_is_taken(monkeypatch):
    there_are_units(monkeypatch)
    assert [find_precision(name, "cpu") for name in ("no", "bf16")] == ["no", "bf16"]
    there_is_a_gpu(monkeypatch, "NVIDIA A100", 8, 0)
    assert [find_precision(name, "cuda") for name in ("no", "bf16", "fp16")] == ["no", "bf16", "fp16"]
    there_is_a_gpu(monkeypatch, "Tesla T4", 7, 5)
    assert [find_precision(name, "cuda") for name in ("no", "fp16")] == ["no", "fp16"]


def test_imitated_bfloat16_is_warned_of(monkeypatch):
    there_are_units(monkeypatch, units=False)
    with pytest.warns(UserWarning, match=r"^precision='bf16' is slow here: this processor has no .* takes 'no'$"):
        assert find_precision("bf16", "cpu") == "bf16"
    there_is_a_gpu(monkeypatch, "Tesla T4", 7, 5)
    with pytest.warns(UserWarning, match=r"^precision='bf16' is slow here: Tesla T4 has no .* takes 'fp16'$"):
        assert find_precision("bf16", "cuda") == "bf16"


@pytest.mark.parametrize("units", [True, False])
def test_float16_needs_a_gpu(monkeypatch, units):
    there_are_units(monkeypatch, units)
    with pytest.raises(ValueError, match=r"^precision='fp16' needs a GPU; on the CPU use precision='bf16' or 'no'$"):
        find_precision("fp16", "cpu")


def test_a_precision_that_there_is_not():
    with pytest.raises(ValueError, match=r"^expected precision to be 'auto', 'no', 'bf16' or 'fp16', got 'bfloat16'$"):
        find_precision("bfloat16", "cpu")


@pytest.mark.gpu
def test_the_gpu_here_computes_in_the_precision_chosen_for_it():
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[choose_precision("cuda")[0]]
    with torch.autocast("cuda", dtype=dtype):
        made = torch.nn.Conv2d(4, 4, 3, device="cuda")(torch.rand(2, 4, 16, 16, device="cuda"))
    assert made.dtype == dtype
    assert bool(torch.isfinite(made).all())


# --- report -----------------------------------------------------------------------------------------------------------
def test_report(capsys, monkeypatch):
    there_is(monkeypatch)
    report = report_environment()
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == list(report)
    for key, value in report.items():
        assert f"{key:12} {value}" in printed
    assert report["microtutor"] == __version__
    assert report["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert report["python"] == platform.python_version()
    assert report["device"].startswith("cpu (")
    assert report["where"] == "local"
    assert report_environment(show=False) == report
    assert capsys.readouterr().out == ""


def test_report_of_a_missing_package(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "no-such-package"))
    assert report_environment(show=False)["no-such-package"] == "not installed"


def test_colab_without_a_gpu_is_told_where_to_find_one(monkeypatch, capsys):
    there_is(monkeypatch)
    monkeypatch.setitem(environment.sys.modules, "google.colab", object())
    assert report_environment()["where"] == "Colab"
    assert capsys.readouterr().out.endswith("run the notebook again from the top.\n")


@pytest.mark.parametrize("failure", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_the_commit_is_unknown(monkeypatch, failure):
    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(environment.subprocess, "run", fail)
    assert environment.current_commit() == "unknown"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_record_is_no_change_of_the_code(tmp_path, monkeypatch):
    code, record = tmp_path / "microtutor" / "environment.py", tmp_path / "microtutor" / "results" / "x.json"
    record.parent.mkdir(parents=True)
    code.write_text("", encoding="utf-8")
    for words in ("init", "add .", "-c user.name=a -c user.email=a@b commit -m first"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(environment, "__file__", str(code))
    commit = environment.current_commit()
    assert len(commit) == 12
    record.write_text("{}", encoding="utf-8")
    assert environment.current_commit() == commit
    code.write_text("1", encoding="utf-8")
    assert environment.current_commit() == f"{commit} with changes"
