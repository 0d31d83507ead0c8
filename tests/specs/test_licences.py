"""What a licence policy refuses, and what it says."""

import pytest

from praxia.errors import ConfigError
from praxia.specs.licences import check_licences, commercial_use, refused


def test_tags_are_known_whatever_their_case():
    assert commercial_use("Apache-2.0") and commercial_use("VGGT License")
    assert commercial_use("CC-BY-NC-4.0") is False
    assert commercial_use("house rules") is None


def test_commercial_refuses_what_forbids_it_and_what_nobody_looked_up():
    with pytest.raises(ConfigError) as caught:
        check_licences({"vggt": "cc-by-nc-4.0", "my arm": "unknown", "tabletop": "Apache-2.0"}, "commercial", {"vggt": "vggt-commercial"})
    message = str(caught.value)
    assert "refuses 2 of 3" in message and "vggt (cc-by-nc-4.0): not for commercial use; use vggt-commercial" in message
    assert "my arm (unknown)" in message and "dataset.yaml" in message and "tabletop" not in message.split("fix:")[0]


def test_research_and_any_take_non_commercial_weights():
    check_licences({"vggt": "cc-by-nc-4.0", "mine": "unknown"}, "research")
    check_licences({"theirs": "proprietary"}, "any")
    assert refused("proprietary", "research") == "grants nothing"
