"""Compare in a real browser: what is folded away keeps up with the address, and the keyboard alone is enough."""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from lib.runs.edit.saved_views import SavedView, save
from tests.support.run_factories import log_run, make_experiment

pytestmark = pytest.mark.browser


@pytest.fixture
def two(fresh_store):
    """Two experiments with four forests each, the first the parent of the others: (ids of the experiments, run ids)."""
    experiments = [make_experiment(fresh_store, name) for name in ("wine", "cancer")]
    runs = []
    for experiment in experiments:
        for n, trees in enumerate((1, 5, 15, 40)):
            above = {"parent": runs[-n]} if n else {}
            runs.append(
                log_run(
                    fresh_store,
                    experiment,
                    f"forest-{trees}",
                    params={"trees": trees, "depth": n % 2, "rate": 10**n / 1000},
                    metrics={"accuracy": 0.6 + n / 10, "log loss": 0.9 - n / 10},
                    minute=n,
                    **above,
                )
            )
    return experiments, runs


def said_by(driver) -> dict[str, list[str]]:
    """What the address in the browser says."""
    return parse_qs(urlsplit(driver.page.url).query)


def unfold(driver, label: str):
    """Open the popover whose button begins with this label, and give what is in it."""
    driver.page.get_by_test_id("stPopover").get_by_role("button", name=re.compile(f"{label}( |:|$)")).first.click()
    driver.settle()
    return driver.page.get_by_test_id("stPopoverBody")


def fold(driver) -> None:
    """Close the popover that is open."""
    driver.page.keyboard.press("Escape")
    expect(driver.page.get_by_test_id("stPopoverBody")).to_have_count(0)
    driver.settle()


def chosen_in(body, label: str) -> list[str]:
    """The texts of a multiselect's choices."""
    field = body.get_by_test_id("stMultiSelect").filter(has_text=label)
    return field.locator("[data-tag]").all_text_contents()


def test_what_is_folded_away_keeps_up_with_a_view_that_was_opened_meanwhile(window, podium, fresh_store, two):
    (wine, cancer), runs = two
    query = (
        f"experiment={wine}&experiment={cancer}&facet=params.trees%3D5%7C15%7C40&facet=metrics.accuracy:0.5..0.9&since=2023-11-01&state=all"
        f"&parent={runs[0]}&columns=params.trees&columns=status&pin=status&axes=params.rate&axes=params.trees&axes=metrics.accuracy"
        "&log=-params.rate&range=params.trees:5..15"
    )
    save(fresh_store, SavedView("", wine, "kept", query, "Ana", datetime(2024, 1, 1, tzinfo=UTC)))
    start = "&facet=params.trees%3D1%7C5%7C40&columns=params.depth&axes=params.trees&axes=params.depth&log=params.rate"
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}{start}")
    for label in ("Refine", "Columns", "More", "Axes", "Ranges"):
        unfold(driver, label)
        fold(driver)
    unfold(driver, "Views").get_by_role("button", name="Open").click()
    driver.settle()
    if driver.page.get_by_test_id("stPopoverBody").count():
        fold(driver)
    assert said_by(driver) == parse_qs(query)
    driver.click("Highest")  # one rerun more: what session_state said in the last one is no longer told to the browser
    wanted = said_by(driver)
    body = unfold(driver, "Refine")
    expect(body.get_by_role("radio", name="Both")).to_be_checked()
    assert [one.split("\u00a0")[0] for one in chosen_in(body, "trees is")] == ["5 (2", "15 (2", "40 (2"]
    assert body.get_by_label("accuracy ↑ from").input_value() == "0.5"
    assert "2023" in body.get_by_test_id("stDateInput").first.locator("input").input_value()
    fold(driver)
    body = unfold(driver, "Columns")
    assert [one.split(" ")[0] for one in chosen_in(body, "Columns")] == ["trees", "status"]
    assert chosen_in(body, "Stay at the left") == ["status (fact)"]
    fold(driver)
    assert sorted(chosen_in(unfold(driver, "More"), "Experiments")) == ["cancer", "wine"]
    fold(driver)
    assert said_by(driver) == wanted
    assert chosen_in(unfold(driver, "Axes"), "Axes") == ["rate", "trees", "accuracy"]
    fold(driver)
    unfold(driver, "Ranges")
    ends = driver.page.get_by_test_id("stPopoverBody").get_by_role("slider")
    assert [one.get_attribute("aria-valuetext") for one in ends.all()] == ["0.01", "1", "5", "15", "0.7000", "0.9000"]
    fold(driver)
    assert said_by(driver) == wanted


def test_a_chip_that_was_taken_away_does_not_come_back_when_its_popover_is_opened_again(window, podium, fresh_store, two):
    (wine, _), _ = two
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}&facet=params.trees%3D1%7C5%7C15")
    unfold(driver, "Refine")
    fold(driver)
    driver.page.get_by_role("button", name=re.compile("trees is 1 or 5 or 15")).click()
    driver.settle()
    driver.click("Highest")
    unfold(driver, "Refine")
    fold(driver)
    assert "facet" not in said_by(driver)


