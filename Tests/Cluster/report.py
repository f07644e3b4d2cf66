"""What the checks found, by rule: nothing passes, fails or is skipped without a line."""

from collections import Counter, defaultdict


class Report:
    def __init__(self):
        self.checked = Counter()
        self.failures = defaultdict(list)
        self.skipped = defaultdict(list)
        self.order = []
        # Goes before each message; what a variant skips the tree itself has skipped.
        self.context = ""

    def _know(self, rule):
        if rule not in self.order:
            self.order.append(rule)

    def check(self, rule, holds, message):
        """Counts one check of `rule`; `message` says what is wrong when it does not hold."""
        self._know(rule)
        self.checked[rule] += 1
        if not holds:
            self.failures[rule].append(self.context + message)
        return bool(holds)

    def skip(self, rule, message):
        if self.context:
            return
        self._know(rule)
        self.skipped[rule].append(message)

    def require_checked(self, rules):
        """A rule that checked nothing and skipped nothing has itself gone wrong."""
        for rule in rules:
            self._know(rule)
            if not self.checked[rule] and not self.skipped[rule]:
                self.failures[rule].append("nothing was checked")

    def print(self, strict):
        for rule in self.order:
            bad, skips = self.failures[rule], self.skipped[rule]
            word = "FAIL" if bad or (strict and skips) else "SKIPPED" if not self.checked[rule] else "ok"
            print(f"{word:8} {rule:14} {self.checked[rule]} checked" + (f", {len(skips)} SKIPPED" if skips else ""))
            for message in bad:
                print(f"         ✗ {message}")
            for message in skips:
                print(f"         - SKIPPED: {message}")
        failed = sum(len(bad) for bad in self.failures.values())
        skips = sum(len(entries) for entries in self.skipped.values())
        print(f"cluster: {sum(self.checked.values())} checks, {failed} failed, {skips} skipped")
        return 1 if failed or (strict and skips) else 0
