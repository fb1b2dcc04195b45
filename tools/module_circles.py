"""Find circles among the files of a Rust crate or a Python package, and among the modules of each folder.

    python -m tools.module_circles shared/core/src cli/src demo

A folder with a `lib.rs` or a `main.rs` is a crate, any other a Python package. Cargo keeps crates free of circles; nothing keeps
modules free of them.

A file depends on another if it imports from it or names a path into it: `use crate::…`, `super::…`, a path inside a body or a macro's
arguments, `from demo import …` at any depth. Code for tests alone counts too. A name is followed to the file that defines it, through
every re-export, so that a re-export hides nothing.

Declaring a module and re-exporting from one's own descendants (`mod a; pub use a::A;`, an `__init__.py` that imports its modules) is
no dependency: that is a table of contents. So a child may use what its parent defines, as long as the parent's own code does not use
the child.

Two graphs must be without a circle: that of the files, and, for each module with children, that of its children with everything below
them. `drill/record.rs -> flag.rs -> drill/window.rs` is no circle among the files, and one between `drill` and `flag`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

RUST = Parser(Language(tree_sitter_rust.language()))
# A chain of re-exports that is longer than this is a circle.
MOST_REEXPORTS = 16

Name = tuple[str, ...]


class Unreadable(Exception):
    """Source whose dependencies cannot be determined."""


@dataclass
class Dependencies:
    """Which module depends on which, and why: the first place and its words."""

    because: dict[tuple[Name, Name], str] = field(default_factory=dict)

    def add(self, user: Name, used: Name, reason: str) -> None:
        if user != used:
            self.because.setdefault((user, used), reason)

    def seen_from(self, parent: Name) -> Dependencies:
        """Those among the children of `parent`, each with everything below it."""
        below = len(parent) + 1
        seen = Dependencies()
        for (user, used), reason in self.because.items():
            if user[: below - 1] == used[: below - 1] == parent and len(user) >= below and len(used) >= below:
                seen.add(user[:below], used[:below], reason)
        return seen

    def circles(self) -> list[list[Name]]:
        """One shortest circle for each set of modules that all depend on each other."""
        uses: dict[Name, list[Name]] = {}
        for user, used in sorted(self.because):
            uses.setdefault(user, []).append(used)
        found: list[list[Name]] = []
        for start in uses:
            circle = shortest_way(uses, start, start)
            if circle and not any(set(circle) & set(other) for other in found):
                found.append(circle)
        return found


def shortest_way(uses: dict[Name, list[Name]], start: Name, end: Name) -> list[Name] | None:
    ways = [[start]]
    seen = set()
    for way in ways:
        for used in uses.get(way[-1], []):
            if used == end:
                return [*way, used]
            if used not in seen:
                seen.add(used)
                ways.append([*way, used])
    return None


# Rust.


@dataclass
class Import:
    """One name of a `use`."""

    path: list[str]
    line: int
    exported: bool


@dataclass
class Module:
    """A Rust module; those in braces have the file around them."""

    name: Name
    parent: Module | None
    file: Path
    owner: Name
    children: dict[str, Module] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    globs: list[Import] = field(default_factory=list)
    unnamed: list[Import] = field(default_factory=list)
    items: set[str] = field(default_factory=set)
    # Paths in bodies, and where.
    paths: list[tuple[list[str], int]] = field(default_factory=list)

    def all(self) -> Iterator[Module]:
        yield self
        for child in self.children.values():
            yield from child.all()


ITEMS = {
    "function_item", "struct_item", "enum_item", "union_item", "trait_item", "type_item", "const_item", "static_item",
    "function_signature_item", "macro_definition",
}  # fmt: skip
WORDS = {"identifier", "type_identifier", "crate", "self", "super", "metavariable"}


def text(node: Node) -> str:
    return node.text.decode() if node.text else ""


def read_crate(root: Path) -> Module:
    return read_file(root, (), None, root.parent)


def read_file(file: Path, name: Name, parent: Module | None, folder: Path) -> Module:
    module = Module(name, parent, file, name)
    tree = RUST.parse(file.read_bytes())
    if tree.root_node.has_error:
        raise Unreadable(f"{file}: the parser does not understand all of it")
    read_items(tree.root_node, module, folder)
    return module


def read_items(node: Node, module: Module, folder: Path) -> None:
    for child in node.children:
        read_item(child, module, folder)


def read_item(node: Node, module: Module, folder: Path) -> None:
    if node.type == "mod_item":
        read_module(node, module, folder)
        return
    if node.type in ITEMS:
        named = node.child_by_field_name("name")
        if named is not None:
            module.items.add(text(named))
    read_body(node, module, folder)


def read_module(node: Node, module: Module, folder: Path) -> None:
    named = node.child_by_field_name("name")
    assert named is not None
    name, body = text(named), node.child_by_field_name("body")
    before = node.prev_named_sibling
    while before is not None and before.type == "attribute_item":
        if "path" in text(before).split("=")[0]:
            raise Unreadable(f"{module.file}:{line(node)}: #[path] is not followed")
        before = before.prev_named_sibling
    if body is not None:
        child = Module((*module.name, name), module, module.file, module.owner)
        module.children[name] = child
        read_items(body, child, folder / name)
        return
    for file in (folder / f"{name}.rs", folder / name / "mod.rs"):
        if file.exists():
            module.children[name] = read_file(file, (*module.name, name), module, folder / name)
            return
    raise Unreadable(f"{module.file}:{line(node)}: there is no file for `mod {name}`")


def line(node: Node) -> int:
    return node.start_point.row + 1


def read_body(node: Node, module: Module, folder: Path) -> None:
    """All words in a row with `::` between them. A macro's arguments have no more structure than that."""
    if node.type == "use_declaration":
        read_use(node, module)
        return
    path: list[str] = []
    # The token before the path's first word, and the token before the current one.
    first, before = "", ""
    begun = 0

    def end() -> None:
        if path and first not in {".", "::"}:
            module.paths.append((path.copy(), begun))
        path.clear()

    for token in tokens(node):
        if token.type == "use_declaration":
            end()
            read_use(token, module)
        elif token.type == "mod_item":
            end()
            read_module(token, module, folder)
        elif token.type in WORDS:
            if not (path and before == "::"):
                end()
                first, begun = before, line(token)
            path.append(text(token))
        elif token.type != "::":
            end()
        before = token.type
    end()