def tab_to(driver, wanted: str, most: int = 80) -> None:
    """Press Tab until the focus is on what this selector names."""
    for _ in range(most):
        driver.page.keyboard.press("Tab")
        if driver.page.evaluate("wanted => !!document.activeElement?.closest(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} cannot be reached with Tab")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_keyboard_alone_filters_looks_and_picks(window, podium, fresh_store, two, scheme):
    (wine, _), runs = two
    driver = window(podium(fresh_store), scheme=scheme).open(f"/compare?experiment={wine}")
    keys = driver.page.keyboard
    tab_to(driver, ".st-key-compare-filter input")
    keys.type("metrics.accuracy > 0.65")
    keys.press("Enter")
    driver.settle()
    assert said_by(driver)["filter"] == ["metrics.accuracy > 0.65"]
    tab_to(driver, ".st-key-compare-plot button")
    keys.press("ArrowRight")
    keys.press("Enter")
    driver.settle()
    assert said_by(driver)["plot"] == ["Scatter"]
    keys.press("ArrowLeft")
    keys.press("Enter")
    driver.settle()
    assert "plot" not in said_by(driver) or said_by(driver)["plot"] == ["Parallel"]
    tab_to(driver, ".st-key-compare-drawer-ranges button")
    keys.press("Enter")
    driver.settle()
    tab_to(driver, "[data-testid=stPopoverBody] [role=slider], [data-testid=stPopoverBody] input[type=range]")
    keys.press("ArrowRight")
    driver.settle()
    keys.press("ArrowRight")
    driver.settle()
    assert len(said_by(driver).get("range", [])) == 1
    keys.press("Escape")
    driver.settle()
    tab_to(driver, "[class*='st-key-compare-table'] canvas")
    for key in ("Shift+Space", "ArrowDown"):  # the table hears a key only when the one before has moved its focus
        keys.press(key)
        driver.page.wait_for_timeout(500)
    driver.page.wait_for_function("() => location.search.includes('pick=')")
    driver.settle()
    assert len(said_by(driver)["pick"]) == 1
    assert said_by(driver)["pick"][0] in runs[:4]


def test_a_cold_link_shows_exactly_what_it_says(window, podium, fresh_store, two):
    (wine, _), runs = two
    link = (
        f"experiment={wine}&filter=metrics.accuracy+%3E+0.5&facet=params.trees%3D5%7C15%7C40&plot=Scatter&x=params.rate&y=metrics.log+loss"
        f"&log=-params.rate&mark=trend&sort=metrics.log+loss&order=falling&columns=params.depth&pick={runs[2]}&pick={runs[1]}"
    )
    driver = window(podium(fresh_store)).open(f"/compare?{link}")
    assert said_by(driver) == parse_qs(link)
    toolbar = driver.key("compare-toolbar")
    assert toolbar.get_by_role("textbox").input_value() == "metrics.accuracy > 0.5"
    expect(driver.page.get_by_role("radio", name="Scatter")).to_be_checked()
    expect(driver.page.get_by_role("button", name=re.compile("trees is 5 or 15 or 40"))).to_be_visible()
    expect(driver.page.get_by_text("3 runs, 2 picked")).to_be_visible()
    expect(driver.page.get_by_text("A and B", exact=True)).to_be_visible()
    expect(driver.page.get_by_role("button", name="Highest")).to_be_visible()
    expect(driver.page.get_by_text("A ━", exact=True)).to_be_visible()
    assert [one.inner_text().split()[-1] for one in driver.page.get_by_test_id("stMain").get_by_test_id("stPageLink").all()] == [
        "forest-15",
        "forest-5",
    ]


def test_the_keyboard_alone_filters_picks_looks_and_opens_the_run(window, podium, fresh_store, two):
    (wine, _), runs = two
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}")
    keys = driver.page.keyboard
    tab_to(driver, ".st-key-compare-filter input")
    keys.type("metrics.accuracy > 0.65")
    keys.press("Enter")
    driver.settle()
    tab_to(driver, "[class*='st-key-compare-table'] canvas")
    for key in ("Shift+Space", "ArrowDown"):  # the table hears a key only when the one before has moved its focus
        keys.press(key)
        driver.page.wait_for_timeout(500)
    driver.page.wait_for_function("() => location.search.includes('pick=')")
    driver.settle()
    picked = said_by(driver)["pick"]
    assert len(picked) == 1
    tab_to(driver, ".st-key-compare-plot button")
    keys.press("ArrowRight")
    keys.press("Enter")
    driver.settle()
    assert said_by(driver)["plot"] == ["Scatter"]
    tab_to(driver, "[data-testid=stPageLink] a")
    keys.press("Enter")
    driver.page.wait_for_url("**/run?**")
    driver.settle()
    assert said_by(driver)["run"] == picked
    name = f"forest-{(1, 5, 15, 40)[runs.index(picked[0])]}"
    expect(driver.page.get_by_role("heading", level=1, name=name)).to_be_visible()


def test_anywhere_along_its_line_the_pointer_reads_out_a_run(window, podium, fresh_store, two):
    (wine, _), _ = two
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine}")
    areas = driver.page.locator(".st-key-compare-chart svg.marks g.mark-area path")
    expect(areas).to_have_count(4)
    at = """path => {
      const spot = path.getPointAtLength(path.getTotalLength() * 0.08), to = path.getScreenCTM();
      return [spot.x * to.a + to.e, spot.y * to.d + to.f];
    }"""
    x, y = areas.last.evaluate(at)
    driver.page.mouse.move(x - 2, y)
    driver.page.mouse.move(x, y)
    read = driver.page.locator("#vg-tooltip-element")
    expect(read).to_be_visible()
    assert re.search(r"forest-(1|5|15|40)\b", read.inner_text())
    assert "accuracy" in read.inner_text()
