"""Measure a model by the paper's protocol, as far as synthetic people and your own videos allow.

    python -m reenact.evaluate people --to TEST                      # once: render the test people
    python -m reenact.evaluate witness --people DIR --to FILE        # once: who looks at the pictures
    python -m reenact.evaluate model [FOLDER] --people TEST --witness FILE [--against FOLDER]
        [--drivers DIR --mesh PYTHON SCRIPT] [--lpips FILE] [--fid FILE] [--fvd FILE] [--json FILE] [--sheets DIR]

See docs/evaluation.md for what each figure means.
"""

import argparse
import json
import os
import sys
from datetime import date
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

import reenact
from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.evaluate import drivers, material, report
from reenact.evaluate.measure import Means, measure
from reenact.evaluate.model import Model, load_model
from reenact.evaluate.perceptual import Features
from reenact.evaluate.sheets import write_sheets
from reenact.evaluate.witness import load_witness, save_witness
from reenact.evaluate.witness_training import load_school, train_witness, trust

STARTER = Path(reenact.__file__).parent / "starter"


def render_people(options: argparse.Namespace) -> None:
    """The command `people`."""
    console = Console(stderr=True)
    with Progress(console=console) as bar:
        task = bar.add_task("clips", total=2 * material.PEOPLE + material.SPEAKERS)
        for done in material.render_material(options.to, options.workers, console.print):
            bar.update(task, completed=done)


def teach_witness(options: argparse.Namespace) -> None:
    """The command `witness`."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("decoding", total=1.0)
        school = load_school(options.people, lambda share: bar.advance(task, share))
        task = bar.add_task("training", total=1.0)

        def tell(spent: float, losses: str) -> None:
            bar.update(task, completed=spent, description=f"training  {losses}")

        witness = train_witness(school, options.minutes, tell)
    info = {"people": len(set(school.person.tolist())), "minutes": options.minutes}
    save_witness(witness, options.to, info)


def measure_models(options: argparse.Namespace) -> None:
    """The command `model`."""
    means = means_of(options)
    models = [load_model(folder) for folder in [options.model, *options.against]]
    for model in models:
        check_size(model, means.material)
    console = Console(stderr=True)
    figures = []
    for model in models:
        with console.status("") as status:
            tell = lambda words, m=model, s=status: s.update(f"{m.folder}: {words}")  # noqa: E731
            figures.append(measure(model, means, tell))
    known = trust(means.witness, means.material)
    names = names_of(models)
    print(f"{report.table(names, figures)}\n\n{report.witness(known)}")
    if options.json:
        write_json(options.json, known, dict(zip(names, figures, strict=True)))
    if options.sheets:
        write_sheets(models[0], means, options.sheets)


def means_of(options: argparse.Namespace) -> Means:
    """Test people, witness, networks and drivers, or a UserError before anything is measured."""
    if bool(options.drivers) != bool(options.mesh):
        raise UserError("real drivers need both --drivers DIR and --mesh PYTHON SCRIPT")
    given = {name: getattr(options, name) for name in ("lpips", "fid", "fvd")}
    return Means(
        material.load_material(options.people),
        load_witness(options.witness)[0],
        {name: Features(file) for name, file in given.items() if file},
        tuple(drivers.find_drivers(options.drivers)) if options.drivers else (),
        drivers.Mesh(*options.mesh) if options.mesh else None,
        options.avatars,
    )


def names_of(models: list[Model]) -> list[str]:
    """What the columns are called: the folders' names, or their paths where these are alike."""
    names = [model.folder.resolve().name for model in models]
    return names if len(set(names)) == len(names) else [str(model.folder) for model in models]


def check_size(model: Model, people: material.Material) -> None:
    """Raises UserError where a model draws pictures of another size than the test people's."""
    drawn, size = model.puppeteer.dims.resolution, people.portraits.size
    if drawn != size:
        raise UserError(
            f"{model.folder} draws {drawn} px and the test people have {size} px; "
            f"only models of {size} px can be measured"
        )


def write_json(file: Path, witness: dict[str, float], figures: dict[str, object]) -> None:
    """Write all figures; UserError where that fails."""
    found = {"date": date.today().isoformat(), "witness": witness, "models": figures}
    try:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {file} ({error}); choose another --json") from error


def parser() -> CommandLine:
    """The command line."""
    commands = CommandLine(
        prog="python -m reenact.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = commands.add_subparsers(dest="action", required=True)
    people = actions.add_parser("people", help="render the test people")
    people.add_argument("--to", type=Path, required=True, metavar="DIR")
    people.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    people.set_defaults(run=render_people)
    witness = actions.add_parser("witness", help="train who looks at the pictures")
    witness.add_argument(
        "--people",
        type=Path,
        required=True,
        metavar="DIR",
        help="data set of thousands, not the test people",
    )
    witness.add_argument("--to", type=Path, required=True, metavar="FILE")
    witness.add_argument("--minutes", type=float, default=10, help="of one core (default: 10)")
    witness.set_defaults(run=teach_witness)
    _add_model(actions.add_parser("model", help="measure a model"))
    return commands


def _add_model(model: argparse.ArgumentParser) -> None:
    add = model.add_argument
    model.set_defaults(run=measure_models)
    add(
        "model",
        type=Path,
        nargs="?",
        default=STARTER,
        metavar="FOLDER",
        help="the model (default: the starter)",
    )
    add("--people", type=Path, required=True, metavar="DIR", help="the test people")
    add("--witness", type=Path, required=True, metavar="FILE")
    add(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="another model, a second column",
    )
    add("--drivers", type=Path, metavar="DIR", help="videos of real drivers")
    add(
        "--mesh",
        type=Path,
        nargs=2,
        metavar=("PYTHON", "SCRIPT"),
        help="the face mesh that follows them",
    )
    add(
        "--avatars",
        type=int,
        default=3,
        metavar="N",
        help="so many are driven by them (default: 3)",
    )
    for name in ("lpips", "fid", "fvd"):
        add(f"--{name}", type=Path, metavar="FILE", help=f"TorchScript network of {name.upper()}")
    add("--json", type=Path, metavar="FILE", help="all figures")
    add("--sheets", type=Path, metavar="DIR", help="sheets of pictures of the first model")


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    options = parser().parse_args()
    torch.set_num_threads(1)  # two threads of one process fight for the cores
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
