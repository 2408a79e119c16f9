"""Tables in a browser whose scroll bars take room, as on most Windows and Linux machines. Playwright hides them everywhere else."""

import pytest

from tests.support.browser import FLAGS, Driver
from tests.support.ledger_stores import make_registered_model
from tests.support.run_factories import log_run, make_experiment

HIDDEN_PIXELS = """() => [...document.querySelectorAll('[data-testid=stDataFrame]')].map((table) => {
  const rows = Number(table.querySelector('[role=grid]').getAttribute('aria-rowcount')) - 1;
  return 32 + 31 * rows - table.querySelector('.dvn-scroller').clientHeight;
})"""
"""How many pixels of its rows each table of the page hides: none of ours has more rows than fit."""
BAR_PIXELS = "() => { const table = document.querySelector('.dvn-scroller'); return table.offsetHeight - table.clientHeight; }"


@pytest.mark.parametrize("width", [1440, 1280])
def test_the_last_row_of_a_table_is_not_under_its_scroll_bar(browser, browser_path, podium, fresh_store, width):
    make_registered_model(fresh_store, versions=3)
    experiment_id = make_experiment(fresh_store, "wine")
    names = [f"measure_{n:02}" for n in range(20)]
    for n in range(4):
        log_run(fresh_store, experiment_id, f"forest-{n}", params={"trees": n}, metrics=dict.fromkeys(names, n / 10))
    with browser.browser_type.launch(
        executable_path=browser_path, args=FLAGS, ignore_default_args=["--hide-scrollbars"]
    ) as window:
        page = window.new_page(viewport={"width": width, "height": 900})
        driver = Driver(page, podium(fresh_store).url)
        hidden_pixels = {}
        for path in ("/", "/models?model=wine", f"/compare?experiment={experiment_id}"):
            driver.open(path)
            page.locator("[data-testid=stDataFrame] [role=grid]").first.wait_for(state="attached")
            hidden_pixels[path] = [pixels for pixels in page.evaluate(HIDDEN_PIXELS) if pixels > 0]
        assert page.evaluate(BAR_PIXELS) > 0, "this browser's scroll bars take no room"
        assert not any(hidden_pixels.values()), hidden_pixels
        assert driver.problems == []
