"""Tasks to predictions: in order, one bad one alone, the right labels, ids as each use needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dinolabel.backend.inference.inference_queue import InferenceQueue
from dinolabel.backend.inference.predictor import Failure, Prediction, PredictionJob, Predictor
from dinolabel.backend.inference.serving_config import ServingConfig, ServingConfigs
from dinolabel.backend.payloads import TaskPayload
from dinolabel.vision.bundles.registry import BundleStore
from dinolabel.vision.errors import (
    BundleMismatch,
    LabelConfigError,
    MediaRefused,
    MediaUnavailable,
    MediaUnreadable,
    ModelError,
)
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.storage.cache import Cache
from dinolabel.vision.types import Image
from tests.doubles.coloured_things import BLUE, GREEN, RED, ColourSense, FolderMedia, ThingDetector, bundle, picture, scene
from tests.doubles.scripted_studio import CONFIG


class Kitchen:
    """A predictor and what it needs."""

    def __init__(self, root: Path) -> None:
        self.photos = root / "photos"
        self.photos.mkdir()
        self.detector = ThingDetector()
        self.pipeline = Pipeline(self.detector, ColourSense(), cache=Cache(root / "cache.sqlite", max_mb=16), batch_size=2)
        self.store = BundleStore(root / "bundles")
        self.recipes = ServingConfigs(self.pipeline, self.store)
        self.predictor = Predictor(FolderMedia(self.photos), InferenceQueue(self.pipeline))

    def recipe(self, bundle_id: str | None = None, label_config: str = CONFIG) -> ServingConfig:
        return self.recipes.build(1, label_config, bundle_id)

    def tasks(self, count: int) -> list[TaskPayload]:
        return [TaskPayload(10 + each, {"image": f"/data/{scene(self.photos, each).name}"}) for each in range(count)]

    def ask(self, tasks: Sequence[TaskPayload], recipe: ServingConfig | None = None, **how: bool) -> list[Prediction | Failure]:
        return list(self.predictor.predictions(PredictionJob(recipe or self.recipe(), **how), tasks))


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def labels(answer: Prediction | Failure) -> list[str]:
    assert isinstance(answer, Prediction)
    return [each["value"]["rectanglelabels"][0] for each in answer.stored["result"]]


def test_one_for_each_in_order(kitchen: Kitchen) -> None:
    answers = kitchen.ask(kitchen.tasks(5))
    assert [each.task for each in answers] == [10, 11, 12, 13, 14]
    assert all(labels(each) == ["thing", "thing"] for each in answers)


def test_no_tasks_no_answers(kitchen: Kitchen) -> None:
    assert kitchen.ask([]) == []
    assert kitchen.detector.passes == 0


def test_nothing_in_the_picture_is_an_empty_result_with_the_version(kitchen: Kitchen) -> None:
    picture(kitchen.photos / "empty.png")
    (answer,) = kitchen.ask([TaskPayload(1, {"image": "/empty.png"})])
    assert isinstance(answer, Prediction)
    assert answer.stored == {"task": 1, "result": [], "score": 1.0, "model_version": kitchen.recipe().version}


BAD = [
    ({"image": "/data/gone.png"}, MediaUnavailable),
    ({"image": "/data/half.png"}, MediaUnreadable),
    ({"image": "/data/page.png"}, MediaUnreadable),
    ({"picture": "/data/scene000.png"}, MediaRefused),
    ({"image": ""}, MediaRefused),
    ({"image": None}, MediaRefused),
    ({"image": 5}, MediaRefused),
]


@pytest.mark.parametrize(("data", "kind"), BAD)
@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_a_bad_task_costs_only_itself(kitchen: Kitchen, data: dict[str, object], kind: type[Exception], place: int) -> None:
    tasks = kitchen.tasks(5)
    (kitchen.photos / "half.png").write_bytes((kitchen.photos / "scene000.png").read_bytes()[:120])
    (kitchen.photos / "page.png").write_text("<!doctype html><html><body>Sign in</body></html>")
    tasks[place] = TaskPayload(tasks[place].id, data)
    answers = kitchen.ask(tasks)
    assert [each.task for each in answers] == [each.id for each in tasks]
    assert [isinstance(each, Failure) for each in answers] == [index == place for index in range(5)]
    assert isinstance(answers[place], Failure) and isinstance(answers[place].error, kind)


def test_a_bug_met_by_one_picture_does_not_cost_the_others(kitchen: Kitchen) -> None:
    tasks, plain = kitchen.tasks(4), kitchen.detector.candidates

    def candidates(images: Sequence[Image], *args: object, **kwargs: object) -> object:
        if any(image.sha256 == bad for image in images):
            raise ZeroDivisionError
        return plain(images, *args, **kwargs)

    from dinolabel.vision.decoding.pictures import open_image

    bad = open_image(kitchen.photos / "scene002.png").sha256
    kitchen.detector.candidates = candidates  # type: ignore[assignment, method-assign]
    answers = kitchen.ask(tasks)
    assert [isinstance(each, Failure) for each in answers] == [False, False, True, False]
    assert isinstance(answers[2], Failure) and isinstance(answers[2].error, ZeroDivisionError)


def test_a_bundle_gives_names_and_the_rest_stays_generic(kitchen: Kitchen) -> None:
    picture(kitchen.photos / "three.png", (RED, (5, 5, 35, 25)), (GREEN, (5, 35, 35, 55)), (BLUE, (5, 65, 35, 90)))
    bundle_id = kitchen.store.publish("1", bundle({"jason": RED, "lacy": GREEN}))
    (answer,) = kitchen.ask([TaskPayload(1, {"image": "/three.png"})], kitchen.recipe(bundle_id))
    assert labels(answer) == ["jason", "lacy", "thing"]


def test_only_labels_of_this_very_label_config_are_sent(kitchen: Kitchen) -> None:
    bundle_id = kitchen.store.publish("1", bundle({"jason": RED, "lacy": GREEN}))
    without_lacy = CONFIG.replace('<Label value="lacy"/>', "")
    (answer,) = kitchen.ask(kitchen.tasks(1), kitchen.recipe(bundle_id, without_lacy))
    assert labels(answer) == ["jason", "thing"]
    assert kitchen.recipe(bundle_id, without_lacy).version != kitchen.recipe(bundle_id).version


def test_pushed_ids_are_the_same_each_time_and_interactive_ones_never(kitchen: Kitchen) -> None:
    def ids(**how: bool) -> list[str]:
        (answer,) = kitchen.ask(tasks, **how)
        assert isinstance(answer, Prediction)
        return [each["id"] for each in answer.stored["result"]]

    tasks = kitchen.tasks(1)
    assert ids() == ids()
    assert not set(ids(fresh=True)) & set(ids(fresh=True))


def test_a_new_head_costs_no_forward_pass(kitchen: Kitchen) -> None:
    tasks = kitchen.tasks(4)
    kitchen.ask(tasks)
    seen, embedded = kitchen.detector.passes, []
    kitchen.pipeline.embedder.embed = embedded.append  # type: ignore[union-attr, method-assign, assignment]
    bundle_id = kitchen.store.publish("1", bundle({"jason": RED, "lacy": GREEN}))
    assert [labels(each) for each in kitchen.ask(tasks, kitchen.recipe(bundle_id))] == [["jason", "lacy"]] * 4
    assert (kitchen.detector.passes, embedded) == (seen, [])


def test_stopped_means_no_further_chunk(kitchen: Kitchen) -> None:
    answers: list[Prediction | Failure] = []
    job = PredictionJob(kitchen.recipe(), cancelled=lambda: len(answers) >= 3)
    for each in kitchen.predictor.predictions(job, kitchen.tasks(6)):
        answers.append(each)
    assert len(answers) == 4
    assert kitchen.detector.passes == 4


@pytest.mark.parametrize(
    ("label_config", "kind"),
    [("<View/>", LabelConfigError), ("no xml", LabelConfigError), ('<View><Image name="i" value="$image"/></View>', LabelConfigError)],
)
def test_a_label_config_that_cannot_be_used_is_said_at_once(kitchen: Kitchen, label_config: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        kitchen.recipe(label_config=label_config)


@pytest.mark.parametrize(("labels", "phrases"), [(5_001, 1), (1, 1_501)])
def test_a_label_config_beyond_all_measure_is_refused(kitchen: Kitchen, labels: int, phrases: int) -> None:
    more = "".join(f'<Label value="l{n}"/>' for n in range(labels))
    words = ",".join(f"w{n}" for n in range(phrases))
    with pytest.raises(LabelConfigError, match="are the most"):
        kitchen.recipe(
            label_config=CONFIG.replace("coloured thing", words).replace('<Label value="jason"/>', f'<Label value="jason"/>{more}')
        )


def test_thresholds_of_the_label_config_overrule_the_settings(kitchen: Kitchen) -> None:
    strict = CONFIG.replace('toName="image">', 'toName="image" model_box_threshold="0.895">')
    (answer,) = kitchen.ask(kitchen.tasks(1), kitchen.recipe(label_config=strict))
    assert labels(answer) == ["thing"]
    assert kitchen.recipe(label_config=strict).version != kitchen.recipe().version


def test_a_bundle_of_another_embedder_is_refused(kitchen: Kitchen) -> None:
    bundle_id = kitchen.store.publish("1", bundle({"jason": RED}))
    kitchen.pipeline.embedder.digest = "e2"  # type: ignore[union-attr, misc]
    with pytest.raises(BundleMismatch):
        kitchen.recipe(bundle_id)


@pytest.mark.parametrize("error", [ModelError("The GPU is gone."), TimeoutError("a model far away")], ids=type)
def test_a_model_that_is_down_fails_each_task_with_its_error(kitchen: Kitchen, error: Exception) -> None:
    def candidates(*args: object, **kwargs: object) -> object:
        raise error

    kitchen.detector.candidates = candidates  # type: ignore[assignment, method-assign]
    answers = kitchen.ask(kitchen.tasks(3))
    assert [type(each.error) for each in answers if isinstance(each, Failure)] == [type(error)] * 3
