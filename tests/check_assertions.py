"""List tests that assert nothing, and fail if there are any: a check that cannot fail is none."""

import ast
import sys
from pathlib import Path

_CHECKS = {"raises", "warns", "fail"}


def _asserts(function: ast.AST, helpers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called and (called in _CHECKS | helpers or called.startswith("assert_")):
                return True
    return False


def _silent_tests(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    helpers = {f.name for f in functions if not f.name.startswith("test") and _asserts(f, set())}
    tests = [f for f in functions if f.name.startswith("test")]
    return [f"{path}:{f.lineno} {f.name}" for f in tests if not _asserts(f, helpers)]


if __name__ == "__main__":
    silent = [line for path in Path("tests").rglob("test_*.py") for line in _silent_tests(path)]
    print("\n".join(silent) or "every test asserts something")
    sys.exit(bool(silent))
