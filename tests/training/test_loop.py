import csv
import hashlib
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import traceback
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils._python_dispatch import TorchDispatchMode

from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages, seeded_generator
from microtutor.models import VAE
from microtutor.statistics import canonical_form
from microtutor.training import CHECKPOINT, LOG, PRESETS, TrainingConfig, loop, read_log, train
from microtutor.training.images import RunImages
from microtutor.training.log import COLUMNS, write_csv

PACKAGE = Path(loop.__file__).parents[1]
TINY = TrainingConfig(
    size=32,
    channels=4,
    latent_dim=3,
    steps=7,
    batch_size=4,
    validate_every=3,
    validation_images=6,
    checkpoint_every=2,
    device="cpu",
)


@pytest.fixture(autouse=True)
def forget_accelerates_state():
    yield
    AcceleratorState._reset_state(True)


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Also where the tests run in the background, which starts them deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(folder, resume=False, **changes):
    return train(TINY.replace(**changes), folder, resume=resume, progress=False)


def weights(vae):
    return torch.cat([value.double().flatten() for value in vae.state_dict().values()])


def checkpoint(folder):
    return torch.load(folder / CHECKPOINT, weights_only=True)


def without_times(log):
    return {name: column for name, column in log.items() if name != "seconds"}


def after_steps(monkeypatch, step, action):
    """Do something once, in the middle of the optimisation of a step: weights changed, step not counted yet."""
    plain = loop._Run.train_step

    def train_step(self, images):
        terms = plain(self, images)
        if self.step + 1 == step:
            monkeypatch.setattr(loop._Run, "train_step", plain)
            action(self)
        return terms

    monkeypatch.setattr(loop._Run, "train_step", train_step)


def infinite(mean, log_variance):
    return mean.sum().abs() * torch.inf


# --- one run ----------------------------------------------------------------------------------------------------------
def test_a_run_writes_what_it_promises(tmp_path):
    vae = run(tmp_path / "new" / "run")
    names = {path.name for path in (tmp_path / "new" / "run").iterdir()}
    assert names - {"tensorboard", ".lock"} == {CHECKPOINT, LOG, "config.json", "model.safetensors", "training.json"}
    assert not vae.training
    assert vae.config["canonical"] is True
    assert torch.equal(weights(VAE.from_pretrained(tmp_path / "new" / "run")), weights(vae))
    state = checkpoint(tmp_path / "new" / "run")
    assert state["step"] == 7
    assert TrainingConfig(**state["config"]) == TINY


