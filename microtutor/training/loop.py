"""The training loop: data in; weights, a log and checkpoints out."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from tqdm import tqdm

from microtutor.checks import check_bool, check_instance, check_path
from microtutor.environment import find_device, find_precision
from microtutor.files import CHECKPOINT, RUN_FILE, check_writable, only_writer, write_json
from microtutor.losses import StatisticsLoss, aligned_correlation
from microtutor.models import VAE
from microtutor.streams import named_generator
from microtutor.training.checkpoint import check_same_run, read_checkpoint, restore, write_checkpoint
from microtutor.training.config import ImageSource, TrainingConfig
from microtutor.training.finite import FirstNotFinite, all_finite
from microtutor.training.images import RunImages
from microtutor.training.interruption import interrupt_later
from microtutor.training.log import COLUMNS, write_log
from microtutor.training.optimisation import optimizer_of, schedule_of

ASKED_AT_ONCE = ("cpu",)  # devices that need not be waited for to learn whether a number is finite
DRAWS = 2  # images decoded from each latent vector, if the decoder takes noise: the fewest that can be compared


def train(
    config: TrainingConfig,
    output_dir: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = True,
    source: ImageSource | None = None,
) -> VAE:
    """Train a VAE on line images, or on images of another material, and return it in evaluation mode.

    Writes into output_dir: training.json (the configuration, with the precision that "auto" took here, the number of
    processes, and the fingerprint of images in files), log.csv (one row per validation), checkpoint.pt (to resume
    from), and at the end model.safetensors with config.json (for `VAE.from_pretrained`). Ctrl-C, or SIGTERM as a
    cluster sends it, ends the step, saves a checkpoint and stops with KeyboardInterrupt; a second one stops at once. On
    several processes (torchrun) batch_size is per process.

    Args:
        config: the run; `PRESETS` holds named ones.
        output_dir: made if it does not exist.
        resume: go on from checkpoint.pt in output_dir, if there is one; on the CPU the weights end bit-identical to
            those of an uninterrupted run with the same number of threads. A finished run is loaded, not repeated.
            On another device a run goes on; with precision="auto", then or now, in the precision that is fastest
            there, and says so if that has changed.
        progress: show a progress bar.
        source: what draws the images, for material="own"; by default `config.source()`.

    Raises:
        FileExistsError: output_dir holds another run and resume is False, or another process is training into it.
        ValueError: resume with a configuration or a number of processes other than the checkpoint's, or from a damaged
            checkpoint; unknown or absent device; a source beside a named material, or none for "own".
        FloatingPointError: the loss became NaN or infinite; the last checkpoint, if any, is kept. The message
            names the step; on a GPU it comes at the next validation or checkpoint, as asking at every step is slow.
        OSError: output_dir cannot be written to.
    """
    check_instance(config, TrainingConfig, name="config")
    check_path(output_dir, name="output_dir")
    check_bool(resume, name="resume")
    check_bool(progress, name="progress")
    with ExitStack() as held, torch.inference_mode(False), torch.enable_grad(), _float32():
        run = _Run(config, Path(output_dir), resume=resume, source=source, held=held)
        with interrupt_later() as interrupted:
            run.loop(progress, interrupted)
        return run.finish()


@contextmanager
def _float32() -> Iterator[None]:
    """New tensors in float32, whatever the caller has chosen for their own."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class _Run:
    """One training run: everything that a checkpoint holds, and how to get from one step to the next.

    All randomness of a step (images, latent noise) is drawn from generators seeded by (seed, step, process), so a
    checkpoint needs no random state.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        *,
        resume: bool,
        source: ImageSource | None = None,
        held: ExitStack | None = None,
    ):
        self.config, self.folder, self.held = config, folder, held or ExitStack()
        if source is not None and config.material != "own":
            raise ValueError(f"expected material='own' beside a source of images, got {config.material!r}")
        source = config.source() if source is None else source
        self.fingerprint = getattr(source, "fingerprint", None) if config.material == "images" else None
        device = _device_of(config)
        self.precision = find_precision(config.precision, device)
        if not torch.distributed.is_initialized():
            AcceleratorState._reset_state(True)  # accelerate keeps the last run's precision and device otherwise
        self.accelerator = Accelerator(mixed_precision=self.precision, cpu=device.type == "cpu")
        self.device = self.accelerator.device
        self.not_finite = FirstNotFinite(self.device)
        self.processes = self.accelerator.num_processes
        state = self._open_folder(resume)

        with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
            torch.default_generator.manual_seed(config.seed)  # not torch.manual_seed: it would seed CUDA too
            model = config.model()
        model.to(memory_format=torch.channels_last)
        # measured on CPUs, 10 to 14 % of a step; with scaled gradients accelerate would not see which steps are skipped
        fused = self.device.type == "cpu" and self.accelerator.scaler is None
        optimizer = optimizer_of(model, config, fused=fused)
        schedule = schedule_of(optimizer, config)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.schedule = schedule
        self.step, self.seconds, self.log = 0, 0.0, []
        if state:
            self.go_on_from(state)
        self.images = RunImages(
            config, source, self.device, process=self.accelerator.process_index, processes=self.processes
        )
        self.statistics_scale = self.images.statistics_scale()
        self.validation = self.images.validation()
        self.validation_spectrum = torch.cat([StatisticsLoss().spectrum(part) for part in self.validation.split(64)])
        self.tensorboard = None
        if self.accelerator.is_main_process:
            if not state or self.step < config.steps:  # a finished run stays as it is
                here = {"precision": self.precision, "processes": self.processes}
                here |= {"fingerprint": self.fingerprint} if self.fingerprint else {}
                write_json(folder / RUN_FILE, config.as_dict() | here)
            self.tensorboard = _tensorboard(folder)
            if self.tensorboard is not None:
                self.held.callback(self.tensorboard.close)

    # --- the loop ----------------------------------------------------------------------------------------------------
    def loop(self, progress: bool, interrupted: Callable[[], bool]) -> None:
        config, main = self.config, self.accelerator.is_main_process
        begun = time.perf_counter() - self.seconds
        bar = tqdm(
            total=config.steps,
            initial=self.step,
            unit="step",
            disable=not (progress and main),
            mininterval=0.5,
            dynamic_ncols=True,
        )
        with bar:
            for images in itertools.islice(self.images.batches(self.step), config.steps - self.step):
                terms = self.train_step(images)
                self.step += 1
                last = self.step == config.steps
                validating = self.step % config.validate_every == 0 or last
                if validating:
                    self.check_finite()  # before the clock is read, as it waits until the device has done its work
                self.seconds = time.perf_counter() - begun
                if validating:
                    row = self.record(terms)
                    bar.set_postfix_str(self._summary(row), refresh=False)
                if self.step % config.checkpoint_every == 0 or last:
                    self.save_checkpoint()
                bar.update()
                if interrupted():
                    self.save_checkpoint()
                    raise KeyboardInterrupt(f"stopped at step {self.step} of {config.steps}; go on with resume=True")

    def train_step(self, images: Tensor) -> dict[str, Tensor]:
        self.model.train()
        generator = self.generator(self.step)
        noise = torch.randn(len(images), self.config.latent_dim, generator=generator, device=self.device)
        decoder_noise = None
        if self.config.noise_dim:
            many = DRAWS * len(images)
            decoder_noise = torch.randn(many, self.config.noise_dim, generator=generator, device=self.device)
        with self.accelerator.autocast():
            output = self.model(images.contiguous(memory_format=torch.channels_last), noise, decoder_noise)
        self.note(output.reconstruction)
        if decoder_noise is not None:
            images = images.repeat(DRAWS, 1, 1, 1)
        loss, terms = self.config.loss_at(self.step, statistics_scale=self.statistics_scale).of(output, images)
        self.note(loss)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        if self.config.clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        if not self.optimizer.step_was_skipped:  # with float16, while the scale of the gradients is being found
            self.schedule.step()
        return terms | {"loss": loss.detach(), "output": output.reconstruction.detach(), "target": images}

    def generator(self, step: int) -> torch.Generator:
        """The random numbers of a step, drawn where they are needed: a GPU does not wait for them to be sent."""
        drawn = named_generator("training noise", self.config.seed, step, self.accelerator.process_index)
        return torch.Generator(self.device).manual_seed(drawn.initial_seed())

    # --- watching it -------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def validate(self) -> float:
        """Statistics error on held-out images, reconstructed from the latent means, as `VAE.reconstruct` does."""
        model: Any = self.accelerator.unwrap_model(self.model)
        model.eval()
        loss, errors = StatisticsLoss("none"), []
        with self.accelerator.autocast():
            for images, spectrum in zip(self.validation.split(64), self.validation_spectrum.split(64), strict=True):
                made = model.decode(model.encode(images)[0])
                errors.append(loss(made, target_spectrum=spectrum))
        return torch.cat(errors).mean().item()

    def record(self, terms: dict[str, Tensor]) -> dict[str, float]:
        made, target = terms["output"], terms["target"]
        images = self.step * self.config.batch_size * self.processes
        values = (
            self.step,
            images,
            round(self.seconds, 3),
            terms["loss"].item(),
            StatisticsLoss()(made.float(), target).item(),
            terms["kl"].item(),
            self.config.data_share(self.step - 1),
            self.validate(),
        )
        row: dict[str, float] = dict(zip(COLUMNS, values, strict=True))
        if self.config.noise_dim:
            row["aligned_correlation"] = aligned_correlation(*made.float().chunk(DRAWS)).mean().item()
        self.log.append(row)
        if self.accelerator.is_main_process:
            if trouble := write_log(self.folder, self.log):
                self.say(trouble)
            if self.tensorboard is not None:
                for name in list(row)[1:]:
                    self.tensorboard.add_scalar(name, row[name], self.step)
        return row

    def _summary(self, row: dict[str, float]) -> str:
        speed = row["images"] / max(row["seconds"], 1e-9)
        return (
            f"loss {row['loss']:.3g}, statistics error {row['validation_statistics_error']:.2e}, {speed:.0f} images/s"
        )

    def note(self, value: Tensor) -> None:
        """Remember if the step that is being made has made NaN or infinity, and stop if to ask costs nothing."""
        self.not_finite.note(self.step + 1, value)
        if self.device.type in ASKED_AT_ONCE:
            self.check_noted()

    def check_noted(self) -> None:
        if (step := self.not_finite.step()) is not None:
            self.stop_at(step)

    def check_finite(self) -> None:
        """Stop if a step so far or the network is not finite; nothing is saved after that."""
        self.check_noted()
        if not all_finite(itertools.chain(self.model.parameters(), self.model.buffers())):
            self.stop_at(self.step)

    def stop_at(self, step: int) -> NoReturn:
        has_one = (self.folder / CHECKPOINT).exists()
        kept = f"the last checkpoint is kept in {self.folder}" if has_one else "no checkpoint had been written yet"
        raise FloatingPointError(
            f"the loss or a weight was not finite at step {step}; {kept}. "
            f"Try a lower learning_rate (now {self.config.learning_rate:g}), "
            f"a smaller alpha (now {self.config.alpha:g}), clip=1, or precision='no'"
        )

    def say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            tqdm.write(text)

    # --- on disk -----------------------------------------------------------------------------------------------------
    def save_checkpoint(self) -> None:
        self.check_finite()
        if not self.accelerator.is_main_process:
            return
        state = {
            "config": self.config.as_dict(),
            "precision": self.precision,
            "processes": self.processes,
            "fingerprint": self.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "log": self.log,
            "model": self.accelerator.unwrap_model(self.model).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        write_checkpoint(self.folder, state)

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take the place where a checkpoint was written."""
        model = self.accelerator.unwrap_model(self.model)
        parts = {"model": model, "optimizer": self.optimizer, "schedule": self.schedule}
        if self.accelerator.scaler is not None and "scaler" in state:
            parts["scaler"] = self.accelerator.scaler
        restore(parts, state, self.folder)
        self.step, self.seconds, self.log = state["step"], state["seconds"], state["log"]
        before = state.get("precision", state["config"].get("precision"))  # an older version did not say it twice
        if before != self.precision and self.step < self.config.steps:
            self.say(f"goes on from step {self.step} with precision {self.precision!r}, another one than before")

    def finish(self) -> VAE:
        self.accelerator.wait_for_everyone()
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False).eval()
        if self.accelerator.is_main_process:
            model.save_pretrained(self.folder)
        return model

    def _open_folder(self, resume: bool) -> dict[str, Any] | None:
        """The checkpoint to go on from, if there is one; complains before any work is done, not after."""
        path, state = self.folder / CHECKPOINT, None
        before = _written(path)
        if before and not resume:
            raise FileExistsError(
                f"{self.folder} already holds a run; pass resume=True to go on, or choose another folder"
            )
        if before:
            state = read_checkpoint(self.folder)
            check_same_run(state, self.config, self.processes, self.folder, fingerprint=self.fingerprint)
        if self.accelerator.is_main_process:
            check_writable(path)
            self.held.enter_context(only_writer(self.folder))
            if _written(path) != before:
                raise FileExistsError(f"another run has just written into {self.folder}; start again to go on from it")
        return state


def _device_of(config: TrainingConfig) -> torch.device:
    """The device of a run. Which of several GPUs it is must be chosen outside: accelerate takes the first it sees."""
    device = find_device(config.device)
    if device.index:
        raise ValueError(
            f"expected a device without a number, got {config.device!r}; to choose a GPU set the environment variable "
            f"CUDA_VISIBLE_DEVICES={device.index} and take device='cuda'"
        )
    return device


def _written(path: Path) -> int | None:
    """When a file was last written, in nanoseconds; None if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else None


def _tensorboard(folder: Path):
    """A TensorBoard writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
