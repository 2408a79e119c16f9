"""Project rules that no linter checks: sizes, names, where Streamlit is used, global state, imports of demos."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from lib.ui.app.page_links import PROJECT_ROOT

MODULES = sorted(PROJECT_ROOT.glob("lib/**/*.py"))
PAGES = sorted(PROJECT_ROOT.glob("pages/*.py"))
DEMOS = sorted(PROJECT_ROOT.glob("demo_experiments/*.py"))
OURS = [PROJECT_ROOT / "app.py", *PAGES, *MODULES]
FUNCTION_LINES = 40
ARGUMENTS = 5
VAGUE = re.compile(r"util|helper|manager|^base$|common|misc")
_EVERYDAY_WORDS = """
added again all anew any around aside asked asking before behind beside best called chosen cut deed deeds done drawn
each else elsewhere every explained fine found fresh given gone good greyed heard held here how ill kept known lacking
lacks left like listed look looked lost made many meant measured mended missed most named needed none noted nothing
offered on one others ours out outside own picked placed quick quietly remembered room said saved seen settled shop
shown so some stands standing told there thing things this typed understood unfinished used usual wanted way ways what
when where which who whole whose why wish wished with without word words written wrote
"""
EVERYDAY = frozenset(_EVERYDAY_WORDS.split())
"""Words that may be part of a name but are not names themselves: they do not say what a thing is. MLflow's own compounds are names."""
_MEANINGLESS_WORDS = """
anew asked beside deed found held here kept made meant one picked said seen shown told whose
"""
MEANINGLESS = frozenset(_MEANINGLESS_WORDS.split())
"""Names that no variable or argument may have: they do not say what the value is."""


