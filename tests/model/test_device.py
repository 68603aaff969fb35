"""A device that is not there is told with those that are."""

from __future__ import annotations

import re

import pytest

from wsi_haloae.errors import UsageError
from wsi_haloae.model.device import resolve_device


@pytest.mark.parametrize("name", ["cuda:77", "meta", "nonsense"])
def test_only_devices_of_this_machine_are_offered(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve_device(name)
    offered = re.search(r"[Cc]hoose (.*) or (.*)\.$", str(refused.value))
    assert offered is not None
    names = [*offered[1].split(", "), offered[2]]
    assert names[:2] == ["auto", "cpu"]
    assert [resolve_device(one).type for one in names[1:]] == [one.partition(":")[0] for one in names[1:]]
