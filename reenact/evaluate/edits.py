"""Does an edit change what it is called after, and leave the person alone?"""

import numpy as np

from reenact.edits import Edit
from reenact.evaluate.model import Model
from reenact.evaluate.read import Floats, Readings
from reenact.evaluate.reenactment import Numbers, ratio
from reenact.evaluate.traits import TRAITS
from reenact.evaluate.witness import Seen, Witness, distance, look

MOVED = 0.25  # standard deviations of a trait over people: less is no change that anybody sees
MOMENT = 4  # of the clip in the studio, in which all people are rendered
SHARES = {"full": 1.0, "half": 0.5}  # of the way to an edit's limits

_SPELLINGS = {
    "makeup": "make-up",
    "hair color": "hair colour",
    "hair": "hair colour",
    "skin": "skin tone",
}


def trait_of(edit: Edit) -> str | None:
    """The trait an edit is called after, "Hair_color" say; None: the witness knows no such trait."""
    name = edit.name.casefold().replace("_", " ").strip()
    name = _SPELLINGS.get(name, name)
    return name if name in TRAITS else None


def measure_edits(
    model: Model, readings: Readings, witness: Witness
) -> dict[str, dict[str, Numbers]]:
    """Each edit on every test person, from the portrait in the studio, at and half-way to its limits, see SHARES.

    moved: share of people whose trait is at least MOVED higher at the highest strength than at the lowest.
    amount: by how many standard deviations of the trait, in the mean. distance: mean identity distance from the person
    unedited, at both ends, and ratio: over that between people.
    """
    identity, deformation = readings.identity[:, 0, 0], readings.deformation[:, 0, MOMENT]
    plain = look(witness, model.render(identity, deformation))
    people = between_people(plain.identity)

    def at(edit: Edit, strength: float) -> Seen:
        changed = identity + np.float32(strength) * edit.styles
        return look(witness, model.render(changed, deformation))

    return {
        edit.name: {
            name: _measure(edit, plain, [at(edit, share * end) for end in edit.limits], people)
            for name, share in SHARES.items()
        }
        for edit in model.edits
    }


def _measure(edit: Edit, plain: Seen, ends: list[Seen], people: float) -> Numbers:
    away = float(np.mean([distance(end.identity, plain.identity) for end in ends]))
    numbers = {"distance": away, "ratio": ratio(away, people)}
    trait = trait_of(edit)
    if trait:
        column = TRAITS.index(trait)
        change = ends[1].traits[:, column] - ends[0].traits[:, column]
        numbers |= {"moved": float((change >= MOVED).mean()), "amount": float(change.mean())}
    return numbers


def between_people(identity: Floats) -> float:
    """Mean identity distance between the embeddings [P,128] of different people."""
    first, second = np.triu_indices(len(identity), 1)
    return float(distance(identity[first], identity[second]).mean())
