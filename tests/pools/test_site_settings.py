"""The fragments of configuration in docs/administrators.md, as HTCondor reads them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "administrators.md"

WITHOUT_DEFAULT = {
    "DEFAULT_USERLOG_FORMAT_OPTIONS",
    "SYSTEM_PERIODIC_HOLD_NAMES",
    "SYSTEM_PERIODIC_HOLD_MEMORY",  # named by the one before
    "SYSTEM_PERIODIC_HOLD_MEMORY_REASON",
}


def ask(config: Path, *words: str) -> str:
    return subprocess.run(
        ["condor_config_val", *words],
        env={**os.environ, "CONDOR_CONFIG": str(config)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_fragments_are_what_htcondor_knows(htcondor_pool: Path, tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    fragments = re.findall(r"^```condor\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    settings = dict(re.findall(r"(?m)^(\w+) = (.*)$", "".join(fragments)))
    assert len(fragments) >= 6 and "NEGOTIATOR_INTERVAL" in settings
    config = tmp_path / "condor_config"
    plain = htcondor_pool / "condor_config"
    config.write_text(plain.read_text() + "".join(fragments))
    known = set(re.findall(r"(?m)^(\w+) = ", ask(plain, "-dump")))
    assert set(settings) - known == WITHOUT_DEFAULT
    for name, value in settings.items():
        if "$(" not in value:
            assert ask(config, name).strip() == value


def test_no_star_in_code_spans() -> None:
    # A converter that catalogs use takes it for emphasis.
    prose = re.sub(r"^```.*?^```$", "", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert not [span for span in re.findall(r"`[^`\n]+`", prose) if "*" in span]
