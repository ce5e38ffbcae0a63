"""Which of the disks that a power cut may leave are started."""
import random

from recording import outcome_text

# A store of which 8 bytes are there has its checksum, and little of what that is for. (Most of the first sector would
# be a whole store.)
TORN_STORE = "t0.8-"

# For `make replay`: the epochs' names and what is left of each. The boot loader's store is 32 writes, one a sector.
MOMENTS = {
    "ab-recovery": [
        ("mark", "none"), ("mark", TORN_STORE), ("mark", "all"),
        ("record of the mark", "t3.100"),
        ("pending", "t1.100"),
        ("journal begin", "t0.70"),
        ("boot_a", "t0.100-"), ("boot_a", "only last"), ("boot_a", "all"),
        ("system_a", "middle"), ("system_a", "only last"), ("system_a", "all but first"), ("system_a", "all"),
        ("journal verified", "all"),
        ("record of the flip", "t0.100"),
        ("flip", TORN_STORE), ("flip", "all"),
        ("try", TORN_STORE), ("try", "only last"),
        ("confirm", TORN_STORE), ("confirm", "all"),
        ("record of the floor", "all"),
    ],
    "single-recovery": [
        ("mark", TORN_STORE), ("mark", "all"),
        ("journal begin", "g0"),
        ("boot_a", "middle"),
        ("journal progress", "t0.100"),
        ("system_a", "all but first"), ("system_a", "odd"),
        ("journal written", "all"),
        ("flip", TORN_STORE), ("flip", "g0"), ("flip", "all"),
        ("confirm", TORN_STORE), ("record of the floor", "t0.100"),
    ],
    "ab-running": [
        ("mark", TORN_STORE), ("system_a", "middle"), ("flip", "none"), ("flip", TORN_STORE), ("flip", "all"),
        ("try", TORN_STORE),
    ],
}
# Without the stick, the menu brings the other system back.
ALONE = ("ab-recovery", "system_a", "middle")
# A medium that was told to flush these writes, and forgot them: no promise holds for it, and the judge has to see it.
IMPOSSIBLE = [("ab-running", "system_a", "middle", ["mark"]), ("single-recovery", "flip", "all", ["system_a"])]
# Of 16 disks, these go on to the end, or with nobody there.
WAYS = {1: ("end",), 5: ("end",), 9: ("end", "unattended"), 13: ("end",), 15: ("unattended",)}
SPREAD = 4      # disks more, chosen by the seed


class Case:
    """ways: "end" (it goes on until the new system has confirmed itself), "unattended" (nobody presses a key), "alone"
    (the stick is lost too); forgotten: see IMPOSSIBLE."""

    def __init__(self, recording, number, outcome, ways=(), forgotten=()):
        self.recording, self.number, self.forgotten = recording, number, forgotten
        self.outcome = outcome_text(recording.epochs[number].parse(outcome))
        self.epoch = recording.epochs[number]
        self.name = ":".join([recording.name, str(number), self.outcome] + list(ways) +
                             ["without-" + f for f in forgotten])
        self.alone, self.to_the_end, self.unattended = (w in ways for w in ("alone", "end", "unattended"))

    def where(self):
        return "in '%s'" % self.epoch.name

    def disk(self, target):
        return self.recording.disk(target, self.number, self.outcome, self.forgotten)


def by_name(recordings, name):
    """The case of this name, as it is told for one that failed."""
    scenario, number, outcome, *more = name.split(":")
    if scenario not in recordings:
        raise SystemExit("%s: only %s were recorded" % (name, ", ".join(recordings)))
    return Case(recordings[scenario], int(number), outcome, [w for w in more if not w.startswith("without-")],
                [w[len("without-"):] for w in more if w.startswith("without-")])


