"""The protocols and the published test identities.

T1-T4 and Q1-Q4 are those of mixface (Jung-Jun-Uk/mixface): 370 identities for training, 30 published ones for the test, without
the dark light L7. Q1-Q4 are pairs among the test identities under the conditions of T1-T4.

The paper (Chang & Park, section 4.1) names its subset in words: high resolution, 400 identities, yaw 0, +-15, +-30 and
+-45 degrees, glasses and caps, without sunglasses, without cap and glasses together, without "some lights", 620,202
training images, verification pairs from 5 % (same person) and 5 % (different people). Which lights is our reading: 400
identities x 4 accessories x 3 expressions x 7 cameras are 33,600 images a light, so 620,202 images need 18.46 lights.
18 would give 604,800, too few; 19 give 638,400, of which 2.85 % are then not there (faces that MTCNN did not find, or
images kept for the pairs). Nineteen lights there are when a face must get at least 100 lux from all directions (L1-L5)
or at least 200 lux from one direction (L8, L9, L12, L13 and two each of the five horizontal directions): one-sided
light leaves half a face in the shade and so needs to be brighter. These 19 are the lights of :data:`PAPER`. Unlike the
paper, which does not say that its pairs show unseen people, every protocol here is split by identity.
"""

from typing import Dict, NamedTuple, Optional

from kface.data.layout import LIGHTS, Conditions
from kface.errors import ProtocolError


class Protocol(NamedTuple):
    """A selection of captures, and the number of verification pairs.

    Attributes:
        name: As for :func:`get`.
        conditions: The captures to use, of training and test identities alike.
        identities: Maximum number of identities, or None for no limit.
        pairs: Number of verification pairs, or None where `pair_fraction` gives it.
        pair_fraction: Number of genuine pairs, and of impostor pairs, as a fraction of the images.
        differ: Whether the two images of a pair differ in every condition that varies, as mixface drew Q1-Q4.
    """

    name: str
    conditions: Conditions
    identities: Optional[int] = None
    pairs: Optional[int] = None
    pair_fraction: Optional[float] = None
    differ: bool = False

    def pair_count(self, images: int) -> int:
        """Return the number of verification pairs, half of them genuine.

        Args:
            images: Number of images of the complete subset, for a protocol with a fraction.
        """
        if self.pairs is not None:
            return self.pairs
        return 2 * round((self.pair_fraction or 0.0) * images)


#: The 30 test identities that mixface published.
TEST_SUBJECTS = (
    "19062641",
    "19062811",
    "19070541",
    "19071142",
    "19071221",
    "19071732",
    "19071832",
    "19072211",
    "19072242",
    "19072612",
    "19081441",
    "19081931",
    "19082132",
    "19082641",
    "19082712",
    "19090342",
    "19090411",
    "19090531",
    "19090631",
    "19090641",
    "19091132",
    "19091631",
    "19091841",
    "19091942",
    "19092421",
    "19092431",
    "19100131",
    "19100211",
    "19100222",
    "19101012",
)

_HIGH = ["High"]
_FRONTAL = range(4, 11)


def _bright_enough(number: int) -> bool:
    light = LIGHTS[number]
    return light.lux >= (100 if light.direction == "all" else 200)


#: The paper's subset.
PAPER = Protocol(
    "paper",
    Conditions.of(
        resolutions=_HIGH,
        accessories=[1, 2, 3, 5],
        lights=[number for number in LIGHTS if _bright_enough(number)],
        expressions=[1, 2, 3],
        cameras=_FRONTAL,
    ),
    identities=400,
    pair_fraction=0.05,
)

T1 = Protocol(
    "T1",
    Conditions.of(resolutions=_HIGH, accessories=[1], lights=[1], expressions=[1], cameras=_FRONTAL),
    pairs=1000,
    differ=True,
)
T2 = Protocol(
    "T2",
    Conditions.of(
        resolutions=_HIGH,
        accessories=[1, 2],
        lights=[1, 2, 8, 12, 16, 19, 22, 25, 28],
        expressions=[1],
        cameras=_FRONTAL,
    ),
    pairs=100000,
    differ=True,
)
T3 = Protocol(
    "T3",
    Conditions.of(
        resolutions=_HIGH,
        accessories=[1, 2, 3, 4],
        lights=[1, 2, 3, 8, 9, 12, 13, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29],
        expressions=[1, 2],
        cameras=range(1, 14),
    ),
    pairs=100000,
    differ=True,
)
T4 = Protocol(
    "T4",
    Conditions.of(
        resolutions=_HIGH,
        accessories=range(1, 7),
        lights=[number for number in LIGHTS if number != 7],
        expressions=[1, 2, 3],
        cameras=range(1, 21),
    ),
    pairs=100000,
    differ=True,
)
#: Every capture of the highest resolution, L7 (no light at all) among them: for test people, whatever is trained on.
ALL = Protocol("all", Conditions.of(resolutions=_HIGH))
Q1 = T1._replace(name="Q1")
Q2 = T2._replace(name="Q2")
Q3 = T3._replace(name="Q3")
Q4 = T4._replace(name="Q4")

#: All protocols by name.
PROTOCOLS: Dict[str, Protocol] = {protocol.name: protocol for protocol in (PAPER, T1, T2, T3, T4, Q1, Q2, Q3, Q4, ALL)}


def get(name: str) -> Protocol:
    """Return a protocol by its name, in either case.

    Raises:
        ProtocolError: Unknown name; the message lists the choices.
    """
    for known, protocol in PROTOCOLS.items():
        if known.lower() == str(name).lower():
            return protocol
    raise ProtocolError("unknown protocol", name, "choose one of: {}".format(", ".join(PROTOCOLS)))
