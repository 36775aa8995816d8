"""Writes fernandez_{burst,code,conv}.csv.gz: requests of three production traces, all at once and sorted by bin.

Fernandez et al. (ACL 2025, arXiv:2504.17674, section 4.1) round every request of a trace up to a bin of prompt and
answer, leave out prompts above 8,192 and answers above 512 tokens, and answer each bin in the largest batches that fit.
Tables 1 and 2 print median and mean of prompts and answers; a lognormal law has both, and by it the requests are dealt
to the bins (prompt and answer apart: how they go together is not printed). What the law says of the printed 99th
percentiles, which it has not seen, stands beside them.
"""

import gzip
import math
from itertools import pairwise
from pathlib import Path

REQUESTS = 16_384  # of which few stand at the edges of bins, where batches mix them
PROMPTS = (32, 128, 256, 512, 1024, 2048, 4096, 8192)
ANSWERS = (8, 16, 32, 64, 128, 256, 512)
TRACES = {  # median and mean of prompts, of answers (tables 1 and 2)
    "burst": ((215, 256.80), (7, 35.10)),  # 99th: 860, printed 1,038; 455, printed 478
    "code": ((1930, 2511.28), (8, 22.69)),  # 10,419, printed 7,685; 230, printed 271
    "conv": ((928, 1631.58), (41, 105.51)),  # 10,976, printed 6,683; 1,004, printed 694
}


def shares(median: float, mean: float, bins: tuple[int, ...]) -> list[float]:
    """How much of a lognormal law lies in each bin, of what lies in all of them."""
    sigma = math.sqrt(2 * math.log(mean / median))
    below = [0.0, *(0.5 * math.erfc(math.log(median / edge) / sigma / math.sqrt(2)) for edge in bins)]
    return [(high - low) / below[-1] for low, high in pairwise(below)]


def main() -> None:
    """Writes the files beside this script."""
    for name, (prompt, answer) in TRACES.items():
        of_prompts, of_answers = shares(*prompt, PROMPTS), shares(*answer, ANSWERS)
        bins = {
            (tokens, length): REQUESTS * share * part
            for length, part in zip(ANSWERS, of_answers, strict=True)
            for tokens, share in zip(PROMPTS, of_prompts, strict=True)
        }
        counts = {bin_: int(exact) for bin_, exact in bins.items()}
        for bin_ in sorted(bins, key=lambda one: counts[one] - bins[one])[: REQUESTS - sum(counts.values())]:
            counts[bin_] += 1
        lines = ["timestamp_utc,prompt_tokens,output_tokens"]
        for (tokens, length), count in counts.items():
            lines += [f"2025-01-15T08:00:00Z,{tokens},{length}"] * count
        packed = gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)
        (Path(__file__).parent / f"fernandez_{name}.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
