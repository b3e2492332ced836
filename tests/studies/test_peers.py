"""The comparison with other codes says what it needs before it writes anything."""

import pytest

from studies import properties_peers


def test_a_code_that_is_missing_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(properties_peers, "RESULTS", tmp_path)
    monkeypatch.setattr(properties_peers, "PEERS", ("torch", "no-such-package"))
    said = "no-such-package is not installed here; in an environment of its own: pip install torch no-such-package"
    with pytest.raises(SystemExit, match=said):
        properties_peers.main([])
    assert not list(tmp_path.iterdir())
