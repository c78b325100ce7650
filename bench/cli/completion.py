"""`calcbench completion`: what makes a shell complete it, click's scripts with a change.

Bash ends a word at a colon and at an equals sign, so click's script would complete neither
``threadpool:wor`` nor ``-o wor``. Ours reads the whole line instead, and gives bash the part
behind the last such sign. In fish, click's script cuts what it offers at every comma, so it
would complete no ``fork,sel``; ours cuts it at the first, behind the kind.
"""

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    get_completion_class,
)

from calcbench.bench.cli.base import COMPLETION, Command
from calcbench.bench.system.terminal import echo

SHELLS = ("bash", "zsh", "fish")
BASH = """\
%(complete_func)s() {
    local line kind value
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%%%,*} value=${line#*,}
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; COMPREPLY+=("$value") ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete "$1")
}
complete -F %(complete_func)s %(prog_name)s
"""


class WholeLineBash(BashComplete):
    """Completion for bash that knows the line as the user sees it."""

    source_template = BASH
    incomplete = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, without the command, and the one at it."""
        words = re.split(r"\s+", os.environ["COMP_LINE"].lstrip())
        self.incomplete = words[-1]
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return *item* as the script reads it: a kind, and what is to stand behind the cursor."""
        start = max(self.incomplete.rfind(sign) for sign in ":=") + 1
        kind = "part" if item.value.endswith((":", "=")) else item.type
        return f"{kind},{item.value[start:]}"


class FirstCommaFish(FishComplete):
    """Completion for fish in which a value, and what is said about it, may have commas."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


@click.command(
    "completion",
    cls=Command,
    examples={
        "calcbench completion bash >> ~/.bashrc": "for every new bash",
        "calcbench completion zsh >> ~/.zshrc": "for every new zsh",
        "calcbench completion fish | source": "for this fish",
    },
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete this command.

    SHELL is bash, zsh or fish. It is what _CALCBENCH_COMPLETE=bash_source calcbench prints, and
    the same for zsh and fish.
    """
    echo(completion_script(click.get_current_context().find_root().command, shell))


def completion_script(command: click.Command, shell: str) -> str:
    """Return the script that makes *shell*, one of `SHELLS`, complete *command*."""
    kind = get_completion_class(shell)
    assert kind
    return kind(command, {}, "calcbench", COMPLETION).source().strip()


add_completion_class(WholeLineBash)
add_completion_class(FirstCommaFish)
