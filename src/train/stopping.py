"""Signals that end a training: at the next step it is saved, so that nothing is lost, and can be resumed exactly there.

Slurm sends SIGTERM before it takes a node away, ``docker stop`` before it kills, a terminal SIGINT. A second signal ends the
process at once.
"""

import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from train import checkpoints
from train.context import ClosingCallback, TrainingContext
from train.hosts.devices import synchronise
from train.position import Position

#: Signals that can be chosen, by the names that Slurm and kill use.
SIGNALS = ("TERM", "INT", "USR1", "USR2", "HUP")


class StoppedError(Exception):
    """The training was ended by a signal, after its state was saved.

    Attributes:
        number: The signal's.
        epoch: Number of finished epochs.
        step: Number of finished steps of the next one.
    """

    def __init__(self, number: int, epoch: int, step: int) -> None:
        self.number = number
        self.epoch = epoch
        self.step = step
        super().__init__(number, epoch, step)

    @property
    def exit_status(self) -> int:
        """The exit status of a process that this signal ends, as shells and Slurm know it."""
        return 128 + self.number

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        where = f"step {self.step} of epoch {self.epoch + 1}" if self.step else f"epoch {self.epoch}"
        return f"stopped by {name} after {where}, which is saved; add resume=true to continue"


class Signals:
    """Notes the first of some signals while it is open; the second one has its usual effect.

    Args:
        names: Of :data:`SIGNALS`.

    Attributes:
        received: The signal's number, or None.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.numbers = [signal.Signals[f"SIG{name}"] for name in names if hasattr(signal, f"SIG{name}")]
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def open(self) -> None:
        """Begin; only the main thread of a process can."""
        if threading.current_thread() is threading.main_thread():
            for number in self.numbers:
                self._before[number] = signal.signal(number, self._note)

    def close(self) -> None:
        """End: the signals have the effect that they had before; may be called more than once."""
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        # A handler that was inherited as ignored (nohup) must not make the second one ineffective.
        for other in self._before:
            signal.signal(other, signal.default_int_handler if other == signal.SIGINT else signal.SIG_DFL)


class StopWhenSignalled(ClosingCallback):
    """Saves the run at the first step after a signal, and ends the training with :class:`StoppedError`.

    Args:
        names: The signals, of :data:`SIGNALS`.
        training: The training.
    """

    def __init__(self, names: Sequence[str], training: TrainingContext) -> None:
        super().__init__()
        self.signals = Signals(names)
        self.training = training
        self._epoch = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Begin to listen."""
        self.signals.open()

    def close(self) -> None:
        """End listening, however the training ended; may be called more than once."""
        self.signals.close()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save and stop, except after the last step: the epoch's end, which saves as well, is next."""
        training = self.training
        step = training.step(self._epoch, batch) + 1
        if self.signals.received is None or step >= training.steps_per_epoch:
            return
        synchronise(self.model)
        seconds = 0.0 if training.measures is None else training.measures.seconds
        position = Position.of(self.model, self._epoch, step, seconds)
        folder = training.run_dir / checkpoints.FOLDER
        checkpoints.save(folder, self.model, position, training.described, training.memory)
        raise StoppedError(self.signals.received, self._epoch, step)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Stop; the epoch's checkpoint is there. After the last epoch the training is over anyway."""
        if self.signals.received is not None and epoch + 1 < self.training.epochs:
            raise StoppedError(self.signals.received, epoch + 1, 0)
