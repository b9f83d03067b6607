"""The figures of the house: how long things are, and who imports whom, read from the sources.

`python -m tests.house` prints them, `--write` puts them into docs/architecture.md;
`tests/test_architecture.py` holds the limits and compares the figures with that page. Nothing of
the package is imported here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
PAGE = ROOT / "docs" / "architecture.md"

LINES_OF_A_FILE = 400
LINES_OF_A_CLASS = 250
LINES_OF_A_FUNCTION = 50
PARAMETERS = 6
POSITIONAL = 3
LEVELS_OF_WIDGETS = 5

# Calls that make something that can be changed later.
MUTABLE = {
    *("bytearray", "count", "Counter", "cycle", "defaultdict", "deque", "dict", "list"),
    *("OrderedDict", "set", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary"),
}
# Methods that change what they are called on.
CHANGING = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("remove", "reverse", "setdefault", "sort", "update"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its text and its syntax tree."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def definitions(self) -> Iterator[tuple[str, Function | ast.ClassDef, ast.AST]]:
        """Every function and class: its name within the module, its node, the node around it."""

        def walk(
            node: ast.AST, prefix: str
        ) -> Iterator[tuple[str, Function | ast.ClassDef, ast.AST]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Function | ast.ClassDef):
                    yield f"{prefix}{child.name}", child, node
                    yield from walk(child, f"{prefix}{child.name}.")
                else:
                    yield from walk(child, prefix)

        return walk(self.tree, "")

    def functions(self) -> Iterator[tuple[str, Function, ast.AST]]:
        return ((n, node, a) for n, node, a in self.definitions() if isinstance(node, Function))

    def classes(self) -> Iterator[tuple[str, ast.ClassDef]]:
        return ((n, node) for n, node, _ in self.definitions() if isinstance(node, ast.ClassDef))


def read_modules(sources: Path = SOURCES) -> dict[str, Module]:
    """The modules under that folder by their dotted names."""
    found = {}
    for path in sorted(sources.rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = Module(name, path.read_text(encoding="utf-8"), is_package)
    return found


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def long_files(modules: Mapping[str, Module]) -> list[str]:
    return [m.name for m in modules.values() if len(m.text.splitlines()) > LINES_OF_A_FILE]


def long_classes(modules: Mapping[str, Module]) -> list[str]:
    return [
        name
        for module in modules.values()
        for name, node in module.classes()
        if lines_of(node) > LINES_OF_A_CLASS
    ]


def long_functions(modules: Mapping[str, Module]) -> list[str]:
    return [
        name
        for module in modules.values()
        for name, node, _ in module.functions()
        if lines_of(node) > LINES_OF_A_FUNCTION
    ]


def positional_of(node: Function, around: ast.AST) -> int:
    """Parameters that a caller may give by their place; self and cls are not counted."""
    bare = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    given = len(node.args.posonlyargs) + len(node.args.args)
    return given - (isinstance(around, ast.ClassDef) and not bare)


def many_parameters(modules: Mapping[str, Module]) -> list[str]:
    return [
        name
        for module in modules.values()
        for name, node, around in module.functions()
        if positional_of(node, around) + len(node.args.kwonlyargs) > PARAMETERS
    ]


def many_positional(modules: Mapping[str, Module]) -> list[str]:
    """Functions that take more than three parameters by their place."""
    return [
        name
        for module in modules.values()
        for name, node, around in module.functions()
        if positional_of(node, around) > POSITIONAL
    ]


def is_mutable(value: ast.expr | None) -> bool:
    """Whether the expression makes a list, a dict, a set or another thing that can be changed."""
    if isinstance(value, ast.Call):
        name = value.func
        called = name.id if isinstance(name, ast.Name) else getattr(name, "attr", "")
        return called in MUTABLE
    changeable = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    return isinstance(value, changeable)


def class_state(modules: Mapping[str, Module]) -> list[str]:
    """What is kept on a class: a mutable value in its body, or an attribute set on the class."""
    found = []
    for module in modules.values():
        names = set()
        for name, node in module.classes():
            names.add(node.name)
            for statement in node.body:
                targets = assigned_names(statement)
                if targets and is_mutable(getattr(statement, "value", None)):
                    found += [f"{name}.{target}" for target in targets]
        for part in ast.walk(module.tree):
            if isinstance(part, ast.Attribute) and (owner := class_written_to(part, names)):
                found.append(f"{owner}.{part.attr}")
    return sorted(set(found))


def class_written_to(node: ast.Attribute, names: set[str]) -> str:
    """The class that this attribute is set or deleted on; "" if it is only read, or no class's."""
    owner = node.value
    if isinstance(node.ctx, ast.Load):
        return ""
    if isinstance(owner, ast.Name) and owner.id in names | {"cls"}:
        return owner.id
    if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "type":
        return "type(...)"
    return ""


