"""python -m engines build|list|check|remove: the engines that were built here, with passports."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

import reenact
from engines.built import BUILT, engines_in, remove_engine, state_of
from engines.contract import GRAPHS, graph_file
from engines.passport import OPTIONS, Passport, read_passport
from engines.tensorrt_build import WORKSPACE_MIB, build
from reenact.errors import CommandLine, UserError, exit_on_user_error

STARTER = Path(reenact.__file__).parent / "starter"
_PRODUCTS = {option: product for product, option in OPTIONS.items()}


def build_all(arguments: Namespace) -> int:
    """Build an engine from each graph of a folder that was exported."""
    found = [graph for graph in GRAPHS if (arguments.folder / f"{graph}.onnx").is_file()]
    onnx = [graph_file(arguments.folder, graph) for graph in found or GRAPHS[:1]]
    words = TextColumn("{task.description}")
    columns = (SpinnerColumn(), words, BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        built = [
            build(
                path,
                _PRODUCTS[arguments.to],
                workspace_mib=arguments.workspace,
                refit=arguments.refit,
                progress=progress,
                capabilities=arguments.capabilities.split(",") if arguments.capabilities else (),
            )
            for path in onnx
        ]
    for engine in built:
        passport = read_passport(engine)
        print(f"{engine}  {passport.engine_bytes / 1e6:.1f} MB in {passport.build_s:.1f} s")
    return 0


def list_all(arguments: Namespace) -> int:
    """Show every engine and what its passport says."""
    rows = [(engine, _passport(engine)) for engine in _engines(arguments.folders)]
    if arguments.json:
        entries = [asdict(passport) if passport else None for _, passport in rows]
        print(
            json.dumps(
                [
                    {"engine": str(row[0]), "passport": e}
                    for row, e in zip(rows, entries, strict=True)
                ]
            )
        )
        return 0
    if not rows:
        print(_nothing(arguments.folders))
    for folder in dict.fromkeys(engine.parent for engine, _ in rows):
        table = _table()
        for engine, passport in rows:
            if engine.parent == folder:
                table.add_row(engine.name.split(".")[0], *_cells(passport))
        Console(soft_wrap=True).print(f"[bold]{folder}[/bold]", table, sep="\n")
    return 0


def check_all(arguments: Namespace) -> int:
    """Say of every engine whether it may be used here, and if not why; 1 if one may not."""
    engines = list(_engines(arguments.folders))
    if not engines:
        print(_nothing(arguments.folders))
    states = [state_of(engine) for engine in engines]
    for engine, state in zip(engines, states, strict=True):
        print(f"{'good' if state.good else 'BAD '}  {engine}: {state.words}")
    return 0 if all(state.good for state in states) else 1


def remove_all(arguments: Namespace) -> int:
    """Remove engines with all that belongs to them."""
    if not arguments.what and not arguments.all and not arguments.bad:
        raise UserError("remove which? name engines or folders, or say --bad or --all")
    engines = list(_engines(arguments.what))
    if arguments.bad:
        engines = [engine for engine in engines if not state_of(engine).good]
    for engine in engines:
        print(f"removed {engine} ({remove_engine(engine) / 1e6:.1f} MB)")
    if not engines:
        print("there was nothing to remove")
    return 0


def _engines(named: list[Path]) -> Iterator[Path]:
    """The engines in folders, or themselves; by default all that are known."""
    for path in named or [BUILT, STARTER]:
        if path.is_dir():
            yield from engines_in(path)
        elif path.suffix == ".engine" and path.is_file():
            yield path
        elif named:
            raise UserError(
                f"{path} is neither a folder nor an engine; see `python -m engines list`"
            )


def _nothing(named: list[Path]) -> str:
    where = ", ".join(str(path) for path in named) or "here"
    return f"no engine was built {where}; build one: `python -m export --to tensorrt-rtx`"


def _passport(engine: Path) -> Passport | None:
    try:
        return read_passport(engine)
    except UserError:
        return None


def _table() -> Table:
    graph, product = Column("graph", no_wrap=True), Column("built with", min_width=12)
    rest = (Column("on", no_wrap=True), "runs on", "in", Column("MB", justify="right"), "parity")
    return Table(graph, product, *rest, box=None, padding=(0, 2, 0, 0), pad_edge=False)


def _cells(passport: Passport | None) -> list[str]:
    if passport is None:
        return ["no passport: see `python -m engines check`"]
    cards = passport.gpu if passport.product == "tensorrt" else "RTX"
    return [
        f"{OPTIONS[passport.product]} {passport.version}" + " (refit)" * passport.refit,
        passport.date[:10],
        f"{cards} {', '.join(passport.capabilities)}",
        passport.precision,
        f"{passport.engine_bytes / 1e6:.1f}",
        _parity(passport.parity),
    ]


def _parity(parity: Any) -> str:
    """The two numbers that `python -m export` writes down."""
    if not isinstance(parity, dict) or not {"psnr", "max_error"} <= set(parity):
        return "not stated"
    psnr = parity["psnr"]
    words = "" if psnr is None else f"{psnr:.1f} dB, "
    return f"{words}max {parity['max_error']:.2g}"


def _arguments() -> Namespace:
    parser = CommandLine("python -m engines", description=__doc__.split(": ", 1)[1])
    commands = parser.add_subparsers(required=True, metavar="build|list|check|remove")
    made = commands.add_parser("build", help="build engines from a folder of exported graphs")
    made.add_argument("folder", type=Path, help="with encode_identity.onnx and so on")
    made.add_argument("--to", required=True, choices=_PRODUCTS, help="what builds and runs them")
    made.add_argument("--refit", action="store_true", help="let weights be exchanged later")
    made.add_argument(
        "--workspace", type=int, default=WORKSPACE_MIB, metavar="MIB", help="default: %(default)s"
    )
    made.add_argument("--capabilities", metavar="LIST", help="TensorRT-RTX: e.g. 8.9,12.0")
    made.set_defaults(run=build_all)
    shown = commands.add_parser("list", help="engines with their passports")
    shown.add_argument("folders", type=Path, nargs="*")
    shown.add_argument("--json", action="store_true", help="the whole passports, for programs")
    shown.set_defaults(run=list_all)
    checked = commands.add_parser("check", help="is each valid here, and if not why")
    checked.add_argument("folders", type=Path, nargs="*")
    checked.set_defaults(run=check_all)
    removed = commands.add_parser("remove", help="remove engines and what belongs to them")
    removed.add_argument("what", type=Path, nargs="*", help="engines or folders")
    removed.add_argument("--bad", action="store_true", help="only those that `check` refuses")
    removed.add_argument("--all", action="store_true", help="all that are known")
    removed.set_defaults(run=remove_all)
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command; 0 when all went well, 1 when `check` found an engine that is not valid."""
    arguments = _arguments()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