def words(epoch, outcome):
    """The words of an outcome, or of one of the names below."""
    n = len(epoch.writes)
    half = [w.sectors // 2 for w in epoch.writes]
    named = {
        "all": ["+"] * n,
        "none": ["-"] * n,
        "only first": ["+"] + ["-"] * (n - 1),
        "only last": ["-"] * (n - 1) + ["+"],
        "all but first": ["-"] + ["+"] * (n - 1),
        "all but last": ["+"] * (n - 1) + ["-"],
        "odd": ["+-"[i % 2] for i in range(n)],
        "even": ["-+"[i % 2] for i in range(n)],
        # Half of the writes, and half of the next one to the middle of a sector.
        "middle": ["+"] * (n // 2) + ["t%d.300" % half[n // 2]] + ["-"] * (n - n // 2 - 1),
    }
    return named.get(outcome) or epoch.parse(outcome)


def first_cut(recording, name, outcome):
    """What makes the disk that the first of two cuts leaves."""
    epoch = recording.epoch(name)
    return Case(recording, epoch.number, "".join(words(epoch, outcome))).disk


def sampled(recordings, seed):
    """What every run of CI starts."""
    chosen = Chosen()
    for scenario, moments in MOMENTS.items():
        for name, outcome in moments:
            chosen.add(recordings[scenario], recordings[scenario].epoch(name), outcome,
                       "%s has no epoch '%s'" % (scenario, name))
    spread(chosen, [recordings[s] for s in MOMENTS], random.Random(seed), len(chosen.cases) + SPREAD)
    chosen.add(recordings[ALONE[0]], recordings[ALONE[0]].epoch(ALONE[1]), ALONE[2],
               "%s has no epoch '%s'" % ALONE[:2], ways=("alone",))
    return chosen


def every(recordings, seed, count):
    """Every flush boundary; each write torn, alone or lost alone; and subsets until there are enough."""
    chosen = Chosen()
    flushed = [r for r in recordings.values() if r.flushes]
    for recording in flushed:
        chosen.add(recording, recording.epochs[0], "none")
        for epoch in recording.epochs:
            chosen.add(recording, epoch, "all")
    for recording in flushed:
        for epoch in recording.epochs:
            for outcome in ("only first", "only last", "all but first", "all but last", "odd", "even", "middle",
                            "t0.8-", "t0.100", "h1-", "e1-", "g0"):
                chosen.add(recording, epoch, outcome)
    rng = random.Random(seed)
    card = [r for r in recordings.values() if not r.flushes]
    for recording in card:
        # What the board's own card gets is what the disk with a cache got.
        if recording.protocol() != recordings["ab-recovery"].protocol():
            chosen.missing.append("the card gets other writes: %s" % recording.protocol())
        for _ in range(count // 12):
            number = rng.choice(rng.choice(list(runs(recording))))
            chosen.add(recording, recording.epochs[number], rng.choice(["+", "t0.%d" % rng.randrange(1, 512), "g0"]))
    spread(chosen, flushed, rng, count)
    chosen.add(recordings[ALONE[0]], recordings[ALONE[0]].epoch(ALONE[1]), ALONE[2], ways=("alone",))
    return chosen


def runs(recording):
    """Numbers of epochs next to each other that have the same name."""
    run = []
    for epoch in recording.epochs:
        if run and recording.epochs[run[-1]].name != epoch.name:
            yield run
            run = []
        run.append(epoch.number)
    yield run


def spread(chosen, recordings, rng, count):
    """Any epoch, any subset, any tear, until so many are chosen."""
    for _ in range(20 * count):
        if len(chosen.cases) >= count:
            return
        recording = rng.choice(recordings)
        epoch = rng.choice(recording.epochs)
        choose = rng.choice([lambda w: rng.choice("+-"), lambda w: torn(rng, w)])
        chosen.add(recording, epoch, "".join(choose(w) for w in epoch.writes))


def torn(rng, write):
    at = rng.randrange(write.sectors)
    return rng.choice(["+", "-", "h%d" % at, "e%d" % at, "t%d.%d" % (at, rng.randrange(1, 512)), "g%d" % at])


class Chosen:
    """Cases, none of which has the same bytes on the disk as another."""

    def __init__(self):
        self.cases, self.same, self.missing, self._known = [], 0, [], set()

    def add(self, recording, epoch, outcome, missing=None, ways=None):
        if epoch is None:
            self.missing.append(missing)
            return
        if ways is None:
            ways = WAYS.get(len(self.cases) % 16, ())
        case = Case(recording, epoch.number, "".join(words(epoch, outcome)), ways)
        identity = case.recording.identity(case.number, case.outcome) + (case.alone,)
        if identity in self._known:
            self.same += 1
            return
        self._known.add(identity)
        self.cases.append(case)


def impossible(recordings):
    cases = []
    for scenario, name, outcome, forgotten in IMPOSSIBLE:
        epoch = recordings[scenario].epoch(name)
        if epoch:
            cases.append(Case(recordings[scenario], epoch.number, "".join(words(epoch, outcome)), (), forgotten))
    return cases