def tokens(node: Node) -> Iterator[Node]:
    """The leaf tokens, without comments, strings and `pub(super)`; a `use` and a module count as one token."""
    if "comment" in node.type or node.type in {"string_literal", "raw_string_literal", "char_literal", "visibility_modifier"}:
        return
    if not node.children or node.type in {"use_declaration", "mod_item"}:
        yield node
        return
    for child in node.children:
        yield from tokens(child)


def read_use(node: Node, module: Module) -> None:
    argument = node.child_by_field_name("argument")
    assert argument is not None
    exported = any(child.type == "visibility_modifier" for child in node.children)
    read_use_tree(argument, [], exported, module)


def read_use_tree(node: Node, prefix: list[str], exported: bool, module: Module) -> None:
    def add(path: list[str], name: str) -> None:
        found = Import(path, line(node), exported)
        if name == "_":
            module.unnamed.append(found)
        else:
            module.imports[name] = found

    if node.type == "use_as_clause":
        path, alias = node.child_by_field_name("path"), node.child_by_field_name("alias")
        assert path is not None and alias is not None
        add(prefix + words(path), text(alias))
    elif node.type == "use_wildcard":
        module.globs.append(Import(prefix + words(node), line(node), exported))
    elif node.type == "scoped_use_list":
        path, names = node.child_by_field_name("path"), node.child_by_field_name("list")
        assert names is not None
        for name in names.named_children:
            read_use_tree(name, prefix + (words(path) if path else []), exported, module)
    elif node.type == "use_list":
        for name in node.named_children:
            read_use_tree(name, prefix, exported, module)
    elif "comment" not in node.type:
        named = prefix + words(node)
        if named[-1] == "self":
            named.pop()
        add(named, named[-1])


def words(node: Node) -> list[str]:
    return [text(token) for token in tokens(node) if token.type in WORDS]