def test_log(tmp_path):
    run(tmp_path)
    with open(tmp_path / LOG, newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    log = read_log(tmp_path)
    assert tuple(log) == COLUMNS
    assert log["step"] == [3, 6, 7]
    assert log["images"] == [12, 24, 28]
    assert log["data_share"] == [TINY.data_share(step) for step in (2, 5, 6)]
    assert log["seconds"] == sorted(log["seconds"])
    for name in ("loss", "statistics_error", "kl", "validation_statistics_error"):
        assert all(math.isfinite(value) and value > 0 for value in log[name])


@pytest.mark.parametrize("encoder", ["compact", "resnet18"])  # whose batch norm must be in evaluation mode
def test_the_logged_validation_error_is_that_of_held_out_images(tmp_path, encoder):
    vae = run(tmp_path, encoder=encoder)
    held_out = LineImages(size=32).sample(6, split="validation").images
    error = StatisticsLoss()(vae.reconstruct(held_out), held_out).item()
    assert read_log(tmp_path)["validation_statistics_error"][-1] == pytest.approx(error, rel=1e-4)


def test_equal_seeds_give_equal_weights(tmp_path):
    a, b, c = (run(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert torch.equal(weights(a), weights(b))
    assert without_times(read_log(tmp_path / "a")) == without_times(read_log(tmp_path / "b"))
    assert not torch.equal(weights(a), weights(c))


def test_random_numbers_of_the_caller_stay_as_they_are(tmp_path):
    before = torch.random.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    run(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_learns(tmp_path):
    one_line = {"count": (1, 1), "channels": 16, "data_warm_up": 0.3}
    run(tmp_path, **one_line, steps=90, validate_every=45, validation_images=64, batch_size=16, learning_rate=5e-3)
    early, late = read_log(tmp_path)["validation_statistics_error"]
    held_out = LineImages(count=(1, 1), size=32).sample(64, split="validation").images
    empty = StatisticsLoss()(torch.zeros_like(held_out), held_out).item()
    assert late < early < empty
    assert late < 0.25 * empty


def test_progress_bar(tmp_path, capfd):
    run(tmp_path / "silent")
    assert capfd.readouterr() == ("", "")
    train(TINY, tmp_path / "loud")
    shown = capfd.readouterr().err
    assert "7/7" in shown
    assert "statistics error" in shown
    assert "images/s" in shown


@pytest.mark.parametrize("broken", [False, True])
def test_tensorboard_is_closed(tmp_path, monkeypatch, broken):
    class Writer:
        closed, names = False, set()

        def add_scalar(self, name, value, step):
            self.names.add(name)
            if broken:
                raise MemoryError

        def close(self):
            self.closed = True

    writer = Writer()
    monkeypatch.setattr(loop, "_tensorboard", lambda folder: writer)
    with pytest.raises(MemoryError) if broken else nullcontext():
        run(tmp_path)
    assert "images" in writer.names
    assert writer.closed


def test_a_thread_other_than_the_main_one_can_train(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, tmp_path).result().latent_dim == 3


# --- options ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("canonical", [True, False])
@pytest.mark.parametrize("images", [None, 11])
def test_images_of_each_step(tmp_path, canonical, images):
    run = loop._Run(TINY.replace(canonical=canonical, images=images), tmp_path, resume=False)
    batches = run.images.batches(0)
    seen = [next(batches) for _ in range(4)]
    later = run.images.batches(3)
    assert torch.equal(next(later), seen[3])  # a resumed run sees what the first would have seen
    lines = LineImages(size=32)
    if images is None:
        drawn = [lines.sample(4, split="train", index=step).images for step in range(4)]
        assert all(torch.equal(a, canonical_form(b) if canonical else b) for a, b in zip(seen, drawn))
        return
    fixed = lines.sample(11, split="train").images
    fixed = {image.numpy().tobytes() for image in (canonical_form(fixed) if canonical else fixed)}
    assert len(fixed) == 11
    epochs = [[image.numpy().tobytes() for batch in seen[i : i + 2] for image in batch] for i in (0, 2)]
    for epoch in epochs:  # two batches of 4 make an epoch of 11 images; each image at most once
        assert len(set(epoch)) == 8
        assert fixed.issuperset(epoch)
    assert epochs[0] != epochs[1]


def test_a_run_on_plain_images_makes_a_model_of_them(tmp_path):
    assert run(tmp_path, canonical=False).canonical is False


def test_data_space_baseline(tmp_path, monkeypatch):
    kinds = []
    plain = loop._Run.train_step
    monkeypatch.setattr(loop._Run, "train_step", lambda self, x: kinds.append(set(r := plain(self, x))) or r)
    run(tmp_path, loss="data")
    assert all(terms == {"data", "kl", "loss", "output", "target"} for terms in kinds)
    assert read_log(tmp_path)["data_share"] == [1, 1, 1]


def test_the_paper_recipe_runs(tmp_path):
    small = {"encoder": "resnet18", "pretrained": False, "images": 64, "validation_images": 2, "steps": 2}
    config = PRESETS["paper"].replace(**small, size=64, validate_every=1, device="cpu")
    vae = train(config, tmp_path, progress=False)
    assert vae.config["decoder"] == "paper"
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        fresh = config.model()
    for (name, p), q in zip(fresh.named_parameters(), vae.parameters()):
        assert p.requires_grad is q.requires_grad is ("backbone" not in name)
        assert torch.equal(p, q) is not p.requires_grad or name.endswith(("0.bias", "3.bias"))


def test_normalise_divides_by_the_largest_volume_fraction(tmp_path):
    scale = loop._Run(TINY.replace(normalise=True), tmp_path / "a", resume=False).statistics_scale
    images = [LineImages(size=32).sample(500, split="train", index=index).images for index in range(4)]
    assert scale == pytest.approx(torch.cat(images).mean((-2, -1)).max().item() + 1e-6)
    assert loop._Run(TINY, tmp_path / "b", resume=False).statistics_scale == 1


def test_normalised_statistics_are_what_is_trained_on(tmp_path):
    changes = {"normalise": True, "data_warm_up": 0.0, "amplitude": 0.0, "beta": 0.0, "alpha": 3.0}
    run = loop._Run(TINY.replace(**changes), tmp_path, resume=False)
    terms = run.train_step(next(run.images.batches(0)))
    wanted = 3 * terms["statistics"] / run.statistics_scale**2
    assert terms["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("images", [None, 17])
def test_processes_share_the_images_of_a_step(tmp_path, monkeypatch, images):
    monkeypatch.setattr(loop.Accelerator, "num_processes", 2)
    steps = []
    for index in (0, 1):
        monkeypatch.setattr(loop.Accelerator, "process_index", index)
        batches = loop._Run(TINY.replace(images=images), tmp_path / str(index), resume=False).images.batches(0)
        steps.append([{image.numpy().tobytes() for image in next(batches)} for _ in range(2)])
    (a0, a1), (b0, b1) = steps
    assert all(len(part) == 4 for part in (a0, a1, b0, b1))
    assert len(a0 | a1 | b0 | b1) == 16  # an epoch of fixed images, or fresh ones: none is seen twice


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 10, 18, 19])
def test_few_steps_are_enough(tmp_path, steps):
    run = loop._Run(TINY.replace(steps=steps), tmp_path, resume=False)
    rates = []
    for _ in range(steps):
        rates.append(run.schedule.get_last_lr()[0])
        run.optimizer.step()
        run.schedule.step()
    assert all(0 < rate <= 2e-3 for rate in rates)


@pytest.mark.parametrize("schedule", ["one-cycle", "halve"])
def test_learning_rate(tmp_path, schedule):
    run = loop._Run(TINY.replace(schedule=schedule, steps=20), tmp_path, resume=False)
    rates, batches = [], run.images.batches(0)
    for _ in range(20):
        rates.append(run.schedule.get_last_lr()[0])
        run.train_step(next(batches))
        run.step += 1
    if schedule == "halve":
        assert rates == [2e-3] * 18 + [1e-3] * 2
    else:
        assert max(rates) == pytest.approx(2e-3, rel=0.05)
        assert rates.index(max(rates)) in (1, 2)
        assert rates[-1] < 1e-4


def test_clip_limits_the_gradient(tmp_path):
    for clip in (0.0, 1e-3):
        run = loop._Run(TINY.replace(clip=clip), tmp_path / str(clip), resume=False)
        run.train_step(next(run.images.batches(0)))
        norm = torch.cat([p.grad.flatten() for p in run.model.parameters()]).norm()
        assert (norm < 1.01e-3) if clip else (norm > 1e-2)


@pytest.mark.filterwarnings("ignore:precision='bf16' is slow here")  # on a processor without units for it
def test_mixed_precision_after_a_run_without(tmp_path):
    """Runs of one process may differ in precision; the weights are float32 all the same."""
    plain = run(tmp_path / "plain")
    mixed = run(tmp_path / "mixed", precision="bf16")
    assert {value.dtype for value in mixed.state_dict().values()} == {torch.float32}
    assert not torch.equal(weights(plain), weights(mixed))
    assert mixed.reconstruct(LineImages(size=32).sample(2).images).dtype == torch.float32
    assert torch.equal(weights(run(tmp_path / "again", precision="bf16")), weights(mixed))
    assert torch.equal(weights(run(tmp_path / "plain again")), weights(plain))


def test_auto_computes_in_the_precision_chosen_for_the_device(tmp_path, monkeypatch):
    made = {}
    for wanted in ("no", "bf16"):
        monkeypatch.setattr("microtutor.environment.choose_precision", lambda device, wanted=wanted: (wanted, "why"))
        auto = run(tmp_path / f"auto {wanted}", precision="auto")
        made[wanted] = run(tmp_path / wanted, precision=wanted)
        assert torch.equal(weights(auto), weights(made[wanted]))
        assert checkpoint(tmp_path / f"auto {wanted}")["config"]["precision"] == "auto"
        assert (
            json.loads((tmp_path / f"auto {wanted}" / "training.json").read_text(encoding="utf-8"))["precision"]
            == wanted
        )
    assert not torch.equal(weights(made["no"]), weights(made["bf16"]))


def test_noise_is_that_of_the_seed_and_the_step(tmp_path):
    """Drawn where the network is; on the CPU these numbers are those of all recorded runs."""
    for noise_dim in (0, 5):
        run = loop._Run(TINY.replace(noise_dim=noise_dim, seed=3), tmp_path / str(noise_dim), resume=False)
        given = []
        run.model.register_forward_pre_hook(lambda model, inputs, given=given: given.extend(inputs[1:]))
        run.step = 2
        run.train_step(next(run.images.batches(2)))
        generator = seeded_generator(3, 3, 2, 1)
        assert torch.equal(given[0], torch.randn(4, 3, generator=generator))
        if noise_dim:
            assert torch.equal(given[1], torch.randn(8, 5, generator=generator))


class Questions(TorchDispatchMode):
    """Which modules of the package ask for the value of a tensor, each of which makes a GPU's program wait."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default):
            files = [Path(frame.filename) for frame in traceback.extract_stack()]
            self.asked.append(next(file.name for file in reversed(files) if PACKAGE in file.parents))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("changes", [{}, {"loss": "data"}, {"data_warm_up": 0.0}])
def test_the_loop_asks_a_gpu_for_no_number_during_a_step(tmp_path, monkeypatch, changes):
    run = loop._Run(TINY.replace(**changes), tmp_path, resume=False)
    images, counts = next(run.images.batches(0)), []
    run.train_step(images)
    monkeypatch.setattr(VAE, "_check", VAE._check_shape)  # as on a GPU that trains
    for at_once in (("cpu",), ()):
        monkeypatch.setattr(loop, "ASKED_AT_ONCE", at_once)
        with Questions() as questions:
            run.train_step(images)
        counts.append(Counter(questions.asked))
    by_the_optimizer = len(list(run.model.parameters()))  # how many steps it took stands on the CPU for every device
    assert (counts[0]["finite.py"], counts[1]["finite.py"]) == (2, 0)
    assert counts[1]["loop.py"] <= by_the_optimizer
    assert counts[1].keys() <= {"loop.py"}


@pytest.mark.gpu
def test_the_loop_does_not_wait_for_the_gpu_during_a_step(tmp_path):
    run = loop._Run(TINY.replace(device="cuda"), tmp_path, resume=False)
    images = next(run.images.batches(0))
    run.train_step(images)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            run.train_step(images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert not [wait for wait in waits if Path(wait.filename).parent.name == "training"]


class HalfOnTheCPU(Accelerator):
    """What accelerate does for float16 on CUDA: autocast, and gradients that are scaled up and down again."""

    scale = 2.0**16

    def __init__(self, *, mixed_precision, cpu):
        assert mixed_precision == "fp16"
        super().__init__(mixed_precision="no", cpu=cpu)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=self.scale)

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.float16)

    def unscale_gradients(self, optimizer=None):
        for each in self._optimizers:
            self.scaler.unscale_(each.optimizer)


@pytest.fixture
def float16(monkeypatch):
    monkeypatch.setattr(loop, "Accelerator", HalfOnTheCPU)
    monkeypatch.setattr(loop, "find_precision", lambda precision, device: "fp16")
    monkeypatch.setattr(loop, "ASKED_AT_ONCE", ())
    return monkeypatch


@pytest.mark.parametrize("clip", [0.0, 10.0])
def test_steps_that_float16_skips(tmp_path, float16, clip):
    """The first scales are too large for the gradients: those steps change nothing, warn of nothing and fail not."""
    float16.setattr(HalfOnTheCPU, "scale", 2.0**40)
    run = loop._Run(TINY.replace(steps=60, clip=clip), tmp_path, resume=False)
    batches, before, skipped = run.images.batches(0), weights(run.model), []
    fresh, rates = before, []
    for run.step in range(60):
        run.train_step(next(batches))
        after = weights(run.model)
        skipped.append(run.optimizer.step_was_skipped)
        rates.append(run.schedule.get_last_lr()[0])
        assert torch.equal(before, after) is skipped[-1]
        before = after
    run.check_finite()
    taken = skipped.index(False)
    assert 20 < taken < 55
    assert len(set(rates[:taken])) == 1  # the learning rate waits
    assert not torch.equal(fresh, after)


def test_a_run_in_float16_can_be_resumed(tmp_path, float16):
    changes = {"steps": 30, "validate_every": 10, "checkpoint_every": 4, "precision": "fp16"}
    wanted = run(tmp_path / "whole", **changes)
    after_steps(float16, 26, lambda run: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", **changes)
    assert checkpoint(tmp_path / "parts")["scaler"]["scale"] < 2.0**16
    assert torch.equal(weights(run(tmp_path / "parts", resume=True, **changes)), weights(wanted))
    assert without_times(read_log(tmp_path / "parts")) == without_times(read_log(tmp_path / "whole"))
    assert torch.isfinite(weights(wanted)).all()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["auto", "fp16"])
def test_mixed_precision_on_a_gpu(tmp_path, precision):
    changes = {"device": "cuda", "precision": precision, "steps": 30, "validate_every": 15}
    wanted = run(tmp_path, **changes)
    assert {value.dtype for value in wanted.state_dict().values()} == {torch.float32}
    assert torch.isfinite(weights(wanted)).all()
    assert torch.equal(weights(run(tmp_path, resume=True, **changes)), weights(wanted))


@pytest.mark.gpu
def test_a_gpu_run_leaves_the_callers_random_numbers_alone(tmp_path):
    before = torch.cuda.get_rng_state()
    vae = run(tmp_path, device="cuda", precision="bf16")
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert next(vae.parameters()).is_cuda
    assert run(tmp_path / "cpu").reconstruct(LineImages(size=32).sample(2).images).device.type == "cpu"


# --- stopping and going on --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{}, {"images": 9, "canonical": False}, {"optimizer": "adam", "schedule": "halve"}])
def test_resume_ends_at_the_same_weights(tmp_path, monkeypatch, changes):
    wanted = run(tmp_path / "whole", **changes)

    def die(run):
        raise MemoryError

    after_steps(monkeypatch, 6, die)
    with pytest.raises(MemoryError):
        run(tmp_path / "parts", **changes)
    assert checkpoint(tmp_path / "parts")["step"] == 4
    found = run(tmp_path / "parts", resume=True, **changes)
    assert torch.equal(weights(found), weights(wanted))
    assert without_times(read_log(tmp_path / "parts")) == without_times(read_log(tmp_path / "whole"))


def test_resume_of_a_finished_run_loads_it(tmp_path):
    wanted = run(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    found = run(tmp_path, resume=True)
    assert torch.equal(weights(found), weights(wanted))
    assert (tmp_path / "model.safetensors").exists()


def test_resume_of_nothing_starts(tmp_path):
    assert torch.equal(weights(run(tmp_path / "a", resume=True)), weights(run(tmp_path / "b")))


def test_an_auto_run_goes_on_where_another_precision_is_faster(tmp_path, monkeypatch, capsys):
    chosen = {"now": "bf16"}
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: (chosen["now"], "why"))
    after_steps(monkeypatch, 4, lambda run: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, precision="auto")
    chosen["now"] = "no"
    capsys.readouterr()
    run(tmp_path, resume=True, precision="auto")
    said = capsys.readouterr().out
    assert said == "goes on from step 4 with precision 'no', another one than before\n"
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))["precision"] == "no"
    assert read_log(tmp_path)["step"] == [3, 6, 7]
    chosen["now"] = "bf16"
    run(tmp_path, resume=True, precision="auto")  # is finished: nothing is computed, nothing said, nothing rewritten
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))["precision"] == "no"


def test_precisions_on_resuming(tmp_path, monkeypatch):
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: ("bf16", "why"))
    after_steps(monkeypatch, 4, lambda run: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, precision="no")
    with pytest.raises(ValueError, match=r"cannot resume .* changed configuration: precision='bf16' \(was 'no'\); use"):
        run(tmp_path, resume=True, precision="bf16")
    old = checkpoint(tmp_path)  # as written before there was "auto"
    del old["precision"]
    torch.save(old, tmp_path / CHECKPOINT)
    run(tmp_path, resume=True, precision="auto")
    assert checkpoint(tmp_path)["config"]["precision"] == "auto"
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))["precision"] == "bf16"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 3, 5, 7])
def test_ctrl_c_and_sigterm_end_the_step_and_save(tmp_path, monkeypatch, step, number):
    wanted = run(tmp_path / "whole")
    after_steps(monkeypatch, step, lambda run: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt, match=f"stopped at step {step} of 7; go on with resume=True"):
        run(tmp_path / "parts")
    assert checkpoint(tmp_path / "parts")["step"] == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert torch.equal(weights(run(tmp_path / "parts", resume=True)), weights(wanted))
    assert without_times(read_log(tmp_path / "parts")) == without_times(read_log(tmp_path / "whole"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_handles_a_signal_itself_goes_on_doing_so(tmp_path, monkeypatch, number):
    came = []
    before = signal.signal(number, lambda number, frame: came.append(number))
    after_steps(monkeypatch, 3, lambda run: signal.raise_signal(number))
    try:
        run(tmp_path)
    finally:
        signal.signal(number, before)
    assert came == [number]
    assert checkpoint(tmp_path)["step"] == 7


def test_a_log_that_another_program_holds_open_waits(tmp_path, monkeypatch, capsys):
    """As a spreadsheet does on Windows."""
    plain, tried = write_csv, []

    def write(path, rows):
        tried.append(len(rows))
        if len(tried) == 1:
            raise PermissionError("it is open")
        plain(path, rows)

    monkeypatch.setattr("microtutor.training.log.write_csv", write)
    run(tmp_path)
    assert tried == [1, 2, 3]
    assert f"{tmp_path / LOG} cannot be written now; if it is open in another program" in capsys.readouterr().out
    assert read_log(tmp_path)["step"] == [3, 6, 7]


# --- two writers ------------------------------------------------------------------------------------------------------
def test_two_runs_cannot_share_a_folder(tmp_path, monkeypatch):
    def second(first):
        for folder in (tmp_path, tmp_path / "."):
            with pytest.raises(
                FileExistsError, match=r"another run is writing into .* now; wait for its end, or choose"
            ):
                run(folder, resume=True)

    after_steps(monkeypatch, 1, second)
    run(tmp_path)
    assert read_log(tmp_path)["step"] == [3, 6, 7]
    run(tmp_path, resume=True)  # now it may


def test_a_run_that_fails_lets_its_folder_go(tmp_path, monkeypatch):
    after_steps(monkeypatch, 3, lambda run: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError) as kept:  # with its traceback, and so with the run
        run(tmp_path)
    assert run(tmp_path, resume=True)
    assert kept.type is MemoryError


def test_a_second_ctrl_c_stops_at_once(tmp_path, monkeypatch):
    wanted = run(tmp_path / "whole")

    def twice(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    after_steps(monkeypatch, 3, twice)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts")
    assert checkpoint(tmp_path / "parts")["step"] == 2
    assert torch.equal(weights(run(tmp_path / "parts", resume=True)), weights(wanted))


def test_an_interrupted_checkpoint_leaves_the_one_before(tmp_path, monkeypatch):
    wanted = run(tmp_path / "whole")
    plain = Path.write_bytes

    def half(path, content):
        plain(path, bytes(content)[:100])
        raise KeyboardInterrupt

    after_steps(monkeypatch, 3, lambda run: monkeypatch.setattr(Path, "write_bytes", half))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts")
    monkeypatch.undo()
    assert checkpoint(tmp_path / "parts")["step"] == 2
    assert not [path for path in (tmp_path / "parts").iterdir() if path.suffix == ".part"]
    assert torch.equal(weights(run(tmp_path / "parts", resume=True)), weights(wanted))


TWO_PROCESSES = """
import hashlib, os, sys
from pathlib import Path
from microtutor.training import TrainingConfig, train

def digest(vae):
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in vae.state_dict().values())).hexdigest()

folder, config = Path(sys.argv[1]), TrainingConfig(**{config!r})
made = digest(train(config, folder, progress=False))
loaded = digest(train(config, folder, resume=True, progress=False))
(folder / os.environ["RANK"]).write_text(f"{{made}} {{loaded}}", encoding="utf-8")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torch for Windows comes without the store that torchrun asks for")
def test_two_processes(tmp_path):
    """torchrun with gloo: both end at the same weights, one of them writes, and the run can be resumed."""
    config, folder = TINY.replace(images=17), tmp_path / "run"
    (tmp_path / "script.py").write_text(TWO_PROCESSES.format(config=config.as_dict()), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, tmp_path / "script.py", folder], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    saved = VAE.from_pretrained(folder).state_dict().values()
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in saved)).hexdigest()
    assert (
        (folder / "0").read_text(encoding="utf-8") == (folder / "1").read_text(encoding="utf-8") == f"{digest} {digest}"
    )
    assert read_log(folder)["images"] == [24, 48, 56]