def assigned_names(statement: ast.stmt) -> list[str]:
    """Plain names that a statement of a module's or class's body gives a value."""
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def module_state(modules: Mapping[str, Module]) -> list[str]:
    """Names of a module's own body that its functions set anew or change."""
    found = []
    for module in modules.values():
        own = {name for statement in module.tree.body for name in assigned_names(statement)}
        for _, function, _ in module.functions():
            arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
            bound = {
                node.id
                for node in ast.walk(function)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            declared = {
                name
                for node in ast.walk(function)
                if isinstance(node, ast.Global)
                for name in node.names
            }
            changed = {name for node in ast.walk(function) if (name := changed_name(node))}
            written = declared | (changed & own - (arguments | bound))
            found += [f"{module.name.partition('.')[2]}.{name}" for name in written]
    return sorted(set(found))


def changed_name(node: ast.AST) -> str:
    """The plain name whose value this node changes in place; "" if it changes none."""
    target: ast.expr | None = None
    if isinstance(node, ast.Subscript | ast.Attribute):
        target = node.value if isinstance(node.ctx, ast.Store | ast.Del) else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        target = node.func.value if node.func.attr in CHANGING else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "next":
        target = node.args[0]
    return target.id if isinstance(target, ast.Name) else ""


def is_for_types_only(node: ast.AST) -> bool:
    """Whether this is `if TYPE_CHECKING:`, which no running program enters."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def statements_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes under `node`, functions' bodies too, without what is there for types only."""
    for child in ast.iter_child_nodes(node):
        if is_for_types_only(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other
                yield from statements_that_run(other)
            continue
        yield child
        yield from statements_that_run(child)


def imports_of(
    module: Module, modules: Mapping[str, Module], *, for_types: bool = False
) -> set[str]:
    """Our modules that this one imports, at once or lazily; those for types only if asked for."""
    named = set()
    for node in ast.walk(module.tree) if for_types else statements_that_run(module.tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.name.split(".")
                kept = len(package) - node.level + module.is_package
                base = ".".join([*package[:kept], *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                named.add(inner if inner in modules else base)
    return (named & modules.keys()) - {module.name}


def import_graph(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """Who imports whom when the program runs, at once or lazily."""
    return {name: imports_of(module, modules) for name, module in modules.items()}


def levels_of_widgets(modules: Mapping[str, Module]) -> list[str]:
    """The longest chain of imports inside widgets, as a reader follows it: those for types too."""
    inside = {name: m for name, m in modules.items() if name.startswith("napari_pisam.widgets")}
    graph = {name: imports_of(m, inside, for_types=True) for name, m in inside.items()}
    return longest_chain(graph)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by whatever detour: Tarjan's components."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], index[other])
        if lowest[name] == index[name]:
            component = stack[stack.index(name) :]
            del stack[-len(component) :]
            if len(component) > 1:
                found.append(sorted(component))

    for name in graph:
        if name not in index:
            visit(name)
    return sorted(found)


def longest_chain(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, as many as can be; a circle is entered once."""
    known: dict[str, list[str]] = {}

    def chain(name: str, open_names: frozenset[str]) -> list[str]:
        if name not in known:
            others = sorted(graph[name] - open_names)
            tails = [chain(other, open_names | {name}) for other in others]
            known[name] = [name, *max(tails, key=len, default=[])]
        return known[name]

    return max((chain(name, frozenset()) for name in sorted(graph)), key=len, default=[])


def figures(modules: Mapping[str, Module]) -> dict[str, int]:
    """The figures that docs/architecture.md shows, by their names there."""
    return {
        f"files over {LINES_OF_A_FILE} lines": len(long_files(modules)),
        f"classes over {LINES_OF_A_CLASS} lines": len(long_classes(modules)),
        f"functions over {LINES_OF_A_FUNCTION} lines": len(long_functions(modules)),
        f"functions with more than {PARAMETERS} parameters": len(many_parameters(modules)),
        "functions with positional parameters after the third": len(many_positional(modules)),
        "circles of imports": len(circles(import_graph(modules))),
        "levels of imports inside widgets": len(levels_of_widgets(modules)),
        "modules": len(modules),
    }


def figures_table(modules: Mapping[str, Module]) -> str:
    """The figures as a table of Markdown, as it stands in docs/architecture.md."""
    rows = [f"| {name} | {number} |" for name, number in figures(modules).items()]
    return "\n".join(["| figure | now |", "| --- | ---: |", *rows])


def write_figures(modules: Mapping[str, Module], page: Path = PAGE) -> None:
    """Put the figures into the page, in the place of the table that is there."""
    text = page.read_text(encoding="utf-8")
    table = re.compile(r"\| figure \| now \|\n(?:\|.*\n)*")
    page.write_text(table.sub(lambda _: figures_table(modules) + "\n", text), encoding="utf-8")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the figures, then what is over a limit; with --write, put the figures into the page."""
    modules = read_modules()
    if "--write" in arguments:
        write_figures(modules)
    lines = [figures_table(modules)]
    over = {
        "files": long_files(modules),
        "classes": long_classes(modules),
        "functions": long_functions(modules),
        "parameters": many_parameters(modules),
        "positional": many_positional(modules),
        "on a class": class_state(modules),
        "in a module": module_state(modules),
        "circles": [" <-> ".join(circle) for circle in circles(import_graph(modules))],
        "chain": levels_of_widgets(modules),
    }
    lines += [f"{name}: {entry}" for name, entries in over.items() for entry in entries]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