def resolve(module: Module, path: list[str], depth: int = 0) -> Module | None:
    """The module that defines the named item; None if another crate, or a body, defines it."""
    if depth > MOST_REEXPORTS:
        return None
    at: Module | None = module
    rest = path
    while rest and rest[0] in {"crate", "self", "super"}:
        if rest[0] == "crate":
            while at is not None and at.parent is not None:
                at = at.parent
        elif rest[0] == "super":
            at = at.parent if at else None
        rest = rest[1:]
    if at is None:
        return None
    if rest is path and not knows(at, rest[0], depth):
        return None
    for number, word in enumerate(rest):
        if word in at.children:
            at = at.children[word]
            continue
        if word in at.imports:
            return resolve(at, at.imports[word].path + rest[number + 1 :], depth + 1)
        if word in at.items:
            return at
        for glob in at.globs:
            behind = resolve(at, glob.path, depth + 1)
            if behind is not None and behind is not at and knows(behind, word, depth + 1):
                return resolve(behind, ["self", *rest[number:]], depth + 1)
        return at
    return at


def knows(module: Module, word: str, depth: int) -> bool:
    if word in module.children or word in module.imports or word in module.items:
        return True
    if depth > MOST_REEXPORTS:
        return False
    behind = [resolve(module, glob.path, depth + 1) for glob in module.globs]
    return any(found is not None and found is not module and knows(found, word, depth + 1) for found in behind)


def of_crate(root: Path) -> Dependencies:
    found = Dependencies()
    crate = read_crate(root)
    for module in crate.all():
        here = module.owner

        def add(path: list[str], at: int, exported: bool, here: Name = here, module: Module = module) -> None:
            target = resolve(module, path)
            if target is None or (exported and target.owner[: len(here)] == here):
                return
            found.add(here, target.owner, f"{module.file}:{at}: {'::'.join(path)}")

        for imported in [*module.imports.values(), *module.unnamed, *module.globs]:
            add(imported.path, imported.line, imported.exported)
        for path, at in module.paths:
            # A single word that is a module's name is a variable, a field or a macro's own word.
            if len(path) > 1 or path[0] not in module.children:
                add(path, at, exported=False)
    return found


# Python.


def of_package(folder: Path) -> Dependencies:
    found = Dependencies()
    files = {module_name(folder, file): file for file in sorted(folder.rglob("*.py"))}
    for name, file in files.items():
        # The start of a `from . import`.
        package = name if file.name == "__init__.py" else name[:-1]
        for node in ast.walk(ast.parse(file.read_bytes(), file)):
            if isinstance(node, ast.Import):
                wanted = [tuple(alias.name.split(".")) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else ()
                base = (*start, *(node.module.split(".") if node.module else ()))
                wanted = [(*base, alias.name) for alias in node.names]
            else:
                continue
            for path in wanted:
                if path[0] != folder.name:
                    continue
                target = path
                while target not in files:
                    target = target[:-1]
                if file.name != "__init__.py" or target[: len(name)] != name:
                    found.add(name, target, f"{file}:{node.lineno}: {'.'.join(path)}")
    return found


def module_name(folder: Path, file: Path) -> Name:
    path = (folder.name, *file.relative_to(folder).with_suffix("").parts)
    return path[:-1] if path[-1] == "__init__" else path


# Both.


def check(folder: Path) -> list[str]:
    """Each circle of a crate or a package, in words."""
    roots = [root for root in (folder / "lib.rs", folder / "main.rs") if root.exists()]
    if not roots and not list(folder.glob("*.py")):
        raise Unreadable(f"{folder} is neither a crate's source nor a Python package")
    said = []
    for all_files in [of_crate(root) for root in roots] or [of_package(folder)]:
        said += [describe(folder, "files", all_files, circle) for circle in all_files.circles()]
        parents = sorted({name[:length] for pair in all_files.because for name in pair for length in range(len(name))})
        for parent in parents:
            children = all_files.seen_from(parent)
            said += [describe(folder, "modules", children, circle) for circle in children.circles()]
    return list(dict.fromkeys(said))


def describe(folder: Path, kind: str, dependencies: Dependencies, circle: list[Name]) -> str:
    lines = [f"{folder}: a circle of {kind}: {' -> '.join('::'.join(name) or 'the root' for name in circle)}"]
    lines += [f"    {dependencies.because[pair]}" for pair in pairwise(circle)]
    return "\n".join(lines)


def main(folders: list[str]) -> int:
    if not folders:
        print("which folders?")
        return 2
    try:
        circles = [circle for folder in folders for circle in check(Path(folder))]
    except Unreadable as error:
        print(error)
        return 2
    print("\n".join(circles) or f"no circles among the modules of {', '.join(folders)}")
    return 1 if circles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
