"""The check for circles between modules finds them, and finds none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import module_circles

PROJECT = Path(__file__).resolve().parents[2]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


# Two files each, beside `mod a; mod b;` in the root.
RUST_CIRCLES = {
    "by use": ("use crate::b::B;\npub struct A(B);", "use crate::a::A;\npub struct B(Box<A>);"),
    "through super": ("use super::b::B;\npub struct A(B);", "use super::a;\npub struct B(Box<a::A>);"),
    "by a path in a signature": ("pub struct A(crate::b::B);", "pub struct B(Box<crate::a::A>);"),
    "by a path in a body": ("pub fn a() { crate::b::b() }", "pub fn b() { super::a::a() }"),
    "by a path in a macro's arguments": ("pub fn a() { drop(vec![crate::b::b()]) }", "pub fn b() -> u8 { crate::a::a(); 1 }"),
    "by use within a body": ("pub fn a() { use crate::b; b::b() }", "pub fn b() { crate::a::a() }"),
    "in a list of names": ("use crate::{b::{self as other, b}};\npub fn a() { b(); other::b() }", "pub fn b() { crate::a::a() }"),
    "by a glob": ("use crate::b::*;\npub fn a() { b() }", "use crate::a::*;\npub fn b() { a() }"),
    "by a re-export of what is not its own": ("pub use crate::b::b;\npub fn a() {}", "pub fn b() { crate::a::a() }"),
    "for its name only": ("use crate::b::T as _;\npub fn a() {}", "pub trait T { fn t() { crate::a::a() } }"),
    "in braces": ("pub mod inner { pub fn a() { crate::b::b() } }", "pub fn b() { crate::a::inner::a() }"),
    "by a test": ("pub fn a() { crate::b::b() }", "pub fn b() {}\n#[cfg(test)]\nmod tests { #[test] fn t() { crate::a::a() } }"),
    "behind strings and comments": ('pub fn a() -> &\'static str { crate::b::b(); "// \\" /*" }', "/* /* */ */ pub fn b() { let _ = 'a'; crate::a::a(); }"),
}  # fmt: skip


@pytest.mark.parametrize("case", RUST_CIRCLES)
def test_a_circle_between_two_files_is_seen(tmp_path: Path, case: str) -> None:
    a, b = RUST_CIRCLES[case]
    found = module_circles.check(write(tmp_path, {"lib.rs": "mod a;\nmod b;\n", "a.rs": a, "b.rs": b}))
    assert any("a -> b -> a" in circle for circle in found), found


# The files beside `lib.rs`, and the circle.
RUST_TREES = {
    "hidden by a re-export": (
        {"lib.rs": "mod a; mod b; pub use b::B;", "a.rs": "use crate::B; pub struct A(B);", "b.rs": "pub struct B(Option<Box<crate::a::A>>);"},
        "files: a -> b -> a",
    ),
    "hidden by two re-exports and a glob": (
        {"lib.rs": "mod a; mod b; pub use b::*;", "a.rs": "pub fn a() { crate::c() }", "b.rs": "mod c; pub use c::c;", "b/c.rs": "pub fn c() { crate::a::a() }"},
        "files: a -> b::c -> a",
    ),
    "a parent that uses its child": (
        {"lib.rs": "mod a;", "a.rs": "mod b; pub use b::B; pub struct A(B); pub struct C;", "a/b.rs": "pub struct B(super::C);"},
        "files: a -> a::b -> a",
    ),
    "a parent that calls its child by path": (
        {"lib.rs": "mod a;", "a/mod.rs": "mod b; pub fn c() { b::b() }", "a/b.rs": "use super::*; pub fn b() { c() }"},
        "files: a -> a::b -> a",
    ),
    "the root": (
        {"main.rs": "mod a; fn main() { a::a() } const N: u8 = 1;", "a.rs": "pub fn a() -> u8 { crate::N }"},
        "files: the root -> a -> the root",
    ),
    "three files": (
        {"lib.rs": "mod a; mod b; mod c;", "a.rs": "use crate::b::b; pub fn a() { b() }", "b.rs": "pub fn b() { crate::c::c() }", "c.rs": "pub fn c() { crate::a::a() }"},
        "files: a -> b -> c -> a",
    ),
    "between folders, where the files have none": (
        {"lib.rs": "mod a; mod b;", "a.rs": "mod one; mod two;", "a/one.rs": "pub fn one() { crate::b::b() }", "a/two.rs": "pub fn two() {}",
         "b.rs": "pub fn b() { crate::a::two::two() }"},
        "modules: a -> b -> a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RUST_TREES)
def test_a_circle_in_a_tree_is_seen(tmp_path: Path, case: str) -> None:
    files, circle = RUST_TREES[case]
    found = module_circles.check(write(tmp_path, files))
    assert any(circle in text for text in found), found


RUST_WITHOUT = {
    "a parent that declares and re-exports its children": {
        "lib.rs": "pub mod a;", "a.rs": "mod b; mod c; pub use b::{B, b}; pub(crate) use c::*; pub struct A;",
        "a/b.rs": "use super::A; pub struct B(A); pub(super) fn b() {}", "a/c.rs": "pub(crate) fn c(_: super::B, _: super::A) {}",
    },
    "a file of tests": {
        "lib.rs": "pub fn a() {}\n#[cfg(test)]\nmod tests;", "tests.rs": "use super::*;\n#[test] fn t() { a() }",
    },
    "text, comments, fields and other crates": {
        "lib.rs": "mod a; mod b;", "a.rs": "pub struct A { pub b: u8 } pub fn a() { crate::b::b() }",
        "b.rs": "//! See [`crate::a`].\n// crate::a::a()\npub fn b() { let a = \"crate::a::a()\"; drop(std::a::a); x.a.a(); tracing::info!(a = 1, r#\"super::a::a\"#) }",
    },
}  # fmt: skip


@pytest.mark.parametrize("case", RUST_WITHOUT)
def test_a_crate_without_circles_has_none(tmp_path: Path, case: str) -> None:
    assert module_circles.check(write(tmp_path, RUST_WITHOUT[case])) == []


PYTHON_CIRCLES = {
    "by name": ("from demo.b import b", "from demo.a import a"),
    "by module": ("import demo.b", "from demo import a"),
    "by relative import": ("from . import b", "from .a import a"),
    "within a function": ("from demo import b", "def b():\n    from demo import a\n    return a"),
    "for types alone": ("from demo import b", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from demo.a import A"),
}


@pytest.mark.parametrize("case", PYTHON_CIRCLES)
def test_a_circle_in_a_python_package_is_seen(tmp_path: Path, case: str) -> None:
    a, b = PYTHON_CIRCLES[case]
    found = module_circles.check(write(tmp_path / "demo", {"__init__.py": "", "a.py": a, "b.py": b}))
    assert any("demo::a -> demo::b -> demo::a" in circle for circle in found), found


def test_a_python_package_without_circles_has_none(tmp_path: Path) -> None:
    files = {"__init__.py": "from demo.a import A", "a.py": "from demo import NAME\nfrom demo.b.c import C", "b/__init__.py": "", "b/c.py": "import os"}
    assert module_circles.check(write(tmp_path / "demo", files)) == []


def test_what_cannot_be_read_is_an_error_and_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in {"gap": "mod missing;", "broken": "fn fn(", "path": '#[path = "x.rs"]\nmod x;'}.items():
        folder = write(tmp_path / name, {"lib.rs": source})
        with pytest.raises(module_circles.Unreadable):
            module_circles.check(folder)
        assert module_circles.main([str(folder)]) == 2
    (tmp_path / "empty").mkdir()
    assert module_circles.main([str(tmp_path / "empty")]) == 2
    assert module_circles.main([]) == 2
    capsys.readouterr()


def test_a_circle_fails_the_gate_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, {"lib.rs": "mod a;\nmod b;", "a.rs": "\nuse crate::b::B;", "b.rs": "pub struct B;\nuse crate::a;"})
    assert module_circles.main([str(folder)]) == 1
    said = capsys.readouterr().out
    assert "a.rs:2: crate::b::B" in said and "b.rs:2: crate::a" in said, said


def test_most_files_of_the_project_are_seen() -> None:
    """A reader that resolves nothing would find no circles either."""
    dependencies = module_circles.of_crate(PROJECT / "shared/core/src/lib.rs")
    users = {"/".join(user) for user, _ in dependencies.because}
    files = list((PROJECT / "shared/core/src").rglob("*.rs"))
    assert len(users) > len(files) * 2 / 3
    assert ("settings",) in {user for user, used in dependencies.because if used == ("color",)}
