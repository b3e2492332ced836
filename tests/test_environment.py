import platform

import pytest
import torch

from microtutor import __version__, environment, report_environment
from microtutor.environment import find_device


def there_is(monkeypatch, *kinds):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)


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
    with pytest.raises(ValueError, match=r"device .* is not to be had here; use device='auto' or 'cpu' \(in Colab: "):
        find_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "CUDA", None, 1.5])
def test_unknown_devices(name):
    with pytest.raises(ValueError, match=rf"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {name!r}"):
        find_device(name)


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
