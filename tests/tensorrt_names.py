"""Which names of TensorRT do our modules use, and does a library have them, with these arguments?

    python tests/tensorrt_names.py MODULE        JSON: {"version", "uses": [...], "problems": [...]}

Our sources are read (`ast`), never run: an expression is followed from the library's module, or
from a parameter or attribute that is annotated `trt.X`, through attributes and calls. What a call
gives is read from the signature in the library's own docstring.
"""

import ast
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "engines").glob("tensorrt_*.py"))
Typed = tuple[str, Any]  # ("module" | "class" | "object" | "function", what)


class Walker(ast.NodeVisitor):
    """Follows the library's objects through one module.

    Attributes:
        uses: every name of the library that was met, e.g. "Builder.create_network".
        problems: sentences on those that it does not have.
    """

    def __init__(self, library: Any) -> None:
        self.library = library
        self.uses: set[str] = set()
        self.problems: list[str] = []
        self.scope: dict[str, Typed] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.scope = self.scope, dict(self.scope)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            self.declare(argument.arg, argument.annotation)
            if argument.arg == "module":
                self.scope["module"] = ("module", self.library)
        self.generic_visit(node)
        attributes = {name: kind for name, kind in self.scope.items() if name.startswith("self.")}
        self.scope = outer | attributes

    def declare(self, name: str, annotation: ast.expr | None) -> None:
        """Remember what an annotation says, if it says `trt.X`."""
        if annotation is None:
            return
        words = (
            annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
        )
        if isinstance(words, str) and words.startswith("trt."):
            kind = words.removeprefix("trt.")
            if found := self.member(("module", self.library), kind):
                self.scope[name] = ("object", found[1])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.declare(ast.unparse(node.target), node.annotation)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        pairs = [(node.targets[0], node.value)]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for target, value in pairs:
            kind = self.kind(value)
            self.visit(target)
            if kind is not None:
                self.scope.setdefault(ast.unparse(target), kind)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.kind(node) is None:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.kind(node)
        self.generic_visit(node)

    def kind(self, node: ast.expr) -> Typed | None:
        """What of the library an expression is, or None."""
        if isinstance(node, ast.Call):
            called = self.kind(node.func)
            return self.result(called, node) if called else None
        if isinstance(node, ast.Attribute):
            if ast.unparse(node).endswith("library.module"):
                return ("module", self.library)
            known = self.scope.get(ast.unparse(node))
            base = self.kind(node.value)
            return known or (self.member(base, node.attr) if base else None)
        return self.scope.get(ast.unparse(node)) if isinstance(node, ast.Name) else None

    def member(self, base: Typed, name: str) -> Typed | None:
        what, owner = base
        if what == "function":
            return None
        full = name if what == "module" else f"{owner.__name__}.{name}"
        self.uses.add(full)
        if not hasattr(owner, name):
            self.problems.append(f"there is no {full}")
            return None
        found = getattr(owner, name)
        if isinstance(found, type):
            return ("class", found)
        if isinstance(found, property):
            return self.named_by((found.fget.__doc__ or "") if found.fget else "")
        return ("function", found) if callable(found) else ("object", type(found))

    def result(self, called: Typed, node: ast.Call) -> Typed | None:
        what, function = called
        if what == "class":
            self.check_arguments(function.__name__, function.__init__.__doc__ or "", node)
            return ("object", function)
        if what != "function":
            return None
        self.check_arguments(function.__name__, function.__doc__ or "", node)
        return self.named_by(function.__doc__ or "")

    def check_arguments(self, name: str, text: str, node: ast.Call) -> None:
        """Compare a call with the signatures in a docstring: one of them must take it."""
        signatures = re.findall(r"^(?:\d+\. )?\w+\((.*)\) -> ", text, re.MULTILINE)
        if not signatures or "*args, **kwargs" in signatures[0] and len(signatures) == 1:
            return
        if not any(fits(signature, node) for signature in signatures):
            self.problems.append(f"{name} takes no such arguments: {ast.unparse(node)}")

    def named_by(self, text: str) -> Typed | None:
        """The class that a docstring's signature says is given back."""
        found = re.search(r"\) -> [\w.]*?\b([A-Z]\w+)\s*(?:\||$)", text, re.MULTILINE)
        kind = getattr(self.library, found[1], None) if found else None
        return ("object", kind) if isinstance(kind, type) else None


def fits(signature: str, node: ast.Call) -> bool:
    """Whether a call's arguments suit a signature such as `self: X, size: int = 0`."""
    parts = [part for part in re.split(r",\s*(?=\w+: )", signature) if part]
    names = [part.split(":")[0] for part in parts if not part.startswith("self:")]
    needed = [
        part.split(":")[0] for part in parts if not part.startswith("self:") and " = " not in part
    ]
    keywords = [keyword.arg for keyword in node.keywords]
    given = names[: len(node.args)] + keywords
    return (
        len(node.args) + len(keywords) <= len(names)
        and set(keywords) <= set(names)
        and set(needed) <= set(given)
    )


def walk(library: Any, sources: list[Path]) -> Walker:
    """Follow the library through several files."""
    walker = Walker(library)
    for source in sources:
        walker.scope = {}
        walker.visit(ast.parse(source.read_text(encoding="utf-8")))
    return walker


def main() -> None:
    library = importlib.import_module(sys.argv[1])
    walker = walk(library, [Path(name) for name in sys.argv[2:]] or SOURCES)
    found = {"uses": sorted(walker.uses), "problems": sorted(set(walker.problems))}
    print(json.dumps({"version": library.__version__} | found))


if __name__ == "__main__":
    main()
