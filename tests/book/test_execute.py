"""What is stored of a chapter that has been run."""

from execute import WIDGET, tidy
from nbformat.v4 import new_code_cell, new_notebook, new_output


def stored(*outputs):
    notebook = new_notebook(cells=[new_code_cell(outputs=list(outputs))], metadata={"widgets": {}})
    tidy(notebook)
    assert "widgets" not in notebook.metadata
    return notebook.cells[0].outputs


def shown(**data):
    return new_output("execute_result", {kind.replace("_", "/"): value for kind, value in data.items()})


def test_of_a_slider_the_first_picture_is_stored():
    (output,) = stored(shown(text_html="<div>all pictures</div>", image_png="first", text_plain="<slider>"))
    assert output.data == {"image/png": "first", "text/plain": "<slider>"}


def test_of_a_live_figure_the_picture_is_stored():
    data = {WIDGET: {}, "image/png": "first", "text/plain": "<live figure>"}
    (output,) = stored(new_output("execute_result", data))
    assert output.data == {"image/png": "first", "text/plain": "<live figure>"}


def test_widgets_without_a_picture_and_progress_bars_are_left_out():
    assert stored(new_output("display_data", {WIDGET: {}, "text/plain": "IntSlider(value=0)"})) == []
    assert stored(new_output("stream", name="stderr", text="\r 10%|#")) == []


def test_what_has_no_picture_stays_as_it_is():
    table, text = stored(shown(text_html="<table>", text_plain="a table"), new_output("stream", text="10%| printed"))
    assert table.data == {"text/html": "<table>", "text/plain": "a table"}
    assert text.text == "10%| printed"
