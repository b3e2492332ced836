"""Exercises of the chapter What helped, and what did not: what a few seeds can say."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _pooled_spread(logs: Tensor, *, lost: int | None = None) -> Tensor:
    choices, seeds = logs.shape
    residuals = logs - logs.mean(1, keepdim=True)
    lost = choices if lost is None else lost
    return (residuals.square().sum() / (choices * seeds - lost)).sqrt()


def _paired_p(a: Tensor, b: Tensor, *, strict: bool = False, sided: bool = False) -> float:
    logs = (a / b).log()
    means = torch.stack([(logs * _numbers(*signs)).mean() for signs in product((1, -1), repeat=len(logs))])
    seen = logs.mean() if sided else logs.mean().abs()
    means = means if sided else means.abs()
    extreme = means > seen + 1e-12 if strict else means >= seen - 1e-12
    return extreme.double().mean().item()


def _seeds(effect: float, spread: float, *, errors: float = 3) -> int:
    return math.ceil((errors * spread / math.log1p(effect)) ** 2)


def _logs(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


EXERCISES: dict[str, Exercise] = {
    "count-the-splits": Exercise(
        asks="a number: in how many ways eight runs can be split into four of one choice and four of the other",
        solution=lambda: math.comb(8, 4),
        cases=(Case("four seeds of each choice"),),
        mistakes={
            "that is the number for three seeds of each, which the chapter counts": lambda: math.comb(6, 3),
            "a split and its mirror image were counted as one; they are two splits": lambda: math.comb(8, 4) // 2,
            "that counts every order of the eight runs, but the order within a choice does not matter": lambda: (
                math.factorial(8)
            ),
            "that lets each run belong to either choice, also five to one and three to the other": lambda: 2**8,
        },
        hints=(
            "which four of the eight runs are given to the first choice? The rest belongs to the other",
            "the number of ways to take 4 out of 8 is math.comb(8, 4)",
        ),
    ),
    "smallest-p": Exercise(
        asks="a function of the number n of seeds of each of two choices that gives the smallest possible p",
        solution=lambda n: 2 / math.comb(2 * n, n),
        cases=tuple(Case(f"{n} seeds of each", lambda n=n: (n,)) for n in (2, 3, 4, 6)),
        mistakes={
            "the mirror image of the most extreme split is just as extreme, so that two splits count": lambda n: (
                1 / math.comb(2 * n, n)
            ),
            "that is the test with a sign for each pair of runs; here any n of the 2 n runs could have been the first "
            "choice": lambda n: 2 / 2**n,
            "the splits are counted with their order; the order within a choice does not matter": lambda n: (
                2 / math.factorial(2 * n)
            ),
        },
        hints=(
            "how many splits of 2 n runs into n and n are there?",
            "at best the split that was seen is the most extreme one, together with its mirror image",
            "2 / math.comb(2 * n, n)",
        ),
    ),
    "pooled-spread": Exercise(
        asks="a function of the logarithms of ratios, (choices, seeds), that gives the pooled spread of one of them",
        solution=_pooled_spread,
        cases=(
            Case("one choice", lambda: (_logs((1.0, 1.2, 1.1)),)),
            Case("two choices with equal means", lambda: (_logs((0.9, 1.0, 1 / 0.9), (0.8, 1.0, 1.25)),)),
            Case("two choices far apart", lambda: (_logs((0.9, 1.0, 1.1), (3.0, 3.6, 2.9)),)),
            Case("three choices of two seeds", lambda: (_logs((0.9, 1.1), (2.0, 2.2), (1.5, 1.4)),)),
        ),
        mistakes={
            "the sum of squares is divided by the number of runs; each choice has spent one of its runs on its own "
            "mean": lambda logs: _pooled_spread(logs, lost=0),
            "one is taken off the number of runs, but each choice has a mean of its own, so as many are lost as there "
            "are choices": lambda logs: _pooled_spread(logs, lost=1),
            "the mean of all runs was subtracted, so that differences between choices count as spread; subtract the "
            "mean of each choice": lambda logs: logs.std(),
            "that is the variance; the spread is its square root": lambda logs: _pooled_spread(logs).square(),
            "that is the standard error of a mean; the spread of one ratio is asked for": lambda logs: (
                _pooled_spread(logs) / math.sqrt(logs.shape[1])
            ),
        },
        hints=(
            "subtract from each row its own mean: logs.mean(1, keepdim=True)",
            "add up the squares of what is left, and divide by the number of runs less the number of choices",
            "(residuals.square().sum() / (logs.numel() - len(logs))).sqrt()",
        ),
    ),
    "seeds-needed": Exercise(
        asks="a function of the effect (0.05 for 5 %) and the spread of one log ratio that gives the number of seeds",
        solution=_seeds,
        cases=(
            Case("5 per cent", lambda: (0.05, 0.1)),
            Case("20 per cent", lambda: (0.2, 0.1)),
            Case("a factor of two", lambda: (1.0, 0.1)),
            Case("a large spread", lambda: (0.1, 0.35)),
        ),
        mistakes={
            "the standard error falls with the square root of the number of seeds, so the whole has to be "
            "squared": lambda effect, spread: math.ceil(3 * spread / math.log1p(effect)),
            "that makes the effect one standard error; three are asked for": lambda effect, spread: _seeds(
                effect, spread, errors=1
            ),
            "that is rounded down, and so many seeds are not yet enough: round up": lambda effect, spread: math.floor(
                (3 * spread / math.log1p(effect)) ** 2
            ),
            "a part of a seed cannot be run: round up with math.ceil": lambda effect, spread: (
                (3 * spread / math.log1p(effect)) ** 2
            ),
            "the spread is one of logarithms, so the effect is log(1 + effect)": lambda effect, spread: math.ceil(
                (3 * spread / effect) ** 2
            ),
        },
        hints=(
            "the standard error of a mean over n seeds is spread / sqrt(n)",
            "set three standard errors equal to log(1 + effect) and solve for n",
            "math.ceil((3 * spread / math.log1p(effect)) ** 2)",
        ),
        tolerance=1e-9,
    ),
    "paired-p": Exercise(
        asks="a function of the errors a and b of two choices, one number per seed, that gives p of the sign test",
        solution=_paired_p,
        cases=(
            Case("three seeds, all ratios above 1", lambda: (_numbers(1.2, 1.3, 1.1), _numbers(1.0, 1.0, 1.0))),
            Case("three seeds, ratios on both sides", lambda: (_numbers(1.5, 0.9, 1.1), _numbers(1.0, 1.0, 1.0))),
            Case("pairs that share their luck", lambda: (_numbers(1.1, 2.2, 4.3, 8.9), _numbers(1.0, 2.0, 4.0, 8.0))),
            Case("six seeds, all below 1", lambda: (_numbers(8, 7, 9, 6, 8, 9), _numbers(9, 9, 10, 9, 10, 11))),
        ),
        mistakes={
            "only means as large upwards are counted; one as large downwards is as extreme": lambda a, b: _paired_p(
                a, b, sided=True
            ),
            "the signs that were seen belong to the count, too: it is at least as large, not larger": lambda a, b: (
                _paired_p(a, b, strict=True)
            ),
            "that is the test which forgets the pairs and splits all runs in two": lambda a, b: _unpaired_p(a, b),
        },
        hints=(
            "the logarithm of a ratio changes its sign when the names of the two choices are exchanged",
            "itertools.product((1, -1), repeat=n) gives all 2 to the n combinations of signs",
            "the share of combinations with abs(mean(signs * logs)) >= abs(mean(logs)) - 1e-12",
        ),
    ),
    "worth-more-together": Exercise(
        asks="a function of four errors (neither part, A alone, B alone, both) that gives the factor of interaction",
        solution=lambda neither, a, b, both: (b / both) / (neither / a),
        cases=(
            Case("independent parts", lambda: (8.0, 4.0, 2.0, 1.0)),
            Case("A helps only beside B", lambda: (4.0, 4.0, 3.0, 1.0)),
            Case("either part is enough", lambda: (6.0, 2.0, 2.0, 2.0)),
            Case("A harms alone and helps beside B", lambda: (4.0, 5.0, 3.0, 1.0)),
        ),
        mistakes={
            "that is the gain of both parts together": lambda neither, a, b, both: neither / both,
            "the gain of A beside B belongs above the line, and its gain without B below": lambda neither, a, b, both: (
                (neither / a) / (b / both)
            ),
            "errors that span factors are compared by ratios, and not by differences": lambda neither, a, b, both: (
                (b - both) - (neither - a)
            ),
            "that is what A divides the error by beside B; divide it by what A divides it by alone": (
                lambda neither, a, b, both: b / both
            ),
        },
        hints=(
            "without B the part A divides the error by neither / a",
            "and beside B, where the error was b, it divides it by b / both",
            "the factor is (b / both) / (neither / a): 1 if the parts act independently",
        ),
    ),
}


def _unpaired_p(a: Tensor, b: Tensor) -> float:
    together, n = torch.cat([a, b]).log(), len(a)
    whole, seen = together.sum(), (a.log().mean() - b.log().mean()).abs()
    chosen = torch.combinations(torch.arange(2 * n), n)
    first = together[chosen].sum(1)
    return ((first - (whole - first)).abs() / n >= seen - 1e-12).double().mean().item()
