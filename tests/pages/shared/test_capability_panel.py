"""Backend capabilities in the UI: the panel, and actions disabled with a reason."""

from streamlit.testing.v1 import AppTest

from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from tests.support.ledger_stores import DECISION, make_registered_model, make_trained_run, make_writer
from tests.support.limited_server import narrowed


def show_panel(capabilities):
    from lib.ui.components.capability_panel import show_capabilities

    show_capabilities(capabilities)


def panel_rows(page):
    """Return the rows of the panel's table: capability, result, reason."""
    return {row[0].split("] ", 1)[-1]: (row[1], row[2]) for row in page.table[0].value.itertuples(index=False)}


def test_the_panel_of_a_whole_backend_says_yes_to_everything(clean_session, fresh_store):
    page = AppTest.from_function(show_panel, args=(read_capabilities(fresh_store),)).run()
    assert not page.exception
    rows = panel_rows(page)
    assert {value for value, _ in list(rows.values())[:-1]} == {"yes"}
    assert rows["Characters that fit"][0].startswith("6,000 in a parameter")


def test_the_panel_gives_the_reason_and_the_way_round_and_asks_again(clean_session, mlflow_server):
    with narrowed(mlflow_server, "stages", "version") as (backend, limited_server):
        page = AppTest.from_function(show_panel, args=(read_capabilities(backend),)).run()
        rows = panel_rows(page)
        assert rows["Stages"][0] == "no"
        assert "does not support stages" in rows["Stages"][1]
        assert "podium" in rows["Stages"][1]
        assert rows["Parameters stay as they are"][0] == "not certain"
        request_count = len(limited_server.asked)
        page.button(key="capabilities.again").click().run()
        assert len(limited_server.asked) > request_count


def test_on_a_hosted_server_actions_are_disabled_for_a_reader_with_the_reason(app, mlflow_server):
    register(make_writer(mlflow_server), make_trained_run(mlflow_server), "wine-hosted")
    client(mlflow_server).set_registered_model_alias("wine-hosted", "staging", "1")
    with narrowed(mlflow_server, "writing") as (backend, _):
        assert app("launch", backend).button(key="launch.start").disabled
        page = app("models", backend, model="wine-hosted", version="1")
        move_button = page.button(key="models.promote.Production")
        assert move_button.disabled
        assert "in read experiment podium" in move_button.help
        assert "push rights" in " ".join(caption.value for caption in page.caption)


def test_a_model_is_loaded_by_its_stage_where_there_are_no_aliases(app, mlflow_server):
    with narrowed(mlflow_server, "aliases") as (backend, _):
        register(make_writer(backend), make_trained_run(backend), "wine-loaded")
        move_version(make_writer(backend), MoveRequest("wine-loaded", "1", "Production"), DECISION)
        page = app("models", backend, model="wine-loaded", version="1")
        assert "models:/wine-loaded/Production" in [code.value for code in page.code]
        assert "Follows the stage" in " ".join(caption.value for caption in page.caption)


def test_registering_is_offered_where_nothing_speaks_against_it(app, fresh_store):
    make_registered_model(fresh_store)
    assert not app("models", fresh_store).button(key="models.register").disabled
