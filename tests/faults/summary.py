"""Counts of injected faults, printed at the end of a test run."""

from dataclasses import dataclass, field


@dataclass
class Summary:
    """Counts over all tests of this folder; `lost_steps` has one entry per resumed run."""

    kills: int = 0
    kills_survived: int = 0
    lost_steps: list[int] = field(default_factory=list)
    damaged: int = 0
    detected: int = 0
    harmless: int = 0

    def add(self, other: "Summary") -> None:
        """Add the counts of another test process."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def lines(self) -> list[str]:
        """Return the summary as text lines."""
        lines = []
        if self.kills:
            worst, mean = max(self.lost_steps, default=0), sum(self.lost_steps) / max(len(self.lost_steps), 1)
            lines.append(
                f"kills: {self.kills} injected, {self.kills_survived} resumed; steps repeated: "
                f"{mean:.1f} on average, {worst} at most"
            )
        if self.damaged:
            lines.append(
                f"damaged files: {self.damaged} injected, {self.detected} detected, {self.harmless} without effect on "
                f"what is loaded, {self.damaged - self.detected - self.harmless} loaded wrongly"
            )
        return lines


SUMMARY = Summary()
