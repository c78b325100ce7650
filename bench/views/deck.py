"""Slides of a run: one picture for each finding, for a laptop on which no race can be run.

Their words and figures are kept beside them in ``slides.json``, so that a test can tell whether
they still say what the run does.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calcbench.bench.analysis.summary import Summary
from calcbench.bench.schema.result import Run
from calcbench.bench.system.files import make_folder, whole_file
from calcbench.bench.views.slide import draw_pictures, findings

SLIDES, WORDS = "slides", "slides.json"


def write_deck(summary: Summary, run: Run, folder: Path) -> list[Path]:
    """Write the slides of *run* into a folder of *folder*; return their paths.

    Those that are there are written anew. Raises CalcbenchError.
    """
    target = folder / SLIDES
    make_folder(target)
    paths = draw_pictures(findings(summary, run), target, ("png",))
    with whole_file(target / WORDS, folder) as file:
        file.write(json.dumps(deck_as_json(summary, run), indent=1, ensure_ascii=False).encode())
        file.write(b"\n")
    return paths


def deck_as_json(summary: Summary, run: Run) -> list[dict[str, Any]]:
    """Return what the slides of *run* say, in their order."""
    return [asdict(picture.slide) for picture in findings(summary, run)]