def test_more_processes_than_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Accelerator, "num_processes", 3)
    with pytest.raises(ValueError, match="expected at least 12 images, a batch for each process, got 11"):
        run(tmp_path, images=11)


# --- what can go wrong ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("data_warm_up", [0.0, 1.0])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch, data_warm_up):
    def spoil(run):
        next(run.model.parameters()).data.fill_(torch.nan)

    after_steps(monkeypatch, 4, spoil)
    with pytest.raises(FloatingPointError) as e:
        run(tmp_path, data_warm_up=data_warm_up, checkpoint_every=3)
    assert str(e.value).startswith("the loss or a weight was not finite at step 5; the last checkpoint is kept in")
    assert "Try a lower learning_rate (now 0.002), a smaller alpha (now 2000), clip=1, or precision='no'" in str(
        e.value
    )
    state = checkpoint(tmp_path)
    assert state["step"] == 3
    assert all(torch.isfinite(value).all() for value in state["model"].values())
    assert not (tmp_path / "model.safetensors").exists()


def test_no_checkpoint_is_promised_that_is_not_there(tmp_path, monkeypatch):
    after_steps(monkeypatch, 1, lambda run: next(run.model.parameters()).data.fill_(torch.nan))
    with pytest.raises(FloatingPointError, match=r"not finite at step 2; no checkpoint had been written yet\. Try"):
        run(tmp_path, checkpoint_every=3)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(("validate_every", "seen"), [(3, 6), (50, 7)])
