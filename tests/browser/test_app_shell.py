"""The app frame in a real browser: deep links, both themes, no external requests, hostile names, and the crash page."""

import re

import pytest
from playwright.sync_api import expect

from lib.ui.app.navigation import MENU_PAGES
from lib.ui.app.page_links import PROJECT_ROOT
from tests.conftest import copy_store
from tests.support.browser import FLAGS, Driver, serve_mlflow, serve_podium
from tests.support.hostile_text import HOSTILE_MODEL, fill_hostile_store

HIDDEN_PIXELS = """() => [...document.querySelectorAll('[data-testid=stDataFrame]')].map((table) => {
  const rows = Number(table.querySelector('[role=grid]').getAttribute('aria-rowcount')) - 1;
  return 32 + 31 * rows - table.querySelector('.dvn-scroller').clientHeight;
})"""
"""How many pixels of its rows each table of the page hides, where none has more rows than it shows."""
BAR_PIXELS = "() => { const table = document.querySelector('.dvn-scroller'); return table.offsetHeight - table.clientHeight; }"
ADDRESSES = [("/" if entry is MENU_PAGES[0] else f"/{entry.name}", entry.title) for entry in MENU_PAGES]


@pytest.fixture(scope="session")
def empty_backend(empty_database, tmp_path_factory):
    return copy_store(empty_database, tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def hostile_backend(empty_database, tmp_path_factory):
    """A store created with plain MLflow in which every name and text is an attack."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("hostile"))
    fill_hostile_store(backend)
    return backend


@pytest.mark.slow
def test_the_first_visit_of_a_cold_server_may_be_a_deep_link(window, empty_database, tmp_path):
    process = serve_podium(copy_store(empty_database, tmp_path / "store").uri, tmp_path / "run")
    try:
        driver = window(process).open("/compare")
        expect(driver.page.get_by_role("heading", level=1)).to_have_text("Compare")
        expect(driver.page.get_by_test_id("stSidebarNavLink")).to_have_count(len(MENU_PAGES))
    finally:
        process.stop()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_deep_link_opens_its_page_with_the_navigation_and_hostile_names_stay_text(window, podium, hostile_backend, scheme):
    driver = window(podium(hostile_backend), scheme=scheme)
    main = driver.page.get_by_test_id("stMain")
    for address, title in ADDRESSES:
        driver.open(address)
        expect(driver.page.get_by_role("heading", level=1)).to_have_text(HOSTILE_MODEL if title == "Models" else title)
        expect(driver.page.get_by_test_id("stSidebarNavLink")).to_have_count(len(MENU_PAGES))
        expect(driver.page.get_by_test_id("stException")).to_have_count(0)
        expect(main.locator("img[src*=evil], a[href*=evil], a[href^='javascript:'], .katex")).to_have_count(0)
        assert main.get_by_text("All gates pass", exact=True).count() == 0


def test_no_table_hides_its_last_row_where_scroll_bars_take_room(browser, browser_path, podium, hostile_backend):
    """Show scroll bars as most browsers on Windows and Linux do. Playwright hides them by default."""
    options = {"executable_path": browser_path, "args": FLAGS, "ignore_default_args": ["--hide-scrollbars"]}
    with browser.browser_type.launch(**options) as window_with_bars:
        driver = Driver(window_with_bars.new_page(viewport={"width": 1280, "height": 900}), podium(hostile_backend))
        for address in ("/", "/models", "/compare"):
            driver.open(address)
            driver.page.locator("[data-testid=stDataFrame] [role=grid]").first.wait_for(state="attached")
            assert driver.page.evaluate(BAR_PIXELS) > 0, f"{address} is no test: its table has no scroll bar"
            assert [pixels for pixels in driver.page.evaluate(HIDDEN_PIXELS) if pixels > 0] == [], address
        assert driver.problems == []


def test_fonts_and_logo_come_from_podium_itself_and_the_content_is_centred_on_a_wide_screen(window, podium, empty_backend):
    driver = window(podium(empty_backend), width=1920, height=1080).open()
    family = "getComputedStyle(document.querySelector('h1')).fontFamily"
    assert "Inter" in driver.page.evaluate(family)
    assert driver.page.evaluate("document.fonts.check('16px Inter')")
    expect(driver.page.get_by_test_id("stSidebarLogo")).to_be_visible()
    assert driver.page.get_by_test_id("stMainBlockContainer").bounding_box()["width"] <= 1400


@pytest.mark.slow
def test_a_dead_server_is_told_and_the_page_comes_back_when_it_lives_again(window, podium, tmp_path, monkeypatch):
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    server = serve_mlflow(tmp_path / "server")
    process = serve_podium(server.url, tmp_path / "run")
    try:
        driver = window(process).open("/compare")
        expect(driver.page.get_by_role("heading", level=1)).to_have_text("Compare")
        server.stop()
        driver.page.get_by_test_id("stSidebarNavLink").filter(has_text="Overview").click()
        expect(driver.page.get_by_test_id("stAlert")).to_contain_text("server", timeout=5000)
        driver.page.wait_for_timeout(4500)
        driver.page.get_by_test_id("stSidebarNavLink").filter(has_text="Launch").click()
        expect(driver.page.get_by_role("heading", level=1)).to_have_text("Podium cannot reach its backend", timeout=6000)
        server = serve_mlflow(tmp_path / "server", port=int(server.url.rpartition(":")[2]))
        driver.click("Try again")
        expect(driver.page.get_by_role("heading", level=1)).to_have_text("Launch")
    finally:
        process.stop()
        server.stop()


@pytest.mark.slow
def test_a_fault_shows_one_calm_box_and_its_text_stays_in_the_log(window, podium, empty_backend, tmp_path):
    process = serve_podium(empty_backend.uri, tmp_path / "run", PYTHONPATH=str(_write_broken_customization(tmp_path)))
    try:
        driver = window(process).open()
        box = driver.page.get_by_test_id("stAlert")
        expect(box).to_contain_text("Something went wrong here")
        error_id = re.search(r"id ([0-9a-f]{8})", box.inner_text()).group(1)
        assert "a secret stands here" not in driver.page.content()
        log = process.log.read_text()
        assert error_id in log
        assert "a secret stands here" in log
    finally:
        process.stop()


def _write_broken_customization(folder):
    """A `sitecustomize` that breaks one function of Podium, like a bug."""
    customization_folder = folder / "broken"
    customization_folder.mkdir()
    (customization_folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path.insert(0, {str(PROJECT_ROOT)!r})\n"
        "import lib.backends.quick_summary as quick_summary\n"
        "def read_quick_summary(backend):\n    raise RuntimeError('a secret stands here')\n"
        "quick_summary.read_quick_summary = read_quick_summary\n"
    )
    return customization_folder


@pytest.mark.slow
def test_the_first_step_trains_three_forests_and_leads_to_compare(window, podium, empty_database, tmp_path):
    process = serve_podium(copy_store(empty_database, tmp_path / "store").uri, tmp_path / "run")
    try:
        driver = window(process).open().click("Launch wine demo")
        expect(driver.page).to_have_url(re.compile(r"/launch\?.*job="))
        for _ in range(60):
            driver.visit("Overview")
            if driver.page.get_by_role("button", name="Compare runs").count():
                break
            driver.page.wait_for_timeout(1000)
        driver.click("Compare runs")
        expect(driver.page.get_by_role("heading", level=1)).to_have_text("Compare")
    finally:
        process.stop()
