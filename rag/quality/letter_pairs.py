"""How common pairs of letters are in the languages of the Latin script, and in technical English.

Counted in the first article of the Universal Declaration of Human Rights in 177 languages (half of the
weight, each language the same), Wikipedia in English, German and Spanish (a quarter), and technical guides in
English with code (a quarter). `tests.benchmarks.quality.letter_pairs` counts them anew.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# A row for each first letter, a column for each second, a to z. A digit is 6 + log2(26² * the pair's share),
# rounded, cut to 0 to 9: if all pairs were equally common, each would have a 6.
TABLE = (
    "77785576868989565989767576",
    "81158001730521600642703040",
    "70527008705501800657600040",
    "81159124833424730543714033",
    "76787575756889565998665664",
    "60016400600402700615602130",
    "75138245632416620654723330",
    "80019011813444711526733040",
    "77878675657879862888464465",
    "70006002603003620032600010",
    "80017204734323740344704140",
    "93158243833742721266724051",
    "97148211702454760054733031",
    "93788594845547743488753465",
    "46664665546779663887856453",
    "80327004721611750755602030",
    "40002000300221312001601000",
    "94569354835566830577753053",
    "82748227806443763478744043",
    "92329239931543850776834065",
    "76667554646779463877534444",
    "72117000700003620310401201",
    "81017105701214600262501010",
    "41213000610102330224302231",
    "71237020611335740244532212",
    "60006003501000600002502010",
)


@cache
def pair_scores() -> NDArray[np.int8]:
    """0 to 9 for each pair of ASCII letters, by their codes; -1 for a pair with anything else.

    A capital in the middle of a word has 0: `camelCase` has few, exchanged letters have many.
    """
    table = np.array([[int(digit) for digit in row] for row in TABLE], np.int8)
    lower, upper = slice(ord("a"), ord("z") + 1), slice(ord("A"), ord("Z") + 1)
    scores = np.full((128, 128), -1, np.int8)
    scores[lower, lower] = scores[upper, upper] = scores[upper, lower] = table
    scores[lower, upper] = 0
    return scores
