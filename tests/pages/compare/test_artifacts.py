"""Compare's Artifacts and Differences plots, and the file browser shared with other pages."""

import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from lib.backends.mlflow_client import client
from lib.runs.artifacts.local_files import folder_of_uri
from lib.ui.components import error_box
from tests.support.compare_page import EVIL, page_text, query_values
from tests.support.run_factories import log_files, log_model, log_run, make_experiment


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def forests(fresh_store, tmp_path):
    """Three runs with files: (experiment id, run ids). The third has other files, all have a model."""
    experiment = make_experiment(fresh_store, "wine")
    ids = []
    for n, color in enumerate(("red", "blue", "red")):
        run_id = log_run(
            fresh_store,
            experiment,
            f"forest-{n}",
            params={"trees": n, "kind": "forest"},
            metrics={"accuracy": n / 10, "log loss": n / 10},
            tags={"team": f"t{n}"},
            minute=n,
            model=False,
        )
        files = {"roc.png": png(color), "report.json": f'{{"n": {n}, "same": 1}}'.encode(), "same.txt": b"always\n"}
        log_files(fresh_store, run_id, tmp_path / f"files-{n}", files | ({"only.txt": b"x"} if n == 2 else {}))
        log_model(fresh_store, experiment, run_id, tmp_path / f"model-{n}", {"MLmodel": f"run: {n}\n".encode()})
        ids.append(run_id)
    return experiment, ids


def open_plot(app, store, experiment: str, plot: str, **query) -> AppTest:
    return app("compare", store, experiment=experiment, plot=plot, **query)


def image_count(page) -> int:
    return len(page.get("image"))


def difference_cells(page):
    """Return the cells of the differences table by row name."""
    table = next(dataframe.value for dataframe in page.dataframe if "kind" in dataframe.value)
    return {row["name"]: row.drop(["name", "kind"]).tolist() for _, row in table.iterrows()}


# ---- artifacts


