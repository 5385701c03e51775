"""Heat maps of the errors by condition, laid out as K-Face's rig."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kface.data.layout import ACCESSORIES, CAMERAS, EXPRESSIONS, LIGHTS, Light
from kface.evaluation.conditions import LEAST_PAIRS, ByCondition, Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Sequential, and readable in grey and with colour vision deficiency.
MAP = "YlOrRd"
ABSENT = "0.88"
#: Of lights that come from one direction, left to right as seen from the camera.
DIRECTIONS = (("horizontal", -90), ("horizontal", -45), ("horizontal", 0), ("horizontal", 45), ("horizontal", 90))
VERTICAL = (("vertical", 30), ("vertical", -15))
#: Rows of a panel at most for which the numbers of pairs are shown.
MOST_LABELLED = 20
#: The highest EER that has a colour of its own.
MOST = 0.5


def plot_conditions(found: ByCondition, path: Path, heading: str = "") -> None:
    """Draw the EER by camera (yaw x pitch), light (direction x lux), accessory x expression, and these x camera.

    Args:
        found: The figures.
        path: The PNG file.
        heading: The network and the people.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17, 19), layout="constrained")
    FigureCanvasAgg(figure)
    highest = max((cell.shown.value for cell in found.cells if cell.shown is not None), default=MOST)
    scale = ScalarMappable(Normalize(0, min(max(highest, 0.05), MOST)), MAP)
    rows = figure.add_gridspec(4, 6, height_ratios=[4, 7, 6, 15])
    _cameras(figure.add_subplot(rows[0, :]), found, scale)
    _lights(figure.add_subplot(rows[1, :4]), found, scale)
    _grid(figure.add_subplot(rows[1, 4:]), found, scale, "accessory", "expression")
    _grid(figure.add_subplot(rows[2, :]), found, scale, "accessory", "camera")
    axes = figure.add_subplot(rows[3, :])
    _grid(axes, found, scale, "light", "camera")
    bar = figure.colorbar(scale, ax=figure.axes, shrink=0.4, aspect=40, pad=0.01)
    bar.set_label(f"EER in %, darker is worse; below it the number of genuine pairs; grey: fewer than {LEAST_PAIRS}")
    ticks = [tick for tick in bar.get_ticks() if scale.norm.vmin <= tick <= scale.norm.vmax]
    bar.set_ticks(ticks, labels=[f"{100 * tick:g}" for tick in ticks])
    figure.suptitle(f"Equal error rate by condition, against S001/L1/E01/C7. {heading}".strip(), fontsize=13)
    figure.savefig(path, dpi=90)


def _cameras(axes: "Axes", found: ByCondition, scale: Any) -> None:
    yaws, pitches = list(range(-90, 91, 15)), [30, 0, -15]
    cells: dict[tuple[int, int], tuple[str, Cell]] = {}
    for number, camera in CAMERAS.items():
        cells[pitches.index(camera.pitch), yaws.index(camera.yaw)] = (f"C{number}", found.find(camera=number))
    _panel(
        axes,
        (len(pitches), len(yaws)),
        cells,
        scale,
        "Cameras where they stand",
        [_degrees(yaw) for yaw in yaws],
        [f"pitch {_degrees(pitch)}" for pitch in pitches],
    )
    axes.set_xlabel("yaw")


def _lights(axes: "Axes", found: ByCondition, scale: Any) -> None:
    columns = [("all", 0), *VERTICAL, *DIRECTIONS]
    luxes = sorted({light.lux for light in LIGHTS.values()}, reverse=True)
    cells: dict[tuple[int, int], tuple[str, Cell]] = {}
    for number, light in LIGHTS.items():
        place = (luxes.index(light.lux), columns.index((light.direction, light.degrees)))
        cells[place] = (f"L{number}", found.find(light=number))
    names = ["all"] + [f"{direction}\n{_degrees(degrees)}" for direction, degrees in columns[1:]]
    _panel(
        axes,
        (len(luxes), len(columns)),
        cells,
        scale,
        "Lights by direction and lux",
        names,
        [f"{lux} lux" for lux in luxes],
    )


def _grid(axes: "Axes", found: ByCondition, scale: Any, first: str, second: str) -> None:
    tables: dict[str, list[tuple[int, str]]] = {
        "accessory": [
            (number, f"S{number:03d} {name}".replace(" and ", "\nand ")) for number, name in ACCESSORIES.items()
        ],
        "expression": [(number, f"E{number:02d}\n{name}") for number, name in EXPRESSIONS.items()],
        "light": [(number, f"L{number} {_light(light)} {light.lux} lux") for number, light in LIGHTS.items()],
        # From left to right, then those above and below.
        "camera": [
            (number, f"C{number}\n{_degrees(camera.yaw)}" + (f"\n{camera.pitch:+d}°" if camera.pitch else ""))
            for number, camera in sorted(
                CAMERAS.items(), key=lambda item: (item[1].pitch != 0, -item[1].pitch, item[1].yaw)
            )
        ],
    }
    rows, columns = tables[first], tables[second]
    cells = {
        (row, column): ("", found.find(**{first: one, second: other}))
        for row, (one, _) in enumerate(rows)
        for column, (other, _) in enumerate(columns)
    }
    _panel(
        axes,
        (len(rows), len(columns)),
        cells,
        scale,
        f"{first} x {second}".capitalize(),
        [name for _, name in columns],
        [name for _, name in rows],
    )


def _degrees(angle: int) -> str:
    return f"{angle:+d}°" if angle else "0°"


def _light(light: Light) -> str:
    return "all" if light.direction == "all" else f"{light.direction[:4]}. {_degrees(light.degrees)}"


def _panel(
    axes: "Axes",
    shape: tuple[int, int],
    cells: dict[tuple[int, int], tuple[str, Cell]],
    scale: Any,
    title: str,
    columns: list[str],
    rows: list[str],
) -> None:
    from matplotlib.colors import to_rgba

    values = np.full((*shape, 4), 1.0)
    for (row, column), (name, cell) in cells.items():
        lines = [name]
        if cell.shown is not None:
            values[row, column] = scale.to_rgba(cell.shown.value)
            # Dark cells need light text.
            colour = "white" if float(values[row, column, :3] @ [0.3, 0.59, 0.11]) < 0.5 else "black"
            lines += [f"{100 * cell.shown.value:.1f}"] + ([] if shape[0] > MOST_LABELLED else [str(cell.genuine)])
        else:
            values[row, column] = to_rgba(ABSENT)
            colour = "0.45"
            few = f"{cell.genuine} pair{'s' * (cell.genuine != 1)}" if cell.genuine else f"{cell.images} img."
            lines += [few] if cell.images else []
        shown = axes.text(
            column, row, "\n".join(filter(None, lines)), ha="center", va="center", color=colour, fontsize=7.5
        )
        # The cells' texts lie inside the axes; measuring hundreds of them would take seconds.
        shown.set_in_layout(False)
    axes.imshow(values, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title(title, fontsize=11)
    axes.set_xticks(np.arange(-0.5, shape[1]), minor=True)
    axes.set_yticks(np.arange(-0.5, shape[0]), minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
