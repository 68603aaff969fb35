"""Files of another training are refused by what differs; other weights with what they were and what to do."""

import re
from pathlib import Path

import pytest

from wsi_haloae.config import Config
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.training.identity import WEIGHTS, identity_of, require_same

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("had", "source", "words"),
    [
        (SHA256, "vgg19.safetensors", "other --weights (vgg19.safetensors). Give that --weights FILE again, choose"),
        (SHA256, "", "other --weights (SHA-256 0123456789ab...). Give that --weights FILE again, choose"),
        (None, "torchvision", "other --weights (none). Leave --weights out, choose another -o, or pass --overwrite"),
    ],
)
def test_other_weights_are_named_with_the_way_back(had: str | None, source: str, words: str) -> None:
    found, wanted = (identity_of(Config(), **{WEIGHTS: digest}) for digest in (had, "f" * 64))
    with pytest.raises(OutputExistsError, match=re.escape(words)):
        require_same(Path("model.safetensors"), found, wanted, source=source)
    found, wanted = {**found, "tile size": 64}, {**wanted, "tile size": 128}
    with pytest.raises(OutputExistsError, match=r"other --weights, tile size\. Choose another -o"):
        require_same(Path("model.safetensors"), found, wanted, source=source)