def test_where_nobody_asks_at_every_step_the_first_bad_one_is_named_all_the_same(
    tmp_path, monkeypatch, validate_every, seen
):
    monkeypatch.setattr(loop, "ASKED_AT_ONCE", ())
    steps, plain = [], loop._Run.train_step

    def train_step(self, images):
        steps.append(self.step + 1)
        if self.step == 4:
            monkeypatch.setattr("microtutor.losses.kl_divergence", infinite)
        return plain(self, images)

    monkeypatch.setattr(loop._Run, "train_step", train_step)
    with pytest.raises(FloatingPointError, match=r"not finite at step 5; the last checkpoint is kept in"):
        run(tmp_path, validate_every=validate_every, checkpoint_every=4)
    assert steps == list(range(1, seen + 1))
    state = checkpoint(tmp_path)
    assert state["step"] == 4
    assert all(torch.isfinite(value).all() for value in state["model"].values())
    assert not (tmp_path / "model.safetensors").exists()


def test_ctrl_c_names_the_first_bad_step_too(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ASKED_AT_ONCE", ())
    plain = loop._Run.train_step

    def train_step(self, images):
        if self.step == 4:
            monkeypatch.setattr("microtutor.losses.kl_divergence", infinite)
        terms = plain(self, images)
        if self.step == 5:
            signal.raise_signal(signal.SIGINT)
        return terms

    monkeypatch.setattr(loop._Run, "train_step", train_step)
    with pytest.raises(FloatingPointError, match="not finite at step 5"):
        run(tmp_path, validate_every=50)
    assert checkpoint(tmp_path)["step"] == 4


def test_a_running_mean_that_is_not_finite_is_not_saved(tmp_path, monkeypatch):
    def spoil(run):
        next(b for b in run.model.buffers() if b.is_floating_point()).fill_(torch.inf)

    after_steps(monkeypatch, 4, spoil)
    with pytest.raises(FloatingPointError, match="not finite at step 4"):
        run(tmp_path, encoder="resnet18")
    assert checkpoint(tmp_path)["step"] == 2


def test_a_loss_can_be_infinite_though_the_images_are_not(tmp_path, monkeypatch):
    after_steps(monkeypatch, 4, lambda run: monkeypatch.setattr("microtutor.losses.kl_divergence", infinite))
    with pytest.raises(FloatingPointError, match="not finite at step 5"):
        run(tmp_path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    """The loss of the step was fine, its update was not: the checkpoint of that step must not replace the good one."""
    after_steps(monkeypatch, 4, lambda run: next(run.model.parameters()).data.fill_(torch.nan))
    with pytest.raises(FloatingPointError, match="not finite at step 4"):
        run(tmp_path)
    assert checkpoint(tmp_path)["step"] == 2


def test_ctrl_c_does_not_save_weights_that_are_not_finite(tmp_path, monkeypatch):
    def spoil_and_stop(run):
        next(run.model.parameters()).data.fill_(torch.nan)
        signal.raise_signal(signal.SIGINT)

    after_steps(monkeypatch, 5, spoil_and_stop)
    with pytest.raises(FloatingPointError, match="not finite at step 5"):
        run(tmp_path)
    assert checkpoint(tmp_path)["step"] == 4


@pytest.mark.parametrize("changes", [{"learning_rate": 1e30, "clip": 0.0}, {"beta": 1e38, "learning_rate": 1.0}])
def test_training_that_diverges(tmp_path, changes):
    with pytest.raises(FloatingPointError, match=r"not finite at step \d"):
        run(tmp_path, **changes)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    run(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(
        FileExistsError, match=r"already holds a run; pass resume=True to go on, or choose another folder"
    ):
        run(tmp_path, seed=1)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_resume_with_a_changed_configuration(tmp_path):
    run(tmp_path)
    before = (tmp_path / "training.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot resume .* with a changed configuration: ") as e:
        run(tmp_path, resume=True, steps=9, alpha=3.0)
    assert "alpha=3.0 (was 2000.0), steps=9 (was 7); use the old values, or another output folder" in str(e.value)
    assert (tmp_path / "training.json").read_text(encoding="utf-8") == before


def test_resume_with_another_number_of_processes(tmp_path, monkeypatch):
    run(tmp_path)
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))["processes"] == 1
    monkeypatch.setattr(loop.Accelerator, "num_processes", 2)
    with pytest.raises(ValueError, match=r"another number of processes, 2 \(was 1\), as .*; start 1, or use another"):
        run(tmp_path, resume=True)


def no_readable_checkpoint(folder, why=".*"):
    path = re.escape(str(folder / CHECKPOINT))
    return pytest.raises(ValueError, match=rf"^{path} is no readable checkpoint \({why}\); delete it to start anew$")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_resume_from_a_damaged_checkpoint(tmp_path, content):
    run(tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-500] if content is None else content)
    with no_readable_checkpoint(tmp_path, "it cannot be read"):
        run(tmp_path, resume=True)


