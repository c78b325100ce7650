"""List every sentence that the program can say, so that each of them is read once by a person.

``python tests/sentences.py`` writes them to ``tests/golden/sentences.txt``, by module and in the
order of the code; a test compares. A sentence is any text in the code with a space in it, and any
single word in a constant that holds headings. What a program puts in is shown as ``{…}``. Help
texts are sentences too, docstrings else are not.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "sentences.txt"
WINGS = ("core", "strategies", "bench")
PLACEHOLDER = "{…}"
WORDS = re.compile(r"[^\W\d_]{2,}.* |.* [^\W\d_]{2,}")  # a word, and a space before or behind it
# Constants whose texts are shown although they are single words.
LABELS = ("HEADINGS", "HEAD", "MARKS", "WORDS", "POINT", "TIME", "THINGS", "WAYS", "JUDGEMENTS")
NO_SENTENCES = {"compile", "cast", "TypeVar", "NewType", "Template", "encode", "import_module"}


def render(node: ast.expr) -> str:
    """Return the text of *node*, a literal, with a placeholder for each value that is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(render, node.values))
    if isinstance(node, ast.Constant):
        return re.sub(r"\{[^{}]*\}", PLACEHOLDER, str(node.value))  # those of str.format
    return PLACEHOLDER


def is_text(node: ast.AST) -> bool:
    """Tell whether *node* is a literal text."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_command(node: ast.AST) -> bool:
    """Tell whether *node* is a function whose docstring is the help of a command."""
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr in ("command", "group")
        for one in node.decorator_list
    )


def docstring_of(node: ast.AST) -> ast.Constant | None:
    """Return the docstring of *node*, if it has one."""
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value
    return None


def annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is no text though it looks like one: types in quotes."""
    for name in ("annotation", "returns"):
        if (found := getattr(node, name, None)) is not None:
            yield found


def texts(node: ast.AST, wanted_docs: set[int], *, labels: bool = False) -> Iterator[str]:
    """Yield the texts below *node* in the order of the code; single words only of *labels*."""
    if is_text(node):
        assert isinstance(node, ast.expr)
        text = render(node)
        if WORDS.search(text) or (labels and re.search(r"\w", text)):
            yield text
        if isinstance(node, ast.JoinedStr):  # what is said inside of a placeholder
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    yield from texts(value.value, wanted_docs)
        return
    aside = {id(one) for one in annotations(node)}
    docstring = docstring_of(node)
    if docstring is not None and id(docstring) not in wanted_docs:
        aside.add(id(node.body[0]))  # type: ignore[attr-defined]  # what has a docstring has one
    if isinstance(node, ast.Call):
        function = node.func
        name = getattr(function, "attr", None) or getattr(function, "id", "")
        if name in NO_SENTENCES:
            return
    if isinstance(node, ast.Assign):
        names = [one.id for one in node.targets if isinstance(one, ast.Name)]
        labels = any(one.endswith(LABELS) for one in names)
    for child in ast.iter_child_nodes(node):
        if id(child) not in aside:
            yield from texts(child, wanted_docs, labels=labels)


def sentences_of(path: Path) -> list[str]:
    """Return the sentences in the module at *path*, each once, in one line each."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    shown = [node for node in ast.walk(tree) if is_command(node)]
    if path.parent.name == "strategies":
        shown.append(tree)  # what `calcbench list` prints
    docs = {id(doc) for node in shown if (doc := docstring_of(node)) is not None}
    return list(dict.fromkeys(" ".join(text.split()) for text in texts(tree, docs)))


def sentences() -> dict[str, list[str]]:
    """Return the sentences of each module that has some, by its path."""
    paths = [path for wing in WINGS for path in sorted((ROOT / wing).rglob("*.py"))]
    found = {path.relative_to(ROOT).as_posix(): sentences_of(path) for path in paths}
    return {name: lines for name, lines in found.items() if lines}


def golden() -> str:
    """Return the text of the golden file as the code has it now."""
    parts = ["\n".join([f"== {name}", *lines]) for name, lines in sentences().items()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(golden(), encoding="utf-8")
    print(f"{GOLDEN.relative_to(ROOT)}: read what is new in it")
