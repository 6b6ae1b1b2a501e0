"""The classifier of tasks against its slow twin, and on the prompts that nothing is trained on."""

from __future__ import annotations

import importlib.util
import string
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail
from inferail.core import TaskModel
from inferail.errors import ConfigError, FormatError
from tests.core.reference_classifier import ReferenceModel, features

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(inferail.__file__).parent / "routing" / "data" / "tasks.model"
MODEL, TWIN = TaskModel(FILE), ReferenceModel(FILE)
TEXTS = st.text(alphabet=string.printable + "äéßÑжЯ漢字ひ！。ไท", max_size=400)


def training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training", ROOT / "scripts" / "train_task_classifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["training"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@given(text=TEXTS, bits=st.integers(1, 20))
def test_features_are_those_of_the_twin(text, bits):
    found = TaskModel.features(text, bits=bits)

    assert len(found) == len(set(found))
    assert set(found) == features(text, bits)


@settings(max_examples=30)
@given(text=TEXTS, times=st.integers(1, 30))
def test_features_of_a_long_text_are_those_of_its_ends(text, times):
    long = f"begin {text * times} {'é' * 1_500} {text} end"

    assert set(TaskModel.features(long, bits=18)) == features(long, 18)


@given(text=TEXTS)
def test_model_says_what_its_twin_says(text):
    model, twin = MODEL, TWIN

    assert list(model.tasks) == twin.tasks
    assert model.scores(text) == pytest.approx(twin.scores(text), abs=1e-4)
    task, confidence, complexity = model.classify(text)
    assert (confidence, complexity) == pytest.approx(twin.classify(text)[1:], abs=1e-4)
    *of_tasks, _ = twin.scores(text)
    assert of_tasks[twin.tasks.index(task)] == pytest.approx(max(of_tasks), abs=1e-4)


def test_model_is_right_on_most_prompts_it_was_not_trained_on():
    """Serves R59."""
    script = training()
    trained = {prompt.text.lower() for prompt in script.training()}
    prompts = script.held_out()

    assert not [prompt.text for prompt in prompts if prompt.text.lower() in trained]
    found = script.measured(TaskModel(FILE), prompts)
    assert len(prompts) >= 150
    assert found["accuracy"] >= 0.8
    assert found["complexity_error"] <= 0.12


def test_training_learns_what_separates_few_prompts():
    script = training()
    texts = [f"{word} {number}" for number in range(20) for word in ("red", "blue", "green")]
    linear = script.fit(script.features_of(texts), script.one_hot([0, 1, 2] * 20, 3))

    assert linear.scores(script.features_of(["a red car", "the blue sea", "green"])).argmax(axis=1).tolist() == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("place", [0, 8, 9, 11, 200, -5, -1])
def test_model_refuses_a_file_with_a_byte_changed(tmp_path, place):
    file = bytearray(FILE.read_bytes())
    file[place] ^= 0x40
    path = tmp_path / "tasks.model"
    path.write_bytes(file)

    with pytest.raises(FormatError) as caught:
        TaskModel(path)

    assert caught.value.path == str(path)


@pytest.mark.parametrize("length", [0, 4, 11, 12, 40, 1_000])
def test_model_refuses_a_file_that_is_cut_with_a_right_checksum(tmp_path, length):
    cut = FILE.read_bytes()[:length]
    path = tmp_path / "tasks.model"
    path.write_bytes(cut + zlib.crc32(cut).to_bytes(4, "little"))

    with pytest.raises(FormatError):
        TaskModel(path)


def test_model_says_which_file_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        TaskModel(tmp_path / "none.model")


@pytest.mark.parametrize("bits", [0, 21])
def test_features_refuse_numbers_of_bits_out_of_range(bits):
    with pytest.raises(ConfigError, match="bits must be from 1 to 20"):
        TaskModel.features("text", bits=bits)
