"""Compare in a real browser: closed popovers stay in sync with the URL, and everything works by keyboard."""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import expect

from lib.runs.edit.saved_views import SavedView, save
from tests.support.run_factories import log_run, make_experiment

pytestmark = pytest.mark.browser


@pytest.fixture
def two_experiments(fresh_store):
    """Two experiments with four forests each, the first one the parent of the others: (experiment ids, run ids)."""
    experiments = [make_experiment(fresh_store, name) for name in ("wine", "cancer")]
    runs = []
    for experiment in experiments:
        for n, trees in enumerate((1, 5, 15, 40)):
            parent_kwargs = {"parent": runs[-n]} if n else {}
            runs.append(
                log_run(
                    fresh_store,
                    experiment,
                    f"forest-{trees}",
                    params={"trees": trees, "depth": n % 2, "rate": 10**n / 1000},
                    metrics={"accuracy": 0.6 + n / 10, "log loss": 0.9 - n / 10},
                    minute=n,
                    **parent_kwargs,
                )
            )
    return experiments, runs


def open_popover(driver, label: str):
    """Open the popover whose button starts with this label, and return its content."""
    driver.page.get_by_test_id("stPopover").get_by_role("button", name=re.compile(f"{label}( |:|$)")).first.click()
    driver.settle()
    return driver.page.get_by_test_id("stPopoverBody")


def close_popover(driver) -> None:
    """Close the open popover."""
    driver.page.keyboard.press("Escape")
    expect(driver.page.get_by_test_id("stPopoverBody")).to_have_count(0)
    driver.settle()


def selected_options(body, label: str) -> list[str]:
    """Return the selected options of a multiselect."""
    field = body.get_by_test_id("stMultiSelect").filter(has_text=label)
    return field.locator("[data-tag]").all_text_contents()


@pytest.mark.slow
def test_what_is_folded_away_keeps_up_with_a_view_that_was_opened_meanwhile(window, podium, fresh_store, two_experiments):
    (wine, cancer), runs = two_experiments
    query = (
        f"experiment={wine}&experiment={cancer}&facet=params.trees%3D5%7C15%7C40&facet=metrics.accuracy:0.5..0.9&since=2023-11-01&state=all"
        f"&parent={runs[0]}&columns=params.trees&columns=status&pin=status&axes=params.rate&axes=params.trees&axes=metrics.accuracy"
        "&log=-params.rate&range=params.trees:5..15"
    )
    save(fresh_store, SavedView("", wine, "kept", query, "Ana", datetime(2024, 1, 1, tzinfo=UTC)))
    start = "&facet=params.trees%3D1%7C5%7C40&columns=params.depth&axes=params.trees&axes=params.depth&log=params.rate"
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}{start}")
    for label in ("Refine", "Columns", "More", "Axes", "Ranges"):
        open_popover(driver, label)
        close_popover(driver)
    open_popover(driver, "Views").get_by_role("button", name="Open").click()
    driver.settle()
    if driver.page.get_by_test_id("stPopoverBody").count():
        close_popover(driver)
    assert driver.query() == parse_qs(query)
    driver.click("Highest")  # one more rerun: session_state changes from the previous one are no longer sent to the browser
    expected_query = driver.query()
    body = open_popover(driver, "Refine")
    expect(body.get_by_role("radio", name="Both")).to_be_checked()
    assert [text.split("\u00a0")[0] for text in selected_options(body, "trees is")] == ["5 (2", "15 (2", "40 (2"]
    assert body.get_by_label("accuracy ↑ from").input_value() == "0.5"
    assert "2023" in body.get_by_test_id("stDateInput").first.locator("input").input_value()
    close_popover(driver)
    body = open_popover(driver, "Columns")
    assert [text.split(" ")[0] for text in selected_options(body, "Columns")] == ["trees", "status"]
    assert selected_options(body, "Pin on the left") == ["status (fact)"]
    close_popover(driver)
    assert sorted(selected_options(open_popover(driver, "More"), "Experiments")) == ["cancer", "wine"]
    close_popover(driver)
    assert driver.query() == expected_query
    assert selected_options(open_popover(driver, "Axes"), "Axes") == ["rate", "trees", "accuracy"]
    close_popover(driver)
    open_popover(driver, "Ranges")
    sliders = driver.page.get_by_test_id("stPopoverBody").get_by_role("slider")
    expect(sliders).to_have_count(6)
    assert [slider.get_attribute("aria-valuetext") for slider in sliders.all()] == ["0.01", "1", "5", "15", "0.7000", "0.9000"]
    close_popover(driver)
    assert driver.query() == expected_query


@pytest.mark.slow
def test_a_chip_that_was_taken_away_does_not_come_back_when_its_popover_is_opened_again(
    window, podium, fresh_store, two_experiments
):
    (wine, _), _ = two_experiments
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}&facet=params.trees%3D1%7C5%7C15")
    open_popover(driver, "Refine")
    close_popover(driver)
    driver.page.get_by_role("button", name=re.compile("trees is 1 or 5 or 15")).click()
    driver.settle()
    driver.click("Highest")
    open_popover(driver, "Refine")
    close_popover(driver)
    assert "facet" not in driver.query()


