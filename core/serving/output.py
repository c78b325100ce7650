"""What a process prints, kept in a file until somebody asks: a pipe would fill up."""

import tempfile


class ProcessOutput:
    """A temporary file that a process is given as its standard output, error, or both."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as we do

    def fileno(self) -> int:
        """Return the descriptor to hand to `subprocess.Popen`."""
        return self.file.fileno()

    def text(self) -> str:
        """Return what has been printed until now, without space around it."""
        self.file.seek(0)
        return self.file.read().decode(errors="replace").strip()

    def last_line(self, otherwise: str = "") -> str:
        """Return the last line of that, which mostly says what went wrong; *otherwise* if none."""
        return last_line(self.text(), otherwise)

    def last_words(self) -> str:
        """Return the last line of that, or say that there is none."""
        return last_words(self.text())

    def close(self) -> None:
        """Forget it."""
        self.file.close()

    def __enter__(self) -> "ProcessOutput":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def last_line(text: str, otherwise: str = "") -> str:
    """Return the last line of *text* that is not empty, or *otherwise*."""
    return text.strip().rpartition("\n")[2] or otherwise


def last_words(text: str) -> str:
    """Return the last line of *text*, what an ended process has printed, or that there is none."""
    return last_line(text, "without a word")
