"""The same service as a model class of label-studio-ml, for people who run its stock server.

`label_studio_ml.api.init_app(DinolabelModel, model_dir=…, service=service)`. Our own `dinolabel.backend.http.server` is what we ship: the
stock server of
1.0.9 calls every version a job id ("INITIAL" until there is one), so Label Studio stores a live answer anew each time a task is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from dinolabel.backend import payloads
from dinolabel.vision.errors import SettingsError

if TYPE_CHECKING:
    from dinolabel.backend.service import Service

try:
    from label_studio_ml.model import LabelStudioMLBase
except ImportError:  # its pins break the rest, so not everybody installs it
    LabelStudioMLBase = object

log = structlog.get_logger(__name__)


class DinolabelModel(LabelStudioMLBase):  # type: ignore[misc]
    """service: what answers; handed over by init_app, which passes its own keywords on."""

    def __init__(
        self, label_config: str | None = None, train_output: object = None, *, service: Service | None = None, **kwargs: Any
    ) -> None:
        if LabelStudioMLBase is object:
            raise SettingsError("label-studio-ml is not installed.", hint="pip install --no-deps label-studio-ml==1.0.9")
        super().__init__(label_config, train_output, **kwargs)
        self._service = service

    def predict(self, tasks: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None = None, **params: Any) -> list[dict[str, Any]]:
        """One result per task, in order, as in our own /predict. Raises SettingsError without a service, RequestError for bad tasks."""
        if self._service is None:
            raise SettingsError("This model has no service to answer with.", hint="init_app(DinolabelModel, service=service, …)")
        if not tasks:
            return []
        body = {"project": tasks[0].get("project"), "label_config": self.label_config, "tasks": list(tasks), "params": {"context": context}}
        return [dict(each) for each in self._service.predict(payloads.parse(payloads.PredictRequest, body))["results"]]

    def fit(self, tasks: Any, workdir: str | None = None, **event: Any) -> dict[str, Any]:
        """Nothing: the stock server calls this after every annotation, in a process of its own. Training is `dinolabel train`."""
        log.info("fit_ignored", action=event.get("event"))
        return {}
