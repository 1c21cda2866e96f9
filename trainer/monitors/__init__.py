"""What a GRPO run watches beside its reward, and when that warns or stops the run; docs/monitors.md says what for.

Each monitor makes one value of a step: from the texts and what they got (`Monitor.measure`, in each process, logged as
``policy/…``), or from figures that are logged anyway. What follows from the values (`trainer.monitors.watch`) follows
from the log alone. A resumed run reads the log of its checkpoint again, and knows what it knew.
"""
