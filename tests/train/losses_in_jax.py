"""Computes losses and gradients with whatever Keras backend is set: ``python losses_in_jax.py IN.json``, for test_losses."""

import json
import sys
from pathlib import Path

import jax
import keras
import numpy as np

from train.losses import LOSSES


def main(path):
    assert keras.backend.backend() == "jax"
    found = {}
    for name, given in json.loads(Path(path).read_text("utf-8")).items():
        arguments = dict(given["loss"])
        loss = LOSSES.make(arguments.pop("name"), arguments)
        embeddings, kernel = (np.array(given[key], np.float32) for key in ("embeddings", "kernel"))
        labels = np.array(given["labels"])
        head = loss(kernel.shape[1] // loss.sub_centres)
        head.build((None, kernel.shape[0]))
        for key, start in (("norm_mean", 6.0), ("norm_std", 3.0)):
            if key in head.loss_state:
                head.loss_state[key].assign(start)

        def value(e, k, head=head, loss=loss, labels=labels):
            with keras.StatelessScope(state_mapping=[(head.kernel, k)]) as scope:
                batch = head.batch(e, labels)
                loss.update(batch)
                state = {key: scope.get_current_value(one) for key, one in head.loss_state.items()}
                return loss.value(batch, 0.1), {key: one for key, one in state.items() if one is not None}

        compute = jax.jit(jax.value_and_grad(value, argnums=(0, 1), has_aux=True))
        (result, state), gradients = compute(embeddings, kernel)
        found[name] = {
            "value": float(result),
            "gradients": [np.asarray(one).tolist() for one in gradients],
            "state": {key: float(one) for key, one in state.items()},
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
