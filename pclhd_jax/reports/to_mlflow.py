"""MLflow: the record as a run of an experiment, where MLFLOW_TRACKING_URI says."""

import os
import re
import time
from typing import Any

import numpy as np

from pclhd_jax.reports.record_writers import Epoch, Start

MOST_METRICS, MOST_PARAMETERS = 1000, 100  # of one request
LONGEST = 5000  # characters of a parameter or tag
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow counts its users, and nobody asked for that
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a lost server holds one save up for a minute or two,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # not every request for many
}


class Mlflow:
    """Numbers by epoch, settings as parameters, the newest texts as tags."""

    def __init__(self, start: Start):
        self.client = imported().MlflowClient()
        known = start.run_to_continue()
        self.run, self.has = known, start.has
        if not self._is_there(known):
            self.run, self.has = self._begin(start.workdir.name), -1
        self.client.update_run(self.run, status="RUNNING")
        self._write_settings(start)

    def write(self, epoch: Epoch) -> None:
        from mlflow.entities import Metric

        now, step = int(1000 * time.time()), epoch.epochs_done
        numbers = {**epoch.scalars, **summaries(epoch.sizes)}
        metrics = [Metric(plain(name), float(x), now, step) for name, x in numbers.items()]
        for part in parts(metrics, MOST_METRICS):
            self.client.log_batch(self.run, metrics=part)
        for name, picture_HWC in epoch.pictures.items():
            self.client.log_image(self.run, picture_HWC, key=plain(name), step=step)
        for name, text in epoch.texts.items():
            self.client.set_tag(self.run, plain(name), text[:LONGEST])

    def close(self, finished: bool) -> None:
        self.client.set_terminated(self.run, "FINISHED" if finished else "KILLED")

    def _is_there(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return bool(run) and self.client.get_run(run).info.lifecycle_stage == "active"
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False  # removed, or another server

    def _begin(self, name: str) -> str:
        title = os.environ.get("MLFLOW_EXPERIMENT_NAME", "pclhd_jax")
        known = self.client.get_experiment_by_name(title)
        experiment = known.experiment_id if known else self.client.create_experiment(title)
        return self.client.create_run(experiment, run_name=name).info.run_id

    def _write_settings(self, start: Start) -> None:
        from mlflow.entities import Param

        known = self.client.get_run(self.run).data.params
        texts = {name: str(value)[:LONGEST] for name, value in start.settings.items()}
        new = [Param(name, text) for name, text in texts.items() if name not in known]
        for part in parts(new, MOST_PARAMETERS):
            self.client.log_batch(self.run, params=part)
        for name, text in texts.items():
            if known.get(name, text) != text:  # MLflow refuses another value for a parameter
                self.client.set_tag(self.run, f"{name} from epoch {start.last + 1}", text)


def check_place() -> None:
    """Raises ValueError if nobody said where the record should go."""
    if not imported().is_tracking_uri_set():
        raise ValueError(
            "config.writers names mlflow, and MLFLOW_TRACKING_URI is not set; set it to your "
            "server, such as http://localhost:5000, or to a folder, see docs/writers.md"
        )


def imported() -> Any:
    """The package, by default without its own telemetry and long waits."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow

    return mlflow


def summaries(sizes: dict[str, np.ndarray]) -> dict[str, float]:
    """In place of histograms, which MLflow does not have."""
    functions = {"least": np.min, "median": np.median, "most": np.max}
    return {
        f"{name}/{word}": function(size_K)
        for name, size_K in sizes.items()
        for word, function in functions.items()
    }


def parts(entries: list, most: int) -> list[list]:
    return [entries[at : at + most] for at in range(0, len(entries), most)]


def plain(name: str) -> str:
    """A name of the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name)