def relative_path(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def for_every_file(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a check of one file: it runs on all files and fails with every file that breaks the rule."""

    def decorate(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            files, failures = list(paths), {}
            assert files
            for path in files:
                try:
                    check(path)
                except AssertionError as error:
                    failures[relative_path(path)] = str(error)
            assert failures == {}

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


@cache
def parse_module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_names(path: Path) -> set[str]:
    """The full names of everything a file imports, at any position."""
    names = set()
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def functions_in(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parse_module(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@for_every_file(OURS)
def test_a_module_has_at_most_300_lines_and_a_page_80(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= (80 if path in PAGES else 300)


@for_every_file(OURS)
def test_a_module_begins_with_what_it_is_for(path):
    assert len((ast.get_docstring(parse_module(path)) or "").split()) >= 4


@for_every_file([*MODULES, *PAGES])
def test_functions_are_short_and_take_few_arguments(path):
    functions = functions_in(path)
    assert {function.name: lines for function in functions if (lines := body_lines(function)) > FUNCTION_LINES} == {}
    assert {function.name for function in functions if _count_arguments(function) > ARGUMENTS} == set()


def _count_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = (*function.args.posonlyargs, *function.args.args)
    return len([argument for argument in arguments if argument.arg not in ("self", "cls")])


@for_every_file(OURS)
def test_public_names_have_a_docstring(path):
    definitions = [
        node
        for node in parse_module(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [node.name for node in definitions if not ast.get_docstring(node)] == []


@for_every_file(OURS)
def test_no_file_has_a_vague_name(path):
    assert not VAGUE.search(path.stem)
    assert path.stem not in EVERYDAY


@for_every_file(OURS)
def test_no_class_or_public_function_has_an_everyday_word_for_a_name(path):
    definitions = [
        node for node in ast.walk(parse_module(path)) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [node.name for node in definitions if node.name.lower() in EVERYDAY] == []


@for_every_file(OURS)
def test_no_local_name_hides_what_it_holds(path):
    """Fields of classes are excluded: some are keys in stored JSON and cannot be renamed."""
    nodes = [node for function in functions_in(path) for node in ast.walk(function)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    assert (names | arguments) & MEANINGLESS == set()


def test_a_test_module_is_no_library():
    """Shared test code is in tests/support or in a conftest."""
    old_code_folder = PROJECT_ROOT / "tests" / "support" / "written_by_533b392"
    modules = [
        path
        for folder in ("tests", "benchmarks")
        for path in PROJECT_ROOT.glob(f"{folder}/**/*.py")
        if not path.is_relative_to(old_code_folder)
    ]
    assert len(modules) > 100
    test_imports = {
        relative_path(path): names
        for path in modules
        if (names := sorted(name for name in imported_names(path) if name.startswith("tests.") and ".test_" in name))
    }
    assert test_imports == {}


def test_benchmarks_take_nothing_from_the_tests_but_their_support():
    names = {
        name for path in PROJECT_ROOT.glob("benchmarks/**/*.py") for name in imported_names(path) if name.split(".")[0] == "tests"
    }
    assert names
    assert {name for name in names if not name.startswith("tests.support")} == set()


def test_every_folder_of_tests_is_a_room_or_a_kind_of_test():
    test_folders = {path.name for path in (PROJECT_ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    lib_folders = {path.name for path in (PROJECT_ROOT / "lib").iterdir() if path.is_dir()}
    assert test_folders - lib_folders == {"browser", "journeys", "pages", "structure", "support"}


@for_every_file([path for path in MODULES if "ui" not in path.parts])
def test_streamlit_is_drawn_with_only_in_app_pages_and_lib_ui(path):
    assert not {name for name in imported_names(path) if name.split(".")[0] == "streamlit"}


@for_every_file([*PAGES, PROJECT_ROOT / "app.py", *PROJECT_ROOT.glob("lib/ui/**/*.py")])
def test_pages_and_lib_ui_never_touch_mlflow_themselves(path):
    roots = {name.split(".")[0] for name in imported_names(path)}
    assert not roots & {"mlflow", "sqlite3", "sklearn", "dagshub"}


@for_every_file(OURS)
def test_mlflows_global_state_is_never_set_in_the_apps_process(path):
    text = path.read_text(encoding="utf-8")
    attributes = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    assert not attributes & {"set_tracking_uri", "set_registry_uri", "set_experiment", "start_run", "load_model", "autolog"}


@for_every_file(OURS)
def test_nobody_catches_every_exception(path):
    handlers = [node for node in ast.walk(parse_module(path)) if isinstance(node, ast.ExceptHandler)]
    assert not [node.lineno for node in handlers if node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")]


@for_every_file(OURS)
def test_dates_are_written_as_every_platform_knows_them(path):
    """`%-d` is specific to glibc: Python raises ValueError for it on Windows. In chart formats it belongs to d3."""
    python_formats = re.findall(r":%-|[^{}]:%[^}\"]*%-|strftime\([^)]*%-", path.read_text())
    assert python_formats == []


@for_every_file(DEMOS)
def test_a_demo_is_a_plain_script_without_lib_and_streamlit(path):
    assert not {name.split(".")[0] for name in imported_names(path)} & {"lib", "streamlit", "app"}


@for_every_file([*PAGES, *PROJECT_ROOT.glob("lib/ui/**/*.py")])
def test_every_widget_on_a_page_has_a_key_that_names_its_page(path):
    """A widget without a key loses its state when its label changes; a key without a prefix collides with another page's."""
    widgets = {"button", "text_input", "text_area", "selectbox", "multiselect", "pills", "segmented_control", "toggle", "slider"}
    calls = [
        node
        for node in ast.walk(parse_module(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in widgets
        and ast.unparse(node.func.value) == "st"
        and not any(keyword.arg is None for keyword in node.keywords)  # **bound("x") includes its key
    ]
    keys = {
        call.lineno: next((ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "key"), "") for call in calls
    }
    assert {line: key for line, key in keys.items() if not key or (key[0] in "'\"" and "." not in key)} == {}


def is_declared_pure(path: Path) -> bool:
    """Whether a module's docstring has the word "Pure" as a sentence of its own, or before a semicolon."""
    return re.search(r"\bPure[.;]", ast.get_docstring(parse_module(path)) or "") is not None


@for_every_file([path for path in MODULES if is_declared_pure(path)])
def test_a_module_that_calls_itself_pure_is(path):
    impure = {"mlflow", "sqlite3", "subprocess", "os", "time", "random", "secrets", "streamlit", "httpx"}
    assert not {name.split(".")[0] for name in imported_names(path)} & impure


def _is_in_any(module: str, packages: list[str]) -> bool:
    """Whether a module is one of these packages or in one of them, by dotted name."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def test_the_contract_of_purity_names_every_module_that_calls_itself_pure():
    contracts = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["name"].startswith("Pure"))
    sources = contract["source_modules"]
    modules = {".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts) for path in MODULES if is_declared_pure(path)}
    assert len(modules) > 60
    assert sorted(module for module in modules if not _is_in_any(module.removesuffix(".__init__"), sources)) == []


def _conditional_placeholder_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[int]:
    """Lines of this function that create a placeholder only sometimes: in a branch, in a loop, or after an early return."""
    lines, may_have_returned = [], False
    for statement in function.body:
        placeholder_lines = [
            node.lineno for node in ast.walk(statement) if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.empty"
        ]
        is_conditional = isinstance(statement, ast.If | ast.For | ast.While | ast.Match | ast.Try | ast.FunctionDef)
        lines += placeholder_lines if may_have_returned or is_conditional else []
        may_have_returned = may_have_returned or any(isinstance(node, ast.Return | ast.Raise) for node in ast.walk(statement))
    return lines


@for_every_file([*PAGES, *PROJECT_ROOT.glob("lib/ui/**/*.py")])
def test_a_place_for_progress_is_there_in_every_run_of_a_page(path):
    """One that comes and goes shifts the elements after it, and the browser redraws every chart, even one that is being brushed."""
    assert {function.name: lines for function in functions_in(path) if (lines := _conditional_placeholder_lines(function))} == {}
