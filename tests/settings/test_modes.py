"""Who else may read the files that hold keys and money."""

from pathlib import Path

from gateway.settings.modes import open_to_others


def test_file_that_others_may_read_is_told_with_its_mode(tmp_path: Path) -> None:
    """Its owner's alone, readable by a group, writable by all, and one that is not there."""
    modes = {"mine": 0o600, "group": 0o640, "all": 0o666}
    for name, mode in modes.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    found = open_to_others([tmp_path / name for name in (*modes, "nothing")])
    assert found == [(tmp_path / "group", "0640"), (tmp_path / "all", "0666")]
