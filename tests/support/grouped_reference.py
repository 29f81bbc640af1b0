"""Grouped-kernel search written slowly and obviously: sets as tuples, one number at a time."""

from itertools import combinations


def roughness(kernel):
    """Eq. 1 on a nested list: over cells and the cells that touch them, differences of squares."""
    height = len(kernel)
    width = len(kernel[0])
    total = 0.0
    for i in range(height):
        for j in range(width):
            for k in range(i - 1, i + 2):
                for m in range(j - 1, j + 2):
                    if 0 <= k < height and 0 <= m < width:
                        total += abs(kernel[k][m] ** 2 - kernel[i][j] ** 2)
    return total


def snake(values, groups):
    """Label of each filter: by ascending value, dealt to and fro."""
    labels = [None] * len(values)
    for place, filter_ in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        row, column = divmod(place, groups)
        labels[filter_] = column if row % 2 == 0 else groups - 1 - column
    return labels


class Search:
    """One group's search; ``similarity`` and ``rough`` are nested lists, options as in Beam."""

    def __init__(
        self,
        similarity,
        rough,
        keep,
        width=4,
        check_every=1,
        alpha=0.9,
        beta='size',
        nearest=1,
        outside=True,
        by='cost',
        distinct=False,
    ):
        self.similarity = similarity
        self.rough = rough
        self.keep = keep
        self.width = width
        self.check_every = check_every
        self.alpha = alpha
        self.beta = beta
        self.outside = outside
        self.by = by
        self.distinct = distinct
        self.nearest = int(nearest) if nearest >= 1 else max(1, int(nearest * keep))
        self.frozen = None

    def balance(self, size):
        """Beta: pairs of kept ones per other one."""
        if not isinstance(self.beta, str):
            return self.beta
        value = size * (size - 1) / 2 / ((len(self.rough) - size) * self.nearest)
        if self.beta == 'first':
            self.frozen = value if self.frozen is None else self.frozen
            return self.frozen
        return value

    def inner(self, members):
        return sum(self.similarity[a][b] for a, b in combinations(members, 2))

    def cost(self, members):
        outer = 0
        for other in range(len(self.rough)):
            if other in members:
                continue
            near = sorted((self.similarity[m][other] for m in members), reverse=True)
            outer += sum(near[: self.nearest])
        return self.inner(members) - self.balance(len(members)) * outer

    def roughness_of(self, members):
        return sum(self.rough[m] for m in members)

    def next_beam(self, beam, check):
        grown = []
        for members in beam:
            others = [j for j in range(len(self.rough)) if j not in members]
            others.sort(key=lambda j: sum(self.similarity[m][j] for m in members))
            grown += [(*members, j) for j in others[: self.width]]
        if not check:
            return grown
        cost = [self.cost(members) if self.outside else self.inner(members) for members in grown]
        rough = [self.roughness_of(members) for members in grown]
        if self.distinct:
            for i, members in enumerate(grown):
                if any(set(members) == set(other) for other in grown[:i]):
                    cost[i] = rough[i] = float('inf')
        by_cost = sorted(range(len(grown)), key=cost.__getitem__, reverse=True)
        by_rough = sorted(by_cost, key=rough.__getitem__, reverse=True)
        rank_cost = {i: rank for rank, i in enumerate(by_cost)}
        rank_rough = {i: rank for rank, i in enumerate(by_rough)}
        mix = {i: self.alpha * rank_cost[i] + (1 - self.alpha) * rank_rough[i] for i in by_rough}
        return [grown[i] for i in sorted(by_rough, key=mix.__getitem__, reverse=True)[: self.width]]

    def run(self):
        """The kept ones, ascending."""
        finals = []
        for start in range(len(self.rough)):
            beam = [(start,)]
            for step in range(1, self.keep):
                beam = self.next_beam(beam, step % self.check_every == 0)
            finals += beam
        return sorted(min(finals, key=self.cost if self.by == 'cost' else self.roughness_of))


def best_score(distance, keep, beta=None):
    """The largest value of eq. 3 over all sets of that size."""
    return max(
        score(distance, members, beta) for members in combinations(range(len(distance)), keep)
    )


def score(distance, members, beta=None):
    """Eq. 3: distances within, minus beta times those of each other one to its nearest kept one."""
    others = [p for p in range(len(distance)) if p not in members]
    beta = len(members) * (len(members) - 1) / 2 / len(others) if beta is None else beta
    inner = sum(distance[a][b] for a, b in combinations(members, 2))
    outer = 0
    for other in others:
        outer += min(distance[other][member] for member in members)
    return inner - beta * outer