def test_flipped_bytes_of_a_checkpoint_are_noticed_or_change_nothing(tmp_path):
    wanted = run(tmp_path)
    whole, chance, noticed = (tmp_path / CHECKPOINT).read_bytes(), random.Random(0), 0
    for _ in range(20):
        damaged = bytearray(whole)
        for place in chance.sample(range(len(whole)), 8):
            damaged[place] ^= chance.randrange(1, 256)
        (tmp_path / CHECKPOINT).write_bytes(damaged)
        try:
            found = run(tmp_path, resume=True)
        except ValueError as error:
            assert re.search(r"is no readable checkpoint \(.*\); delete", str(error))  # noqa: PT017
            noticed += 1
        else:
            assert torch.equal(weights(found), weights(wanted))
    assert noticed > 10


@pytest.mark.parametrize("name", ["config", "step", "seconds", "log", "model", "optimizer", "schedule"])
def test_a_checkpoint_that_lacks_something(tmp_path, name):
    run(tmp_path)
    state = checkpoint(tmp_path)
    torch.save({key: value for key, value in state.items() if key != name}, tmp_path / CHECKPOINT)
    with no_readable_checkpoint(tmp_path, f"it holds no {name}"):
        run(tmp_path, resume=True)
    if name in ("model", "optimizer"):
        torch.save(state | {name: {"strange": torch.ones(3)}}, tmp_path / CHECKPOINT)
        with no_readable_checkpoint(tmp_path, f"its {name} does not fit this run"):
            run(tmp_path, resume=True)


