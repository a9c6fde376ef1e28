"""A version is run by its own code, of this release or of an earlier one."""

from pathlib import Path

import numpy as np
import pytest

from training.encoders import version_encoder
from training.errors import UnsupportedModel

BEFORE = """
import numpy as np
class TextEncoder:
    def __init__(self, folder, runtime):
        pass
    def encode(self, texts):
        return np.array([[len(text), 0] for text in texts], np.float32), None
"""
WITH_PROMPTS = """
import numpy as np
class BadPrompt(ValueError):
    pass
class TextEncoder:
    prompts = {"query": "", "passage": "p: "}
    def __init__(self, folder, runtime):
        if runtime == "openvino":
            raise BadPrompt("the prompt for query has 600 tokens")
    def encode(self, texts, input_type="query"):
        return np.array([[len(self.prompts[input_type] + text), 1] for text in texts], np.float32), None
"""


def test_a_version_without_prompts_gives_both_types_one_vector(tmp_path: Path) -> None:
    (tmp_path / "runtime.py").write_text(BEFORE)
    encode = version_encoder(tmp_path, "onnxruntime")
    assert encode.prompts == {}
    np.testing.assert_array_equal(encode(("abc",)), [[3, 0]])
    np.testing.assert_array_equal(encode(("abc",), "passage"), [[3, 0]])


def test_a_version_with_prompts_puts_the_one_of_the_type_before_a_text(tmp_path: Path) -> None:
    (tmp_path / "runtime.py").write_text(WITH_PROMPTS)
    encode = version_encoder(tmp_path, "onnxruntime")
    assert encode.prompts == {"passage": "p: "}
    np.testing.assert_array_equal(encode(["abc"]), [[3, 1]])
    np.testing.assert_array_equal(encode(["abc"], "passage"), [[6, 1]])


def test_a_prompt_that_cannot_be_used_is_an_error_of_training(tmp_path: Path) -> None:
    (tmp_path / "runtime.py").write_text(WITH_PROMPTS)
    with pytest.raises(UnsupportedModel, match="600 tokens"):
        version_encoder(tmp_path, "openvino")