def tab_to(driver, selector: str, max_steps: int = 80) -> None:
    """Press Tab until an element with this selector has the focus."""
    for _ in range(max_steps):
        driver.page.keyboard.press("Tab")
        if driver.page.evaluate("wanted => !!document.activeElement?.closest(wanted)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_alone_filters_looks_and_picks(window, podium, fresh_store, two_experiments, scheme):
    (wine, _), runs = two_experiments
    driver = window(podium(fresh_store), scheme=scheme).open(f"/compare?experiment={wine}")
    keys = driver.page.keyboard
    tab_to(driver, ".st-key-compare-filter input")
    keys.type("metrics.accuracy > 0.65")
    keys.press("Enter")
    driver.settle()
    assert driver.query()["filter"] == ["metrics.accuracy > 0.65"]
    tab_to(driver, ".st-key-compare-plot button")
    keys.press("ArrowRight")
    keys.press("Enter")
    driver.settle()
    assert driver.query()["plot"] == ["Scatter"]
    keys.press("ArrowLeft")
    keys.press("Enter")
    driver.settle()
    assert "plot" not in driver.query() or driver.query()["plot"] == ["Parallel"]
    tab_to(driver, ".st-key-compare-drawer-ranges button")
    keys.press("Enter")
    driver.settle()
    tab_to(driver, "[data-testid=stPopoverBody] [role=slider], [data-testid=stPopoverBody] input[type=range]")
    keys.press("ArrowRight")
    driver.settle()
    keys.press("ArrowRight")
    driver.settle()
    assert len(driver.query().get("range", [])) == 1
    keys.press("Escape")
    driver.settle()
    tab_to(driver, "[class*='st-key-compare-table'] canvas")
    for key in ("Shift+Space", "ArrowDown"):  # the table receives a key only after the previous one has moved its focus
        keys.press(key)
        driver.page.wait_for_timeout(500)
    driver.page.wait_for_function("() => location.search.includes('pick=')")
    driver.settle()
    assert len(driver.query()["pick"]) == 1
    assert driver.query()["pick"][0] in runs[:4]


def test_a_cold_link_shows_exactly_what_it_says(window, podium, fresh_store, two_experiments):
    (wine, _), runs = two_experiments
    link = (
        f"experiment={wine}&filter=metrics.accuracy+%3E+0.5&facet=params.trees%3D5%7C15%7C40&plot=Scatter&x=params.rate&y=metrics.log+loss"
        f"&log=-params.rate&mark=trend&sort=metrics.log+loss&order=falling&columns=params.depth&pick={runs[2]}&pick={runs[1]}"
    )
    driver = window(podium(fresh_store)).open(f"/compare?{link}")
    assert driver.query() == parse_qs(link)
    toolbar = driver.key("compare-toolbar")
    assert toolbar.get_by_role("textbox").input_value() == "metrics.accuracy > 0.5"
    expect(driver.page.get_by_role("radio", name="Scatter")).to_be_checked()
    expect(driver.page.get_by_role("button", name=re.compile("trees is 5 or 15 or 40"))).to_be_visible()
    expect(driver.page.get_by_text("3 runs, 2 picked")).to_be_visible()
    expect(driver.page.get_by_text("A and B", exact=True)).to_be_visible()
    expect(driver.page.get_by_role("button", name="Highest")).to_be_visible()
    expect(driver.page.get_by_text("A ━", exact=True)).to_be_visible()
    assert [
        link_element.inner_text().split()[-1]
        for link_element in driver.page.get_by_test_id("stMain").get_by_test_id("stPageLink").all()
    ] == [
        "forest-15",
        "forest-5",
    ]


def test_the_keyboard_alone_filters_picks_looks_and_opens_the_run(window, podium, fresh_store, two_experiments):
    (wine, _), runs = two_experiments
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}")
    keys = driver.page.keyboard
    tab_to(driver, ".st-key-compare-filter input")
    keys.type("metrics.accuracy > 0.65")
    keys.press("Enter")
    driver.settle()
    tab_to(driver, "[class*='st-key-compare-table'] canvas")
    for key in ("Shift+Space", "ArrowDown"):  # the table receives a key only after the previous one has moved its focus
        keys.press(key)
        driver.page.wait_for_timeout(500)
    driver.page.wait_for_function("() => location.search.includes('pick=')")
    driver.settle()
    picked_ids = driver.query()["pick"]
    assert len(picked_ids) == 1
    tab_to(driver, ".st-key-compare-plot button")
    keys.press("ArrowRight")
    keys.press("Enter")
    driver.settle()
    assert driver.query()["plot"] == ["Scatter"]
    tab_to(driver, "[data-testid=stPageLink] a")
    keys.press("Enter")
    driver.page.wait_for_url("**/run?**")
    driver.settle()
    assert driver.query()["run"] == picked_ids
    name = f"forest-{(1, 5, 15, 40)[runs.index(picked_ids[0])]}"
    expect(driver.page.get_by_role("heading", level=1, name=name)).to_be_visible()


@pytest.mark.slow
def test_anywhere_along_its_line_the_pointer_reads_out_a_run(window, podium, fresh_store, two_experiments):
    (wine, _), _ = two_experiments
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}")
    areas = driver.page.locator(".st-key-compare-chart svg.marks g.mark-area path")
    expect(areas).to_have_count(4, timeout=20_000)
    point_script = """path => {
      const spot = path.getPointAtLength(path.getTotalLength() * 0.08), to = path.getScreenCTM();
      return [spot.x * to.a + to.e, spot.y * to.d + to.f];
    }"""
    x, y = areas.last.evaluate(point_script)
    driver.page.mouse.move(x - 2, y)
    driver.page.mouse.move(x, y)
    tooltip = driver.page.locator("#vg-tooltip-element")
    expect(tooltip).to_be_visible()
    assert re.search(r"forest-(1|5|15|40)\b", tooltip.inner_text())
    assert "accuracy" in tooltip.inner_text()
