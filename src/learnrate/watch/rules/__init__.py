"""The rules, one file each: its thresholds, how it decides, and a run in which it finds something."""