def test_without_picks_the_best_two_are_compared_and_pictures_stand_beside_each_other(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts")
    assert page.selectbox(key="compare.path").value == "roc.png"
    assert image_count(page) == 2
    assert "Showing the best two." in page_text(page)
    assert "PNG image" in page_text(page)


def test_json_is_told_by_what_changed_between_the_picked_runs(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts", path="report.json", pick=forests[1])
    diffs = [code.value for code in page.code if code.value.startswith("@@")]
    assert len(diffs) == 2
    assert '-  "n": 0,' in diffs[0]
    assert '+  "n": 1,' in diffs[0]
    assert '+  "n": 2,' in diffs[1]
    assert "1 line only in A (−), 1 only in B (+)" in page_text(page).replace("\u00a0", " ")


def test_whole_files_and_unchanged_lines_are_a_switch_away_and_stay_in_the_link(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts", path="report.json", pick=forests[1][:2])
    page.toggle(key="compare.mark.beside").set_value(True).run()
    assert query_values(page, "mark") == ["beside"]
    assert sum('"n"' in code.value for code in page.code) == 2
    page.toggle(key="compare.mark.beside").set_value(False).run()
    assert query_values(page, "mark") == []


def test_the_same_file_is_shown_once(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts", path="same.txt", pick=forests[1])
    assert "Identical in A, B and C, byte for byte." in page_text(page)
    assert [code.value for code in page.code].count("always") == 1


def test_files_of_models_are_compared_by_the_models_name(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts", pick=forests[1][:2])
    assert "MLmodel · model forest" in page.selectbox(key="compare.path").options
    page.selectbox(key="compare.path").select("models:/forest/MLmodel").run()
    assert query_values(page, "path") == ["models:/forest/MLmodel"]
    assert "-run: 0\n+run: 1" in " ".join(code.value for code in page.code)


def test_a_file_that_only_one_has_is_listed_and_a_wrong_path_is_told(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Artifacts", path="../../mlflow.db", pick=forests[1])
    assert any("only&#46;txt" in str(table.value.values) for table in page.table)
    assert "No two of these runs have the file" in page_text(page)


@pytest.mark.parametrize("number", [0, 1])
def test_artifacts_and_differences_say_what_they_need(app, fresh_store, number):
    experiment = make_experiment(fresh_store, "lonely")
    for n in range(number + 1):
        log_run(fresh_store, experiment, f"r{n}", model=False)
    page = open_plot(app, fresh_store, experiment, "Artifacts")
    assert ("Pick two runs" if not number else "No common file") in page_text(page)
    page = open_plot(app, fresh_store, experiment, "Differences")
    assert ("Two runs are needed" if not number else "No differences") in page_text(page)


def test_files_that_cannot_be_reached_are_told_for_that_run_only(app, fresh_store, forests):
    import sqlite3

    with sqlite3.connect(fresh_store.path) as db:
        db.execute("update runs set artifact_uri = 'mlflow-artifacts:/1/x/artifacts' where run_uuid = ?", (forests[1][0],))
    page = open_plot(app, fresh_store, forests[0], "Artifacts", path="report.json", pick=forests[1])
    assert "bare database" in page_text(page)
    assert '-  "n": 1,' in " ".join(code.value for code in page.code)


def test_hostile_files_are_shown_as_source_or_refused(app, fresh_store, forests, tmp_path):
    assert len(forests[1]) >= 2
    for n, run_id in enumerate(forests[1]):
        hostile_files = {
            f"{EVIL.replace('/', '∕')}.html": f"<script>alert({n})</script>".encode(),
            "bomb.json": b"[" * (50_000 + n),
            "big.bin": b"",
        }
        log_files(fresh_store, run_id, tmp_path / f"evil-{n}", hostile_files)
        folder = folder_of_uri(client(fresh_store).get_run(run_id).info.artifact_uri)
        with (folder / "big.bin").open("wb") as sparse:
            sparse.truncate(2_000_000_000)
    for path, text in ((f"{EVIL.replace('/', '∕')}.html", "alert(1)"), ("bomb.json", "[[["), ("big.bin", "2,000")):
        page = open_plot(app, fresh_store, forests[0], "Artifacts", path=path, pick=forests[1][:2])
        assert page.selectbox(key="compare.path").value == path
        assert text in (page_text(page) + " ".join(code.value for code in page.code)).replace("&#44;", ",")
        assert "![x]" not in page_text(page)
        assert not page.get("iframe")


# ---- differences


def test_picked_runs_are_compared_with_the_first_one_with_sign_and_word(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Differences", pick=forests[1][1:])
    rows = {name: [cell.replace("\u00a0", " ") for cell in cells] for name, cells in difference_cells(page).items()}
    assert rows["accuracy ↑"] == ["0.1000", "0.2000 (+0.1000) better"]
    assert rows["log loss ↓"] == ["0.1000", "0.2000 (+0.1000) worse"]
    assert rows["All metrics"] == ["", "1 better, 1 worse"]
    assert (rows["trees"], rows["team"]) == (["1", "2"], ["t1", "t2"])
    assert "kind" not in rows
    assert "Each run is compared with B forest" in page_text(page) or "Each run is compared with A forest" in page_text(page)


def test_the_baseline_and_both_switches_stay_in_the_link(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Differences", pick=forests[1])
    page.selectbox(key="compare.base").select(forests[1][2]).run()
    assert query_values(page, "base") == [forests[1][2]]
    page.toggle(key="compare.mark.all").set_value(True).run()
    assert difference_cells(page)["kind"] == ["forest"] * 3
    page.toggle(key="compare.mark.transposed").set_value(True).run()
    assert sorted(query_values(page, "mark")) == ["all", "transposed"]
    by_run = next(dataframe.value for dataframe in page.dataframe if "run" in dataframe.value)
    assert by_run["run"].tolist() == ["C forest-2 · baseline", "A forest-0", "B forest-1"]


def test_a_link_with_an_unknown_baseline_falls_back_to_the_first(app, fresh_store, forests):
    page = open_plot(app, fresh_store, forests[0], "Differences", pick=forests[1], base="gone", mark=["nonsense"])
    assert page.selectbox(key="compare.base").value == forests[1][0]


def test_runs_of_one_name_and_hostile_names_stay_apart_and_harmless(app, fresh_store):
    experiment = make_experiment(fresh_store, "twins")
    ids = [log_run(fresh_store, experiment, EVIL, metrics={"m": n}, tags={EVIL: n}, model=False) for n in range(3)]
    page = open_plot(app, fresh_store, experiment, "Differences", pick=ids)
    assert len(set(page.selectbox(key="compare.base").options)) == 3
    assert "![x]" not in page_text(page)


def test_two_long_names_or_values_that_begin_and_end_alike_stay_two(app, fresh_store):
    experiment = make_experiment(fresh_store, "long")
    long = "a very long name that shares its beginning {} and its end with another one"
    for n in "xy":
        params = {long.format(letter): long.format(n + letter) for letter in "ab"}
        log_run(fresh_store, experiment, f"r{n}", params=params, model=False)
    rows = difference_cells(open_plot(app, fresh_store, experiment, "Differences"))
    assert len(rows) == 2
    assert all(len(set(cells)) == 2 for cells in rows.values())


# ---- file browser


def file_browser_page(uri: str, location_uri: str) -> None:
    from lib.backends.backend import Backend
    from lib.runs.artifacts.files import ArtifactLocation
    from lib.ui.components.artifact_browser import show_file_browser

    show_file_browser(Backend(uri, "sqlite"), ArtifactLocation(location_uri, run_id="x"), "run.files")


@pytest.fixture
def open_folder(clean_session, fresh_store, tmp_path):
    """Return a function that shows a folder in the file browser."""

    def open_files(folder, path: str = "") -> AppTest:
        page = AppTest.from_function(file_browser_page, args=(fresh_store.uri, str(folder)), default_timeout=60)
        page.session_state["run.files.path"] = path
        return page.run()

    return open_files


def test_the_tree_shows_folders_models_and_sizes_and_opens_on_the_first_file(open_folder, tmp_path):
    folder = tmp_path / "files"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "MLmodel").write_text("flavors: {}")
    (folder / "notes.txt").write_text("hello")
    page = open_folder(folder)
    assert not page.exception
    rows = page.dataframe[0].value.values.tolist()
    assert [[cell.strip("\u00a0") for cell in row] for row in rows] == [
        ["model/ (model)", ""],
        ["MLmodel", "11\u00a0B"],
        ["notes.txt", "5\u00a0B"],
    ]
    assert "hello" in [code.value for code in page.code]
    page = open_folder(folder, "model/MLmodel")
    assert "Model description" in page_text(page)
    assert "not loaded" in page_text(page)


def test_a_folder_can_be_opened_and_left(open_folder, tmp_path):
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("in the deep")
    (folder / "b.txt").write_text("above")
    page = open_folder(folder, "deep")
    page.button(key="run.files.open").click().run()
    assert len(page.dataframe[0].value) == 1
    assert "in the deep" in " ".join(code.value for code in page.code)
    page.button(key="run.files.back").click().run()
    assert len(page.dataframe[0].value) == 3


def test_an_empty_place_a_missing_one_and_a_foreign_one_are_told_calmly(open_folder, tmp_path, monkeypatch):
    (tmp_path / "void").mkdir()
    assert "No files" in page_text(open_folder(tmp_path / "void"))
    assert "No files" in page_text(open_folder(tmp_path / "nowhere"))
    monkeypatch.setattr(error_box, "page_link", lambda *_, **__: None)  # there is no other page to link to
    page = open_folder("mlflow-artifacts:/1/x")
    assert not page.exception
    assert "bare database" in page_text(page)


def test_names_and_contents_of_files_stay_text(open_folder, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "![x](http:evil) :green-badge[ok].svg").write_text('<svg onload="alert(1)">')
    page = open_folder(folder)
    assert "![x]" not in page_text(page)
    assert "never rendered" in page_text(page)


def test_a_file_too_large_to_show_is_still_offered_for_download(open_folder, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    with (folder / "large.bin").open("wb") as sparse:
        sparse.truncate(20_000_000)
    page = open_folder(folder)
    assert "exceeds 10.0 MB. Download it" in page_text(page).replace("\u00a0", " ").replace("&#46;", ".")
    assert len(page.get("download_button")) == 1
    folder = tmp_path / "others"
    folder.mkdir()
    with (folder / "large.bin").open("wb") as sparse:
        sparse.truncate(2_000_000_000)
    page = open_folder(folder)
    assert "with the MLflow client" in page_text(page)
    assert not page.get("download_button")