def test_a_checkpoint_that_is_not_finite(tmp_path):
    run(tmp_path)
    state = checkpoint(tmp_path)
    next(iter(state["model"].values()))[0] = torch.nan
    torch.save(state, tmp_path / CHECKPOINT)
    with no_readable_checkpoint(tmp_path, "its weights are not finite"):
        run(tmp_path, resume=True)


def test_resume_from_something_else(tmp_path):
    for content in ({"weights": torch.zeros(3)}, [1], torch.zeros(3)):
        torch.save(content, tmp_path / CHECKPOINT)
        with no_readable_checkpoint(tmp_path):
            run(tmp_path, resume=True)


def test_a_damaged_checkpoint_is_refused_before_images_are_drawn(tmp_path, monkeypatch):
    (tmp_path / CHECKPOINT).write_bytes(b"cut")
    monkeypatch.setattr(RunImages, "_draw", lambda self, n, split: pytest.fail("work has begun"))
    with no_readable_checkpoint(tmp_path):
        run(tmp_path, resume=True, images=20, normalise=True)


# --- the log ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "cut in a row", "cut in a number", "words"])
def test_a_damaged_log(tmp_path, content):
    run(tmp_path)
    text = (tmp_path / LOG).read_text(encoding="utf-8")
    if content == "cut in a row":
        content = text[: text.rindex(",")]
    elif content == "cut in a number":
        content = text[: text.index("\n", text.index("\n") + 1)].rsplit(",", 2)[0] + ",1.2e"
    elif content == "words":
        content = text.replace("3", "x")
    (tmp_path / LOG).write_text(content, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"^expected numbers under step, images, .* in .*log.csv, got a damaged file; "
    ):
        read_log(tmp_path)


def test_a_log_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a run's folder with log.csv, got .*; has the run begun\?"):
        read_log(tmp_path)


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_place_of_the_folder(tmp_path, inside):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match=r"cannot write .*taken.*; choose a folder that you may write to"):
        run(tmp_path / "taken" / inside)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 40}, "expected size as a multiple of 16 pixels, got 40; crop or resize to 32"),
        ({"precision": "fp16"}, "precision='fp16' needs a GPU; on the CPU use precision='bf16' or 'no'"),
        ({"device": "gpu"}, "expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
    ],
)
def test_bad_configurations_leave_no_run_behind(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_not_chosen_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    message = r"expected a device without a number, got 'cuda:1'; .* CUDA_VISIBLE_DEVICES=1 and take device='cuda'"
    with pytest.raises(ValueError, match=message):
        run(tmp_path, device="cuda:1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_no_cuda(tmp_path):
    with pytest.raises(ValueError, match=r"device 'cuda' is not available here; use device='auto' or 'cpu'"):
        run(tmp_path, device="cuda")
    with pytest.raises(ValueError, match="device 'cuda' is not"):
        train(PRESETS["gpu"], tmp_path)
